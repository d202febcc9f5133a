/** Memory that rots: bytes of a table that change by nobody's command. Reaches inside, where no command leads. */
import { assert, encodeUtf8 } from '../../src/base/index.js';
import { Item } from '../../src/kv/item.js';
import type { Kv } from '../../src/kv/index.js';
import type { ShardState } from '../../src/kv/state.js';

/** Flips the lowest bit of the last byte of the key's value, where it lies. Twice is as never. */
export function flipValueBit(kv: Kv, key: string): void {
  const { state } = kv as unknown as { readonly state: ShardState };
  const bytes = encodeUtf8(key);
  const item = new Item();
  const isThere = state.table.find(state.hash(bytes, 0, bytes.length), bytes, 0, bytes.length, item);
  assert(isThere && item.valueEnd > item.valueStart, `${key} has a value`);
  item.valueBytes[item.valueEnd - 1] = (item.valueBytes[item.valueEnd - 1] as number) ^ 1;
}
