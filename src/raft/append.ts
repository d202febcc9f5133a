/** The follower's side of replication: Raft paper, figure 2, "AppendEntries RPC, receiver implementation". */
import { assert } from '../base/index.js';
import type { LogIndex, ReplicaId } from '../base/index.js';
import { hearLeader } from './roles.js';
import type { MessageOf, RaftState } from './state.js';
import type { Entry } from './types.js';

export function handleAppend(state: RaftState, message: MessageOf<'append'>): void {
  hearLeader(state, message.from);
  if (state.options.suspect) return;
  const { log } = state;
  const { prevIndex, entries } = message;
  if (prevIndex >= log.commit && !log.matches(prevIndex, message.prevTerm)) {
    rejectAppend(state, message);
    return;
  }
  // Below the commit index the logs agree by the leader's completeness; each entry that tells is checked.
  const lastIndex = prevIndex + entries.length;
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i] as Entry;
    if (entry.index <= log.truncatedIndex) continue;
    if (entry.index > log.lastIndex || log.termAt(entry.index) !== entry.term) {
      takeEntries(state, entries, i);
      break;
    }
  }
  const agreed = Math.max(lastIndex, log.commit);
  log.commitTo(Math.min(message.commit, agreed));
  acknowledgeAppend(state, message.from, agreed);
}

/** Replaces the log from `entries[start]` on. */
function takeEntries(state: RaftState, entries: readonly Entry[], start: number): void {
  const { log } = state;
  for (let i = start; i < entries.length; i++) {
    const entry = entries[i] as Entry;
    if (i === start && entry.index <= log.lastIndex) {
      const { commit } = log;
      assert(entry.index > commit, `append conflicts at ${entry.index} with commit ${commit}`);
      log.truncateFrom(entry.index);
    }
    log.append(entry);
  }
}

/** Leaves with the Ready that hands out, or follows, every entry up to `index`: so it is durable when it is sent. */
export function acknowledgeAppend(state: RaftState, to: ReplicaId, index: LogIndex): void {
  state.outbox.messagesAfterPersist.push({
    type: 'append_response',
    from: state.id,
    to,
    term: state.term,
    configurationVersion: state.configuration.version,
    index,
    reject: false,
    hintIndex: 0,
    hintTerm: 0,
  });
}

function rejectAppend(state: RaftState, message: MessageOf<'append'>): void {
  const { log } = state;
  // The last place where the logs could agree: none with a term above the leader's there.
  const hintIndex = log.greatestUpTo(message.prevIndex, message.prevTerm);
  state.outbox.messages.push({
    type: 'append_response',
    from: state.id,
    to: message.from,
    term: state.term,
    configurationVersion: state.configuration.version,
    index: message.prevIndex,
    reject: true,
    hintIndex,
    hintTerm: log.termAt(hintIndex),
  });
}

export function handleHeartbeat(state: RaftState, message: MessageOf<'heartbeat'>): void {
  hearLeader(state, message.from);
  const { id: from, term, configuration } = state;
  const envelope = { from, to: message.from, term, configurationVersion: configuration.version };
  if (state.options.suspect) {
    state.outbox.messages.push({ type: 'suspect', ...envelope });
    return;
  }
  state.log.commitTo(message.commit);
  state.outbox.messages.push({ type: 'heartbeat_response', ...envelope });
}
