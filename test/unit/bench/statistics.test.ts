/** Medians, spreads and ratios of the benchmark, and the latency histogram against sorting. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { LatencyHistogram } from '../../../scripts/bench/latency-histogram.js';
import { median, planCount, quantile, ratioOf, spreadOf } from '../../../scripts/bench/statistics.js';

const figures = fc.array(fc.double({ min: 0.002, max: 50_000, noNaN: true }), {
  minLength: 1,
  maxLength: 60,
});

describe('figures of a few rounds', () => {
  it('have a middle that is not moved by one wild round', () => {
    expect(median([10, 11, 12, 13, 9000])).toBe(12);
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(spreadOf([3, 1, 2])).toEqual({ median: 2, low: 1, high: 3, count: 3 });
    expect(() => median([])).toThrow('nothing');
  });

  it('have a median with at most half of them on each side', () => {
    fc.assert(
      fc.property(figures, (values) => {
        const middle = median(values);
        expect(values.filter((value) => value < middle).length).toBeLessThanOrEqual(values.length / 2);
        expect(values.filter((value) => value > middle).length).toBeLessThanOrEqual(values.length / 2);
      }),
    );
  });

  it('have quantiles that are values of theirs', () => {
    expect(quantile([5, 1, 4, 2, 3], 0.5)).toBe(3);
    expect(quantile([5, 1, 4, 2, 3], 0.99)).toBe(5);
    expect(quantile([5, 1, 4, 2, 3], 0)).toBe(1);
    expect(() => quantile([], 0.5)).toThrow('nothing');
  });
});

describe('a ratio', () => {
  it('is made within rounds, so that a slow hour of the machine does not count for one side alone', () => {
    const ours = new Map([
      [0, 300],
      [1, 30],
      [2, 290],
    ]);
    const theirs = new Map([
      [0, 100],
      [1, 10],
      [2, 100],
    ]);
    expect(ratioOf(ours, theirs)).toEqual({ median: 3, low: 2.9, high: 3, count: 3 });
  });

  it('leaves out rounds that only one side has', () => {
    expect(
      ratioOf(
        new Map([
          [0, 4],
          [1, 9],
        ]),
        new Map([[0, 2]]),
      ),
    ).toEqual({ median: 2, low: 2, high: 2, count: 1 });
    expect(ratioOf(new Map([[1, 9]]), new Map([[0, 2]]))).toBeNull();
    expect(ratioOf(new Map([[0, 9]]), new Map([[0, 0]]))).toBeNull();
  });
});

describe('the count of a run', () => {
  it('follows the rate and stays between one window and the limit', () => {
    expect(planCount(1000, 3, 64)).toBe(3000);
    expect(planCount(1, 3, 64)).toBe(64);
    expect(planCount(Infinity, 3, 64)).toBe(64);
    expect(planCount(1e9, 3, 64, 500)).toBe(500);
  });
});

describe('the latency histogram', () => {
  it('tells a quantile at most 2 % above the sorted one and never below it', () => {
    fc.assert(
      fc.property(figures, fc.constantFrom(0.5, 0.9, 0.99, 1), (values, share) => {
        const histogram = new LatencyHistogram();
        for (const value of values) histogram.add(value);
        const exact = quantile(values, share);
        expect(histogram.quantileMs(share)).toBeGreaterThanOrEqual(exact * 0.999999);
        expect(histogram.quantileMs(share)).toBeLessThanOrEqual(exact * 1.021);
        expect(histogram.maxMs).toBe(Math.max(...values));
      }),
    );
  });

  it('knows nothing when nothing was added, and forgets when it is cleared', () => {
    const histogram = new LatencyHistogram();
    expect(histogram.quantileMs(0.5)).toBe(0);
    histogram.add(3);
    histogram.clear();
    expect([histogram.count, histogram.quantileMs(0.99), histogram.maxMs]).toEqual([0, 0, 0]);
  });

  it('keeps what is longer than its last bucket as its last bucket', () => {
    const histogram = new LatencyHistogram();
    histogram.add(10_000_000);
    expect(histogram.count).toBe(1);
    expect(histogram.quantileMs(0.5)).toBeGreaterThan(60_000);
  });
});
