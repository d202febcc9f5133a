/**
 * How the scores of a shard's items are spread, as far as the pages looked at lately tell: a histogram that forgets by
 * halving. Answers below which score a given share of the items lies.
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

  add(score: number): void {
    const bin = Math.min(BINS - 1, Math.floor(score * STEPS));
    this.bins[bin] = (this.bins[bin] as number) + 1;
    if (++this.total > SCORES_MAX) this.forget();
  }

  /** A score at or below which about `share` of the items lie. */
  quantile(share: number): number {
    const wanted = this.total * share;
    let sum = 0;
    for (let bin = 0; bin < BINS; bin++) {
      sum += this.bins[bin] as number;
      if (sum > 0 && sum >= wanted) return (bin + 1) / STEPS;
    }
    return SCORE_LIMIT;
  }

  private forget(): void {
    for (let bin = 0; bin < BINS; bin++) this.bins[bin] = (this.bins[bin] as number) / 2;
    this.total /= 2;
  }
}
