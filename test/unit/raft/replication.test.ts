import { expect, test } from 'vitest';
import { encodeUtf8 } from '../../../src/base/index.js';
import { ENTRY_OVERHEAD_BYTES } from '../../../src/raft/entry-size.js';
import type { Message, Raft } from '../../../src/raft/index.js';
import {
  acknowledge,
  makeConfiguration,
  makeEntries,
  makeEntry,
  makeFollower,
  makeLeader,
  makeMessage,
  sent,
  settle,
} from '../../support/raft-builders.js';
import { RaftCluster } from '../../support/raft-cluster.js';

const IDS = [1, 2, 3];
type Append = Extract<Message, { type: 'append' }>;

function appendsTo(to: number, messages: readonly Message[]): Append[] {
  return messages.filter((message): message is Append => message.type === 'append' && message.to === to);
}

/** Leader whose followers hold everything. */
function makeSettledLeader(options = {}): Raft {
  const raft = makeLeader(IDS, [], options);
  for (const id of [2, 3]) acknowledge(raft, id);
  settle(raft);
  for (const id of [2, 3]) acknowledge(raft, id);
  settle(raft);
  return raft;
}

function propose(raft: Raft, ...texts: string[]): void {
  for (const text of texts) raft.propose(encodeUtf8(text));
}

test('all proposals of a turn go in one message per follower', () => {
  const raft = makeSettledLeader();
  propose(raft, 'a', 'b', 'c');
  const ready = raft.ready();
  expect(ready.messages.length).toBe(2);
  expect(appendsTo(2, ready.messages)[0]?.entries.length).toBe(3);
  expect(raft.hasReady()).toBe(false);
});

test('E33 messages are filled to the byte limit exactly; a larger entry goes alone', () => {
  const size = ENTRY_OVERHEAD_BYTES + 1;
  for (const [appendBytesMax, lengths] of [
    [2 * size, [2, 2, 1]],
    [2 * size + 1, [2, 2, 1]],
    [2 * size - 1, [1, 1, 1, 1, 1]],
    [1, [1, 1, 1, 1, 1]],
    [5 * size, [5]],
  ] as const) {
    const raft = makeSettledLeader({ appendBytesMax });
    propose(raft, 'a', 'b', 'c', 'd', 'e');
    expect(appendsTo(2, raft.ready().messages).map((append) => append.entries.length)).toEqual(lengths);
  }
});

test('the window in messages and the window in bytes hold back; an acknowledgement lets go on', () => {
  const size = ENTRY_OVERHEAD_BYTES + 1;
  for (const limits of [{ inflightMessagesMax: 2 }, { inflightBytesMax: 2 * size }]) {
    const raft = makeSettledLeader({ appendBytesMax: 1, ...limits });
    propose(raft, 'a', 'b', 'c', 'd', 'e');
    expect(appendsTo(2, raft.ready().messages).map((append) => append.prevIndex)).toEqual([1, 2]);
    acknowledge(raft, 2, 2);
    expect(appendsTo(2, raft.ready().messages).map((append) => append.prevIndex)).toEqual([3]);
  }
});

test('E30 a follower behind a full window is asked again after a heartbeat', () => {
  const raft = makeSettledLeader({ inflightMessagesMax: 1, appendBytesMax: 1 });
  propose(raft, 'a', 'b');
  settle(raft);
  raft.step(makeMessage('heartbeat_response'));
  const [nudge] = appendsTo(2, settle(raft)[0]?.messages ?? []);
  expect(nudge).toMatchObject({ prevIndex: 2, entries: [] });
  raft.step(makeMessage('append_response', { index: 2, reject: true, hintIndex: 1, hintTerm: 1 }));
  expect(appendsTo(2, sent(raft))[0]).toMatchObject({ prevIndex: 1, entries: [{ index: 2 }] });
});

test('a window that the log was compacted behind ends in a snapshot, even when it is full', () => {
  const raft = makeSettledLeader({ inflightMessagesMax: 1, appendBytesMax: 1 });
  propose(raft, 'a', 'b', 'c');
  settle(raft);
  for (const index of [2, 3, 4]) {
    acknowledge(raft, 3, index);
    settle(raft);
  }
  raft.onCompacted(4);
  raft.step(makeMessage('heartbeat_response'));
  expect(settle(raft).flatMap((ready) => ready.snapshotsWanted)).toEqual([2]);
});

