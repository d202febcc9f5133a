/** The shrinker finds the few faults that a failure takes, on stand-ins for a run whose answer is known. */
import { expect, test } from 'vitest';
import { Prng } from '../../../src/base/index.js';
import { shrink } from '../../sim/shrink.js';

const upTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);
const never = (): boolean => false;

test('a failure that takes no fault at all is told after one run', () => {
  expect(shrink(upTo(20), () => true, never)).toEqual({ faults: [], runs: 1, isMinimal: true });
});

test('one fault of many is found', () => {
  const found = shrink(upTo(64), (faults) => faults.includes(37), never);
  expect(found.faults).toEqual([37]);
  expect(found.runs).toBeLessThan(20);
});

test('any few faults of many are found, in their order', () => {
  for (let seed = 1; seed <= 30; seed++) {
    const prng = new Prng(seed);
    const all = upTo(prng.between(1, 50));
    const needed = prng.shuffle([...all]).slice(0, prng.between(1, Math.min(4, all.length)));
    const found = shrink(all, (faults) => needed.every((fault) => faults.includes(fault)), never);
    expect([seed, found.faults]).toEqual([seed, [...needed].sort((a, b) => a - b)]);
    expect(found.isMinimal).toBe(true);
  }
});

test('what is left cannot spare a single fault, even when fewer of others would do', () => {
  // Either 3 and 5 together, or 8 alone, or any seven.
  const fails = (faults: readonly number[]): boolean =>
    (faults.includes(3) && faults.includes(5)) || faults.includes(8) || faults.length >= 7;
  const { faults } = shrink(upTo(12), fails, never);
  expect(fails(faults)).toBe(true);
  for (const spared of faults) expect(fails(faults.filter((fault) => fault !== spared))).toBe(false);
});

test('when time is over it tells what it has, and that this need not be all', () => {
  let runs = 0;
  const found = shrink(
    upTo(40),
    (faults) => {
      runs++;
      return faults.includes(7) && faults.includes(31);
    },
    () => runs >= 4,
  );
  expect(found.isMinimal).toBe(false);
  expect(found.runs).toBe(4);
  expect(found.faults).toEqual(expect.arrayContaining([7, 31]));
});
