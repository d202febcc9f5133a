/**
 * How the scores of a shard's items are spread, as far as the pages looked at lately tell: a histogram that forgets by
 * halving. Tells which scores are among the lowest of the shard.
 */

/** Scores are from 0 up to, and below, this. */
export const SCORE_LIMIT = 32;
const STEPS = 16;
const BINS = SCORE_LIMIT * STEPS;
/** Halved past this many scores: about 60 pages' worth. */
const SCORES_MAX = 2500;

export class ScoreScale {
  private readonly bins = new Float64Array(BINS);
  private total = 0;

  /** All that score less than this are among the lowest … */
  below = 0;
  /** … and of those from there up to this … */
  upTo = 0;
  /** … this part: where many score the same, not all of them are. */
  part = 0;

  add(score: number): void {
    const bin = Math.min(BINS - 1, Math.floor(score * STEPS));
    this.bins[bin] = (this.bins[bin] as number) + 1;
    if (++this.total > SCORES_MAX) this.forget();
  }

  /** Finds where the lowest `share` of the items ends: `below`, `upTo` and `part` tell it. */
  cut(share: number): void {
    const wanted = this.total * share;
    let sum = 0;
    for (let bin = 0; bin < BINS; bin++) {
      const count = this.bins[bin] as number;
      if (count > 0 && sum + count >= wanted) {
        this.below = bin / STEPS;
        this.upTo = (bin + 1) / STEPS;
        this.part = (wanted - sum) / count;
        return;
      }
      sum += count;
    }
    this.below = this.upTo = 0;
    this.part = 0;
  }

  private forget(): void {
    for (let bin = 0; bin < BINS; bin++) this.bins[bin] = (this.bins[bin] as number) / 2;
    this.total /= 2;
  }
}
