/**
 * The table as pages under a directory (extendible hashing): the leading bits of a key's hash choose the page. A full
 * page splits alone, so that growth costs one page's work at a time and no step stalls the loop; only the directory,
 * one reference per page or so, is doubled at once.
 *
 * Snapshots share memory with the living table: records never change, and `freeze` takes references to every page's
 * list of records. The first change of a page after a freeze gives it a list of its own (`own`).
 */
import { assert } from '../base/index.js';
import { Digest } from './digest.js';
import { DueHeap } from './due-heap.js';
import type { Item } from './item.js';
import { Page, PAGE_SLOTS_MAX, PAGE_SLOTS_MIN } from './page.js';
import {
  contentBytesOf,
  createRecord,
  digestAOf,
  digestBOf,
  versionOf,
  viewRecord,
  type Record,
} from './record.js';
import type { FrozenItems, ItemName, Table } from './table.js';

/** Hashes are below this. */
const HASH_COUNT = 2 ** 32;
/** Pages at this depth grow instead of splitting: 2^20 entries of directory are enough for 400 million items. */
const DEPTH_MAX = 20;
/** Pages that one call of `due` looks at: bounds it to less than a millisecond. */
const DUE_PAGES_MAX = 256;

export class PagedTable implements Table {
  itemCount = 0;
  contentBytes = 0;
  sumA = 0;
  sumB = 0;

  /** Leading hash bits that index the directory: it has 2^depth entries. At least every page's depth. */
  private depth = 0;
  /** Freezes so far. A page whose `epoch` is lower may share its records with a snapshot. */
  private epoch = 0;
  /** A page of depth d stands in 2^(depth - d) adjacent entries. */
  private directory: Page[] = [new Page(0, 0)];
  private readonly dueHeap = new DueHeap();
  private readonly digest = new Digest();

  find(hash: number, bytes: Uint8Array, start: number, end: number, into: Item): boolean {
    const page = this.pageOf(hash);
    const slot = page.find(hash, bytes, start, end);
    if (slot < 0) return false;
    viewRecord(page.records[slot] as Record, hash, into);
    return true;
  }

  findVersion(hash: number, version: number, into: Item): boolean {
    const page = this.pageOf(hash);
    const slot = page.findVersion(hash, version);
    if (slot < 0) return false;
    viewRecord(page.records[slot] as Record, hash, into);
    return true;
  }

  put(item: Item): void {
    const { hash, expiryMs } = item;
    this.digest.ofItem(item);
    const record = createRecord(item, this.digest);
    let page = this.pageOf(hash);
    const slot = page.find(hash, item.keyBytes, item.keyStart, item.keyEnd);
    if (slot >= 0) {
      this.count(page.records[slot] as Record, -1);
      this.own(page);
      page.set(slot, hash, record, expiryMs);
    } else {
      while (!page.hasRoom) {
        this.makeRoom(page, hash);
        page = this.pageOf(hash);
      }
      this.own(page);
      page.insert(hash, record, expiryMs);
    }
    this.count(record, 1);
    if (page.dueMs === expiryMs) this.dueHeap.update(page);
  }

  remove(item: Item): void {
    const page = this.pageOf(item.hash);
    const slot = page.findVersion(item.hash, item.version);
    assert(slot >= 0, `item of version ${item.version} to remove is not in the table`);
    this.count(page.records[slot] as Record, -1);
    this.own(page);
    page.removeAt(slot);
    // Half as many slots once an eighth is used: a page that flickers around one size is not rebuilt each time.
    if (page.slots > PAGE_SLOTS_MIN && page.count * 8 < page.slots) {
      page.resize(page.slots / 2);
      page.epoch = this.epoch;
      this.dueHeap.update(page);
    }
  }

  clear(): void {
    this.dueHeap.clear();
    this.directory = [new Page(0, this.epoch)];
    this.depth = 0;
    this.itemCount = 0;
    this.contentBytes = 0;
    this.sumA = 0;
    this.sumB = 0;
  }

  scan(fromHash: number, into: Item, visit: () => boolean): void {
    for (let at = fromHash; at < HASH_COUNT;) {
      const page = this.pageOf(at);
      for (const slot of page.slotsFrom(at)) {
        viewRecord(page.records[slot] as Record, page.hashes[slot] as number, into);
        if (!visit()) return;
      }
      const width = 2 ** (32 - page.depth);
      at = (Math.floor(at / width) + 1) * width;
    }
  }

