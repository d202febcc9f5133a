/**
 * One shard's state, and the rule of time: an item is expired, and absent for every command, once its expiry is at or
 * before the timestamp of the applied state. No clock is asked, so that every replica judges alike.
 *
 * Invariants: `timestampMs` and `lastVersion` never go back; every item's version is at most `lastVersion`, and no
 * version is ever given twice.
 */
import { KNOWN_VERSIONS } from '../base/index.js';
import { NO_BUDGET, type Budget } from './budget.js';
import { ITEM_CHARGE_BYTES } from './charge.js';
import { CompactTable } from './compact-table.js';
import type { Evictor } from './evictor.js';
import { EventKind } from './feed-events.js';
import { ChangeFeed, NO_FEED } from './feed.js';
import { Item } from './item.js';
import { KeyHasher } from './key-hash.js';
import { Sessions } from './sessions.js';
import type { Table } from './table.js';

/** What identifies a shard's state besides its items; kept in snapshots. */
export interface StateSeed {
  /** Seed of the table's hash; drawn once when the shard is created, the same on every replica. */
  readonly hashSeed: number;
  readonly firstSlot: number;
  /** Included. */
  readonly lastSlot: number;
}

const NO_ITEM = new Item();

export class ShardState {
  readonly table: Table;
  /** The cluster version that this shard's log has reached (version-raise.ts). It never goes back. */
  clusterVersion = KNOWN_VERSIONS.max;
  /** Milliseconds stamped into the last applied entry (the highest so far). */
  timestampMs = 0;
  /** The version that the latest mutation got; 0 before the first. */
  lastVersion = 0;
  readonly sessions = new Sessions();
  budget: Budget = NO_BUDGET;
  /** Told of reads and writes, so that it can tell who may go; null where nobody has to. No part of the state. */
  evictor: Evictor | null = null;
  /** Told of every change, before it is made. No part of the state; one that is being loaded tells nobody. */
  feed = new ChangeFeed(NO_FEED);
  /** Whether what `find` looks for is asked by a reader, whose interest counts. */
  isReading = false;

  /** What the last successful `find` found, or what a scan of the table shows. */
  readonly found = new Item();
  /** What the next `put` takes; its holder fills in key, value and expiry. */
  readonly draft = new Item();
  /** Raised by `find` and `lives`, lowered by whoever starts a read: see there. */
  needsTime = false;

  private readonly hasher: KeyHasher;

  constructor(readonly seed: StateSeed) {
    this.hasher = new KeyHasher(seed.hashSeed);
    this.table = new CompactTable(this.hasher);
  }

  /** The sum of the items' charges. */
  get charge(): number {
    return this.table.contentBytes + ITEM_CHARGE_BYTES * this.table.itemCount;
  }

  hash(bytes: Uint8Array, start: number, end: number): number {
    return this.hasher.hash(bytes, start, end);
  }

  /**
   * Finds the item with this key, unless it is expired. An item that lives in the applied state but is past its expiry
   * at `nowMs`, the leader's clock, raises `needsTime`: the answer is not to be given before the log's time got there,
   * or a later leader with a slower clock could show again what this read saw as gone.
   */
  find(bytes: Uint8Array, start: number, end: number, nowMs: number): boolean {
    const { found, evictor } = this;
    const hash = this.hash(bytes, start, end);
    const isThere = this.table.find(hash, bytes, start, end, found) && this.lives(nowMs);
    if (evictor !== null && this.isReading) {
      evictor.onRead(hash, isThere);
      if (isThere) this.table.touch(found);
    }
    return isThere;
  }

  /** Whether the item in `found` lives; the rule of `find`, for whoever came to the item otherwise. */
  lives(nowMs: number): boolean {
    const { expiryMs } = this.found;
    if (expiryMs === 0) return true;
    if (expiryMs <= this.timestampMs) return false;
    if (expiryMs <= nowMs) this.needsTime = true;
    return true;
  }

  /** Stores `draft` under a new version. */
  putDraft(): void {
    const { draft } = this;
    draft.hash = this.hash(draft.keyBytes, draft.keyStart, draft.keyEnd);
    draft.version = ++this.lastVersion;
    this.feed.note(EventKind.set, this.lastVersion, draft);
    if (this.evictor === null) {
      this.table.put(draft);
      return;
    }
    const before = this.table.itemCount;
    this.table.put(draft);
    this.evictor.onWrite(draft.hash, this.table.itemCount > before);
  }

  /** Stores what was found again, with another expiry, under a new version. */
  putFoundWithExpiry(expiryMs: number): void {
    const { found } = this;
    found.expiryMs = expiryMs;
    found.version = ++this.lastVersion;
    this.feed.note(EventKind.expiry, this.lastVersion, found);
    this.table.put(found);
  }

  /** Removes what was found; `kind` says why. A removal is a mutation too, and counts as one. */
  removeFound(kind: EventKind): void {
    this.feed.note(kind, ++this.lastVersion, this.found);
    this.table.remove(this.found);
  }

  clear(): void {
    this.feed.note(EventKind.flushed, ++this.lastVersion, NO_ITEM);
    this.table.clear();
  }
}
