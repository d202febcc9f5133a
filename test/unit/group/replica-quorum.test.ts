/** A replica that needs others: the test plays replicas 2 and 3, and says what they acknowledge and confirm. */
import { expect, test } from 'vitest';
import { beginEntry, ByteWriter, finishEntry, appendCommand } from '../../../src/base/index.js';
import { getCommand, RecordingSink, setCommand } from '../../support/loop-commands.js';
import { ReplicaUnderTest } from '../../support/loop-replica.js';
import { makeEntry } from '../../support/raft-builders.js';
import { EntryKind, type Entry } from '../../../src/raft/index.js';

function write(
  t: ReplicaUnderTest,
  sink: RecordingSink,
  token: number,
  key: string,
  afterReads = false,
): void {
  const command = setCommand(key, String(token));
  t.replica.submitWrite(command, 0, command.length, afterReads, sink, token);
}

function read(t: ReplicaUnderTest, sink: RecordingSink, token: number, key: string): void {
  const command = getCommand(key);
  t.replica.submitRead(command, 0, command.length, sink, token);
}

/** An entry of another leader that sets a key. */
function foreignEntry(index: number, term: number, key: string, value: string): Entry {
  const w = new ByteWriter();
  const command = setCommand(key, value);
  beginEntry(w);
  appendCommand(w, command, 0, command.length);
  finishEntry(w, 1_800_000_000_000, 1);
  return { index, term, kind: EntryKind.normal, data: w.take() };
}

function leader(): ReplicaUnderTest {
  return new ReplicaUnderTest([1, 2, 3]).lead();
}

test('a write is answered once a quorum has it', () => {
  const t = leader();
  const sink = new RecordingSink();
  write(t, sink, 1, 'a');
  t.settle();
  expect(sink.lines).toEqual([]);
  t.step('append_response', { from: 2, index: t.replica.raft.lastIndex });
  t.settle();
  expect(sink.lines).toEqual(['1: ok']);
});

test('followers having it is not enough here: a reply waits for the own log too', () => {
  const t = leader();
  const sink = new RecordingSink();
  write(t, sink, 1, 'a');
  t.turn();
  t.acknowledge();
  t.turn();
  t.turn();
  expect(sink.lines).toEqual([]);
  t.host.persist();
  t.turn();
  expect(sink.lines).toEqual(['1: ok']);
});

test('a read is answered only when a quorum confirmed the leader', () => {
  const t = leader();
  const sink = new RecordingSink();
  read(t, sink, 1, 'a');
  read(t, sink, 2, 'b');
  t.settle();
  expect(sink.lines).toEqual([]);
  expect(t.host.sent.filter((m) => m.type === 'read_round' && m.to === 2)).toHaveLength(1);
  t.confirmReads();
  t.settle();
  expect(sink.lines).toEqual(['1: nil', '2: nil']);
});

test('E1 a new leader answers no read before an entry of its own term is committed', () => {
  const t = new ReplicaUnderTest([1, 2, 3]);
  t.replica.raft.campaign();
  t.settle();
  t.step('vote_response', { from: 2 });
  t.settle();
  expect(t.replica.raft.role).toBe('leader');
  expect(t.replica.serves).toBe(false);
  const sink = new RecordingSink();
  read(t, sink, 1, 'a');
  t.settle();
  t.confirmReads();
  t.settle();
  expect(sink.lines).toEqual([]);
  t.acknowledge();
  t.settle();
  t.confirmReads();
  t.settle();
  expect(sink.lines).toEqual(['1: nil']);
});

test('E107 a read asked before a write of the same connection is answered before the write is applied', () => {
  const t = leader();
  const sink = new RecordingSink();
  read(t, sink, 1, 'a');
  write(t, sink, 2, 'a', true);
  t.settle();
  t.acknowledge();
  t.settle();
  // Committed, but the read has not been confirmed yet: the write has to wait.
  expect(t.replica.raft.commit).toBe(t.replica.raft.lastIndex);
  expect(sink.lines).toEqual([]);
  expect(t.kv.itemCount).toBe(0);
  t.confirmReads();
  t.settle();
  expect(sink.lines).toEqual(['1: nil', '2: ok']);
});

test('a write of another connection does not wait for reads', () => {
  const t = leader();
  const sink = new RecordingSink();
  read(t, sink, 1, 'a');
  write(t, sink, 2, 'a');
  t.settle();
  t.acknowledge();
  t.settle();
  expect(sink.lines).toEqual(['2: ok']);
  t.confirmReads();
  t.settle();
  expect(sink.lines).toHaveLength(2);
});