test('a lost link is probed before anything more is sent', () => {
  const raft = makeSettledLeader();
  propose(raft, 'a');
  settle(raft);
  raft.onUnreachable(2);
  expect(raft.status().followers[0]).toMatchObject({
    state: 'probe',
    match: 1,
    next: 2,
    inflightMessages: 0,
  });
  propose(raft, 'b');
  propose(raft, 'c');
  expect(appendsTo(2, sent(raft)).length).toBe(1);
  propose(raft, 'd');
  expect(appendsTo(2, sent(raft)).length).toBe(0);
});

test('E28 old and repeated answers move nothing back', () => {
  const raft = makeSettledLeader();
  propose(raft, 'a', 'b');
  settle(raft);
  acknowledge(raft, 2, 3);
  settle(raft);
  const before = raft.status();
  acknowledge(raft, 2, 1);
  raft.step(makeMessage('append_response', { index: 1, reject: true, hintIndex: 0, hintTerm: 0 }));
  settle(raft);
  expect(raft.status()).toEqual(before);
});

test('E28 an old append that ends below the commit index is acknowledged up to it, and cuts nothing', () => {
  const raft = makeFollower(
    IDS,
    makeEntries([1, 1, 1, 1]),
    {},
    { hardState: { term: 1, vote: 0, commit: 3 } },
  );
  raft.step(makeMessage('append', { prevIndex: 0, entries: makeEntries([1, 1]) }));
  expect(sent(raft)).toMatchObject([{ type: 'append_response', index: 3, reject: false }]);
  raft.step(makeMessage('append', { prevIndex: 1, prevTerm: 1, entries: makeEntries([1, 1, 1, 1], 2) }));
  expect(sent(raft)).toMatchObject([{ type: 'append_response', index: 5, reject: false }]);
  expect(raft.lastIndex).toBe(5);
});

test('a commit index beyond the log is impossible, and has no effect', () => {
  const raft = makeFollower(IDS, makeEntries([1]));
  expect(raft.step(makeMessage('heartbeat', { commit: 2 }))).toBe('malformed');
  expect([raft.commit, raft.leader]).toEqual([0, 0]);
});

test('E31 uncommitted bytes are bounded; one entry always gets in, and commits make room', () => {
  const raft = makeSettledLeader({ uncommittedBytesMax: 100 });
  expect(raft.propose(new Uint8Array(500)).kind).toBe('appended');
  expect(raft.propose(new Uint8Array(1))).toMatchObject({ kind: 'dropped', reason: 'overloaded' });
  settle(raft);
  acknowledge(raft, 2);
  expect(raft.status().uncommittedBytes).toBe(0);
  const half = 50 - ENTRY_OVERHEAD_BYTES;
  expect([half, half, 0].map((bytes) => raft.propose(new Uint8Array(bytes)).kind)).toEqual([
    'appended',
    'appended',
    'dropped',
  ]);
});

test('E31 a new leader counts what it took over, so that leaders in turn do not grow the log without bound', () => {
  const raft = makeFollower(IDS, [], { uncommittedBytesMax: 100 });
  raft.step(makeMessage('append', { entries: [makeEntry(1, 1, 'x'.repeat(90))] }));
  settle(raft);
  raft.campaign();
  settle(raft);
  raft.step(makeMessage('vote_response', { term: 2 }));
  expect(raft.role).toBe('leader');
  expect(raft.propose(new Uint8Array(1))).toMatchObject({ kind: 'dropped', reason: 'overloaded' });
});

