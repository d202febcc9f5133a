import { expect, test } from 'vitest';
import { PendingState, PendingTable } from '../../../src/api/pending-table.js';
import { RecordingSink } from '../../support/loop-commands.js';

test('an added command is held, and its columns are read back', () => {
  const table = new PendingTable();
  const sink = new RecordingSink();
  const handle = table.add(sink, 77, 5, true, 1234.5, 9, 100);
  const slot = table.slotOf(handle);
  expect(slot).toBeGreaterThanOrEqual(0);
  expect(table.handleOf(slot)).toBe(handle);
  expect(table.sinkOf(slot)).toBe(sink);
  expect([table.tokenOf(slot), table.shardOf(slot), table.isWrite(slot)]).toEqual([77, 5, true]);
  expect([table.deadlineOf(slot), table.sequenceOf(slot), table.targetOf(slot)]).toEqual([1234.5, 9, 0]);
  expect(table.stateOf(slot)).toBe(PendingState.held);
  table.setSent(slot, 3);
  expect([table.stateOf(slot), table.targetOf(slot)]).toEqual([PendingState.sent, 3]);
  table.setHeld(slot);
  expect(table.stateOf(slot)).toBe(PendingState.held);
});

test('the handle of an answered command is dead, also when its slot is used again', () => {
  const table = new PendingTable();
  const sink = new RecordingSink();
  const first = table.add(sink, 1, 1, true, 0, 1, 1);
  table.free(table.slotOf(first));
  expect(table.slotOf(first)).toBe(-1);
  const second = table.add(sink, 2, 1, true, 0, 2, 1);
  expect(second).not.toBe(first);
  expect(table.slotOf(second)).toBeGreaterThanOrEqual(0);
  expect(table.slotOf(first)).toBe(-1);
  expect(table.tokenOf(table.slotOf(second))).toBe(2);
});

test('a handle stays a safe integer however often its slot was used', () => {
  const table = new PendingTable();
  const sink = new RecordingSink();
  const seen = new Set<number>();
  for (let i = 0; i < 5000; i++) {
    const handle = table.add(sink, i, 1, false, 0, i, 1);
    if (!Number.isSafeInteger(handle) || seen.has(handle)) throw new Error(`handle ${handle} at use ${i}`);
    seen.add(handle);
    table.free(table.slotOf(handle));
  }
  expect(table.slots).toBe(1);
});

test('handles that were never given out find nothing', () => {
  const table = new PendingTable();
  expect(table.slotOf(0)).toBe(-1);
  expect(table.slotOf(123_456_789)).toBe(-1);
});

test('keeps the counters of sinks, of commands and of bytes', () => {
  const table = new PendingTable();
  const a = new RecordingSink();
  const b = new RecordingSink();
  const write = table.add(a, 1, 1, true, 0, 1, 10);
  const read = table.add(a, 2, 1, false, 0, 2, 20);
  table.add(b, 3, 1, false, 0, 3, 30);
  expect([a.unanswered.ordered, a.unanswered.reads, b.unanswered.ordered, b.unanswered.reads]).toEqual([
    1, 1, 0, 1,
  ]);
  expect([table.count, table.bytes]).toEqual([3, 60]);
  table.setSent(table.slotOf(write), 2);
  table.free(table.slotOf(write));
  table.free(table.slotOf(read));
  expect([a.unanswered.ordered, a.unanswered.reads, b.unanswered.reads]).toEqual([0, 0, 1]);
  expect([table.count, table.bytes]).toEqual([1, 30]);
});

test('freeing twice is an error of ours', () => {
  const table = new PendingTable();
  const slot = table.slotOf(table.add(new RecordingSink(), 1, 1, true, 0, 1, 1));
  table.free(slot);
  expect(() => table.free(slot)).toThrow('twice');
});

test('grows beyond its first size and keeps everything', () => {
  const table = new PendingTable();
  const sink = new RecordingSink();
  const handles = Array.from({ length: 5000 }, (_, i) => table.add(sink, i, i % 7, i % 2 === 0, i, i, 1));
  for (const [i, handle] of handles.entries()) {
    const slot = table.slotOf(handle);
    if (table.tokenOf(slot) !== i || table.shardOf(slot) !== i % 7 || table.isWrite(slot) !== (i % 2 === 0)) {
      throw new Error(`command ${i} changed when the table grew`);
    }
  }
  expect([sink.unanswered.ordered, sink.unanswered.reads]).toEqual([2500, 2500]);
  expect(table.full).toBe(false);
});

test('a read that rides in the log counts as a write of its sink, until it is answered', () => {
  const table = new PendingTable();
  const sink = new RecordingSink();
  const handles = Array.from({ length: 3000 }, (_, i) => table.add(sink, i, 1, false, 0, i, 1));
  for (const handle of handles) table.setViaLog(table.slotOf(handle));
  table.setViaLog(table.slotOf(handles[0] as number));
  expect([sink.unanswered.reads, sink.unanswered.ordered]).toEqual([0, 3000]);
  expect(table.isWrite(table.slotOf(handles[2999] as number))).toBe(false);
  for (const handle of handles) table.free(table.slotOf(handle));
  expect([sink.unanswered.reads, sink.unanswered.ordered]).toEqual([0, 0]);
  table.add(sink, 1, 1, false, 0, 1, 1);
  expect([sink.unanswered.reads, sink.unanswered.ordered]).toEqual([1, 0]);
});

test('the slots of a sink are a list of its own, whatever is freed in between and however the table grows', () => {
  const table = new PendingTable();
  const [mine, other] = [new RecordingSink(), new RecordingSink()];
  const handles: number[] = [];
  for (let i = 0; i < 3000; i++) {
    table.add(other, i, 1, false, 0, i, 1);
    handles.push(table.add(mine, i, 1, true, 0, i, 1));
  }
  for (let i = 0; i < handles.length; i += 3) table.free(table.slotOf(handles[i] as number));
  const seen: number[] = [];
  for (let slot = mine.unanswered.firstSlot; slot >= 0; slot = mine.unanswered.firstSlot) {
    expect(table.sinkOf(slot)).toBe(mine);
    seen.push(table.tokenOf(slot));
    table.free(slot);
  }
  expect(seen).toHaveLength(2000);
  expect([mine.unanswered.total, other.unanswered.total, table.count]).toEqual([0, 3000, 3000]);
});
