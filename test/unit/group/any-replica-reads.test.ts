/** Goal: reads that any replica may answer, and reads under a lease: what each may show, and when it must not. */
import { expect, test } from 'vitest';
import { staleReadOf, Freshness } from '../../../src/group/index.js';
import { APPLY_WAIT_MS_MAX } from '../../../src/group/read-desk.js';
import { createKv, type Kv } from '../../../src/kv/index.js';
import type { Message } from '../../../src/raft/index.js';
import { getCommand, RecordingSink, setCommand } from '../../support/loop-commands.js';
import { ReplicaUnderTest } from '../../support/loop-replica.js';
import { makeEntry } from '../../support/raft-builders.js';
import { ByteWriter, appendCommand, beginEntry, finishEntry } from '../../../src/base/index.js';

const VOTERS = [1, 2, 3];

function read(t: ReplicaUnderTest, sink: RecordingSink, token: number, key: string, freshness: number): void {
  const command = getCommand(key);
  t.replica.submitRead(command, 0, command.length, sink, token, freshness);
}

/** An entry with one command, as another leader stamped it. */
function entryOf(index: number, command: Uint8Array, stampMs = 1) {
  const w = new ByteWriter();
  beginEntry(w);
  appendCommand(w, command, 0, command.length);
  finishEntry(w, stampMs, 1);
  return { ...makeEntry(index, 1, 'x'), data: w.take() };
}

/** Follows replica 3, which has set a to 1 and b to 2; `commit` of it is known here. */
function follower(commit: number): ReplicaUnderTest {
  const t = new ReplicaUnderTest(VOTERS);
  const entries = [makeEntry(1, 1), entryOf(2, setCommand('a', '1')), entryOf(3, setCommand('a', '2'))];
  t.step('append', { from: 3, term: 1, commit, entries });
  t.settle();
  t.host.sent.length = 0;
  return t;
}

function requests(t: ReplicaUnderTest): Extract<Message, { type: 'read_request' }>[] {
  return t.host.sent.flatMap((message) => (message.type === 'read_request' ? [message] : []));
}

function answer(t: ReplicaUnderTest, index: number, context = requests(t).at(-1)?.context ?? 0): void {
  t.step('read_answer', { from: 3, term: 1, context, index, ok: true });
  t.settle();
}

test('E8 a read at a follower waits until what the leader named is applied here', () => {
  const t = follower(2);
  const sink = new RecordingSink();
  read(t, sink, 1, 'a', Freshness.follower);
  read(t, sink, 2, 'b', Freshness.follower);
  t.settle();
  expect(requests(t)).toMatchObject([{ to: 3, term: 1 }]); // one question for all reads of a turn
  answer(t, 3);
  expect(sink.take()).toEqual([]);
  t.step('heartbeat', { from: 3, term: 1, commit: 3 });
  t.settle();
  expect(sink.take()).toEqual(['1: "2"', '2: nil']);
});

test('E8 a read at a follower is refused when its leader is gone, so that it can go elsewhere', () => {
  const t = follower(3);
  const sink = new RecordingSink();
  read(t, sink, 1, 'a', Freshness.follower);
  t.settle();
  t.step('heartbeat', { from: 2, term: 2, commit: 3 });
  t.settle();
  expect(sink.take()).toEqual(['1 refused NOT_LEADER 2: get a']);
});

test('E105 a follower passes a read on that meets an item whose time is over by its own clock alone', () => {
  const t = follower(3);
  const sink = new RecordingSink();
  const entry = entryOf(4, setCommand('e', '1', 50), t.host.clock.wallMs());
  t.step('append', { from: 3, term: 1, prevIndex: 3, prevTerm: 1, commit: 4, entries: [entry] });
  t.settle();
  t.world.run(100);
  read(t, sink, 1, 'e', Freshness.follower);
  t.settle();
  answer(t, 4);
  expect(sink.take()).toEqual(['1 refused NOT_LEADER 3: get e']);
});

