/**
 * Goal: the compact table is a map through everything that its layout does: growth, splits and merges of pages,
 * compaction, moves of segments, frozen views. Method: seeded random operations in fast loops against arrays that tell
 * what must be there, and `check()`, which walks all bytes and compares all counts.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { equalBytes, Prng } from '../../src/base/index.js';
import { CompactTable } from '../../src/kv/compact-table.js';
import { Item } from '../../src/kv/item.js';
import { KeyHasher } from '../../src/kv/key-hash.js';
import type { FrozenItems } from '../../src/kv/table.js';

/** What one write may move at most: the bound of `compaction.ts`. */
const STEP_ITEMS_MAX = 64;
const SEGMENT_BYTES = 65_536;

/** A table of numbered keys, and what must stand under each. */
class Twin {
  readonly versions: Float64Array;
  readonly expiries: Float64Array;
  readonly lengths: Int32Array;
  count = 0;
  bytes = 0;
  lastVersion = 0;
  readonly table: CompactTable;
  private readonly key = new Uint8Array(8);
  private readonly value = new Uint8Array(20_000);
  private readonly item = new Item();
  private readonly found = new Item();

  constructor(
    readonly keyCount: number,
    readonly hasher: { hash32(bytes: Uint8Array, start: number, end: number): number },
  ) {
    this.versions = new Float64Array(keyCount);
    this.expiries = new Float64Array(keyCount);
    this.lengths = new Int32Array(keyCount);
    this.table = new CompactTable(hasher);
  }

  put(n: number, valueLength: number, expiryMs: number): void {
    const { item, key } = this;
    const end = this.writeKey(n);
    if (this.versions[n] === 0) {
      this.count++;
      this.bytes += end;
    }
    this.bytes += valueLength - this.lengths[n]!;
    this.versions[n] = ++this.lastVersion;
    this.expiries[n] = expiryMs;
    this.lengths[n] = valueLength;
    this.value.fill(this.lastVersion & 255, 0, valueLength);
    item.hash = this.hasher.hash32(key, 0, end) >>> 0;
    item.version = this.lastVersion;
    item.expiryMs = expiryMs;
    item.setKey(key, 0, end);
    item.setValue(this.value, 0, valueLength);
    this.table.put(item);
  }

  /** Finds what must be there, and nothing else; removes it if told. */
  look(n: number, remove: boolean): void {
    const { found, key } = this;
    const end = this.writeKey(n);
    const isThere = this.table.find(this.hasher.hash32(key, 0, end) >>> 0, key, 0, end, found);
    if (isThere !== (this.versions[n] !== 0)) throw new Error(`key ${n} is ${isThere ? '' : 'not '}there`);
    if (!isThere) return;
    this.compare(n, found);
    if (!remove) return;
    this.table.remove(found);
    this.count--;
    this.bytes -= end + this.lengths[n]!;
    this.versions[n] = this.expiries[n] = this.lengths[n] = 0;
  }

  compare(n: number, item: Item, at: Twin | Moment = this): void {
    const length = item.valueEnd - item.valueStart;
    const isSame =
      item.version === at.versions[n] &&
      item.expiryMs === at.expiries[n] &&
      length === at.lengths[n] &&
      (length === 0 ||
        (item.valueBytes[item.valueStart] === (item.version & 255) &&
          item.valueBytes[item.valueEnd - 1] === (item.version & 255)));
    if (!isSame) throw new Error(`key ${n}: version ${item.version} instead of ${at.versions[n]}`);
  }

  numberOf(item: Item): number {
    let n = 0;
    for (let i = item.keyEnd - 1; i >= item.keyStart; i--) n = n * 256 + item.keyBytes[i]!;
    return n;
  }

  clear(): void {
    this.table.clear();
    this.versions.fill(0);
    this.expiries.fill(0);
    this.lengths.fill(0);
    this.count = this.bytes = 0;
  }

  check(): void {
    this.table.check();
    expect([this.table.itemCount, this.table.contentBytes]).toEqual([this.count, this.bytes]);
  }

  /** Keys of two to four bytes, the number from its lowest byte on. */
  private writeKey(n: number): number {
    const { key } = this;
    key[0] = n;
    key[1] = n >> 8;
    key[2] = n >> 16;
    key[3] = 0;
    return n % 3 === 0 ? 4 : n > 0xffff ? 3 : n % 3 === 1 ? 3 : 2 + (n >> 16);
  }
}

