/**
 * Goal: the table is a map, whatever is inserted, replaced and removed, while it grows, splits, shrinks and is frozen.
 * Method: random operations against a `Map`, with hashes of few bits too, so that every page overflows and collides.
 */
import { expect, test } from 'vitest';
import { equalBytes, Prng } from '../../src/base/index.js';
import { Item } from '../../src/kv/item.js';
import { KeyHasher } from '../../src/kv/key-hash.js';
import { CompactTable } from '../../src/kv/compact-table.js';
import type { FrozenItems } from '../../src/kv/table.js';

interface Model {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly version: number;
  readonly expiryMs: number;
}

const name = (key: Uint8Array): string => key.join();
const keyOf = (item: Item): Uint8Array => item.keyBytes.slice(item.keyStart, item.keyEnd);
const valueOf = (item: Item): Uint8Array => item.valueBytes.slice(item.valueStart, item.valueEnd);

function sameItem(item: Item, model: Model): boolean {
  return (
    item.version === model.version &&
    item.expiryMs === model.expiryMs &&
    equalBytes(item.keyBytes, model.key, item.keyStart, item.keyEnd) &&
    equalBytes(item.valueBytes, model.value, item.valueStart, item.valueEnd)
  );
}

function drain(frozen: FrozenItems): Map<string, Model> {
  const items = new Map<string, Model>();
  const item = new Item();
  while (frozen.next(item)) {
    const key = keyOf(item);
    if (items.has(name(key))) throw new Error(`key ${name(key)} comes twice`);
    items.set(name(key), { key, value: valueOf(item), version: item.version, expiryMs: item.expiryMs });
  }
  return items;
}

function expectSame(items: ReadonlyMap<string, Model>, model: ReadonlyMap<string, Model>): void {
  expect(items.size).toBe(model.size);
  for (const [key, { version, expiryMs, value }] of items) {
    const other = model.get(key);
    if (other?.version !== version || other.expiryMs !== expiryMs || name(other.value) !== name(value)) {
      throw new Error(`item ${key} differs`);
    }
  }
}

function exercise(seed: number, hashMask: number, keyCount: number, steps: number): void {
  const prng = new Prng(seed);
  const hasher = new KeyHasher(seed);
  const masked = {
    hash32: (bytes: Uint8Array, start: number, end: number) => hasher.hash32(bytes, start, end) & hashMask,
  };
  const table = new CompactTable(masked);
  const model = new Map<string, Model>();
  const item = new Item();
  let version = 0;
  let frozen: { items: FrozenItems; expected: Map<string, Model> } | null = null;
  const hashOf = (key: Uint8Array): number => masked.hash32(key, 0, key.length) >>> 0;
  for (let step = 0; step < steps; step++) {
    // Phases of growth and of shrinking.
    const growing = Math.floor(step / (steps / 4)) % 2 === 0;
    const n = prng.below(keyCount);
    const key = Uint8Array.from(n % 7 === 0 ? [n & 255, n >> 8, 0] : [n >> 8, n & 255]);
    const hash = hashOf(key);
    const known = model.get(name(key));
    const found = table.find(hash, key, 0, key.length, item);
    // Plain comparisons where the steps are many: an `expect` costs more than the operation.
    if (found !== (known !== undefined)) throw new Error(`step ${step}: found ${found}`);
    if (known !== undefined && !sameItem(item, known)) throw new Error(`step ${step}: another item`);
    if (found && prng.chance(growing ? 0.2 : 0.9)) {
      table.remove(item);
      model.delete(name(key));
    } else if (growing || prng.chance(0.2)) {
      const value = new Uint8Array(prng.below(60)).fill(step);
      const expiryMs = prng.chance(0.3) ? prng.between(1, 1000) : 0;
      item.hash = hash;
      item.version = ++version;
      item.expiryMs = expiryMs;
      item.setKey(key, 0, key.length);
      item.setValue(value, 0, value.length);
      table.put(item);
      model.set(name(key), { key, value, version, expiryMs });
    }
    if (prng.chance(0.001)) checkScan(table, model, hashOf, prng.below(2 ** 32), 1 + prng.below(400));
    if (frozen === null && prng.chance(0.0005)) frozen = { items: table.freeze(), expected: new Map(model) };
    else if (frozen !== null && prng.chance(0.002)) {
      expectSame(drain(frozen.items), frozen.expected);
      frozen = null;
      table.check();
    }
  }
  table.check();
  checkTotals(table, model);
  checkScan(table, model, hashOf, 0, Infinity);
  checkDue(table, model, hashOf, prng);
}

function checkTotals(table: CompactTable, model: ReadonlyMap<string, Model>): void {
  let bytes = 0;
  for (const { key, value } of model.values()) bytes += key.length + value.length;
  expect([table.itemCount, table.contentBytes]).toEqual([model.size, bytes]);
  expectSame(drain(table.freeze()), model);
}

