/**
 * What was applied since the last checkpoint, and whether that is enough for another one: bytes above the limit and the
 * last checkpoint's size, entries above theirs, or more work than a restart should have to repeat.
 *
 * Invariant: what is counted here was applied by this process; entries of an earlier life count when they are applied
 * again.
 */

/** Work of about a second: so long at most would a restart replay, on the machine that did it first. */
const REPLAY_MS_MAX = 1000;

export interface DueLimits {
  readonly bytes: number;
  readonly entries: number;
}

export class CheckpointDue {
  /** Of the log since the newest checkpoint. */
  bytes = 0;
  private entries = 0;
  /** How long applying took, answers to clients included. */
  private workMs = 0;
  /** Size of the newest checkpoint's file; 0 while there is none. */
  checkpointBytes = 0;
  private begun = { bytes: 0, entries: 0, workMs: 0 };

  onApplied(bytes: number, tookMs: number): void {
    this.bytes += bytes;
    this.entries++;
    this.workMs += tookMs;
  }

  get hasNews(): boolean {
    return this.entries > 0;
  }

  isDue(limits: DueLimits): boolean {
    return (
      this.bytes > Math.max(limits.bytes, this.checkpointBytes) ||
      this.entries > limits.entries ||
      this.workMs > REPLAY_MS_MAX
    );
  }

  /** A checkpoint of what is applied now is being written. */
  begin(): void {
    const { bytes, entries, workMs } = this;
    this.begun = { bytes, entries, workMs };
  }

  /** It is there, and so large; returns the log bytes that lie between it and the one before. */
  end(checkpointBytes: number): number {
    const { begun } = this;
    this.bytes -= begun.bytes;
    this.entries -= begun.entries;
    this.workMs -= begun.workMs;
    this.checkpointBytes = checkpointBytes;
    return begun.bytes;
  }

  /** A snapshot took the place of all that. */
  clear(checkpointBytes: number): void {
    this.bytes = 0;
    this.entries = 0;
    this.workMs = 0;
    this.checkpointBytes = checkpointBytes;
  }
}