/** What a view that is frozen now must show. */
class Moment {
  readonly versions: Float64Array;
  readonly expiries: Float64Array;
  readonly lengths: Int32Array;
  readonly count: number;
  readonly view: FrozenItems;
  private seen = 0;
  private readonly shown: Uint8Array;

  constructor(private readonly twin: Twin) {
    this.versions = twin.versions.slice();
    this.expiries = twin.expiries.slice();
    this.lengths = twin.lengths.slice();
    this.count = twin.count;
    this.shown = new Uint8Array(twin.keyCount);
    this.view = twin.table.freeze();
  }

  /** Reads some more of it; true at the end. */
  read(countMax: number): boolean {
    const item = new Item();
    for (let left = countMax; left > 0; left--) {
      if (!this.view.next(item)) {
        if (this.seen !== this.count) throw new Error(`${this.seen} of ${this.count} items in the view`);
        return true;
      }
      const n = this.twin.numberOf(item);
      if (this.shown[n] !== 0) throw new Error(`key ${n} comes twice`);
      this.shown[n] = 1;
      this.seen++;
      this.twin.compare(n, item, this);
    }
    return false;
  }
}

function randomLength(prng: Prng): number {
  if (prng.chance(0.8)) return 32;
  if (prng.chance(0.9)) return prng.below(300);
  return prng.chance(0.9) ? prng.below(2000) : prng.between(8000, 20_000);
}

function exercise(seed: number, keyCount: number, steps: number): void {
  const prng = new Prng(seed);
  const twin = new Twin(keyCount, new KeyHasher(seed));
  const moments: Moment[] = [];
  for (let step = 0; step < steps; step++) {
    const isGrowing = Math.floor((step * 6) / steps) % 2 === 0;
    const n = prng.below(keyCount);
    const movedBefore = twin.table.movedItems;
    if (prng.chance(isGrowing ? 0.7 : 0.25))
      twin.put(n, randomLength(prng), prng.chance(0.1) ? prng.between(1, 1e12) : 0);
    else twin.look(n, prng.chance(isGrowing ? 0.1 : 0.8));
    if (twin.table.movedItems - movedBefore > STEP_ITEMS_MAX) throw new Error(`step ${step} moved too much`);
    if (prng.chance(0.001)) twin.table.maintain(prng.between(1, 500));
    if (moments.length < 3 && prng.chance(0.0002)) moments.push(new Moment(twin));
    if (moments.length > 0 && prng.chance(0.02)) {
      const index = prng.below(moments.length);
      const moment = moments[index]!;
      if (prng.chance(0.002)) moment.view.release();
      else if (!moment.read(prng.below(500))) continue;
      moments.splice(index, 1);
    }
    if (prng.chance(0.000005)) twin.clear();
  }
  twin.check();
  for (const moment of moments) while (!moment.read(1000));
  twin.check();
  expect(twin.table.pinnedBytes).toBe(0);
  for (let n = 0; n < keyCount; n++) twin.look(n, false);
  while (twin.table.maintain(1000));
  twin.check();
  for (let n = 0; n < keyCount; n++) twin.look(n, true);
  expect([twin.table.itemCount, twin.table.sumA, twin.table.sumB]).toEqual([0, 0, 0]);
  twin.check();
}

describe('the compact table agrees with its twin', () => {
  it.each([11, 12, 13, 14])('in operations of few keys, seed %i', (seed) => {
    exercise(seed, seed % 2 === 0 ? 300 : 2000, 250_000);
  });

  it.each([21, 22, 23, 24])('in operations of many keys, seed %i', (seed) => {
    exercise(seed, seed % 2 === 0 ? 20_000 : 80_000, 250_000);
  });

  it('when all keys collide, and the page grows beyond every size of block', () => {
    const twin = new Twin(1500, { hash32: () => -7 });
    for (let n = 0; n < 1500; n++) twin.put(n, 5, 0);
    for (let n = 0; n < 1500; n += 7) twin.put(n, 6, 1);
    twin.check();
    for (let n = 0; n < 1500; n++) if (n % 50 !== 0) twin.look(n, true);
    twin.check();
    for (let n = 0; n < 1500; n++) twin.look(n, false);
  });
});

const HASHER = new KeyHasher(5);

function itemOf(key: Uint8Array, value: Uint8Array, version: number, expiryMs: number): Item {
  const item = new Item();
  item.hash = HASHER.hash(key, 0, key.length);
  item.version = version;
  item.expiryMs = expiryMs;
  item.setKey(key, 0, key.length);
  item.setValue(value, 0, value.length);
  return item;
}

