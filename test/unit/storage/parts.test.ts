import { describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/index.js';
import { DeadRanges } from '../../../src/storage/dead-ranges.js';
import { EntrySizes } from '../../../src/storage/entry-sizes.js';

describe('entry sizes', () => {
  it('sums like a plain array does, whatever is dropped from either end', () => {
    const prng = new Prng(3);
    const sizes = new EntrySizes();
    const model: number[] = [];
    for (let i = 0; i < 5_000; i++) {
      const what = prng.below(10);
      if (what < 7) {
        const bytes = prng.below(10_000);
        sizes.push(bytes);
        model.push(bytes);
      } else {
        const count = prng.below(model.length + 1) >> 3;
        if (what === 7) {
          sizes.dropFirst(count);
          model.splice(0, count);
        } else {
          sizes.dropLast(count);
          model.splice(model.length - count, count);
        }
      }
      expect(sizes.length).toBe(model.length);
      expect(sizes.bytes).toBe(model.reduce((sum, bytes) => sum + bytes, 0));
    }
  });
});

describe('dead ranges', () => {
  it('hands out every dead entry once, a slice at a time', () => {
    const dead = new DeadRanges();
    dead.add(1, 1, 4);
    dead.add(2, 5, 6);
    dead.add(1, 4, 6);
    dead.add(1, 9, 9);
    const seen: string[] = [];
    const visit = (group: number, index: number): void => void seen.push(`${group}:${index}`);
    expect(dead.take(4, visit)).toBe(4);
    expect(dead.isEmpty).toBe(false);
    expect(dead.take(10, visit)).toBe(2);
    expect(seen).toEqual(['1:1', '1:2', '1:3', '1:4', '1:5', '2:5']);
    expect(dead.isEmpty).toBe(true);
  });

  it('gives up one group’s entries at once', () => {
    const dead = new DeadRanges();
    dead.add(1, 1, 3);
    dead.add(2, 1, 2);
    dead.add(1, 7, 8);
    const seen: number[] = [];
    dead.takeGroup(1, (_, index) => seen.push(index));
    expect(seen).toEqual([1, 2, 7]);
    expect(dead.take(9, () => undefined)).toBe(1);
  });
});
