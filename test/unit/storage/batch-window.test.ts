import { describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/index.js';
import { BatchScan, BatchWindow, judgeBatches } from '../../../src/storage/batch-window.js';

describe('batch window', () => {
  it('keeps every number whose batch may still be in the store’s two write buffers', () => {
    // The store as it is: a buffer changes before a write once it is over its limit, the older one goes to a table.
    for (let seed = 1; seed <= 15; seed++) {
      const prng = new Prng(seed);
      const window = new BatchWindow(1, 1000);
      let buffer: number[] = [];
      let older: number[] = [];
      let bufferBytes = 0;
      for (let batch = 1; batch <= 400; batch++) {
        const bytes = prng.chance(0.02) ? prng.below(5000) : 1 + prng.below(100);
        if (bufferBytes >= 1000) {
          older = buffer;
          buffer = [];
          bufferBytes = 0;
        }
        buffer.push(batch);
        bufferBytes += bytes + prng.below(20); // the store may need more than we count, never less
        window.onWritten(batch, bytes);
        expect(window.low).toBeLessThanOrEqual(Math.min(buffer[0] ?? batch, older[0] ?? batch));
      }
      expect(window.low).toBeGreaterThan(1);
    }
  });
});

describe('judgment of batch numbers', () => {
  const scan = (low: number | null, numbers: readonly number[]): BatchScan => {
    const found = new BatchScan();
    if (low !== null) found.onLowMark(low);
    for (const number of numbers) found.onBatch(number);
    return found;
  };
  const mark = (batch: number) => ({ kind: 'batch', batch, slot: 0 }) as const;

  it.each([
    ['nothing anywhere', scan(null, []), { kind: 'absent' } as const, true, 'fresh', undefined],
    ['watermark 0 of a birth cut short', scan(null, []), mark(0), true, 'fresh', undefined],
    ['store removed', scan(null, []), mark(4), true, 'missing', undefined],
    ['all there', scan(1, [1, 2, 3]), mark(3), false, 'whole', 4],
    ['watermark one behind', scan(1, [1, 2, 3]), mark(2), false, 'whole', 4],
    ['old numbers below the low mark, with holes', scan(7, [2, 5, 7, 8]), mark(8), false, 'whole', 9],
    ['gap', scan(1, [1, 2, 5]), mark(4), false, 'gap', 6],
    ['first number above the low mark gone', scan(7, [2, 5, 8]), mark(8), false, 'gap', 9],
    ['end gone', scan(1, [1, 2]), mark(5), false, 'gap', 6],
    ['all numbers gone', scan(4, []), mark(3), false, 'gap', 4],
    ['low mark gone', scan(null, [1, 2]), mark(2), false, 'gap', 3],
    ['watermark gone', scan(1, [1, 2]), { kind: 'absent' } as const, false, 'gap', 3],
    ['watermark damaged', scan(1, [1, 2]), { kind: 'damaged' } as const, false, 'gap', 3],
  ])('%s', (_, found, watermark, isEmpty, kind, next) => {
    const verdict = judgeBatches(found, watermark, isEmpty);
    expect(verdict.kind).toBe(kind);
    expect('next' in verdict ? verdict.next : undefined).toBe(next);
  });
});