function expectFound(table: CompactTable, wanted: Item): void {
  const found = new Item();
  expect(table.find(wanted.hash, wanted.keyBytes, wanted.keyStart, wanted.keyEnd, found)).toBe(true);
  expect([found.version, found.expiryMs]).toEqual([wanted.version, wanted.expiryMs]);
  expect(equalBytes(found.keyBytes, wanted.keyBytes, found.keyStart, found.keyEnd)).toBe(true);
  expect(equalBytes(found.valueBytes, wanted.valueBytes, found.valueStart, found.valueEnd)).toBe(true);
}

describe('items at the limits', () => {
  it('keys and values of every length around a border, empty ones and the largest', () => {
    const table = new CompactTable(HASHER);
    const items: Item[] = [];
    let version = 0;
    for (const keyLength of [0, 1, 16, 127, 128, 129, 8191, 8192, 8193, 65_535]) {
      for (const valueLength of [0, 1, 32, 127, 128, 8191, 8192, 8193, 65_536, 8 * 2 ** 20]) {
        if (keyLength > 128 && valueLength > 100_000 && keyLength < 65_535) continue;
        const key = new Uint8Array(keyLength).fill(valueLength % 251);
        const item = itemOf(key, new Uint8Array(valueLength).fill(++version), version, version % 2);
        table.put(item);
        items.push(item);
      }
    }
    const last = new Map(items.map((item) => [item.keyBytes.join(), item]));
    for (const item of last.values()) expectFound(table, item);
    expect(table.itemCount).toBe(last.size);
    table.check();
  });

  it('versions and expiries at the borders of every form', () => {
    const table = new CompactTable(HASHER);
    const base = 2 ** 40;
    const steps = [0, 2 ** 15, 2 ** 23, 2 ** 31, 2 ** 48];
    const versions = steps.flatMap((step) =>
      [-1, 0, 1].flatMap((d) => [base + step + d, Math.abs(base - step + d)]),
    );
    const [shortFrom, shortTo] = [1_577_836_800_000, 1_577_836_800_000 + 0xff * 2 ** 32];
    const nearBorders = [shortFrom - 1, shortFrom, shortTo - 1, shortTo];
    const expiries = [0, 1, 2 ** 32, ...nearBorders, 2 ** 48, Number.MAX_SAFE_INTEGER];
    const items = [...versions, Number.MAX_SAFE_INTEGER].flatMap((version, i) =>
      expiries.map((expiryMs, j) => itemOf(Uint8Array.of(i, j), Uint8Array.of(i), version, expiryMs)),
    );
    for (const item of items) table.put(item);
    for (const item of items) expectFound(table, item);
    table.check();
  });

  it('whatever bytes keys and values are of', () => {
    const pairs = fc.array(fc.tuple(fc.uint8Array({ maxLength: 200 }), fc.uint8Array({ maxLength: 300 })));
    fc.assert(
      fc.property(pairs, (list) => {
        const table = new CompactTable(HASHER);
        const model = new Map<string, Item>();
        for (const [i, [key, value]] of list.entries()) {
          const item = itemOf(key, value, i + 1, 0);
          table.put(item);
          model.set(key.join(), item);
        }
        for (const item of model.values()) expectFound(table, item);
        table.check();
        return table.itemCount === model.size;
      }),
      { numRuns: 100, seed: 7 },
    );
  });
});

function filled(keyCount: number): Twin {
  const twin = new Twin(keyCount, new KeyHasher(keyCount));
  for (let n = 0; n < keyCount; n++) twin.put(n, 32, 0);
  return twin;
}

describe('memory', () => {
  it('an empty table takes next to nothing, and one of a few items less than 16 KiB', () => {
    const twin = new Twin(100, HASHER);
    expect(twin.table.memoryBytes).toBeLessThan(256);
    for (let n = 0; n < 50; n++) twin.put(n, 32, 0);
    const dirtyEnds = twin.table.memoryBytes > SEGMENT_BYTES ? SEGMENT_BYTES : 0; // a segment that another table used
    expect(twin.table.memoryBytes - dirtyEnds).toBeLessThan(16 * 1024);
    for (let n = 0; n < 50; n++) twin.look(n, true);
    while (twin.table.maintain(100));
    expect(twin.table.memoryBytes).toBeLessThan(256);
    twin.put(1, 5, 0);
    twin.clear();
    expect(twin.table.memoryBytes).toBeLessThan(256);
  });

  it('beside keys and values, less than 10 bytes an item fresh, and 12 after overwrites and deletes', () => {
    const twin = filled(100_000);
    const overhead = (): number => (twin.table.memoryBytes - twin.bytes) / twin.count;
    expect(overhead()).toBeLessThan(10);
    const prng = new Prng(3);
    for (let i = 0; i < 100_000; i++) twin.put(prng.below(100_000), 32, 0);
    for (let n = 0; n < 100_000; n += 5) twin.look(n, true);
    while (twin.table.maintain(1000));
    expect(overhead()).toBeLessThan(12);
    twin.check();
  });

  it('garbage stays within an eighth while writes go on, and within a 32nd after an idle time', () => {
    const twin = filled(20_000);
    const prng = new Prng(4);
    let most = 0;
    for (let i = 0; i < 100_000; i++) {
      twin.put(prng.below(20_000), 32, 0);
      if (i % 100 === 0) most = Math.max(most, twin.table.memoryBytes);
    }
    const live = twin.bytes + 9.5 * twin.count;
    expect(most).toBeLessThan(live * 1.125 + 4 * SEGMENT_BYTES);
    while (twin.table.maintain(1000));
    expect(twin.table.memoryBytes).toBeLessThan(live * (1 + 1 / 32) + 2.5 * SEGMENT_BYTES);
    twin.check();
  });
});

