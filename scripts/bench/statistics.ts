/**
 * Figures from a few rounds: medians, spreads and ratios. Pure.
 *
 * With five rounds a mean is a plaything of the worst one, so nothing here is a mean; the spread is told as the lowest
 * and the highest value, because with five values a deviation would claim more than is known.
 */

export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

/** The middle value; of an even count the mean of the two in the middle. Throws on an empty list. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new Error('no median of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

/** The smallest value that at least this share of all values doesn't exceed (`share` in 0..1). */
export function quantile(values: readonly number[], share: number): number {
  if (values.length === 0) throw new Error('no quantile of nothing');
  const sorted = [...values].sort((a, b) => a - b);
  const at = Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1));
  return sorted[at] as number;
}

export function spreadOf(values: readonly number[]): Spread {
  return {
    median: median(values),
    low: Math.min(...values),
    high: Math.max(...values),
    count: values.length,
  };
}

/**
 * Ratios round by round, where both were measured in a round: what disturbs the machine for a minute then disturbs
 * both sides of a ratio. Null when no round has both.
 */
export function ratioOf(
  ours: ReadonlyMap<number, number>,
  theirs: ReadonlyMap<number, number>,
): Spread | null {
  const ratios: number[] = [];
  for (const [round, value] of ours) {
    const other = theirs.get(round);
    if (other !== undefined && other > 0) ratios.push(value / other);
  }
  return ratios.length === 0 ? null : spreadOf(ratios);
}

/**
 * How many operations take about `seconds` at this rate: at least one full window of every client, and never more
 * than `countMax`, so that a wrong rate can't make a run endless.
 */
export function planCount(perSecond: number, seconds: number, window: number, countMax = 20_000_000): number {
  const wanted = Number.isFinite(perSecond) ? Math.round(perSecond * seconds) : window;
  return Math.min(countMax, Math.max(window, wanted));
}