test('a write that waits for a read goes on when the read is refused', () => {
  const t = leader();
  const sink = new RecordingSink();
  read(t, sink, 1, 'a');
  write(t, sink, 2, 'a', true);
  t.settle();
  t.acknowledge();
  t.settle();
  t.step('heartbeat', { from: 2, term: t.replica.raft.term + 1, commit: t.replica.raft.commit });
  t.settle();
  expect(sink.lines).toEqual(['1 refused NOT_LEADER 2: get a', '2: ok']);
});

test('E27 a rolled back write is of unknown outcome, and never gets the reply of what replaced it', () => {
  const t = leader();
  const sink = new RecordingSink();
  write(t, sink, 1, 'a');
  t.settle();
  const { lastIndex, term } = t.replica.raft;
  const entries = [
    foreignEntry(lastIndex, term + 1, 'a', 'other'),
    foreignEntry(lastIndex + 1, term + 1, 'b', 'other'),
  ];
  t.step('append', { from: 2, term: term + 1, prevIndex: lastIndex - 1, prevTerm: term, commit: 0, entries });
  t.settle();
  expect(sink.lines).toEqual([]);
  t.step('heartbeat', { from: 2, term: term + 1, commit: lastIndex + 1 });
  t.settle();
  expect(sink.lines).toEqual(['1: OUTCOME_UNKNOWN']);
});

test('E27 an empty entry in its place answers a rolled back write as well', () => {
  const t = leader();
  const sink = new RecordingSink();
  write(t, sink, 1, 'a');
  t.settle();
  const { lastIndex, term } = t.replica.raft;
  const entries = [makeEntry(lastIndex, term + 1), foreignEntry(lastIndex + 1, term + 1, 'b', 'other')];
  t.step('append', {
    from: 2,
    term: term + 1,
    prevIndex: lastIndex - 1,
    prevTerm: term,
    commit: lastIndex + 1,
    entries,
  });
  t.settle();
  expect(sink.lines).toEqual(['1: OUTCOME_UNKNOWN']);
});

test('a write that was appended and survives a change of leader is answered with its own result', () => {
  const t = leader();
  const sink = new RecordingSink();
  write(t, sink, 1, 'a');
  t.settle();
  const { lastIndex, term } = t.replica.raft;
  t.step('append', {
    from: 2,
    term: term + 1,
    prevIndex: lastIndex,
    prevTerm: term,
    commit: lastIndex + 1,
    entries: [makeEntry(lastIndex + 1, term + 1)],
  });
  t.settle();
  expect(t.replica.raft.role).toBe('follower');
  expect(sink.lines).toEqual(['1: ok']);
});

test('losing leadership gives back what was not appended, and keeps waiting for what was', () => {
  const t = leader();
  const sink = new RecordingSink();
  write(t, sink, 1, 'a');
  t.settle();
  write(t, sink, 2, 'b');
  read(t, sink, 3, 'c');
  t.step('heartbeat', { from: 3, term: t.replica.raft.term + 1, commit: 0 });
  t.replica.collect();
  expect(sink.lines.sort()).toEqual(['2 refused NOT_LEADER 3: set b=2', '3 refused NOT_LEADER 3: get c']);
});

test('E6 a deposed leader answers no read that it asked before', () => {
  const t = leader();
  const sink = new RecordingSink();
  read(t, sink, 1, 'a');
  t.settle();
  const old = t.host.sent.find((m) => m.type === 'read_round');
  t.step('heartbeat', { from: 3, term: t.replica.raft.term + 1, commit: 0 });
  t.settle();
  expect(sink.take()).toEqual(['1 refused NOT_LEADER 3: get a']);
  if (old?.type !== 'read_round') throw new Error('no round');
  t.step('read_round_response', { from: 2, term: old.term, round: old.round });
  t.settle();
  expect(sink.lines).toEqual([]);
});

