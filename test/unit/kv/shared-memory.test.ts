/**
 * Goal: what tables give up comes back to the memory that they share. Method: pools of the test's own, filled and
 * emptied; and a table that shrinks, whose pages must be found after their frames were moved.
 */
import { describe, expect, test } from 'vitest';
import { CompactTable } from '../../../src/kv/compact-table.js';
import { Digest } from '../../../src/kv/digest.js';
import { Item } from '../../../src/kv/item.js';
import { KeyHasher } from '../../../src/kv/key-hash.js';
import { FramePool, SHARED_FRAMES, type FrameOwner } from '../../../src/kv/page-frames.js';
import { SegmentArenas } from '../../../src/kv/segment-arenas.js';
import { SegmentStore } from '../../../src/kv/segment-store.js';

/** Free frames that the pool keeps: two slots' worth. */
const FREE_FRAMES_MAX = 32;

/** Frames with a mark in each. */
class Owner implements FrameOwner {
  readonly frames = new Map<number, number>();

  constructor(private readonly pool: FramePool) {}

  add(mark: number): void {
    const frame = this.pool.take(this);
    this.frames.set(frame, mark);
    this.pool.wordsOf(frame)[(frame % 16) * 1024] = mark;
  }

  moveFrame(frame: number): void {
    const mark = this.frames.get(frame)!;
    expect(this.pool.wordsOf(frame)[(frame % 16) * 1024]).toBe(mark);
    this.add(mark);
    this.frames.delete(frame);
    this.pool.give(frame);
  }
}

function slotsOf(pool: FramePool): number {
  return pool.arenas.filter((arena) => arena !== null).length;
}

describe('frames of the index', () => {
  test('when most were given back here and there, the others are moved together one at a time', () => {
    const pool = new FramePool(new SegmentArenas());
    const owner = new Owner(pool);
    for (let n = 0; n < 1600; n++) owner.add(n);
    for (const [frame, mark] of [...owner.frames]) {
      if (mark % 8 === 0) continue;
      owner.frames.delete(frame);
      pool.give(frame);
    }
    expect(slotsOf(pool)).toBe(100);
    let steps = 0;
    while (pool.tidy()) steps++;
    expect(steps).toBeLessThanOrEqual(400); // some are moved to what is emptied next
    expect(slotsOf(pool) * 16).toBeLessThanOrEqual(200 + FREE_FRAMES_MAX + 16);
    expect([...owner.frames.values()].sort((a, b) => a - b)).toEqual(
      Array.from({ length: 200 }, (_, n) => n * 8),
    );
  });

  test('those of a dropped table are taken back a few at a time, and serve again', () => {
    const pool = new FramePool(new SegmentArenas());
    const owner = new Owner(pool);
    for (let n = 0; n < 300; n++) owner.add(n);
    pool.retire([...owner.frames.keys()]);
    expect(pool.usedCount).toBe(300);
    expect(pool.relax()).toBe(true);
    expect(pool.usedCount).toBe(300 - 64);
    while (pool.tidy());
    expect(pool.usedCount).toBe(0);
    expect(slotsOf(pool) * 16).toBeLessThanOrEqual(FREE_FRAMES_MAX);
  });
});

test('a table that shrank finds everything after its frames were moved', () => {
  const hasher = new KeyHasher(5);
  const table = new CompactTable(hasher);
  const item = new Item();
  const key = new Uint8Array(4);
  const words = new DataView(key.buffer);
  const find = (n: number): boolean => {
    words.setUint32(0, n);
    return table.find(hasher.hash(key, 0, 4), key, 0, 4, item);
  };
  for (let n = 0; n < 60_000; n++) {
    words.setUint32(0, n);
    item.hash = hasher.hash(key, 0, 4);
    item.version = n + 1;
    item.setKey(key, 0, 4);
    item.setValue(key, 0, 4);
    table.put(item);
  }
  const slotsBefore = slotsOf(SHARED_FRAMES);
  for (let n = 0; n < 60_000; n++) if (n % 10 !== 0 && find(n)) table.remove(item);
  while (table.maintain(200)) if (table.itemCount !== 6000) throw new Error('an item went');
  expect(slotsOf(SHARED_FRAMES)).toBeLessThan(slotsBefore);
  table.check();
  for (let n = 0; n < 60_000; n++) if (find(n) !== (n % 10 === 0)) throw new Error(`key ${n}`);
});

test('segments of a table that was cleared under a view go back when the view is released', () => {
  const arenas = new SegmentArenas();
  const store = new SegmentStore(arenas);
  const item = new Item();
  const digest = new Digest();
  item.version = 1;
  digest.ofItem(item);
  store.add(item, digest, 0);
  const view = store.freeze();
  store.retire();
  expect(arenas.relax()).toBe(false);
  view.release();
  expect(arenas.relax()).toBe(true);
});
