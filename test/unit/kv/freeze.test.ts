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
