/**
 * What the snapshot streams of a node share, so that clients don't feel them: bytes per second sent, bytes per second
 * received, and how many are sent at once. Streams of all groups draw from the same; who had to wait is served first.
 *
 * Invariants: over any stretch of time no more than `bytesPerSecond` times its length passes in a direction, plus one
 * burst and one chunk; a stream that waits is woken by `tick` and by nothing else.
 */
import { assert, type MonoMs } from '../base/index.js';

/** What may pass at once after a pause: a tenth of a second's worth. More would be felt, less could not be used. */
const BURST_SECONDS = 0.1;
/** Snapshots sent at once: each holds an open file and a chunk in memory. */
const SENDERS_MAX = 8;

/** A token bucket of bytes. It may go into debt by one chunk, so that a chunk larger than the burst still passes. */
export class ByteRate {
  private tokens: number;
  private filledAtMs: MonoMs | null = null;
  /** Who wants to be woken, in the order of asking; bounded by the number of streams. */
  private waiting = new Set<() => void>();
  private serving = false;

  constructor(private readonly bytesPerSecond: number) {
    assert(bytesPerSecond > 0, `a rate of ${bytesPerSecond} lets nothing through`);
    this.tokens = this.burst;
  }

  /** Whether so many bytes may pass now; false also while others wait, who come first. */
  take(bytes: number, nowMs: MonoMs): boolean {
    if (this.waiting.size > 0 && !this.serving) return false;
    this.fill(nowMs);
    if (this.tokens <= 0) return false;
    this.tokens -= bytes;
    return true;
  }

  /** After a `take` that was refused: `run` is called, once, when it is worth trying again. */
  wait(run: () => void): void {
    this.waiting.add(run);
  }

  tick(nowMs: MonoMs): void {
    if (this.waiting.size === 0) return;
    this.fill(nowMs);
    if (this.tokens <= 0) return;
    const due = this.waiting;
    this.waiting = new Set();
    this.serving = true;
    for (const run of due) run(); // who gets nothing waits again, in the same order
    this.serving = false;
  }

  private get burst(): number {
    return this.bytesPerSecond * BURST_SECONDS;
  }

  private fill(nowMs: MonoMs): void {
    const sinceMs = nowMs - (this.filledAtMs ?? nowMs);
    this.filledAtMs = nowMs;
    this.tokens = Math.min(this.burst, this.tokens + (sinceMs / 1000) * this.bytesPerSecond);
  }
}

/** Places for streams: who finds none waits for its turn. */
export class StreamSlots {
  private readonly holders = new Set<object>();
  private readonly waiting = new Map<object, () => void>();

  constructor(private readonly countMax: number) {}

  get inUse(): number {
    return this.holders.size;
  }

  /** Calls `start` now or when a place is free; not at all after `release`. Asked again meanwhile it changes nothing. */
  acquire(holder: object, start: () => void): void {
    if (this.holders.has(holder) || this.waiting.has(holder)) return;
    if (this.holders.size >= this.countMax) {
      this.waiting.set(holder, start);
      return;
    }
    this.holders.add(holder);
    start();
  }

  /** Gives the place, or the wish for one, back. */
  release(holder: object): void {
    this.waiting.delete(holder);
    if (!this.holders.delete(holder)) return;
    for (const [next, start] of this.waiting) {
      this.waiting.delete(next);
      this.holders.add(next);
      start();
      return;
    }
  }
}

export class SnapshotTraffic {
  readonly out: ByteRate;
  readonly in: ByteRate;
  readonly slots = new StreamSlots(SENDERS_MAX);

  constructor(bytesPerSecond: number) {
    this.out = new ByteRate(bytesPerSecond);
    this.in = new ByteRate(bytesPerSecond);
  }

  tick(nowMs: MonoMs): void {
    this.out.tick(nowMs);
    this.in.tick(nowMs);
  }
}