test('E34 and a refused call has changed nothing', () => {
  const follower = makeFollower(IDS, [], {}, { hardState: { term: 1, vote: 0, commit: 0 } });
  const leader = makeSettledLeader({ uncommittedBytesMax: 1, pendingReadsMax: 1 });
  propose(leader, 'x');
  leader.readIndex(1);
  for (const raft of [follower, leader]) {
    settle(raft);
    const before = raft.status();
    const refused = raft === follower ? 'not_leader' : 'overloaded';
    expect(raft.propose(encodeUtf8('y'))).toMatchObject({ kind: 'dropped', reason: refused });
    expect(raft.readIndex(2)).toMatchObject({ kind: 'dropped', reason: refused });
    expect(raft.transferLeader(raft.id)).toBe(false);
    expect(raft.transferLeader(77)).toBe(false);
    expect(raft.status()).toEqual(before);
    expect(raft.hasReady()).toBe(false);
  }
});

test('E27 a proposal is known by index and term: what takes its place after a roll-back has another term', () => {
  const raft = makeSettledLeader();
  const mine = raft.propose(encodeUtf8('mine'));
  expect(mine).toEqual({ kind: 'appended', index: 2, term: 1 });
  settle(raft);
  raft.step(
    makeMessage('append', {
      term: 2,
      prevIndex: 1,
      prevTerm: 1,
      entries: [makeEntry(2, 2, 'other')],
      commit: 2,
    }),
  );
  const applied = settle(raft).flatMap((ready) => ready.committed);
  expect(applied).toMatchObject([{ index: 2, term: 2 }]);
});

test('a leader counts itself only when its own write is done, and may commit without it', () => {
  const pair = makeLeader([1, 2]);
  const first = pair.propose(encodeUtf8('a'));
  expect(first.kind).toBe('appended');
  const ready = pair.ready();
  acknowledge(pair, 2);
  expect(pair.commit).toBe(1);
  pair.onPersisted(ready.number);
  expect(pair.commit).toBe(2);

  const three = makeSettledLeader();
  propose(three, 'a');
  const open = three.ready();
  acknowledge(three, 2);
  acknowledge(three, 3);
  expect([three.commit, three.status().persisted]).toEqual([2, 1]);
  expect(three.ready().committed).toEqual([]);
  three.onPersisted(open.number);
  expect(three.ready().committed).toMatchObject([{ index: 2 }]);
});

test('learners get everything and count for nothing', () => {
  const cluster = new RaftCluster(makeConfiguration([1, 2], { learners: [3] }));
  cluster.raft(1).campaign();
  cluster.settle();
  cluster.crash(2);
  propose(cluster.raft(1), 'a');
  cluster.settle();
  expect(cluster.raft(3).lastIndex).toBe(2);
  expect(cluster.raft(1).commit).toBe(1);
});

test('memory holds a bounded tail, and never drops what is not committed and durable', () => {
  const cluster = new RaftCluster(makeConfiguration(IDS), () => ({ tailBytesMax: 200 }));
  cluster.raft(1).campaign();
  cluster.settle();
  cluster.at(2).slow = true;
  for (let i = 0; i < 100; i++) {
    propose(cluster.raft(1), `value ${i}`);
    cluster.settle();
  }
  expect(cluster.at(1).applied.length).toBe(101);
  // Replica 2 holds all of it in memory, since its disk has nothing: it goes on at once.
  expect(cluster.raft(2).status().persisted).toBe(1);
  cluster.at(2).slow = false;
  cluster.persist(2);
  cluster.settle();
  expect(cluster.at(2).applied.length).toBe(101);
});

test('without eager news a commit sends nothing by itself: it goes with the next entries, or the heartbeat', () => {
  for (const eagerCommitNews of [true, false]) {
    const raft = makeSettledLeader({ eagerCommitNews });
    propose(raft, 'a');
    settle(raft);
    acknowledge(raft, 2);
    expect(appendsTo(2, sent(raft)).length, String(eagerCommitNews)).toBe(eagerCommitNews ? 1 : 0);
    propose(raft, 'b');
    expect(appendsTo(2, sent(raft))[0]).toMatchObject({
      commit: raft.commit,
      entries: [{ index: raft.lastIndex }],
    });
    acknowledge(raft, 2);
    settle(raft);
    for (let i = 0; i < 2; i++) raft.tick(true);
    const heartbeats = sent(raft).filter((message) => message.type === 'heartbeat' && message.to === 2);
    expect(heartbeats).toMatchObject([{ commit: raft.lastIndex }]);
  }
});
