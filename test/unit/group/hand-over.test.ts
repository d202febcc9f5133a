/** A leader that hands over, and one that was just elected: what comes meanwhile is held back, within bounds. */
import { expect, test } from 'vitest';
import { HELD_BATCHES_MAX, HOLD_MS_MAX } from '../../../src/group/client-work.js';
import { ENTRY_COMMANDS_MAX } from '../../../src/group/write-batch.js';
import { getCommand, RecordingSink, setCommand } from '../../support/loop-commands.js';
import { ReplicaUnderTest } from '../../support/loop-replica.js';

/** Far above what a hold may last: so the core does not end the transfer by itself. */
const PATIENT = { electionTicks: 1000 };
const IDS = [1, 2, 3];

function write(t: ReplicaUnderTest, sink: RecordingSink, token: number): void {
  const command = setCommand('a', String(token));
  sink.quiet = true;
  t.replica.submitWrite(command, 0, command.length, false, sink, token);
  sink.quiet = false;
}

function handingOver(options = {}): { t: ReplicaUnderTest; sink: RecordingSink } {
  const t = new ReplicaUnderTest(IDS, options).lead();
  t.replica.raft.transferLeader(2);
  t.settle();
  expect(t.host.sent.map((message) => message.type)).toContain('timeout_now');
  return { t, sink: new RecordingSink() };
}

/** Ticks pass for the replica, and time for its clock. */
function wait(t: ReplicaUnderTest, ms: number): void {
  for (let i = 0; i < ms; i += 10) {
    t.world.run(10);
    t.replica.tick(true);
    t.settle();
  }
}

test('E20 writes that come during a hand-over are held back, and name the new leader when it leads', () => {
  const { t, sink } = handingOver();
  write(t, sink, 1);
  write(t, sink, 2);
  t.settle();
  expect(t.replica.accepts).toBe(true);
  expect(t.replica.hasClientWork).toBe(false);
  expect(sink.lines).toEqual([]);
  const entries = t.entries().length;
  t.step('heartbeat', { from: 2, term: t.replica.raft.term + 1, commit: t.replica.raft.commit });
  t.settle();
  expect(sink.lines).toEqual(['1 refused NOT_LEADER 2: set a=1', '2 refused NOT_LEADER 2: set a=2']);
  expect(t.entries().length).toBe(entries);
  expect(t.replica.accepts).toBe(false);
});

test('E20 a vote for the target ends the hold, with nobody named', () => {
  const { t, sink } = handingOver();
  write(t, sink, 1);
  t.settle();
  const { lastIndex, term } = t.replica.raft;
  t.step('vote', { from: 2, term: term + 1, lastIndex, lastTerm: term, pre: false, transfer: true });
  t.settle();
  expect(sink.lines).toEqual(['1 refused NOT_LEADER 0: set a=1']);
});

test('E20 what was held back is proposed, in its order, when the target did not take over', () => {
  const { t, sink } = handingOver({ electionTicks: 10 });
  write(t, sink, 1);
  const get = getCommand('a');
  t.replica.submitWrite(get, 0, get.length, false, sink, 2, true);
  write(t, sink, 3);
  t.settle();
  expect(sink.lines).toEqual([]);
  wait(t, 100);
  t.acknowledge();
  t.settle();
  expect(sink.lines).toEqual(['1: ok', '2: "1"', '3: ok']);
});

test('E20 a leader just elected takes writes in, and proposes them behind its first entry', () => {
  const t = new ReplicaUnderTest(IDS);
  const sink = new RecordingSink();
  t.replica.raft.campaign();
  t.settle();
  expect(t.replica.accepts).toBe(false);
  t.step('vote_response', { from: 2 });
  t.settle();
  expect([t.replica.accepts, t.replica.serves]).toEqual([true, false]);
  write(t, sink, 1);
  t.settle();
  expect(t.entries()).toHaveLength(1);
  t.acknowledge();
  t.settle();
  expect(t.entries()).toHaveLength(2);
  t.acknowledge();
  t.settle();
  expect(sink.lines).toEqual(['1: ok']);
});

test('E20 what is held back is bounded: past it all of it is refused, until the hand-over is over', () => {
  const { t, sink } = handingOver({ electionTicks: 10 });
  const count = (HELD_BATCHES_MAX + 1) * ENTRY_COMMANDS_MAX;
  for (let i = 0; i < count; i++) write(t, sink, i);
  t.settle();
  expect(sink.lines).toEqual([]);
  write(t, sink, count);
  t.settle();
  expect(sink.take()).toHaveLength(count + 1);
  expect(t.replica.accepts).toBe(false);
  write(t, sink, 1);
  t.settle();
  expect(sink.take()).toEqual(['1 refused NOT_LEADER 1: set a=1']);
  wait(t, 100);
  expect(t.replica.accepts).toBe(true);
  write(t, sink, 2);
  t.settle();
  t.acknowledge();
  t.settle();
  expect(sink.lines).toEqual(['2: ok']);
});

test('E20 nothing is held back for longer than its time, by a leader that can commit nothing either', () => {
  const { t, sink } = handingOver(PATIENT);
  write(t, sink, 1);
  wait(t, HOLD_MS_MAX);
  expect(sink.lines).toEqual([]);
  wait(t, 20);
  expect(sink.lines).toEqual(['1 refused NOT_LEADER 1: set a=1']);

  const alone = new ReplicaUnderTest(IDS, PATIENT);
  alone.replica.raft.campaign();
  alone.settle();
  alone.step('vote_response', { from: 2 });
  alone.settle();
  const other = new RecordingSink();
  write(alone, other, 1);
  wait(alone, HOLD_MS_MAX + 20);
  expect(other.lines).toEqual(['1 refused NOT_LEADER 1: set a=1']);
  expect(alone.replica.accepts).toBe(false);
  expect(alone.entries()).toHaveLength(1);
});

test('a node that stops refuses what it held back: it certainly did not run', () => {
  const { t, sink } = handingOver();
  write(t, sink, 1);
  t.settle();
  t.replica.stop();
  expect(sink.lines).toEqual(['1 refused UNAVAILABLE 1: set a=1']);
});
