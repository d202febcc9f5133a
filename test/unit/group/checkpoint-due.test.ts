/** When a checkpoint is due: by bytes, entries and work since the last one that was begun. */
import { expect, test } from 'vitest';
import { CheckpointDue } from '../../../src/group/checkpoint-due.js';

const LIMITS = { bytes: 1000, entries: 10 };

function applied(due: CheckpointDue, count: number, bytes: number, tookMs = 0): boolean {
  for (let i = 0; i < count; i++) due.onApplied(bytes, tookMs);
  return due.isDue(LIMITS);
}

test('past the bytes, or the size of the last one if that is more', () => {
  const due = new CheckpointDue();
  expect(due.hasNews).toBe(false);
  expect([applied(due, 2, 500), due.hasNews]).toEqual([false, true]);
  expect(applied(due, 1, 1)).toBe(true);
  due.clear(5000);
  expect([applied(due, 5, 1000), due.hasNews]).toEqual([false, true]);
  expect(applied(due, 1, 1)).toBe(true);
});

test('past the entries, however small', () => {
  const due = new CheckpointDue();
  expect(applied(due, 10, 0)).toBe(false);
  expect(applied(due, 1, 0)).toBe(true);
});

test('once replaying would take more than a second', () => {
  const due = new CheckpointDue();
  expect(applied(due, 4, 1, 250)).toBe(false);
  expect(applied(due, 1, 1, 1)).toBe(true);
});

test('what is applied while one is written counts for the next', () => {
  const due = new CheckpointDue();
  applied(due, 3, 400, 400);
  due.begin();
  applied(due, 2, 300, 10);
  expect(due.end(100)).toBe(1200);
  expect([due.bytes, due.hasNews, due.isDue(LIMITS)]).toEqual([600, true, false]);
  expect(applied(due, 1, 401)).toBe(true);
});
