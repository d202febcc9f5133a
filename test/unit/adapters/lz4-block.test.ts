/** What lz4-block.ts writes, lz4js reads, whatever the bytes; and it stays within the bound that buffers are made by. */
import fc from 'fast-check';
import { decompressBlock } from 'lz4js';
import { describe, expect, it } from 'vitest';

import { blockBytesMax, compressBlock } from '../../../src/adapters/lz4-block.js';
import { Prng } from '../../../src/base/index.js';

/** As a part of something longer, so that what stands around it must not matter. */
function expectSame(plain: Uint8Array, around = 3): number {
  const src = new Uint8Array(plain.length + 2 * around).fill(plain[0] ?? 7);
  src.set(plain, around);
  const dst = new Uint8Array(around + blockBytesMax(plain.length));
  const end = compressBlock(src, around, around + plain.length, dst, around);
  expect(end).toBeLessThanOrEqual(dst.length);
  const back = new Uint8Array(plain.length);
  expect(decompressBlock(dst, back, around, end - around, 0)).toBe(plain.length);
  expect(Buffer.compare(back, plain)).toBe(0);
  return end - around;
}

describe('an LZ4 block', () => {
  it('gives back bytes of every length, all alike, counting up and random', () => {
    const prng = new Prng(1);
    for (let length = 0; length < 600; length++) {
      expectSame(new Uint8Array(length));
      expectSame(Uint8Array.from({ length }, (_, i) => i & 0xff));
      expectSame(Uint8Array.from({ length }, () => prng.below(256)));
      expectSame(Uint8Array.from({ length }, () => prng.below(2)));
    }
  });

  it('gives back texts with repetitions near, far, and too far for a distance', () => {
    const prng = new Prng(2);
    const piece = Uint8Array.from({ length: 100 }, () => prng.below(256));
    for (const gap of [0, 1, 13, 65_400, 65_434, 65_435, 65_436, 65_535, 65_536, 70_000, 200_000]) {
      const plain = new Uint8Array(200 + gap);
      for (let i = 0; i < plain.length; i++) plain[i] = prng.below(256);
      plain.set(piece, 0);
      plain.set(piece, 100 + gap);
      expectSame(plain);
    }
  });

  it('gives back anything', () => {
    const chunk = fc.oneof(
      fc.uint8Array({ maxLength: 40 }),
      fc.constantFrom(Uint8Array.of(1), Uint8Array.of(1, 2)),
    );
    const parts = fc.array(fc.tuple(chunk, fc.integer({ min: 1, max: 300 })), { maxLength: 12 });
    fc.assert(
      fc.property(parts, (list) => {
        const bytes = list.flatMap(([part, times]) => Array.from({ length: times }, () => [...part]).flat());
        expectSame(Uint8Array.from(bytes));
      }),
      { numRuns: 200 },
    );
  });

  it('is small where there is something to find', () => {
    const text = 'key:000000000000 ';
    const plain = Uint8Array.from({ length: 100_000 }, (_, i) => text.charCodeAt(i % text.length));
    expect(expectSame(plain)).toBeLessThan(600);
  });
});
