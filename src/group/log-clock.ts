/**
 * The clock of a group's leader: what it stamps into entries (ARCHITECTURE section 9).
 *
 * Starts at max(last stamp, wall clock). From there it follows the monotonic clock, so that a jump of the wall clock
 * backwards never shows; while it is ahead of the wall clock it runs at 90 % until they meet. A step forward of the
 * wall clock is followed only when the peers' median shares it (`trustedWallMs`). Never goes back.
 */
import type { MonoMs, WallMs } from '../base/index.js';

const SLEW = 0.9;
/** Differences below this are scheduling noise, not a step. */
const STEP_MS = 50;

export class LogClock {
  private currentMs = 0;
  private lastMonoMs: MonoMs = 0;

  /** Called when leadership is won. */
  restart(lastStampMs: number, wallMs: WallMs, monoMs: MonoMs): void {
    this.currentMs = Math.max(lastStampMs, wallMs);
    this.lastMonoMs = monoMs;
  }

  /**
   * Milliseconds now. `trustedWallMs` is the wall clock, or the peers' median when the own one is ahead of it.
   * `appliedStampMs`: entries that were in the log when leadership was won may be applied only now, and the time in
   * them counts as the last stamp.
   */
  now(monoMs: MonoMs, trustedWallMs: WallMs, appliedStampMs = 0): number {
    if (appliedStampMs > this.currentMs) this.currentMs = appliedStampMs;
    const elapsedMs = Math.max(0, monoMs - this.lastMonoMs);
    this.lastMonoMs = monoMs;
    const aheadMs = this.currentMs + elapsedMs - trustedWallMs;
    if (aheadMs > STEP_MS) this.currentMs = Math.max(this.currentMs + elapsedMs * SLEW, trustedWallMs);
    else if (aheadMs < -STEP_MS) this.currentMs = trustedWallMs;
    else this.currentMs += elapsedMs;
    return Math.floor(this.currentMs);
  }
}
