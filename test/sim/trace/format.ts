/**
 * Events of the core's tracer as the JSON lines that a trace validator of etcd's Raft model reads. Time is the event's
 * number: it only has to rise, and with a fixed width, since such files are sorted as text.
 */
import type { TracedMessage, TraceEvent } from '../../../src/raft/index.js';

const FIRST_SECOND = 1_000_000_000;
const EVENTS_PER_SECOND = 1000;

const ROLES = { follower: 'StateFollower', candidate: 'StateCandidate', leader: 'StateLeader' } as const;
const MESSAGES = {
  MsgApp: 'AppendEntriesRequest',
  MsgHeartbeat: 'AppendEntriesRequest',
  MsgAppResp: 'AppendEntriesResponse',
  MsgHeartbeatResp: 'AppendEntriesResponse',
  MsgVote: 'RequestVoteRequest',
  MsgVoteResp: 'RequestVoteResponse',
} as const;

/** Event number `count`, as one line. */
export function formatEvent(event: TraceEvent, count: number): string {
  const body = {
    name: nameOf(event),
    nid: String(event.id),
    state: { term: event.term, vote: String(event.vote), commit: event.commit },
    role: ROLES[event.role],
    log: event.lastIndex,
    conf: [event.voters.map(String), event.outgoing.map(String)],
    ...detailOf(event),
  };
  const ts = (FIRST_SECOND + count / EVENTS_PER_SECOND).toFixed(6);
  return `{"tag":"trace","ts":${ts},"event":${JSON.stringify(body)}}`;
}

function nameOf(event: TraceEvent): string {
  switch (event.name) {
    case 'Send': {
      const { type } = event.message;
      // To the model a snapshot is an append of all that it holds.
      return `Send${type === 'MsgSnap' ? 'AppendEntriesRequest' : MESSAGES[type]}`;
    }
    case 'Receive': {
      const { type } = event.message;
      return `Receive${type === 'MsgSnap' ? 'Snapshot' : MESSAGES[type]}`;
    }
    default:
      return event.name;
  }
}

function detailOf(event: TraceEvent): object {
  switch (event.name) {
    case 'Send':
      return event.progress === null
        ? { msg: messageOf(event.message) }
        : { msg: messageOf(event.message), prop: event.progress };
    case 'Receive':
      return { msg: messageOf(event.message) };
    case 'ChangeConf':
      return {
        prop: { cc: { changes: event.changes.map(({ id, action }) => ({ nid: String(id), action })) } },
      };
    case 'ApplyConfChange':
      return { prop: { cc: { newconf: event.newVoters.map(String) } } };
    default:
      return {};
  }
}

function messageOf(message: TracedMessage): object {
  const { type, term, from, to, entries, logTerm, index, commit, reject, rejectHint } = message;
  return {
    type,
    term,
    from: String(from),
    to: String(to),
    entries,
    logTerm,
    index,
    commit,
    vote: '0',
    reject,
    rejectHint,
  };
}
