import { expect, test } from 'vitest';
import { ENTRY_OVERHEAD_BYTES } from '../../../src/raft/entry-size.js';
import { Tail } from '../../../src/raft/tail.js';
import { makeEntry } from '../../support/raft-builders.js';

function makeTail(first: number, count: number): Tail {
  const tail = new Tail(first);
  for (let i = 0; i < count; i++) tail.push(makeEntry(first + i, 1, 'x'));
  return tail;
}

test('the ring grows, wraps, and keeps its entries in order', () => {
  const tail = makeTail(5, 10);
  for (let i = 15; i < 200; i++) {
    tail.push(makeEntry(i, 1, 'x'));
    if (i % 3 === 0) tail.evictFirst();
  }
  const entries = tail.slice(tail.first, tail.next - 1, Infinity);
  expect(entries.map((entry) => entry.index)).toEqual(entries.map((_, i) => tail.first + i));
  expect(tail.bytes).toBe(entries.length * (ENTRY_OVERHEAD_BYTES + 1));
});

test('E33 a slice at the byte limit takes what fits exactly, and one entry when none fits', () => {
  const tail = makeTail(1, 5);
  const one = ENTRY_OVERHEAD_BYTES + 1;
  const lengths = [0, 1, one, 2 * one - 1, 2 * one, 2 * one + 1].map((max) => tail.slice(1, 5, max).length);
  expect(lengths).toEqual([1, 1, 1, 1, 2, 2]);
});

test('cutting drops a suffix, or everything, and the next entry follows', () => {
  const tail = makeTail(5, 5);
  tail.truncateFrom(8);
  expect([tail.first, tail.next, tail.has(7), tail.has(8)]).toEqual([5, 8, true, false]);
  tail.push(makeEntry(8, 2, 'y'));
  tail.truncateFrom(3);
  expect([tail.first, tail.next, tail.bytes]).toEqual([3, 3, 0]);
  tail.push(makeEntry(3, 2, 'y'));
  expect(() => tail.push(makeEntry(5, 2, 'y'))).toThrow('does not follow 3');
  expect(() => tail.get(4)).toThrow('not in the tail');
});

test('indexes above 2^32 find their slots', () => {
  const tail = makeTail(2 ** 40 - 3, 40);
  expect(tail.get(2 ** 40).index).toBe(2 ** 40);
});
