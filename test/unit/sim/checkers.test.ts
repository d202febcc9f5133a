/** Each rule of the safety checkers, on the shortest story that breaks it. */
import { expect, test } from 'vitest';
import { SafetyCheckers } from '../../sim/checkers.js';
import { SimLoop } from '../../sim/world/loop.js';

const entry = (index: number, term: number, text = `${index}`) => ({ index, term, data: Buffer.from(text) });

/** Replica N of group 1 lives on node N. */
function story() {
  const checkers = new SafetyCheckers(new SimLoop());
  return {
    checkers,
    lead: (n: number, term: number) => checkers.onRole(n, 1, n, 'leader', term),
    append: (n: number, ...entries: ReturnType<typeof entry>[]) => checkers.onAppend(n, 1, n, entries),
    commit: (n: number, index: number) => checkers.onCommit(n, 1, n, index, 1),
    apply: (n: number, e: ReturnType<typeof entry>, hash = 'h') => checkers.onApply(n, 1, n, e, () => hash),
    snapshot: (n: number, index: number, term: number, hash: string) =>
      checkers.onSnapshot(n, 1, n, index, term, hash),
  };
}

test('a quiet story has no violation', () => {
  const s = story();
  s.lead(1, 1);
  s.lead(1, 1);
  for (const n of [1, 2]) {
    s.append(n, entry(1, 1), entry(2, 1));
    s.commit(n, 2);
    s.apply(n, entry(1, 1), 'a');
    s.apply(n, entry(2, 1), 'b');
  }
  s.snapshot(3, 2, 1, 'b');
  s.append(3, entry(3, 2));
  s.lead(2, 2);
  expect(() => s.checkers.check()).not.toThrow();
  expect(s.checkers.elections).toBe(2);
});

test('an uncommitted tail may be replaced by a later term', () => {
  const s = story();
  s.append(1, entry(1, 1), entry(2, 1, 'old'));
  s.commit(1, 1);
  s.append(1, entry(2, 2, 'new'));
  s.commit(1, 2);
  expect(s.checkers.violation).toBe(null);
});

test('S1 two leaders in one term', () => {
  const s = story();
  s.lead(1, 3);
  s.lead(2, 3);
  expect(() => s.checkers.check()).toThrow(/S1/);
});

test('S2 one index and term with other bytes', () => {
  const s = story();
  s.append(1, entry(1, 1, 'a'));
  s.append(2, entry(1, 1, 'b'));
  expect(s.checkers.violation).toMatch(/S2/);
});

test('S2 one index and term with another entry before it', () => {
  const s = story();
  s.append(1, entry(1, 1), entry(2, 3));
  s.append(2, entry(1, 2), entry(2, 3));
  expect(s.checkers.violation).toMatch(/S2/);
});

test('S3 a committed entry is overwritten', () => {
  const s = story();
  s.append(1, entry(1, 1, 'a'));
  s.commit(1, 1);
  s.append(1, entry(1, 2, 'b'));
  expect(s.checkers.violation).toMatch(/S3/);
});

test('S3 another replica commits another entry', () => {
  const s = story();
  s.append(1, entry(1, 1, 'a'));
  s.commit(1, 1);
  s.append(2, entry(1, 2, 'b'));
  s.commit(2, 1);
  expect(s.checkers.violation).toMatch(/S3/);
});

test('S4 a leader without what is committed', () => {
  const s = story();
  s.append(1, entry(1, 1, 'a'));
  s.commit(1, 1);
  s.append(2, entry(1, 2, 'b'));
  s.lead(2, 3);
  expect(s.checkers.violation).toMatch(/S4/);
});

test('S5 one index, two states', () => {
  const s = story();
  s.apply(1, entry(1, 1), 'x');
  s.apply(2, entry(1, 1), 'y');
  expect(s.checkers.violation).toMatch(/S5/);
});

test('S5 a snapshot with another state', () => {
  const s = story();
  s.apply(1, entry(1, 1), 'x');
  s.snapshot(2, 1, 1, 'y');
  expect(s.checkers.violation).toMatch(/S5/);
});

test('S5 an entry is skipped or applied twice', () => {
  for (const next of [1, 3]) {
    const s = story();
    s.apply(1, entry(1, 1), 'x');
    s.apply(1, entry(next, 1), next === 1 ? 'x' : 'y');
    expect(s.checkers.violation).toMatch(/S5/);
  }
});

test('S6 an acknowledged value that no committed entry holds', () => {
  const s = story();
  s.apply(1, entry(1, 1, 'frame<4.1>frame'));
  s.checkers.onAcknowledgedValue('<4.1>...');
  expect(s.checkers.violation).toBe(null);
  s.checkers.onAcknowledgedValue('<4.2>');
  expect(s.checkers.violation).toMatch(/S6/);
});

test('after a restart the uncommitted tail is not held against a replica', () => {
  const s = story();
  s.append(1, entry(1, 1), entry(2, 1), entry(3, 2));
  s.commit(1, 1);
  s.checkers.onRestart(1);
  // Entry 3 of term 2 was lost, entry 2 was not: that entry 4 follows something else is no contradiction.
  s.append(1, entry(3, 1), entry(4, 1));
  s.apply(1, entry(1, 1));
  expect(s.checkers.violation).toBe(null);
});
