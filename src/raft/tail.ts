/**
 * The recent end of the log, in memory: entries [first, next) in a ring that is addressed by the index itself, so
 * that appending, evicting and looking up are O(1) and allocate only when the ring doubles.
 */
import { assert } from '../base/index.js';
import type { LogIndex } from '../base/index.js';
import { entryBytes } from './entry-size.js';
import type { Entry } from './types.js';

/** A power of two; small, because a node may hold a thousand idle groups. */
const SLOTS_MIN = 16;

export class Tail {
  private slots = new Array<Entry | undefined>(SLOTS_MIN);
  /** First index held; equal to `next` when empty. */
  first: LogIndex;
  /** One above the last index held: always the log's last index + 1. */
  next: LogIndex;
  bytes = 0;

  constructor(next: LogIndex) {
    this.first = next;
    this.next = next;
  }

  has(index: LogIndex): boolean {
    return index >= this.first && index < this.next;
  }

  get(index: LogIndex): Entry {
    const entry = this.slots[index & (this.slots.length - 1)];
    if (entry === undefined || entry.index !== index) assert(false, `entry ${index} is not in the tail`);
    return entry;
  }

  push(entry: Entry): void {
    if (entry.index !== this.next) assert(false, `entry ${entry.index} does not follow ${this.next - 1}`);
    if (this.next - this.first === this.slots.length) this.grow();
    this.slots[entry.index & (this.slots.length - 1)] = entry;
    this.next++;
    this.bytes += entryBytes(entry);
  }

  /** Drops `index` and all behind it. */
  truncateFrom(index: LogIndex): void {
    while (this.next > index && this.next > this.first) {
      this.next--;
      this.drop(this.next);
    }
    if (this.next > index) this.reset(index);
  }

  evictFirst(): void {
    if (this.first === this.next) assert(false, `nothing to evict at ${this.first}`);
    this.drop(this.first);
    this.first++;
  }

  /** Empty, with `next` to come. */
  reset(next: LogIndex): void {
    this.slots = new Array<Entry | undefined>(SLOTS_MIN);
    this.first = next;
    this.next = next;
    this.bytes = 0;
  }

  /** Entries from `low` to `high` (both included) until `bytesMax` would be passed; at least one. */
  slice(low: LogIndex, high: LogIndex, bytesMax: number): Entry[] {
    const entries: Entry[] = [];
    let bytes = 0;
    for (let index = low; index <= high; index++) {
      const entry = this.get(index);
      bytes += entryBytes(entry);
      if (bytes > bytesMax && entries.length > 0) break;
      entries.push(entry);
    }
    return entries;
  }

  private drop(index: LogIndex): void {
    this.bytes -= entryBytes(this.get(index));
    this.slots[index & (this.slots.length - 1)] = undefined;
  }

  private grow(): void {
    const grown = new Array<Entry | undefined>(this.slots.length * 2);
    for (let index = this.first; index < this.next; index++)
      grown[index & (grown.length - 1)] = this.get(index);
    this.slots = grown;
  }
}
