/** Keys may go early or late by as much as clocks jumped that a leader had to believe, and by no more. */
import { expect, test } from 'vitest';
import { LogClock } from '../../../src/group/log-clock.js';
import { expiryBounds } from '../../sim/expiry-bounds.js';
import { checkKey } from '../../support/check-linearizability.js';
import type { HistoryLine } from '../../support/history-record.js';

const TTL_MS = 870;
const HOUR_MS = 3_600_000;
const NO_JUMPS = { aheadMs: 0, behindMs: 0 };
/** What was written at 0 is read so much later. */
function isAllowed(output: string | null, afterMs: number, bounds: ReturnType<typeof expiryBounds>): boolean {
  const line = { client: 1, key: 'k', expected: null, status: 'ok' } as const;
  const lines: HistoryLine[] = [
    { ...line, op: 'put', value: 'a', output: null, call_ns: 0, return_ns: 1e6, ttl_ms: TTL_MS },
    { ...line, op: 'get', value: null, output, call_ns: afterMs * 1e6, return_ns: (afterMs + 1) * 1e6 },
  ];
  return checkKey(lines, { bounds }).kind === 'linearizable';
}

test('a time that one clock put an hour ahead stands still between leaders: a key stays for long', () => {
  // The last entry was stamped an hour ahead. 25 s later somebody leads again, and nothing was stamped in between.
  const stampMs = 1_000_000 + HOUR_MS;
  const clock = new LogClock();
  clock.restart(stampMs, 1_025_000, 50_000);
  expect(clock.now(50_000, 1_025_000)).toBe(stampMs);
  expect(clock.now(50_100, 1_025_100)).toBeLessThan(stampMs + TTL_MS);
  // Time goes on with that leader, though: the key's end comes by its clock, a tenth slower.
  expect(clock.now(51_000, 1_026_000)).toBeGreaterThan(stampMs + TTL_MS);

  const bounds = expiryBounds(['clock_jump', 'long_crash'], { aheadMs: HOUR_MS, behindMs: 0 });
  expect(isAllowed('a', 25_000, bounds)).toBe(true);
  expect(isAllowed('a', HOUR_MS + 10_000, bounds)).toBe(false);
});

test('a jump of seconds excuses seconds, early and late', () => {
  const bounds = expiryBounds(['clock_jump', 'long_crash'], { aheadMs: 1_500, behindMs: 1_500 });
  expect(isAllowed('a', 9_000, bounds)).toBe(true);
  expect(isAllowed('a', 10_000, bounds)).toBe(false);
  expect(isAllowed(null, 1, bounds)).toBe(true);
});

test('no jump, and none that a majority in sight does not share, excuses anything', () => {
  const jumped = { aheadMs: HOUR_MS, behindMs: HOUR_MS };
  for (const bounds of [
    expiryBounds(['clock_jump', 'clock', 'transfer'], jumped),
    expiryBounds(['clock_jump', 'crash'], NO_JUMPS),
  ]) {
    expect(isAllowed('a', 25_000, bounds)).toBe(false);
    expect(isAllowed(null, 100, bounds)).toBe(false);
    expect(isAllowed(null, 1_000, bounds)).toBe(true);
  }
});