describe('frozen views', () => {
  it('E56 a view shows the items of its moment, whatever is written and cleared meanwhile', () => {
    const twin = filled(5000);
    const first = new Moment(twin);
    for (let n = 0; n < 5000; n += 2) twin.put(n, 40, 0);
    const second = new Moment(twin);
    expect(first.read(1000)).toBe(false);
    for (let round = 0; round < 20; round++) for (let n = 0; n < 5000; n++) twin.put(n, 33, 0);
    twin.check();
    expect(second.read(2000)).toBe(false);
    twin.clear();
    for (let n = 0; n < 5000; n++) twin.put(n, 10, 0);
    expect(first.read(10_000)).toBe(true);
    expect(second.read(10_000)).toBe(true);
    twin.check();
  });

  it('a view that was released gives nothing more, and what it pinned is reclaimed', () => {
    const twin = filled(20_000);
    const before = twin.table.memoryBytes;
    const moment = new Moment(twin);
    moment.read(10);
    for (let n = 0; n < 20_000; n++) twin.put(n, 32, 0);
    expect(twin.table.memoryBytes).toBeGreaterThan(before * 1.8); // nothing of the view can go
    moment.view.release();
    expect(moment.view.next(new Item())).toBe(false);
    while (twin.table.maintain(1000));
    expect(twin.table.memoryBytes).toBeLessThan(before * 1.1);
    twin.check();
  });

  it('what a view has passed is reclaimed while it goes on', () => {
    const twin = filled(20_000);
    const before = twin.table.memoryBytes;
    const moment = new Moment(twin);
    for (let n = 0; n < 20_000; n++) {
      twin.put(n, 32, 0);
      moment.read(2);
    }
    expect(twin.table.memoryBytes).toBeLessThan(before * 1.6);
    expect(moment.read(20_000)).toBe(true);
    twin.check();
  });
});

describe('touches and sweeps', () => {
  it('touches count to three, and survive compaction and overwriting', () => {
    const twin = filled(3000);
    const item = new Item();
    const key = Uint8Array.of(1, 0, 0); // number 1
    const find = (): boolean => twin.table.find(twin.hasher.hash32(key, 0, 3) >>> 0, key, 0, 3, item);
    for (const expected of [0, 1, 2, 3, 3]) {
      expect(find()).toBe(true);
      expect(item.touches).toBe(expected);
      twin.table.touch(item);
    }
    for (let round = 0; round < 10; round++) for (let n = 2; n < 3000; n++) twin.put(n, 32, 0);
    expect(twin.table.movedItems).toBeGreaterThan(0);
    expect(find() && item.touches).toBe(3);
    twin.put(1, 32, 0);
    expect(find() && item.touches).toBe(3);
  });

  it('a sweep shows every item once, with its hash, and ends at 0', () => {
    const twin = filled(5000);
    const seen = new Set<number>();
    const item = new Item();
    let pages = 0;
    let cursor = 0;
    do {
      const next = twin.table.sweep(cursor, item, () => {
        const n = twin.numberOf(item);
        twin.compare(n, item);
        expect(item.hash).toBe(twin.hasher.hash32(item.keyBytes, item.keyStart, item.keyEnd) >>> 0);
        seen.add(n);
      });
      expect(next === 0 || next > cursor).toBe(true);
      cursor = next;
      pages++;
    } while (cursor !== 0);
    expect(seen.size).toBe(5000);
    expect(pages).toBeGreaterThan(50);
  });
});