  freeze(): FrozenItems {
    this.epoch++;
    const lists: PageItems[] = [];
    for (let i = 0; i < this.directory.length;) {
      const page = this.directory[i] as Page;
      if (page.count > 0) lists.push(page.records);
      i += 2 ** (this.depth - page.depth);
    }
    return new FrozenPages(lists);
  }

  get nextDueMs(): number {
    return this.dueHeap.peek()?.dueMs ?? Infinity;
  }

  due(nowMs: number, countMax: number): ItemName[] {
    const found: ItemName[] = [];
    const looked: Page[] = [];
    while (found.length < countMax && looked.length < DUE_PAGES_MAX) {
      const page = this.dueHeap.peek();
      if (page === null || page.dueMs > nowMs) break;
      // Out of the heap until the end of this call, or it would stay on top: its items remain due until reaped.
      this.dueHeap.remove(page);
      looked.push(page);
      collectDue(page, nowMs, countMax, found);
    }
    for (const page of looked) this.dueHeap.update(page);
    return found;
  }

  private pageOf(hash: number): Page {
    // A shift by 32 would shift by 0.
    const index = this.depth === 0 ? 0 : hash >>> (32 - this.depth);
    return this.directory[index] as Page;
  }

  private count(record: Record, sign: 1 | -1): void {
    this.itemCount += sign;
    this.contentBytes += sign * contentBytesOf(record);
    this.sumA = (this.sumA + sign * digestAOf(record)) >>> 0;
    this.sumB = (this.sumB + sign * digestBOf(record)) >>> 0;
  }

  /** Gives the page records of its own before a change, if a snapshot may hold the present ones. */
  private own(page: Page): void {
    if (page.epoch === this.epoch) return;
    page.records = page.records.slice();
    page.epoch = this.epoch;
  }

  private makeRoom(page: Page, hash: number): void {
    if (page.slots < PAGE_SLOTS_MAX || page.depth >= DEPTH_MAX) {
      page.resize(page.slots * 2);
      page.epoch = this.epoch;
      this.dueHeap.update(page);
    } else {
      this.split(page, hash);
    }
  }

  private split(page: Page, hash: number): void {
    if (page.depth === this.depth) this.doubleDirectory();
    const depth = page.depth + 1;
    const low = new Page(depth, this.epoch);
    const high = new Page(depth, this.epoch);
    page.splitInto(low, high, 1 << (32 - depth));
    const half = 2 ** (this.depth - depth);
    const first = Math.floor((hash >>> (32 - this.depth)) / (2 * half)) * 2 * half;
    this.directory.fill(low, first, first + half);
    this.directory.fill(high, first + half, first + 2 * half);
    this.dueHeap.remove(page);
    this.dueHeap.update(low);
    this.dueHeap.update(high);
  }

  private doubleDirectory(): void {
    const doubled = new Array<Page>(this.directory.length * 2);
    for (const [i, page] of this.directory.entries()) {
      doubled[2 * i] = page;
      doubled[2 * i + 1] = page;
    }
    this.directory = doubled;
    this.depth++;
  }
}

type PageItems = readonly (Record | null)[];

class FrozenPages implements FrozenItems {
  private list = 0;
  private slot = 0;

  constructor(private readonly lists: (PageItems | null)[]) {}

  next(into: Item): boolean {
    for (; this.list < this.lists.length; this.list++, this.slot = 0) {
      const records = this.lists[this.list] as PageItems;
      while (this.slot < records.length) {
        const record = records[this.slot++] as Record | null;
        if (record === null) continue;
        viewRecord(record, 0, into); // whoever reads a snapshot has a seed, and so hashes, of its own
        return true;
      }
      this.lists[this.list] = null; // what was read is no longer kept alive
    }
    return false;
  }
}

/** Adds the page's due items to `found`, up to `countMax` in all, and makes `page.dueMs` exact. */
function collectDue(page: Page, nowMs: number, countMax: number, found: ItemName[]): void {
  let earliest = Infinity;
  const { records, hashes, expiries } = page;
  if (expiries !== null) {
    for (let slot = 0; slot < records.length; slot++) {
      const expiryMs = expiries[slot] as number;
      const record = records[slot] as Record | null;
      if (expiryMs === 0 || record === null) continue;
      if (expiryMs < earliest) earliest = expiryMs;
      if (expiryMs <= nowMs && found.length < countMax) {
        found.push({ hash: hashes[slot] as number, version: versionOf(record) });
      }
    }
  }
  page.dueMs = earliest;
}
