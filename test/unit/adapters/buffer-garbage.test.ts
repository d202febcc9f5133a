/** When V8 is made to look for dead buffers: at a growth, once, and again only when it has looked. */
import { expect, test } from 'vitest';
import { BufferGrowth } from '../../../src/adapters/buffer-garbage.js';

const MIB = 1024 * 1024;
const MADE = 64 * MIB;

test('growth since the least counts, not the size', () => {
  const growth = new BufferGrowth(20 * MIB);
  expect(growth.isTooMuch(500 * MIB, 0)).toBe(false);
  expect(growth.isTooMuch(450 * MIB, 50)).toBe(false);
  expect(growth.isTooMuch(470 * MIB, 100)).toBe(false);
  expect(growth.isTooMuch(470 * MIB + 1, 150)).toBe(true);
});

test('it is not done again before the collector has been there, nor too soon after', () => {
  const growth = new BufferGrowth(20 * MIB);
  growth.isTooMuch(100 * MIB, 0);
  expect(growth.isTooMuch(121 * MIB, 1000)).toBe(true);
  expect(growth.isTooMuch(121 * MIB + MADE, 1050)).toBe(false);
  expect(growth.isTooMuch(150 * MIB + MADE, 3000)).toBe(false);
  // Collected: from here on what is left counts.
  expect(growth.isTooMuch(110 * MIB, 3050)).toBe(false);
  expect(growth.isTooMuch(131 * MIB, 3100)).toBe(true);
  expect(growth.isTooMuch(90 * MIB, 3150)).toBe(false);
  expect(growth.isTooMuch(120 * MIB, 3200)).toBe(false);
  expect(growth.isTooMuch(120 * MIB, 3600)).toBe(true);
});
