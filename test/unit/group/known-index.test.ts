import { expect, test } from 'vitest';
import { KnownIndex } from '../../../src/group/known-index.js';

test('an index serves once it is applied, the newest of those', () => {
  const known = new KnownIndex();
  expect(known.applied(100).asOfMs).toBe(-Infinity);
  known.learn(5, 10, 4);
  expect(known.applied(4).asOfMs).toBe(-Infinity);
  expect(known.confirmed).toEqual({ index: 5, asOfMs: 10 });
  expect(known.applied(5)).toEqual({ index: 5, asOfMs: 10 });
  known.learn(7, 20, 5);
  known.learn(6, 30, 5);
  expect(known.applied(5)).toEqual({ index: 5, asOfMs: 10 });
  expect(known.applied(6)).toEqual({ index: 6, asOfMs: 30 });
});

test('what was asked earlier and confirmed later is no news', () => {
  const known = new KnownIndex();
  known.learn(5, 10, 9);
  known.learn(9, 9, 9);
  expect(known.applied(9)).toEqual({ index: 5, asOfMs: 10 });
});

test('ever newer indexes, none applied when it comes, don’t keep the applied one from moving', () => {
  const known = new KnownIndex();
  const ages: number[] = [];
  // Applying is always ten entries behind what is confirmed, a millisecond each.
  for (let i = 0; i < 1000; i++) {
    known.learn(i, i, i - 10);
    ages.push(i - known.applied(i - 10).asOfMs);
  }
  expect(Math.max(...ages.slice(20))).toBeLessThanOrEqual(20);
});
