import { expect, test } from 'vitest';
import { Prng } from '../../../src/base/index.js';
import { TermRuns } from '../../../src/raft/term-runs.js';

/** The log of figure 7's follower (f) behind a truncation point. */
function makeRuns(): TermRuns {
  const runs = [
    { index: 11, term: 2 },
    { index: 14, term: 3 },
    { index: 19, term: 7 },
  ];
  return new TermRuns(10, 1, runs, 20);
}

test('terms are known from the truncation point to the end, and nowhere else', () => {
  const runs = makeRuns();
  const terms = [9, 10, 11, 13, 14, 18, 19, 20, 21].map((index) => runs.termAt(index));
  expect(terms).toEqual([0, 1, 2, 2, 3, 3, 7, 7, 0]);
});

test('cutting and appending moves the end', () => {
  const runs = makeRuns();
  runs.truncateFrom(14);
  expect([runs.lastIndex, runs.lastTerm]).toEqual([13, 2]);
  runs.append(14, 2);
  runs.append(15, 9);
  expect([14, 15, 16].map((index) => runs.termAt(index))).toEqual([2, 9, 0]);
  runs.truncateFrom(11);
  expect([runs.lastIndex, runs.lastTerm]).toEqual([10, 1]);
});

test('compaction keeps the term of the new truncation point, at every index', () => {
  for (let index = 10; index <= 20; index++) {
    const before = makeRuns();
    const runs = makeRuns();
    runs.compactTo(index);
    expect(runs.baseTerm).toBe(before.termAt(index));
    for (let i = index; i <= 21; i++) expect(runs.termAt(i)).toBe(before.termAt(i));
    runs.append(21, 7);
    expect([runs.termAt(21), runs.lastIndex]).toEqual([7, 21]);
  }
});

test('the conflict hint skips whole terms above the one asked for', () => {
  const runs = makeRuns();
  expect(runs.greatestUpTo(25, 9)).toBe(20);
  expect(runs.greatestUpTo(20, 6)).toBe(18);
  expect(runs.greatestUpTo(16, 3)).toBe(16);
  expect(runs.greatestUpTo(16, 2)).toBe(13);
  expect(runs.greatestUpTo(16, 1)).toBe(10);
  expect(runs.greatestUpTo(16, 0)).toBe(10);
  expect(runs.greatestUpTo(5, 3)).toBe(5);
});

test('runs that could not be a log are refused', () => {
  expect(() => new TermRuns(10, 1, [{ index: 12, term: 2 }], 12)).toThrow('does not follow');
  expect(() => new TermRuns(10, 3, [{ index: 11, term: 2 }], 11)).toThrow('behind one of term 3');
  expect(() => new TermRuns(10, 1, [], 11)).toThrow('0 term runs');
  expect(() => makeRuns().append(22, 7)).toThrow('does not follow 20');
  expect(() => makeRuns().append(21, 6)).toThrow('behind one of term 7');
});

test('runs answer as a plain list of terms does', () => {
  for (let seed = 1; seed <= 200; seed++) {
    const prng = new Prng(seed);
    const runs = new TermRuns(0, 0, [], 0);
    let list: number[] = [0];
    let base = 0;
    for (let step = 0; step < 60; step++) {
      const last = list.length - 1;
      const what = prng.unit();
      if (what < 0.7) {
        const term = Math.max(1, (list[last] as number) + (prng.chance(0.3) ? prng.between(1, 3) : 0));
        runs.append(last + 1, term);
        list.push(term);
      } else if (what < 0.9 && last > base) {
        const cut = prng.between(base + 1, last);
        runs.truncateFrom(cut);
        list = list.slice(0, cut);
      } else {
        base = prng.between(base, last);
        runs.compactTo(base);
      }
      for (let i = base; i <= list.length; i++) expect(runs.termAt(i)).toBe(list[i] ?? 0);
    }
  }
});
