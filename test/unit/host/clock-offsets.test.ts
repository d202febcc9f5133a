import { expect, test } from 'vitest';
import { CLOCK_OFFSET_MAX_MS, ClockOffsets } from '../../../src/host/clock-offsets.js';

const WALL = 1_000_000;

/** Peers 2, 3, … whose wall clocks are ahead by so much, heard of at mono 0. */
function heard(...offsets: number[]): ClockOffsets {
  const clocks = new ClockOffsets();
  for (const [i, offset] of offsets.entries()) clocks.note(i + 2, WALL + offset, 0);
  return clocks;
}

test('fewer than three clocks decide nothing', () => {
  expect(heard().medianMs(WALL, 0)).toBeNull();
  const two = heard(-9999);
  expect(two.medianMs(WALL, 0)).toBeNull();
  expect(two.trustedWallMs(WALL, 0)).toBe(WALL);
  expect(two.isOff(WALL, 0)).toBe(false);
});

test('the own clock counts in the median', () => {
  expect(heard(100, 300).medianMs(WALL, 0)).toBe(100);
  expect(heard(-100, 300).medianMs(WALL, 0)).toBe(0);
  expect(heard(100, 200, 300).medianMs(WALL, 0)).toBe(150);
});

test('a peer counts with the last thing heard from it', () => {
  const clocks = heard(1000, 1000);
  clocks.note(2, WALL + 10, 10);
  clocks.note(3, WALL + 10, 10);
  expect(clocks.medianMs(WALL + 10, 10)).toBe(0);
  expect(clocks.rows(WALL + 10, 10)).toEqual([
    { node: 2, offsetMs: 0 },
    { node: 3, offsetMs: 0 },
  ]);
});

test('E106 a clock far ahead of the median is held back to it', () => {
  const tenYearsMs = 315_000_000_000;
  const clocks = heard(-tenYearsMs, -tenYearsMs);
  expect(clocks.trustedWallMs(WALL, 0)).toBe(WALL - tenYearsMs);
  expect(clocks.isOff(WALL, 0)).toBe(true);
});

test('E106 a jump of the own clock shows at once, before any peer is heard again', () => {
  const clocks = heard(3, -3);
  expect(clocks.isOff(WALL + 20, 20)).toBe(false);
  expect(clocks.trustedWallMs(WALL + 3_600_020, 20)).toBe(WALL + 23);
  expect(clocks.isOff(WALL + 3_600_020, 20)).toBe(true);
});

test('at the bound the own clock is trusted, beyond it not', () => {
  expect(heard(-CLOCK_OFFSET_MAX_MS, -CLOCK_OFFSET_MAX_MS).isOff(WALL, 0)).toBe(false);
  expect(heard(-CLOCK_OFFSET_MAX_MS, -CLOCK_OFFSET_MAX_MS).trustedWallMs(WALL, 0)).toBe(WALL);
  const beyond = heard(-CLOCK_OFFSET_MAX_MS - 1, -CLOCK_OFFSET_MAX_MS - 1);
  expect(beyond.isOff(WALL, 0)).toBe(true);
  expect(beyond.trustedWallMs(WALL, 0)).toBe(WALL - CLOCK_OFFSET_MAX_MS - 1);
});

test('a clock far behind keeps its own time, and does not campaign', () => {
  const behind = heard(9000, 9000);
  expect(behind.trustedWallMs(WALL, 0)).toBe(WALL);
  expect(behind.isOff(WALL, 0)).toBe(true);
});

test('one mad clock among three changes nothing', () => {
  const clocks = heard(315_000_000_000, 3);
  expect(clocks.isOff(WALL, 0)).toBe(false);
  expect(clocks.trustedWallMs(WALL, 0)).toBe(WALL);
});

test('what was not heard of for ten seconds is forgotten', () => {
  const clocks = heard(5000, 5000);
  expect(clocks.isOff(WALL + 9999, 9999)).toBe(true);
  expect(clocks.isOff(WALL + 10_000, 10_000)).toBe(false);
  expect(clocks.medianMs(WALL + 10_000, 10_000)).toBeNull();
});
