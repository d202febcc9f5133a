/**
 * How far the peers' wall clocks are from this one, from the stamps in their Raft frames (the frames' delay makes
 * them look a little behind). Used to hold a leader's log clock back to the peers' median, and to keep a node whose
 * clock is far off from campaigning.
 *
 * What was heard is kept relative to the monotonic clock: when the own wall clock jumps, the peers' are off from it at
 * once, not only with their next frames. Else a leader would stamp the jump until then, and its log never goes back.
 */
import type { MonoMs, NodeId, WallMs } from '../base/index.js';

/** A clock further than this from the median neither leads nor campaigns. */
export const CLOCK_OFFSET_MAX_MS = 500;
/** An offset not heard of for this long is forgotten. */
const STALE_MS = 10_000;

export class ClockOffsets {
  private readonly heard = new Map<NodeId, { wallLessMonoMs: number; heardAtMs: MonoMs }>();

  note(node: NodeId, theirWallMs: WallMs, monoMs: MonoMs): void {
    this.heard.set(node, { wallLessMonoMs: theirWallMs - monoMs, heardAtMs: monoMs });
  }

  /** Median of all clocks known, this one included, relative to this one. Null with fewer than three clocks. */
  medianMs(ownWallMs: WallMs, monoMs: MonoMs): number | null {
    const all = [0];
    for (const { wallLessMonoMs, heardAtMs } of this.heard.values()) {
      if (monoMs - heardAtMs < STALE_MS) all.push(wallLessMonoMs + monoMs - ownWallMs);
    }
    if (all.length < 3) return null;
    all.sort((a, b) => a - b);
    const middle = all.length >> 1;
    const high = all[middle] as number;
    return all.length % 2 === 1 ? high : (high + (all[middle - 1] as number)) / 2;
  }

  /** The own wall clock, or the median when the own one is ahead of it by more than the bound. */
  trustedWallMs(ownWallMs: WallMs, monoMs: MonoMs): WallMs {
    const median = this.medianMs(ownWallMs, monoMs);
    return median !== null && median < -CLOCK_OFFSET_MAX_MS ? Math.floor(ownWallMs + median) : ownWallMs;
  }

  /** The own wall clock, or the median when the own one is off, to whichever side. */
  clusterWallMs(ownWallMs: WallMs, monoMs: MonoMs): WallMs {
    const median = this.medianMs(ownWallMs, monoMs) ?? 0;
    return Math.abs(median) > CLOCK_OFFSET_MAX_MS ? Math.floor(ownWallMs + median) : ownWallMs;
  }

  isOff(ownWallMs: WallMs, monoMs: MonoMs): boolean {
    const median = this.medianMs(ownWallMs, monoMs);
    return median !== null && Math.abs(median) > CLOCK_OFFSET_MAX_MS;
  }

  /** Whether a peer's clock is further from the median than the bound. */
  isPeerOff(node: NodeId, ownWallMs: WallMs, monoMs: MonoMs): boolean {
    const median = this.medianMs(ownWallMs, monoMs);
    const peer = this.heard.get(node);
    if (median === null || peer === undefined || monoMs - peer.heardAtMs >= STALE_MS) return false;
    return Math.abs(peer.wallLessMonoMs + monoMs - ownWallMs - median) > CLOCK_OFFSET_MAX_MS;
  }

  rows(ownWallMs: WallMs, monoMs: MonoMs): { node: NodeId; offsetMs: number }[] {
    return [...this.heard].map(([node, { wallLessMonoMs }]) => ({
      node,
      offsetMs: wallLessMonoMs + monoMs - ownWallMs,
    }));
  }
}
