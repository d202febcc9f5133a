/**
 * How far the peers' wall clocks are from this one, from the stamps in their Raft frames (the frames' delay makes
 * them look a little behind). Used to hold a leader's log clock back to the peers' median, and to keep a node whose
 * clock is far off from campaigning.
 */
import type { MonoMs, NodeId, WallMs } from '../base/index.js';

/** A clock further than this from the median neither leads nor campaigns. */
export const CLOCK_OFFSET_MAX_MS = 500;
/** An offset not heard of for this long is forgotten. */
const STALE_MS = 10_000;

export class ClockOffsets {
  private readonly offsets = new Map<NodeId, { offsetMs: number; heardAtMs: MonoMs }>();

  note(node: NodeId, theirWallMs: WallMs, ownWallMs: WallMs, monoMs: MonoMs): void {
    this.offsets.set(node, { offsetMs: theirWallMs - ownWallMs, heardAtMs: monoMs });
  }

  /** Median of all clocks known, this one included, relative to this one. Null with fewer than three clocks. */
  medianMs(monoMs: MonoMs): number | null {
    const all = [0];
    for (const { offsetMs, heardAtMs } of this.offsets.values()) {
      if (monoMs - heardAtMs < STALE_MS) all.push(offsetMs);
    }
    if (all.length < 3) return null;
    all.sort((a, b) => a - b);
    const middle = all.length >> 1;
    const high = all[middle] as number;
    return all.length % 2 === 1 ? high : (high + (all[middle - 1] as number)) / 2;
  }

  /** The own wall clock, or the median when the own one is ahead of it by more than the bound. */
  trustedWallMs(ownWallMs: WallMs, monoMs: MonoMs): WallMs {
    const median = this.medianMs(monoMs);
    return median !== null && median < -CLOCK_OFFSET_MAX_MS ? Math.floor(ownWallMs + median) : ownWallMs;
  }

  isOff(monoMs: MonoMs): boolean {
    const median = this.medianMs(monoMs);
    return median !== null && Math.abs(median) > CLOCK_OFFSET_MAX_MS;
  }

  rows(): { node: NodeId; offsetMs: number }[] {
    return [...this.offsets].map(([node, { offsetMs }]) => ({ node, offsetMs }));
  }
}
