/** The planted bugs do what they say, on a core that is only recorded. */
import { expect, test } from 'vitest';
import type { Message, Raft, RaftInitial, RaftOptions, Ready } from '../../../src/raft/index.js';
import { breakRaft, type BreakRule } from '../../sim/break-rules.js';

const VOTE: Message = {
  type: 'vote_response',
  from: 1,
  to: 2,
  term: 3,
  configurationVersion: 1,
  pre: false,
  granted: true,
  commit: 0,
  commitTerm: 0,
};
const ACK: Message = {
  type: 'append_response',
  from: 1,
  to: 2,
  term: 3,
  configurationVersion: 1,
  index: 4,
  reject: false,
  hintIndex: 0,
  hintTerm: 0,
};

const READY: Ready = {
  number: 7,
  mustPersist: true,
  hardState: { term: 3, vote: 2, commit: 0 },
  entries: [],
  snapshot: null,
  messages: [],
  messagesAfterPersist: [VOTE, ACK],
  committed: [],
  reads: [],
  fetches: [],
  snapshotsWanted: [],
  removedFromVersion: 0,
  roleChange: null,
};

function broken(rule: BreakRule, readys: Ready[]) {
  const persisted: number[] = [];
  const inner = {
    role: 'leader',
    commit: 9,
    leaderReady: false,
    hasReady: () => readys.length > 0,
    ready: () => readys.shift(),
    onPersisted: (number: number) => persisted.push(number),
  } as unknown as Raft;
  return { raft: breakRaft(() => inner, rule)({} as RaftOptions, {} as RaftInitial), persisted };
}

test('vote_before_persist sends the vote at once, and only the vote', () => {
  const ready = broken('vote_before_persist', [READY]).raft.ready();
  expect([ready.messages, ready.messagesAfterPersist]).toEqual([[VOTE], [ACK]]);
});

test('ack_before_fsync sends the acknowledgement at once, and only that', () => {
  const ready = broken('ack_before_fsync', [READY]).raft.ready();
  expect([ready.messages, ready.messagesAfterPersist]).toEqual([[ACK], [VOTE]]);
});

test('read_without_quorum confirms at the commit index without asking anybody', () => {
  const { raft, persisted } = broken('read_without_quorum', [READY]);
  expect(raft.leaderReady).toBe(true);
  raft.ready();
  raft.onPersisted(7);
  expect(raft.hasReady()).toBe(false);
  expect(raft.readIndex(5)).toEqual({ kind: 'accepted' });
  expect(raft.hasReady()).toBe(true);
  const ready = raft.ready();
  expect(ready.reads).toEqual([{ kind: 'confirmed', context: 5, index: 9 }]);
  // A Ready of the bug's own making is not counted by the core.
  raft.onPersisted(ready.number);
  expect(persisted).toEqual([7]);
});
