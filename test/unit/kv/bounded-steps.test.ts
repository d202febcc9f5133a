/**
 * Goal: no single step works more than its share, however large the table. Method: work is counted, not timed: items
 * looked at, slots and frames given back, buckets of a sketch moved or halved in one call.
 */
import { describe, expect, test } from 'vitest';
import { CompactTable } from '../../../src/kv/compact-table.js';
import { FrequencySketch } from '../../../src/kv/frequency-sketch.js';
import { Item } from '../../../src/kv/item.js';
import { KeyHasher } from '../../../src/kv/key-hash.js';
import { FramePool } from '../../../src/kv/page-frames.js';
import { RecencySketch } from '../../../src/kv/recency-sketch.js';
import { SegmentArenas } from '../../../src/kv/segment-arenas.js';
import { SegmentStore } from '../../../src/kv/segment-store.js';
import { MOVED_BUCKETS } from '../../../src/kv/sketch-buckets.js';

/** The bound of `compact-table.ts`, and the rest of a page. */
const DUE_ITEMS_MAX = 1024 + 100;
/** Slots, and frames, that one write takes back of what was cleared. */
const RELAX_MAX = 64;

/** A table of keys of four bytes. */
class Numbers {
  readonly hasher = new KeyHasher(3);
  readonly table = new CompactTable(this.hasher);
  private readonly key = new Uint8Array(4);
  private readonly value = new Uint8Array(100);
  private readonly item = new Item();
  private readonly found = new Item();
  private version = 0;

  set(n: number, expiryMs = 0): void {
    const { item } = this;
    item.hash = this.hashOf(n);
    item.version = ++this.version;
    item.expiryMs = expiryMs;
    item.setKey(this.key, 0, 4);
    item.setValue(this.value, 0, 100);
    this.table.put(item);
  }

  remove(n: number): void {
    if (this.table.find(this.hashOf(n), this.key, 0, 4, this.found)) this.table.remove(this.found);
  }

  /** Removes an item by its name; whether it was there. */
  removeNamed(hash: number, version: number): boolean {
    if (!this.table.findVersion(hash, version, this.found)) return false;
    this.table.remove(this.found);
    return true;
  }

  private hashOf(n: number): number {
    new DataView(this.key.buffer).setUint32(0, n);
    return this.hasher.hash(this.key, 0, 4);
  }
}

/** How often a method runs while `run` does. */
function countCalls<Name extends string>(
  prototype: Record<Name, (...args: never[]) => unknown>,
  name: Name,
  run: (calls: () => number) => void,
): void {
  const original = prototype[name];
  let calls = 0;
  prototype[name] = function (this: unknown, ...args: never[]) {
    calls++;
    return original.apply(this, args);
  };
  try {
    run(() => calls);
  } finally {
    prototype[name] = original;
  }
}

describe('looking for what is due', () => {
  const COUNT = 20_000;

  test('looks at a bounded number of items, also where nothing is found any more', () => {
    const numbers = new Numbers();
    for (let n = 0; n < COUNT; n++) numbers.set(n, n % 2 === 0 ? 1000 : 9000);
    // Bounds of all pages are too early now, and it is for `due` to find that out.
    for (let n = 0; n < COUNT; n += 2) numbers.remove(n);
    countCalls(SegmentStore.prototype, 'expiryMsOf', (looked) => {
      let calls = 0;
      for (; numbers.table.nextDueMs <= 1000; calls++) {
        const before = looked();
        expect(numbers.table.due(1000, 256)).toEqual([]);
        expect(looked() - before).toBeLessThanOrEqual(DUE_ITEMS_MAX);
      }
      expect(calls).toBeGreaterThan(3);
    });
    expect(numbers.table.nextDueMs).toBe(9000);
  });

  test('names few of a page with few, and all of them in the end', () => {
    const numbers = new Numbers();
    for (let n = 0; n < COUNT; n++) numbers.set(n, n % 40 === 0 ? 1000 : 9000);
    let reaped = 0;
    countCalls(SegmentStore.prototype, 'expiryMsOf', (looked) => {
      while (numbers.table.nextDueMs <= 1000) {
        const before = looked();
        const names = numbers.table.due(1000, 256);
        expect(looked() - before).toBeLessThanOrEqual(DUE_ITEMS_MAX);
        for (const { hash, version } of names) if (numbers.removeNamed(hash, version)) reaped++;
      }
    });
    expect(reaped).toBe(COUNT / 40);
    numbers.table.check();
  });
});