test('a stale read asks first, and then what is known serves until it is too old', () => {
  const t = follower(2);
  const sink = new RecordingSink();
  read(t, sink, 1, 'a', staleReadOf(100));
  t.settle();
  expect(requests(t)).toHaveLength(1);
  t.world.run(30); // its answer is as of the question, not of the answer
  answer(t, 2);
  expect(sink.take()).toEqual(['1: "1"']);
  t.world.run(20);
  read(t, sink, 2, 'a', staleReadOf(100));
  t.settle();
  expect(sink.take()).toEqual(['2: "1"']);
  expect(requests(t)).toHaveLength(1);
  // Past half of the bound it is answered, and the index asked anew.
  t.world.run(40);
  read(t, sink, 3, 'a', staleReadOf(100));
  t.settle();
  expect(sink.take()).toEqual(['3: "1"']);
  expect(requests(t)).toHaveLength(2);
  // That question is still out when the old answer has become too old: the read waits for its own.
  t.world.run(11);
  read(t, sink, 4, 'a', staleReadOf(100));
  t.settle();
  expect(sink.take()).toEqual([]);
  answer(t, 3);
  t.step('heartbeat', { from: 3, term: 1, commit: 3 });
  t.settle();
  expect(sink.take()).toEqual(['4: "2"']);
});

test('a stale read waits until the known index is applied here', () => {
  const t = follower(2);
  const sink = new RecordingSink();
  read(t, sink, 1, 'a', Freshness.follower);
  t.settle();
  answer(t, 3);
  read(t, sink, 2, 'a', staleReadOf(1000));
  t.settle();
  expect(sink.take()).toEqual([]);
  t.step('heartbeat', { from: 3, term: 1, commit: 3 });
  t.settle();
  expect(sink.take()).toEqual(['1: "2"', '2: "2"']);
});

test('E8 a stale read is not held up by a newer index whose entries don’t come: the newest applied one serves', () => {
  const t = follower(2);
  const sink = new RecordingSink();
  read(t, sink, 1, 'a', Freshness.follower);
  t.settle();
  answer(t, 2);
  expect(sink.take()).toEqual(['1: "1"']);
  t.world.run(20);
  read(t, sink, 2, 'a', Freshness.follower);
  t.settle();
  answer(t, 3); // of which nothing is committed here
  read(t, sink, 3, 'a', staleReadOf(100));
  t.settle();
  expect(sink.take()).toEqual(['3: "1"']);
  expect(requests(t)).toHaveLength(2);
  // Too old by now: the newer one is waited for, without another question.
  t.world.run(81);
  read(t, sink, 4, 'a', staleReadOf(100));
  t.settle();
  expect(sink.take()).toEqual([]);
  t.step('heartbeat', { from: 3, term: 1, commit: 3 });
  t.settle();
  expect(sink.take()).toEqual(['2: "2"', '4: "2"']);
});

test('E8 reads behind an index whose entries never come end in a refusal, by which they can go elsewhere', () => {
  const t = follower(2);
  const sink = new RecordingSink();
  const tick = (): void => {
    t.step('heartbeat', { from: 3, term: 1, commit: 2 }); // its leader lives
    t.replica.tick(true);
    t.settle();
  };
  read(t, sink, 1, 'a', Freshness.follower);
  t.settle();
  answer(t, 3);
  read(t, sink, 2, 'a', staleReadOf(5000));
  t.settle();
  t.world.run(10);
  read(t, sink, 3, 'a', staleReadOf(1));
  t.settle();
  answer(t, 3);
  t.world.run(APPLY_WAIT_MS_MAX - 10);
  tick();
  expect(sink.take()).toEqual([]);
  t.world.run(5);
  tick();
  expect(sink.take()).toEqual(['1 refused NOT_LEADER 3: get a', '2 refused TOO_STALE 3: get a']);
  t.world.run(10);
  tick();
  expect(sink.take()).toEqual(['3 refused TOO_STALE 3: get a']);
  expect(t.replica.hasOpenReads).toBe(false);
});

test('a stale read whose bound can’t be kept is refused as such: no leader, or none that answers', () => {
  const t = follower(3);
  const sink = new RecordingSink();
  read(t, sink, 1, 'a', staleReadOf(50));
  t.settle();
  for (let tick = 0; tick < 10; tick++) t.replica.tick(true);
  t.settle();
  expect(sink.take()).toEqual(['1 refused TOO_STALE 0: get a']);
  const lonely = new ReplicaUnderTest(VOTERS);
  read(lonely, sink, 2, 'a', staleReadOf(50));
  lonely.settle();
  expect(sink.take()).toEqual(['2 refused TOO_STALE 0: get a']);
});