test('stopping answers everything, each once, and honestly', () => {
  const t = leader();
  const sink = new RecordingSink();
  write(t, sink, 1, 'a'); // appended: nobody knows
  read(t, sink, 2, 'a'); // asked
  t.settle();
  write(t, sink, 3, 'b'); // open
  read(t, sink, 4, 'b'); // open
  t.replica.stop();
  const lines = sink.take().sort();
  expect(lines.map((line) => line.replace(/ \d+:/, ':'))).toEqual([
    '1: OUTCOME_UNKNOWN',
    '2 refused UNAVAILABLE: get a',
    '3 refused UNAVAILABLE: set b=3',
    '4 refused UNAVAILABLE: get b',
  ]);
  t.host.persist();
  expect(sink.lines).toEqual([]);
});

test('stopping answers a read that waits for time', () => {
  const t = new ReplicaUnderTest([1, 2, 3]).lead();
  const sink = new RecordingSink();
  const command = setCommand('a', '1', 100);
  t.replica.submitWrite(command, 0, command.length, false, sink, 1);
  t.settle();
  t.acknowledge();
  t.settle();
  t.world.run(200);
  read(t, sink, 2, 'a');
  t.settle();
  t.confirmReads();
  t.settle(); // now it waits for the time entry, which nobody acknowledges
  expect(sink.take()).toEqual(['1: ok']);
  t.replica.stop();
  expect(sink.lines).toHaveLength(1);
  expect(sink.lines[0]).toMatch(/^2 refused UNAVAILABLE \d: get a$/);
});

test('E65 while the own disk hangs messages still leave', () => {
  const t = leader();
  const sink = new RecordingSink();
  write(t, sink, 1, 'a');
  t.turn();
  expect(t.host.unsaved.length).toBeGreaterThan(0);
  expect(
    t.host.sent
      .filter((m) => m.type === 'append')
      .map((m) => m.to)
      .sort(),
  ).toEqual([2, 3]);
});

test('E13 a vote leaves only after it is durable', () => {
  const t = new ReplicaUnderTest([1, 2, 3]);
  t.step('vote', { from: 2, term: 5, lastIndex: 0, lastTerm: 0 });
  t.turn();
  t.turn();
  expect(t.host.sent.filter((m) => m.type === 'vote_response')).toEqual([]);
  t.host.persist();
  expect(t.host.sent.filter((m) => m.type === 'vote_response')).toMatchObject([{ to: 2, granted: true }]);
  expect(t.host.store.logOf(1).hardState).toMatchObject({ term: 5, vote: 2 });
});

test('an append is acknowledged only after it is durable', () => {
  const t = new ReplicaUnderTest([1, 2, 3]);
  const entries = [foreignEntry(1, 3, 'a', '1')];
  t.step('append', { from: 2, term: 3, prevIndex: 0, prevTerm: 0, commit: 1, entries });
  t.turn();
  t.turn();
  expect(t.host.sent.filter((m) => m.type === 'append_response')).toEqual([]);
  expect(t.kv.itemCount).toBe(0);
  t.host.persist();
  expect(t.host.sent.filter((m) => m.type === 'append_response')).toMatchObject([{ to: 2, index: 1 }]);
  t.turn();
  expect(t.kv.itemCount).toBe(1);
});

test('E107 a read that needs time does not hold back a later write of its connection for ever', () => {
  const t = leader();
  const sink = new RecordingSink();
  const command = setCommand('a', 'old', 100);
  t.replica.submitWrite(command, 0, command.length, false, sink, 1);
  t.settle();
  t.acknowledge();
  t.settle();
  t.world.run(200);
  read(t, sink, 2, 'a');
  write(t, sink, 3, 'a', true);
  t.settle();
  t.confirmReads(); // the read is confirmed, and finds that its answer needs time
  t.settle();
  t.acknowledge();
  t.settle();
  t.acknowledge();
  t.settle();
  expect(sink.lines).toEqual(['1: ok', '2: nil', '3: ok']);
});

test('E107 writes committed before the read is confirmed wait, also when the read needs time', () => {
  const t = leader();
  const sink = new RecordingSink();
  const command = setCommand('a', 'old', 100);
  t.replica.submitWrite(command, 0, command.length, false, sink, 1);
  t.settle();
  t.acknowledge();
  t.settle();
  t.world.run(200);
  read(t, sink, 2, 'a');
  write(t, sink, 3, 'a', true);
  t.settle();
  t.acknowledge();
  t.settle();
  expect(sink.lines).toEqual(['1: ok']);
  t.confirmReads();
  t.settle();
  t.acknowledge();
  t.settle();
  expect(sink.lines).toEqual(['1: ok', '2: nil', '3: ok']);
});
