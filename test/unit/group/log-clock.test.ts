import { expect, test } from 'vitest';
import { Prng } from '../../../src/base/index.js';
import { LogClock } from '../../../src/group/log-clock.js';

/** Won at mono 1000, when log and wall clock showed so much. */
function started(lastStampMs: number, wallMs: number): LogClock {
  const clock = new LogClock();
  clock.restart(lastStampMs, wallMs, 1000);
  return clock;
}

test('E88 starts at the later of the last stamp and the wall clock', () => {
  expect(started(5_000_000, 4_000_000).now(1000, 4_000_000)).toBe(5_000_000);
  expect(started(4_000_000, 5_000_000).now(1000, 5_000_000)).toBe(5_000_000);
});

test('E88 what the log brings after leadership was won counts as its last stamp', () => {
  const clock = started(1_000_000, 1_000_000);
  // Entries of the former leader, 5 s ahead, are applied only now.
  expect(clock.now(1010, 1_000_010, 1_005_000)).toBe(1_005_009);
  expect(clock.now(2010, 1_001_010, 1_005_000)).toBe(1_005_909);
});

test('follows the monotonic clock while it agrees with the wall clock', () => {
  const clock = started(0, 1_000_000);
  expect(clock.now(1010, 1_000_010)).toBe(1_000_010);
  expect(clock.now(1500, 1_000_500)).toBe(1_000_500);
});

test('a wall clock that jumps back does not show: the log clock goes on at 90 %', () => {
  const clock = started(0, 1_000_000);
  expect(clock.now(1100, 1_000_100)).toBe(1_000_100);
  expect(clock.now(1200, 900_200)).toBe(1_000_190);
  expect(clock.now(2200, 901_200)).toBe(1_001_090);
});

test('ahead of the wall clock it loses a tenth of the time that passes, until they meet', () => {
  const clock = started(1_010_000, 1_000_000);
  let wallMs = 1_000_000;
  let last = clock.now(1000, wallMs);
  for (let monoMs = 1100; monoMs <= 200_000; monoMs += 100) {
    wallMs += 100;
    const nowMs = clock.now(monoMs, wallMs);
    expect(nowMs).toBeGreaterThanOrEqual(last);
    last = nowMs;
  }
  expect(Math.abs(last - wallMs)).toBeLessThanOrEqual(50);
});

test('slewing after a long pause stops where the clocks meet, and does not fall behind', () => {
  const clock = started(1_000_060, 1_000_000);
  // An hour without a call, 60 ms ahead: 600 ms of slewing would have been enough.
  expect(clock.now(1000 + 3_600_000, 1_000_000 + 3_600_000)).toBeGreaterThanOrEqual(4_600_000 - 1);
});

test('a step forward of the trusted clock is followed', () => {
  const clock = started(0, 1_000_000);
  expect(clock.now(1010, 1_060_010)).toBe(1_060_010);
});

test('E106 a step forward that the peers do not share is not: the trusted clock holds it back', () => {
  const clock = started(0, 1_000_000);
  // The own clock went ten years ahead; `trustedWallMs` stayed with the median.
  expect(clock.now(2000, 1_001_000)).toBe(1_001_000);
});

test('small differences are noise: no step, no slewing', () => {
  const clock = started(0, 1_000_000);
  expect(clock.now(1100, 1_000_130)).toBe(1_000_100);
  expect(clock.now(1200, 1_000_170)).toBe(1_000_200);
});

test('winning again never makes it go back behind the log', () => {
  const clock = started(2_000_000, 1_000_000);
  const before = clock.now(1500, 1_000_500);
  clock.restart(before, 1_000_600, 1600);
  expect(clock.now(1600, 1_000_600)).toBeGreaterThanOrEqual(before);
});

test('never goes back and stamps whole milliseconds, whatever the wall clock does', () => {
  const prng = new Prng(3);
  for (let round = 0; round < 50; round++) {
    const clock = new LogClock();
    let monoMs = 1000;
    let wallMs = 1_000_000_000;
    clock.restart(wallMs - prng.below(10_000) + 5000, wallMs, monoMs);
    let last = 0;
    for (let i = 0; i < 200; i++) {
      const passed = prng.unit() * 500;
      monoMs += passed;
      wallMs += prng.chance(0.1) ? prng.between(-100_000, 100_000) : passed;
      const nowMs = clock.now(monoMs, wallMs);
      expect(nowMs).toBeGreaterThanOrEqual(last);
      expect(Number.isSafeInteger(nowMs)).toBe(true);
      last = nowMs;
    }
  }
});
