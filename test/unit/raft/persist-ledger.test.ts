import { expect, test } from 'vitest';
import { PersistLedger } from '../../../src/raft/persist-ledger.js';

test('the newest confirmed line speaks for the older ones', () => {
  const ledger = new PersistLedger();
  for (const number of [1, 2, 4]) ledger.add(number, number * 10, 1, 0);
  expect(ledger.takeUpTo(3)).toMatchObject({ number: 2, lastIndex: 20 });
  expect(ledger.takeUpTo(3)).toBe(null);
  expect(ledger.takeUpTo(4)).toMatchObject({ number: 4, lastIndex: 40 });
});

test('E25 a cut lowers every open line for good', () => {
  const ledger = new PersistLedger();
  ledger.add(1, 5, 1, 0);
  ledger.clamp(4);
  ledger.add(2, 5, 2, 0);
  ledger.clamp(4);
  ledger.add(3, 6, 3, 0);
  expect([1, 2, 3].map((number) => ledger.takeUpTo(number)?.lastIndex)).toEqual([4, 4, 6]);
});

test('E65 on a disk that stands still the ledger stays bounded, and confirms late rather than early', () => {
  const ledger = new PersistLedger();
  for (let number = 1; number <= 5000; number++) ledger.add(number, number, 1, 0);
  expect(ledger.length).toBeLessThan(1000);
  const confirmed = ledger.takeUpTo(4999)?.lastIndex ?? 0;
  expect(confirmed).toBeLessThan(5000);
  expect(ledger.takeUpTo(5000)?.lastIndex).toBe(5000);
});
