/**
 * How long followers are behind, in seconds: the leader remembers at each tick where its log ended. A follower that
 * matches index m is behind by the age of the first tick at which the log was longer than m.
 */
import type { LogIndex, MonoMs } from '../base/index.js';

/** Ticks remembered; a lag beyond them is told as at least their span. */
const TICKS_KEPT = 256;

export class ReplicationLag {
  private readonly ends: LogIndex[] = [];
  private readonly timesMs: MonoMs[] = [];

  /** Once a tick, on the leader. */
  note(lastIndex: LogIndex, nowMs: MonoMs): void {
    this.ends.push(lastIndex);
    this.timesMs.push(nowMs);
    if (this.ends.length <= TICKS_KEPT) return;
    this.ends.shift();
    this.timesMs.shift();
  }

  clear(): void {
    this.ends.length = 0;
    this.timesMs.length = 0;
  }

  /** Seconds; 0 for a follower that has everything that the log had at the last tick. */
  of(match: LogIndex, nowMs: MonoMs): number {
    const at = this.ends.findIndex((end) => end > match);
    return at < 0 ? 0 : Math.max(0, nowMs - (this.timesMs[at] as number)) / 1000;
  }
}
