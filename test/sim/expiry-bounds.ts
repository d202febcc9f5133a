/**
 * How far from its time a key may go, by what a run did to the clocks.
 *
 * With at least three clocks in sight a leader heeds the majority. With fewer it believes its own (docs/spec.md, T4):
 * where clocks jump while nodes are down, a group's time may get ahead of true time, or start behind it, by a jump. It
 * never goes back, and while nobody leads, a time that is ahead stands still; so a key that was written when it was
 * ahead stays until true time has caught up, at the latest. Hence nothing comes earlier or later than jumps forward
 * and back are apart. That a majority's word is heeded is a test of its own (E106).
 */
import type { ExpiryBounds } from '../support/check-key-model.js';
import type { FaultKind } from './fault-plan.js';
import { CLOCK_OFFSET_MS_MAX } from './faults.js';

/** Slack of expiry: two clocks off in opposite directions, and some for rates and for the way of a command. */
const USUAL = { earlyMs: 2 * CLOCK_OFFSET_MS_MAX + 150, lateMs: 2 * CLOCK_OFFSET_MS_MAX + 5_000 };
/** With these faults alone every node goes on hearing every clock. */
const CLOCKS_IN_SIGHT: ReadonlySet<FaultKind> = new Set([
  'clock',
  'clock_jump',
  'clock_drift',
  'transfer',
  'slow_disk',
]);

/** The furthest that any clock was off by a jump, each way; both 0 or more. */
export interface Jumps {
  readonly aheadMs: number;
  readonly behindMs: number;
}

export function expiryBounds(kinds: readonly FaultKind[], { aheadMs, behindMs }: Jumps): ExpiryBounds {
  if (kinds.every((kind) => CLOCKS_IN_SIGHT.has(kind))) return USUAL;
  return { earlyMs: USUAL.earlyMs + aheadMs + behindMs, lateMs: USUAL.lateMs + aheadMs + behindMs };
}