test('writes after a clear take back a bounded part of what was cleared', () => {
  const numbers = new Numbers();
  for (let n = 0; n < 60_000; n++) numbers.set(n);
  numbers.table.clear();
  let most = 0;
  let all = 0;
  countCalls(SegmentArenas.prototype, 'give', (slots) => {
    countCalls(FramePool.prototype, 'give', (frames) => {
      for (let n = 0; n < 3000; n++) {
        const before = slots() + frames();
        numbers.set(n);
        most = Math.max(most, slots() + frames() - before);
      }
      all = slots() + frames();
    });
  });
  expect(most).toBeLessThanOrEqual(2 * RELAX_MAX + RELAX_MAX / 16); // frames may empty slots of their own
  expect(all).toBeGreaterThan(100);
  numbers.table.check();
});

describe('a sketch of how often', () => {
  const SIZE = 20_000;
  const hashOf = (n: number): number => Math.imul(n + 1, 0x9e3779b1) >>> 0;

  test('that moves to another size does so in slices, and forgets nobody meanwhile', () => {
    const sketch = new FrequencySketch(SIZE, 1e9, 1);
    for (let n = 0; n < SIZE / 4; n++) sketch.learn(hashOf(n), 9);
    const known = (): number => {
      let count = 0;
      for (let n = 0; n < SIZE / 4; n++) if (sketch.estimate(hashOf(n)) >= 9) count++;
      return count;
    };
    const before = known();
    sketch.resize(2 * SIZE);
    expect([sketch.isMoving, sketch.movedBuckets]).toEqual([true, 0]);
    let steps = 0;
    for (; sketch.isMoving; steps++) {
      const moved = sketch.movedBuckets;
      sketch.add(hashOf(0));
      expect(sketch.movedBuckets - moved).toBeLessThanOrEqual(MOVED_BUCKETS);
      if (steps % 500 === 0) expect(known()).toBe(before);
    }
    expect(steps).toBeGreaterThan(100);
    expect(known()).toBe(before);
    sketch.resize(SIZE / 2);
    while (sketch.isMoving) sketch.advance(1000);
    expect(known()).toBeGreaterThan(before / 2);
  });

  test('is halved in slices, also where another replica tells of many reads at once', () => {
    const sketch = new FrequencySketch(10 * SIZE, 1000, 1);
    for (let n = 0; n < SIZE; n++) sketch.learn(hashOf(n), 8);
    sketch.advance(1_000_000);
    let most = 0;
    for (let frame = 0; frame < 100 && sketch.halvedBuckets < 50_000; frame++) {
      const before = sketch.halvedBuckets;
      sketch.advance(1_000_000);
      most = Math.max(most, sketch.halvedBuckets - before);
    }
    expect(most).toBe(8192);
    expect(sketch.halvedBuckets).toBe(50_000);
    expect(sketch.estimate(hashOf(3))).toBe(4);
  });
});

test('a sketch of how long ago moves and is swept in slices', () => {
  const SIZE = 20_000;
  const hashOf = (n: number): number => Math.imul(n + 1, 0x9e3779b1) >>> 0;
  const sketch = new RecencySketch(SIZE);
  for (let n = 0; n < SIZE / 4; n++) sketch.touch(hashOf(n));
  for (let i = 0; i < 10; i++) sketch.tick();
  sketch.resize(2 * SIZE);
  let steps = 0;
  for (; sketch.isMoving; steps++) {
    const before = sketch.movedBuckets;
    sketch.touch(hashOf(SIZE));
    expect(sketch.movedBuckets - before).toBeLessThanOrEqual(MOVED_BUCKETS);
    expect(sketch.age(hashOf(7))).toBe(10);
  }
  expect(steps).toBeGreaterThan(100);
  for (let i = 0; i < 120; i++) sketch.tick();
  expect(sketch.age(hashOf(7))).toBe(130); // out of date, not swept yet
  for (let i = 0; i < 2 * SIZE; i++) {
    const before = sketch.sweptBuckets;
    sketch.sweep();
    expect(sketch.sweptBuckets - before).toBeLessThanOrEqual(2);
  }
  expect(sketch.age(hashOf(7))).toBe(128);
});
