/** What a table shows of one moment while it goes on changing: what checkpoints and re-hashing read. */
import { expect, test } from 'vitest';
import { encodeUtf8, Prng } from '../../../src/base/index.js';
import { EventKind } from '../../../src/kv/feed-events.js';
import { Item } from '../../../src/kv/item.js';
import { ShardState } from '../../../src/kv/state.js';
import type { FrozenItems } from '../../../src/kv/table.js';
import { latin1 } from './kv-driver.js';

function put(state: ShardState, key: string, value: string, expiryMs = 0): void {
  const [k, v] = [encodeUtf8(key), encodeUtf8(value)];
  state.draft.setKey(k, 0, k.length);
  state.draft.setValue(v, 0, v.length);
  state.draft.expiryMs = expiryMs;
  state.putDraft();
}

function remove(state: ShardState, key: string): void {
  const bytes = encodeUtf8(key);
  if (state.find(bytes, 0, bytes.length, 0)) state.removeFound(EventKind.deleted);
}

/** Up to `count` further items, as text: key, value, version and expiry. */
function take(frozen: FrozenItems, count: number, into: string[]): boolean {
  const item = new Item();
  for (let left = count; left > 0; left--) {
    if (!frozen.next(item)) return false;
    const key = latin1(item.keyBytes.subarray(item.keyStart, item.keyEnd));
    const value = latin1(item.valueBytes.subarray(item.valueStart, item.valueEnd));
    into.push(`${key}=${value} ${item.version} ${item.expiryMs}`);
  }
  return true;
}

test('E116 items of the moment of a freeze are shown as they were, through overwrites, removals, growth and a flush', () => {
  const prng = new Prng(116);
  const state = new ShardState({ hashSeed: 7, firstSlot: 0, lastSlot: 16383 });
  const views: { readonly frozen: FrozenItems; readonly expected: string[]; readonly seen: string[] }[] = [];
  const items = new Map<string, string>();
  for (let step = 0; step < 6000; step++) {
    const key = `key-${prng.below(900)}`;
    if (prng.chance(0.3)) {
      remove(state, key);
      items.delete(key);
    } else {
      const value = 'v'.repeat(prng.below(300)) + String(step);
      const expiryMs = prng.chance(0.3) ? 1000 + step : 0;
      put(state, key, value, expiryMs);
      items.set(key, `${key}=${value} ${state.lastVersion} ${expiryMs}`);
    }
    if (step === 4000) {
      state.clear();
      items.clear();
    }
    if (step % 700 === 699) {
      views.push({ frozen: state.table.freeze(), expected: [...items.values()].sort(), seen: [] });
    }
    // Each view is read a little at a time while the table goes on.
    for (const { frozen, seen } of views) take(frozen, prng.below(2), seen);
  }
  expect(views.length).toBeGreaterThan(6);
  for (const { frozen, expected, seen } of views) {
    while (take(frozen, 100, seen));
    expect(seen.sort()).toEqual(expected);
  }
});

test('what is kept for a view counts as pinned, small and large, and no more once it is read', () => {
  const state = new ShardState({ hashSeed: 7, firstSlot: 0, lastSlot: 16383 });
  const { table } = state;
  for (let i = 0; i < 2000; i++) put(state, `key-${i}`, 'v'.repeat(100));
  for (let i = 0; i < 300; i++) put(state, `large-${i}`, 'v'.repeat(10_000));
  expect(table.pinnedBytes).toBe(0);
  const frozen = table.freeze();
  const before = table.memoryBytes;
  expect(table.pinnedBytes).toBe(0);
  for (let i = 0; i < 2000; i++) put(state, `key-${i}`, 'w'.repeat(100));
  const small = table.pinnedBytes;
  expect(small).toBeGreaterThan(2000 * 100);
  for (let i = 0; i < 300; i++) remove(state, `large-${i}`);
  expect(table.pinnedBytes - small).toBeGreaterThan(300 * 10_000);
  expect(table.memoryBytes).toBeGreaterThan(before + 200_000);

  let last = table.pinnedBytes;
  const seen: string[] = [];
  while (take(frozen, 50, seen)) {
    expect(table.pinnedBytes).toBeLessThanOrEqual(last);
    last = table.pinnedBytes;
  }
  expect(seen).toHaveLength(2300);
  expect(table.pinnedBytes).toBe(0);
  expect(table.memoryBytes).toBeLessThan(1_000_000);
});

test('a view that is given up early keeps nothing, and another goes on', () => {
  const state = new ShardState({ hashSeed: 7, firstSlot: 0, lastSlot: 16383 });
  const { table } = state;
  for (let i = 0; i < 3000; i++) put(state, `key-${i}`, 'v'.repeat(100));
  const first = table.freeze();
  const second = table.freeze();
  for (let i = 0; i < 3000; i++) put(state, `key-${i}`, 'w'.repeat(100));
  take(first, 1000, []);
  first.release();
  expect(table.pinnedBytes).toBeGreaterThan(200_000);
  const seen: string[] = [];
  take(second, 4000, seen);
  expect(seen).toHaveLength(3000);
  expect(table.pinnedBytes).toBe(0);
});

test('a flush leaves to a view what it has not read, and that goes as it is read', () => {
  const state = new ShardState({ hashSeed: 7, firstSlot: 0, lastSlot: 16383 });
  const { table } = state;
  for (let i = 0; i < 5000; i++) put(state, `key-${i}`, 'v'.repeat(100));
  const full = table.memoryBytes;
  const frozen = table.freeze();
  state.clear();
  expect(table.pinnedBytes).toBeGreaterThan(5000 * 100);
  expect(table.memoryBytes).toBeGreaterThanOrEqual(table.pinnedBytes);
  const seen: string[] = [];
  take(frozen, 4000, seen);
  expect(table.pinnedBytes).toBeLessThan(full / 2);
  take(frozen, 2000, seen);
  expect(seen).toHaveLength(5000);
  expect(table.pinnedBytes).toBe(0);
});

test('a view of a table that is closed is cut off, and says so', () => {
  const state = new ShardState({ hashSeed: 7, firstSlot: 0, lastSlot: 16383 });
  const { table } = state;
  for (let i = 0; i < 1000; i++) put(state, `key-${i}`, 'v'.repeat(100));
  const frozen = table.freeze();
  const seen: string[] = [];
  take(frozen, 10, seen);
  expect(frozen.isCutOff).toBe(false);
  table.close();
  expect([frozen.isCutOff, take(frozen, 10, seen), seen.length]).toEqual([true, false, 10]);
  expect([table.itemCount, table.pinnedBytes]).toEqual([0, 0]);
});
