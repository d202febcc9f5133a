/** A table that runs out of segments: small items are kept as large ones, and find their way back. */
import { expect, test } from 'vitest';
import { Digest } from '../../../src/kv/digest.js';
import { Item } from '../../../src/kv/item.js';
import { SegmentArenas } from '../../../src/kv/segment-arenas.js';
import { LARGE_FROM, SegmentStore } from '../../../src/kv/segment-store.js';

/** Of which new items may take three: the rest is compaction's. */
const SEGMENTS_MAX = 67;

test('with no segment left a small item is kept as a large one, until segments are free again', () => {
  const store = new SegmentStore(new SegmentArenas(), SEGMENTS_MAX);
  const item = new Item();
  const seen = new Item();
  const digest = new Digest();
  const key = new Uint8Array([1, 2, 3]);
  const add = (n: number): number => {
    item.setKey(key, 0, key.length);
    item.setValue(new Uint8Array(4000).fill(n), 0, 4000);
    item.version = n;
    item.expiryMs = 0;
    return store.add(item, digest, 0);
  };
  const positions: number[] = [];
  for (let n = 1; n <= 100; n++) positions.push(add(n));
  const isLarge = positions.map((position) => position >= LARGE_FROM);
  const smallCount = isLarge.indexOf(true);
  expect(smallCount).toBeGreaterThan(30);
  expect(isLarge.slice(smallCount)).not.toContain(false);
  expect(store.segmentCount).toBe(3);
  for (const [i, position] of positions.entries()) {
    store.view(position, seen);
    expect([seen.version, seen.valueBytes[seen.valueStart], seen.valueEnd - seen.valueStart]).toEqual([
      i + 1,
      i + 1,
      4000,
    ]);
  }
  store.check(new Set(positions));
  for (const position of positions.splice(0, smallCount)) store.kill(position);
  expect(add(200)).toBeLessThan(LARGE_FROM);
  expect(add(201)).toBeLessThan(LARGE_FROM);
});
