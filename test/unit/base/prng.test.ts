import { expect, test } from 'vitest';
import { Prng } from '../../../src/base/index.js';

test('the same seed gives the same numbers, and streams do not shift each other', () => {
  const a = new Prng(7);
  const b = new Prng(7);
  expect([a.u32(), a.u32()]).toEqual([b.u32(), b.u32()]);
  expect(a.stream('x').u32()).toBe(new Prng(7).stream('x').u32());
});
