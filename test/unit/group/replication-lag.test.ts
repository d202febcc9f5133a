import { expect, test } from 'vitest';
import { ReplicationLag } from '../../../src/group/replication-lag.js';

test('a follower is behind by the age of the first tick whose log it does not have', () => {
  const lag = new ReplicationLag();
  lag.note(10, 1000);
  lag.note(10, 1050);
  lag.note(12, 1100);
  lag.note(15, 1150);
  expect(lag.of(15, 1200)).toBe(0);
  expect(lag.of(12, 1200)).toBe(0.05);
  expect(lag.of(10, 1200)).toBe(0.1);
  expect(lag.of(0, 1200)).toBe(0.2);
  lag.clear();
  expect(lag.of(0, 1200)).toBe(0);
});

test('what it remembers is bounded', () => {
  const lag = new ReplicationLag();
  for (let i = 0; i < 1000; i++) lag.note(i, i * 50);
  expect(lag.of(0, 50_000)).toBeLessThanOrEqual(13);
});
