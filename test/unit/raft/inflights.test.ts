import { expect, test } from 'vitest';
import { Inflights } from '../../../src/raft/inflights.js';

test('the window is limited in messages', () => {
  const window = new Inflights(3, 1000);
  for (const index of [1, 2, 3]) window.add(index, 1);
  expect(window.full).toBe(true);
  expect(() => window.add(4, 1)).toThrow('full window');
  window.freeTo(2);
  expect([window.full, window.count, window.bytes]).toEqual([false, 1, 1]);
});

test('E33 the window is limited in bytes, at the limit and not before; one large message passes', () => {
  const window = new Inflights(100, 10);
  window.add(1, 9);
  expect(window.full).toBe(false);
  window.add(2, 1);
  expect(window.full).toBe(true);
  window.freeTo(2);
  window.add(3, 5000);
  expect(window.full).toBe(true);
});

test('the ring wraps and grows without losing count', () => {
  const window = new Inflights(1000, 1_000_000);
  let freed = 0;
  for (let index = 1; index <= 500; index++) {
    window.add(index, 2);
    if (index % 3 === 0) window.freeTo(++freed);
  }
  expect([window.count, window.bytes]).toEqual([500 - freed, 2 * (500 - freed)]);
  window.freeTo(500);
  expect([window.count, window.bytes]).toEqual([0, 0]);
});
