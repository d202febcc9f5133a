/**
 * A page of the table: a small open-addressing table with linear probing, for the items whose hashes begin with the
 * page's prefix. It indexes by the low bits of the hash, as the directory does by the high ones.
 *
 * Invariants: at least one slot is free (so that probing ends); an item stands at or after its home slot with no free
 * slot in between; `dueMs` is at or before the earliest expiry in the page.
 */
import { assert } from '../base/index.js';
import { hasKey, versionOf, type Record } from './record.js';

/** A page begins small, since a shard may hold next to nothing. A power of two. */
export const PAGE_SLOTS_MIN = 16;
/** At this size a page splits instead of growing: bounds the work of one step to about 20 microseconds. */
export const PAGE_SLOTS_MAX = 512;

export class Page {
  hashes = new Uint32Array(PAGE_SLOTS_MIN);
  /** Null marks a free slot. May be shared with a snapshot: see `PagedTable.own`. */
  records: (Record | null)[] = new Array<Record | null>(PAGE_SLOTS_MIN).fill(null);
  /** Expiries by slot, only meaningful where a record stands; null until the page had an item with one. */
  expiries: Float64Array | null = null;
  count = 0;
  /** Lower bound of the expiries here; made exact when the page is scanned. Infinity: none. */
  dueMs = Infinity;
  /** Place in the heap of pages by `dueMs`; -1 outside. Moved by the heap alone. */
  heapIndex = -1;

  constructor(
    /** Number of leading hash bits that all items here share. */
    readonly depth: number,
    /** The freeze of the table up to which `records` may be shared; moved by the table alone. */
    public epoch: number,
  ) {}

  get slots(): number {
    return this.records.length;
  }

  /** Whether one more item fits at a load that keeps probing short (7/8). */
  get hasRoom(): boolean {
    return (this.count + 1) * 8 <= this.slots * 7;
  }

  /** Slot of the item with this key, or -1. */
  find(hash: number, bytes: Uint8Array, start: number, end: number): number {
    const mask = this.slots - 1;
    for (let i = hash & mask; ; i = (i + 1) & mask) {
      const record = this.records[i] as Record | null;
      if (record === null) return -1;
      if (this.hashes[i] === hash && hasKey(record, bytes, start, end)) return i;
    }
  }

  findVersion(hash: number, version: number): number {
    const mask = this.slots - 1;
    for (let i = hash & mask; ; i = (i + 1) & mask) {
      const record = this.records[i] as Record | null;
      if (record === null) return -1;
      if (this.hashes[i] === hash && versionOf(record) === version) return i;
    }
  }

  /** Slots of the items of this hash and higher ones, by hash, then by version. */
  slotsFrom(hash: number): number[] {
    const { hashes, records } = this;
    const slots: number[] = [];
    if (this.count === 0) return slots;
    for (let i = 0; i < records.length; i++) {
      if (records[i] !== null && (hashes[i] as number) >= hash) slots.push(i);
    }
    return slots.sort((a, b) => {
      const order = (hashes[a] as number) - (hashes[b] as number);
      return order !== 0 ? order : versionOf(records[a] as Record) - versionOf(records[b] as Record);
    });
  }

  insert(hash: number, record: Record, expiryMs: number): void {
    assert(this.count < this.slots - 1, `page of ${this.slots} slots is full`);
    const mask = this.slots - 1;
    let i = hash & mask;
    while (this.records[i] !== null) i = (i + 1) & mask;
    this.count++;
    this.set(i, hash, record, expiryMs);
  }

  /** Puts a record into a slot: one that was free, or whose record has the same key. */
  set(slot: number, hash: number, record: Record, expiryMs: number): void {
    this.hashes[slot] = hash;
    this.records[slot] = record;
    if (expiryMs !== 0) {
      this.expiries ??= new Float64Array(this.slots);
      if (expiryMs < this.dueMs) this.dueMs = expiryMs;
    }
    if (this.expiries !== null) this.expiries[slot] = expiryMs;
  }

  /** Frees a slot and moves later items of the run back over the gap, so that no tombstones are needed. */
  removeAt(slot: number): void {
    const mask = this.slots - 1;
    let gap = slot;
    for (let i = (gap + 1) & mask; this.records[i] !== null; i = (i + 1) & mask) {
      const home = (this.hashes[i] as number) & mask;
      // The item may move back only if its home isn't within (gap, i].
      if (((i - home) & mask) < ((i - gap) & mask)) continue;
      this.hashes[gap] = this.hashes[i] as number;
      this.records[gap] = this.records[i] as Record;
      if (this.expiries !== null) this.expiries[gap] = this.expiries[i] as number;
      gap = i;
    }
    this.records[gap] = null;
    this.count--;
  }

  expiryAt(slot: number): number {
    return this.expiries === null ? 0 : (this.expiries[slot] as number);
  }

  /** Rebuilds with another number of slots, into arrays of its own. */
  resize(slots: number): void {
    const { hashes, records, expiries } = this;
    this.reset(slots);
    for (const [i, record] of records.entries()) {
      if (record !== null)
        this.insert(hashes[i] as number, record, expiries === null ? 0 : (expiries[i] as number));
    }
  }

  /** Deals the items out to two empty pages, by whether their hash has `bit` set. */
  splitInto(low: Page, high: Page, bit: number): void {
    low.reset(this.slots);
    high.reset(this.slots);
    for (const [i, record] of this.records.entries()) {
      if (record === null) continue;
      const hash = this.hashes[i] as number;
      (hash & bit ? high : low).insert(hash, record, this.expiryAt(i));
    }
  }

  private reset(slots: number): void {
    this.hashes = new Uint32Array(slots);
    this.records = new Array<Record | null>(slots).fill(null);
    this.expiries = null;
    this.count = 0;
    this.dueMs = Infinity;
  }
}
