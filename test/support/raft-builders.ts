/** Builders for the consensus core's tests: options, configurations, entries and messages with defaults. */
import { EMPTY_BYTES, encodeUtf8 } from '../../src/base/index.js';
import { configurationEntries } from '../../src/codec/index.js';
import { EntryKind, createRaft } from '../../src/raft/index.js';
import type {
  Configuration,
  Entry,
  Message,
  MessageType,
  Raft,
  RaftInitial,
  RaftOptions,
  Ready,
  TermRun,
} from '../../src/raft/index.js';

export function makeOptions(id: number, changes: Partial<RaftOptions> = {}): RaftOptions {
  return {
    id,
    electionTicks: 10,
    heartbeatTicks: 2,
    inflightMessagesMax: 64,
    inflightBytesMax: 1 << 20,
    appendBytesMax: 1 << 16,
    uncommittedBytesMax: 1 << 20,
    tailBytesMax: 1 << 20,
    committedBytesMax: 1 << 20,
    pendingReadsMax: 1000,
    eagerCommitNews: true,
    preVote: false,
    checkQuorum: false,
    suspect: false,
    promotionLagMax: 100,
    configurations: configurationEntries,
    // Replica 1 times out first, then 2, then 3.
    random: (limit) => (id - 1) % limit,
    ...changes,
  };
}

export function makeConfiguration(
  voters: readonly number[],
  changes: Partial<Configuration> = {},
): Configuration {
  const { outgoing = [], learners = [] } = changes;
  const members = [...new Set([...voters, ...outgoing, ...learners])];
  return {
    version: 1,
    highestId: Math.max(0, ...members),
    voters,
    outgoing,
    learners,
    learnersNext: [],
    autoLeave: false,
    // Replica n lives on node n.
    homes: members.map((replica) => ({ replica, node: replica })),
    ...changes,
  };
}

export function makeEntry(index: number, term: number, text = ''): Entry {
  const kind = text === '' ? EntryKind.empty : EntryKind.normal;
  return { index, term, kind, data: text === '' ? EMPTY_BYTES : encodeUtf8(text) };
}

/** Entries with these terms, from index `first` on. */
export function makeEntries(terms: readonly number[], first = 1): Entry[] {
  return terms.map((term, i) => makeEntry(first + i, term, `e${first + i}`));
}

export function runsOf(entries: readonly Entry[]): TermRun[] {
  const runs: TermRun[] = [];
  for (const entry of entries) {
    if (runs.at(-1)?.term !== entry.term) runs.push({ index: entry.index, term: entry.term });
  }
  return runs;
}

export function makeInitial(
  voters: readonly number[],
  entries: readonly Entry[] = [],
  changes: Partial<RaftInitial> = {},
): RaftInitial {
  return {
    hardState: { term: entries.at(-1)?.term ?? 0, vote: 0, commit: 0 },
    configuration: makeConfiguration(voters),
    configurationIndex: 0,
    truncatedIndex: 0,
    truncatedTerm: 0,
    lastIndex: entries.at(-1)?.index ?? 0,
    termRuns: runsOf(entries),
    appliedIndex: 0,
    ...changes,
  };
}

type Fields<T extends MessageType> = Partial<Extract<Message, { type: T }>>;

const DEFAULTS: {
  [T in MessageType]: Omit<Extract<Message, { type: T }>, 'from' | 'to' | 'term' | 'configurationVersion'>;
} = {
  append: { type: 'append', prevIndex: 0, prevTerm: 0, commit: 0, entries: [] },
  append_response: { type: 'append_response', index: 0, reject: false, hintIndex: 0, hintTerm: 0 },
  heartbeat: { type: 'heartbeat', commit: 0 },
  heartbeat_response: { type: 'heartbeat_response' },
  vote: { type: 'vote', lastIndex: 0, lastTerm: 0, pre: false, transfer: false },
  vote_response: { type: 'vote_response', pre: false, granted: true, commit: 0, commitTerm: 0 },
  read_round: { type: 'read_round', round: 1 },
  read_round_response: { type: 'read_round_response', round: 1 },
  timeout_now: { type: 'timeout_now' },
  removed: { type: 'removed' },
  suspect: { type: 'suspect' },
  snapshot: {
    type: 'snapshot',
    snapshot: { index: 1, term: 1, configuration: makeConfiguration([1, 2, 3]) },
  },
};

/** From replica 2 to replica 1 in term 1, unless told otherwise. */
export function makeMessage<T extends MessageType>(type: T, fields: Fields<T> = {}): Message {
  return { from: 2, to: 1, term: 1, configurationVersion: 1, ...DEFAULTS[type], ...fields } as Message;
}

export const MESSAGE_TYPES = Object.keys(DEFAULTS) as MessageType[];

/** Takes Readys, persists and applies them at once, until there are none; returns them. */
export function settle(raft: Raft): Ready[] {
  const readys: Ready[] = [];
  while (raft.hasReady()) {
    const ready = raft.ready();
    readys.push(ready);
    raft.onPersisted(ready.number);
    const last = ready.committed.at(-1);
    if (last) raft.onApplied(last.index);
    if (readys.length > 1000) throw new Error('Readys without end');
  }
  return readys;
}

/** All messages that leave when everything is persisted at once. */
export function sent(raft: Raft): Message[] {
  return settle(raft).flatMap((ready) => [...ready.messages, ...ready.messagesAfterPersist]);
}

export function makeFollower(
  voters: readonly number[] = [1, 2, 3],
  entries: readonly Entry[] = [],
  options: Partial<RaftOptions> = {},
  initial: Partial<RaftInitial> = {},
): Raft {
  return createRaft(makeOptions(1, options), makeInitial(voters, entries, initial));
}

/** Replica 1 as a fresh candidate whose own vote is durable; its requests were taken. */
export function makeCandidate(
  voters: readonly number[] = [1, 2, 3],
  entries: readonly Entry[] = [],
  options: Partial<RaftOptions> = {},
): Raft {
  const raft = makeFollower(voters, entries, options);
  raft.campaign();
  settle(raft);
  return raft;
}

/** Replica 1 leading a term of its own; its empty entry is durable at home and sent, and acknowledged by nobody. */
export function makeLeader(
  voters: readonly number[] = [1, 2, 3],
  entries: readonly Entry[] = [],
  options: Partial<RaftOptions> = {},
): Raft {
  const raft = makeCandidate(voters, entries, options);
  for (const id of voters) {
    if (id === 1 || raft.role === 'leader') continue;
    raft.step(makeMessage('vote_response', { from: id, term: raft.term }));
  }
  settle(raft);
  return raft;
}

/** Acknowledges everything that the leader holds, from `from`. */
export function acknowledge(raft: Raft, from: number, index = raft.lastIndex): void {
  raft.step(makeMessage('append_response', { from, term: raft.term, index }));
}
