/**
 * Latencies of a run in constant memory: buckets that grow by 2 %, from 1 microsecond to more than a minute. A quantile
 * is the upper edge of its bucket, so it is never told too low, and at most 2 % too high.
 */

const GROWTH = 1.02;
const LOWEST_MS = 0.001;
const BUCKETS = 920; // 0.001 ms * 1.02^920 is about 81 s; what is longer counts as that
const LOG_GROWTH = Math.log(GROWTH);

export class LatencyHistogram {
  private readonly counts = new Float64Array(BUCKETS);
  count = 0;
  maxMs = 0;

  add(ms: number): void {
    const at = ms <= LOWEST_MS ? 0 : Math.ceil(Math.log(ms / LOWEST_MS) / LOG_GROWTH);
    const bucket = Math.min(at, BUCKETS - 1);
    this.counts[bucket] = (this.counts[bucket] as number) + 1;
    this.count++;
    if (ms > this.maxMs) this.maxMs = ms;
  }

  clear(): void {
    this.counts.fill(0);
    this.count = 0;
    this.maxMs = 0;
  }

  /** The latency that this share (0..1) of all doesn't exceed; 0 when there is none. */
  quantileMs(share: number): number {
    const wanted = Math.max(1, Math.ceil(share * this.count));
    let seen = 0;
    for (let i = 0; i < BUCKETS; i++) {
      seen += this.counts[i] as number;
      if (seen >= wanted) return Math.min(LOWEST_MS * GROWTH ** i, this.maxMs);
    }
    return 0;
  }
}