test('a stale read judges items as of when it was up to date: a time to live goes on, and does not end early', () => {
  const t = follower(3);
  const sink = new RecordingSink();
  const entry = entryOf(4, setCommand('e', '1', 50), t.host.clock.wallMs());
  t.step('append', { from: 3, term: 1, prevIndex: 3, prevTerm: 1, commit: 4, entries: [entry] });
  t.settle();
  read(t, sink, 1, 'e', Freshness.follower);
  t.settle();
  answer(t, 4);
  t.world.run(100);
  // 100 ms ago it was there; by now it is not, and only a leader can say so.
  read(t, sink, 2, 'e', staleReadOf(1000));
  read(t, sink, 3, 'e', Freshness.follower);
  t.settle();
  answer(t, 4);
  expect(sink.take()).toEqual(['1: "1"', '2: "1"', '3 refused NOT_LEADER 3: get e']);
});

// ---- leases ----------------------------------------------------------------------------------------------------------

const LEASE = { promiseMs: 1000, holdMs: 900, startedAtMs: 0 };

function lessor(machine: Kv | null = null): ReplicaUnderTest {
  const t = new ReplicaUnderTest(VOTERS, { checkQuorum: true, lease: LEASE }, machine).lead();
  renew(t);
  return t;
}

/** A heartbeat, whose round everybody answers with a promise. */
function renew(t: ReplicaUnderTest): void {
  t.host.sent.length = 0;
  for (let tick = 0; tick < 2; tick++) t.replica.tick(true);
  t.settle();
  const round = t.host.sent.find((message) => message.type === 'read_round');
  if (round?.type !== 'read_round') throw new Error('no round');
  for (const from of [2, 3]) t.step('read_round_response', { from, round: round.round, promised: true });
  t.settle();
  t.host.sent.length = 0;
}

test('E7 under a lease a read is answered at once and asks nobody; QUORUM asks all the same', () => {
  const t = lessor();
  const sink = new RecordingSink();
  read(t, sink, 1, 'a', Freshness.lease);
  read(t, sink, 2, 'a', Freshness.linearizable);
  t.settle();
  expect(sink.take()).toEqual(['1: nil', '2: nil']);
  expect(t.host.sent).toEqual([]);
  read(t, sink, 3, 'a', Freshness.quorum);
  t.settle();
  expect(sink.take()).toEqual([]);
  expect(t.host.sent.map((message) => message.type)).toEqual(['read_round', 'read_round']);
  t.confirmReads();
  t.settle();
  expect(sink.take()).toEqual(['3: nil']);
});

test('E7 a leader that slept past its lease asks a quorum', () => {
  const t = lessor();
  const sink = new RecordingSink();
  t.world.run(900);
  read(t, sink, 1, 'a', Freshness.lease);
  t.settle();
  expect(sink.take()).toEqual([]);
  t.confirmReads();
  t.settle();
  expect(sink.take()).toEqual(['1: nil']);
});

test('E7 a pause between the read and its answer is found: a quorum is asked, and the state is read anew', () => {
  const kv = createKv({ hashSeed: 7, valueBytesMax: 1 << 20, firstSlot: 0, lastSlot: 16383 });
  let pauseMs = 0;
  const t = lessor(kv);
  const inner = kv.read.bind(kv);
  kv.read = (...call) => {
    const done = inner(...call);
    t.world.run(pauseMs); // stopped when the state has been read
    return done;
  };
  const sink = new RecordingSink();
  pauseMs = 900;
  read(t, sink, 1, 'a', Freshness.lease);
  read(t, sink, 2, 'b', Freshness.lease);
  t.settle();
  expect(sink.take()).toEqual([]);
  pauseMs = 0;
  expect(t.host.sent.map((message) => message.type)).toEqual(['read_round', 'read_round']);
  t.confirmReads();
  t.settle();
  expect(sink.take()).toEqual(['1: nil', '2: nil']);
});

test('E7 a leader that slept, and was replaced, answers nothing under its old lease', () => {
  const t = lessor();
  const sink = new RecordingSink();
  read(t, sink, 1, 'a', Freshness.lease);
  t.replica.askReads(); // it has its index, and has not run yet
  t.step('heartbeat', { from: 3, term: t.replica.raft.term + 1, commit: 0 });
  t.settle();
  expect(sink.take()).toEqual(['1 refused NOT_LEADER 3: get a']);
});

test('E7 during a transfer of leadership reads ask a quorum', () => {
  const t = lessor();
  const sink = new RecordingSink();
  t.acknowledge();
  expect(t.replica.raft.transferLeader(3)).toBe(true);
  read(t, sink, 1, 'a', Freshness.lease);
  t.settle();
  expect(sink.take()).toEqual([]);
  expect(t.host.sent.map((message) => message.type)).toContain('read_round');
});
