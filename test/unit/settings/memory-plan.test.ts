/** What a node takes besides its tables, by the size of memory.max. */
import { expect, it, test } from 'vitest';
import { feedBytesMax, memoryPlan, tailBytesMax } from '../../../src/settings/index.js';

const MIB = 1024 * 1024;
const SIZES = [1, 16, 64, 256, 1024, 4096, 16_384, 1_048_576].map((mib) => mib * MIB);

it.each(SIZES)(
  'with %d bytes, two store buffers, tails, feeds and what is unanswered leave room',
  (memoryMax) => {
    const plan = memoryPlan(memoryMax);
    const sum =
      2 * plan.storeBufferBytes +
      Math.min(plan.tailsBytes, 17 * tailBytesMax(plan, 17)) +
      16 * feedBytesMax(plan, 16, MIB) +
      plan.inflightBytesMax;
    expect(sum).toBeLessThanOrEqual(44 * MIB + memoryMax * 0.08);
  },
);

test('more memory never gives less of anything', () => {
  for (const [i, size] of SIZES.slice(1).entries()) {
    const [less, more] = [memoryPlan(SIZES[i] as number), memoryPlan(size)];
    expect(more.storeBufferBytes).toBeGreaterThanOrEqual(less.storeBufferBytes);
    expect(more.tailsBytes).toBeGreaterThan(less.tailsBytes);
    expect(more.feedsBytes).toBeGreaterThan(less.feedsBytes);
    expect(more.inflightBytesMax).toBeGreaterThanOrEqual(less.inflightBytesMax);
    expect(more.deadBufferBytesMax).toBeGreaterThanOrEqual(less.deadBufferBytesMax);
  }
});

it.each([0, 'auto'] as const)('without a limit (%s) each part is as large as it gets', (memoryMax) => {
  const plan = memoryPlan(memoryMax);
  expect(plan.storeBufferBytes).toBe(64 * MIB);
  expect([tailBytesMax(plan, 17), tailBytesMax(plan, 10_000)]).toEqual([4 * MIB, 4 * MIB]);
  expect([plan.inflightBytesMax, plan.deadBufferBytesMax]).toEqual([Infinity, Infinity]);
});

test('a tail keeps one entry at least, however many groups share', () => {
  expect(tailBytesMax(memoryPlan(64 * MIB), 100_000)).toBe(MIB / 4);
  expect(tailBytesMax(memoryPlan(64 * MIB), 17)).toBe(MIB / 2);
});

test('a feed takes its share, what the setting allows, and a little in any case', () => {
  expect(feedBytesMax(memoryPlan(64 * MIB), 17, MIB)).toBe(Math.floor((4.25 * MIB) / 17));
  expect(feedBytesMax(memoryPlan(64 * MIB), 10_000, MIB)).toBe(4096);
  expect(feedBytesMax(memoryPlan(64 * MIB), 1, MIB)).toBe(MIB);
  expect(feedBytesMax(memoryPlan(64 * MIB), 10_000, 0)).toBe(0);
  expect(feedBytesMax(memoryPlan('auto'), 10_000, MIB)).toBe(MIB);
});