/** A scan shows, in order, the first `countMax` items of the hash and higher ones. */
function checkScan(
  table: CompactTable,
  model: ReadonlyMap<string, Model>,
  hashOf: (key: Uint8Array) => number,
  fromHash: number,
  countMax: number,
): void {
  const expected = [...model.values()]
    .map((each) => ({ each, hash: hashOf(each.key) }))
    .filter(({ hash }) => hash >= fromHash)
    .sort((a, b) => a.hash - b.hash || a.each.version - b.each.version)
    .slice(0, countMax);
  const item = new Item();
  let count = 0;
  table.scan(fromHash, item, () => {
    const next = expected[count++];
    if (next === undefined) throw new Error(`item ${count} is one too many`);
    if (item.hash !== next.hash || !sameItem(item, next.each)) throw new Error(`item ${count} is another`);
    return count < countMax;
  });
  expect(count).toBe(expected.length);
}

/** Everything due, and nothing else, is found and removed by name. */
function checkDue(
  table: CompactTable,
  model: Map<string, Model>,
  hashOf: (key: Uint8Array) => number,
  prng: Prng,
): void {
  const item = new Item();
  for (const nowMs of [0, 100, 500, 1000]) {
    const due = [...model.values()].filter((each) => each.expiryMs !== 0 && each.expiryMs <= nowMs);
    const wanted = new Map(due.map((each) => [each.version, each]));
    if (wanted.size > 0)
      expect(table.nextDueMs).toBeLessThanOrEqual(Math.min(...due.map((each) => each.expiryMs)));
    while (wanted.size > 0) {
      const names = table.due(nowMs, prng.between(1, 50));
      expect(names.length).toBeGreaterThan(0);
      for (const each of names) {
        const expected = wanted.get(each.version) as Model;
        if (each.hash !== hashOf(expected.key)) throw new Error('due item of another hash');
        if (!table.findVersion(each.hash, each.version, item)) throw new Error('due item is gone');
        table.remove(item);
        wanted.delete(each.version);
        model.delete(name(expected.key));
      }
    }
    expect(table.due(nowMs, 50)).toEqual([]);
    expect(table.nextDueMs).toBeGreaterThan(nowMs);
  }
  checkTotals(table, model);
}

test('the table agrees with a map', () => {
  exercise(1, -1, 6000, 60_000);
});

test('the table agrees with a map when only few hash bits differ', () => {
  exercise(2, 0x3f, 300, 20_000); // low bits alone: no split ever separates them
  exercise(3, 0x80000001 | 0, 200, 20_000);
  exercise(4, 0, 100, 10_000);
});

test('the sum of digests depends on the items alone, not on the way to them', () => {
  const numbered = {
    hash32: (bytes: Uint8Array, start: number) =>
      Math.imul((bytes[start] as number) | ((bytes[start + 1] as number) << 8), 0x9e3779b1),
  };
  const a = new CompactTable(numbered);
  const b = new CompactTable(numbered);
  const item = new Item();
  const put = (table: CompactTable, n: number, version: number): void => {
    item.hash = Math.imul(n, 0x9e3779b1) >>> 0;
    item.version = version;
    item.expiryMs = n;
    item.setKey(Uint8Array.from([n, n >> 8]), 0, 2);
    item.setValue(Uint8Array.from([version]), 0, 1);
    table.put(item);
  };
  for (let n = 0; n < 2000; n++) put(a, n, n + 1);
  for (let n = 1999; n >= 0; n--) {
    put(b, n, 5000 + n);
    put(b, n, n + 1);
  }
  expect([b.sumA, b.sumB]).toEqual([a.sumA, a.sumB]);
  put(b, 7, 9999);
  expect(b.sumA).not.toBe(a.sumA);
  expect(b.sumB).not.toBe(a.sumB);
});

test('hashes of similar keys spread over pages and slots, and depend on all of the seed', () => {
  const counts = new Uint32Array(256);
  const low = new Uint32Array(256);
  const hasher = new KeyHasher(9);
  for (let i = 0; i < 25_600; i++) {
    const key = Uint8Array.from([107, 101, 121, 58, i >> 8, i & 255]);
    const hash = hasher.hash(key, 0, 6);
    counts[hash >>> 24]!++;
    low[hash & 255]!++;
  }
  for (const list of [counts, low]) {
    expect(Math.max(...list)).toBeLessThan(160);
    expect(Math.min(...list)).toBeGreaterThan(50);
  }
  const key = Uint8Array.from([1, 2, 3]);
  const hashes = [0, 1, 2 ** 32, 2 ** 32 + 1, 2 ** 52].map((seed) => new KeyHasher(seed).hash(key, 0, 3));
  expect(new Set(hashes).size).toBe(hashes.length);
});
