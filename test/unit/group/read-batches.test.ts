import { expect, test } from 'vitest';
import { ReadBatches, type ReadBatch } from '../../../src/group/read-batches.js';
import { getCommand, RecordingSink } from '../../support/loop-commands.js';

function add(reads: ReadBatches, sink: RecordingSink, token: number): void {
  const command = getCommand(`k${token}`);
  reads.add(command, 0, command.length, sink, token);
}

/** Collects one read for each token and has the batch asked. */
function asked(reads: ReadBatches, sink: RecordingSink, ...tokens: number[]): ReadBatch {
  for (const token of tokens) add(reads, sink, token);
  const batch = reads.takeOpen() as ReadBatch;
  reads.onAsked(batch);
  return batch;
}

function confirm(reads: ReadBatches, batch: ReadBatch, index: number): void {
  expect(reads.takeAsked(batch.id)).toBe(batch);
  batch.index = index;
  reads.onConfirmed(batch);
}

test('reads of one turn share a batch; the next turn has another', () => {
  const reads = new ReadBatches();
  const sink = new RecordingSink();
  expect(reads.takeOpen()).toBeNull();
  const first = asked(reads, sink, 1, 2);
  const second = asked(reads, sink, 3);
  expect([first.count, second.count]).toEqual([2, 1]);
  expect(second.id).toBeGreaterThan(first.id);
});

test('a batch runs only once its index is applied, the lowest index first', () => {
  const reads = new ReadBatches();
  const sink = new RecordingSink();
  const a = asked(reads, sink, 1);
  const b = asked(reads, sink, 2);
  confirm(reads, b, 7);
  confirm(reads, a, 5);
  expect(reads.takeRunnable(4)).toBeNull();
  expect(reads.takeRunnable(6)).toBe(a);
  expect(reads.takeRunnable(6)).toBeNull();
  expect(reads.takeRunnable(7)).toBe(b);
  expect(reads.waiting).toBe(false);
});

test('an answer for a batch that is gone finds nothing', () => {
  const reads = new ReadBatches();
  const batch = asked(reads, new RecordingSink(), 1);
  reads.takeAsked(batch.id);
  expect(reads.takeAsked(batch.id)).toBeNull();
  expect(reads.takeAsked(99)).toBeNull();
});

test('the barrier holds while anything asked up to it is open, asked or confirmed', () => {
  const reads = new ReadBatches();
  const sink = new RecordingSink();
  expect(reads.pendingUpTo(reads.barrier)).toBe(false);
  add(reads, sink, 1);
  const barrier = reads.barrier;
  expect(reads.pendingUpTo(barrier)).toBe(true);
  const batch = reads.takeOpen() as ReadBatch;
  reads.onAsked(batch);
  expect(reads.pendingUpTo(barrier)).toBe(true);
  const later = asked(reads, sink, 2);
  confirm(reads, batch, 3);
  expect(reads.pendingUpTo(barrier)).toBe(true);
  expect(reads.takeRunnable(3)).toBe(batch);
  expect(reads.pendingUpTo(barrier)).toBe(false);
  expect(reads.pendingUpTo(later.id)).toBe(true);
  expect(reads.pendingUpTo(0)).toBe(false);
});

test('refusing gives the exact commands back and leaves confirmed ones alone', () => {
  const reads = new ReadBatches();
  const sink = new RecordingSink();
  const confirmed = asked(reads, sink, 1);
  confirm(reads, confirmed, 9);
  asked(reads, sink, 2, 3);
  add(reads, sink, 4);
  reads.refuseAll('NOT_LEADER', 2);
  expect(sink.take()).toEqual([
    '2 refused NOT_LEADER 2: get k2',
    '3 refused NOT_LEADER 2: get k3',
    '4 refused NOT_LEADER 2: get k4',
  ]);
  expect(reads.waiting).toBe(true);
  reads.refuseConfirmed('UNAVAILABLE', 0);
  expect(sink.take()).toEqual(['1 refused UNAVAILABLE 0: get k1']);
  expect(reads.waiting).toBe(false);
});
