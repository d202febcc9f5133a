/**
 * The shard's items by key: what the state machine needs of a table, so that another layout can replace the present
 * one (`compact-table.ts`) without a change elsewhere. Keys and values are bytes; nothing here knows time: an expired
 * item stays until it is removed.
 */
import type { Item } from './item.js';

/** Names one version of one item without its key: versions are unique within a shard. */
export interface ItemName {
  readonly hash: number;
  readonly version: number;
}

/** The items of a table as they were at one moment. */
export interface FrozenItems {
  /** Fills `into` with the next item; false at the end. */
  next(into: Item): boolean;
  /** Ends the view early: `next` gives nothing more, and what it kept goes. After the last item it has ended anyway. */
  release(): void;
  /** The table was closed before all was shown: what `next` gave is not the whole. */
  readonly isCutOff: boolean;
}

export interface Table {
  readonly itemCount: number;
  /** Bytes of all keys and values. */
  readonly contentBytes: number;
  /** Lanes of the sum of all items' digests. */
  readonly sumA: number;
  readonly sumB: number;
  /** What the table's arrays take, items and all. */
  readonly memoryBytes: number;
  /** Of these, what is in the table no more, but kept for frozen views: it goes as they are read. */
  readonly pinnedBytes: number;

  /** Finds the item with this key (and its `hash`), and fills `into`. */
  find(hash: number, bytes: Uint8Array, start: number, end: number, into: Item): boolean;
  /** Finds an item by name. */
  findVersion(hash: number, version: number, into: Item): boolean;
  /** Inserts the item, or replaces the one with its key. Copies the bytes. */
  put(item: Item): void;
  /** Removes the item that a `find` has just filled in. */
  remove(item: Item): void;
  /** Frozen views still show what was there. */
  clear(): void;
  /** Gives up all memory, also what frozen views keep, which end here. For whoever no longer needs the table. */
  close(): void;
  /** Counts a read of the item that a `find` has just filled in: up to 3. An overwritten item keeps its touches. */
  touch(item: Item): void;
  /**
   * Shows the items in the order of their hashes (those of one hash in the order of their versions), from `fromHash`
   * on: fills `into`, then calls `visit`, until that says false. The order depends on the items alone, not on the way
   * to them. Nothing may change the table meanwhile. The work is bounded by what is visited, a page of the table more,
   * and one step for each page of the table that is empty.
   */
  scan(fromHash: number, into: Item, visit: () => boolean): void;
  /**
   * Shows all items of the page of the index at `cursor`, a place in hash order (0 the first), in no order: fills
   * `into`, then calls `visit`, which changes nothing. Returns the next page's place, 0 after the last. A page has about
   * 50 items, and may have none.
   */
  sweep(cursor: number, into: Item, visit: () => void): number;
  /** The items of this moment, in no particular order; `put` and `remove` go on meanwhile. Costs little. */
  freeze(): FrozenItems;

  /** Items with an expiry at or before `nowMs`, at most `countMax`; in bounded time, so perhaps not all. */
  due(nowMs: number, countMax: number): ItemName[];
  /** No item expires before this; Infinity when none ever does. May be earlier than needed. */
  readonly nextDueMs: number;

  /**
   * Tidies up while nothing else is to do: moves at most `itemsMax` items together, to give memory back. False when
   * there was nothing to do. Changes no item.
   */
  maintain(itemsMax: number): boolean;
  /** `maintain` moves this table's items, and is not at the end of them. */
  readonly isTidying: boolean;
}
