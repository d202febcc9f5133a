/**
 * The table in few bytes: items in segments (`segment-store.ts`), found by way of an index of tags and 32-bit positions
 * (`page-index.ts`). About 9 bytes an item besides key and value; docs/decisions/0009-compact-table.md tells the sum.
 *
 *   hash of key -> page of the index -> tag -> position -> segment: head | version | lengths | expiry | key | value
 *
 * Everything grows and shrinks by small steps: one page split or two merged, a few items of a segment with much garbage
 * moved. Items don't change once written, which is what lets a frozen view read them while writes go on.
 */
import { assert } from '../base/index.js';
import { Compaction } from './compaction.js';
import { Digest } from './digest.js';
import { DuePages } from './due-pages.js';
import { FrozenTable } from './frozen-table.js';
import { Item } from './item.js';
import { SHARED_FRAMES } from './page-frames.js';
import { PageIndex } from './page-index.js';
import { SHARED_ARENAS } from './segment-arenas.js';
import { LARGE_FROM, SegmentStore } from './segment-store.js';
import type { FrozenItems, ItemName, Table } from './table.js';

/** Hashes are below this. */
const HASH_COUNT = 2 ** 32;
/**
 * Items that one call of `due` looks at, but for the rest of a page: each may be a miss of the processor's cache or two.
 * Counted in items, since pages of equal hashes may have any number.
 */
const DUE_ITEMS_MAX = 1024;
/** Of so many writes one pays for giving memory back: at most the copy of a segment. */
const RELAX_WRITES = 64;

/** What the table needs of a hash function: 32 bits of the key alone, as a signed integer. */
export interface KeyHash {
  hash32(bytes: Uint8Array, start: number, end: number): number;
}

export class CompactTable implements Table {
  itemCount = 0;
  contentBytes = 0;
  sumA = 0;
  sumB = 0;

  /** What is looked at besides what callers asked for. */
  private readonly other = new Item();
  /** What the index asks the hash of. */
  private readonly hashed = new Item();
  private store = new SegmentStore(SHARED_ARENAS);
  private index = this.createIndex();
  private compaction = this.createCompaction();
  private duePages = new DuePages();
  private writes = 0;
  private readonly views = new Set<FrozenTable>();
  /** What was cleared while views of it were read. */
  private cleared: SegmentStore[] = [];
  private readonly digest = new Digest();

  constructor(private readonly hasher: KeyHash) {}

  find(hash: number, bytes: Uint8Array, start: number, end: number, into: Item): boolean {
    const slot = this.locate(hash | 0, bytes, start, end);
    if (slot < 0) return false;
    this.store.view(this.index.positionAt(slot), into);
    into.hash = hash;
    return true;
  }

  findVersion(hash: number, version: number, into: Item): boolean {
    // Names come from a log: the hash may be any number, and another than the key's.
    if (hash >= HASH_COUNT) return false;
    const { index, store } = this;
    index.open(hash);
    for (let slot = index.match(hash, 0); slot >= 0; slot = index.match(hash, slot + 1)) {
      const position = index.positionAt(slot);
      if (store.versionOf(position) !== version) continue;
      store.view(position, into);
      into.hash = this.hasher.hash32(into.keyBytes, into.keyStart, into.keyEnd) >>> 0;
      return into.hash === hash;
    }
    return false;
  }

  put(item: Item): void {
    const { index, store, digest, other } = this;
    const { expiryMs } = item;
    const hash = item.hash | 0;
    const slot = this.locate(hash, item.keyBytes, item.keyStart, item.keyEnd);
    if (slot >= 0) {
      const old = index.positionAt(slot);
      store.view(old, other);
      const { touches } = other;
      this.uncount(old, other);
      digest.ofItem(item);
      // The item may be a view of the old one: its bytes are valid until compaction.
      index.setPosition(slot, store.add(item, digest, touches));
      store.kill(old);
    } else {
      digest.ofItem(item);
      index.insert(hash, store.add(item, digest, 0));
    }
    this.itemCount++;
    this.contentBytes += contentBytesOf(item);
    this.sumA = (this.sumA + digest.a) >>> 0;
    this.sumB = (this.sumB + digest.b) >>> 0;
    if (expiryMs !== 0) this.duePages.lower(index.page, expiryMs);
    if (index.wantsSplit) this.split();
    this.afterWrite();
  }

  remove(item: Item): void {
    const { index, store } = this;
    const { position } = item;
    const hash = item.hash | 0;
    index.open(hash);
    const slot = index.slotOf(hash, position);
    assert(store.versionOf(position) === item.version, 'the item to remove is another by now');
    this.uncount(position, item);
    index.removeAt(slot);
    store.kill(position);
    if (index.wantsMerge) this.merge();
    this.afterWrite();
  }

  close(): void {
    for (const view of this.views) view.cutOff();
    this.clear();
  }

  clear(): void {
    if (this.views.size > 0) this.cleared.push(this.store);
    this.store.retire();
    this.index.retire();
    this.store = new SegmentStore(SHARED_ARENAS);
    this.index = this.createIndex();
    this.compaction = this.createCompaction();
    this.duePages = new DuePages();
    this.itemCount = 0;
    this.contentBytes = 0;
    this.sumA = 0;
    this.sumB = 0;
  }

  touch(item: Item): void {
    this.store.touch(item.position);
  }

  scan(fromHash: number, into: Item, visit: () => boolean): void {
    for (let at = fromHash; at < HASH_COUNT; at = this.pageEnd(at)) {
      this.index.open(at);
      for (const { position, hash } of this.sortedFrom(at)) {
        this.store.view(position, into);
        into.hash = hash;
        if (!visit()) return;
      }
    }
  }

  sweep(cursor: number, into: Item, visit: () => void): number {
    const { index, store, hasher } = this;
    index.open(cursor);
    for (let slot = 0; slot < index.count; slot++) {
      store.view(index.positionAt(slot), into);
      into.hash = hasher.hash32(into.keyBytes, into.keyStart, into.keyEnd) >>> 0;
      visit();
    }
    return this.pageEnd(cursor) % HASH_COUNT;
  }

  freeze(): FrozenItems {
    this.compaction.onFreeze();
    const view = new FrozenTable(this.store.freeze(), this.store.large.freeze(), (over) => {
      this.views.delete(over);
      if (this.views.size === 0) this.cleared = [];
    });
    this.views.add(view);
    return view;
  }

  get nextDueMs(): number {
    return this.duePages.leastMs;
  }

  due(nowMs: number, countMax: number): ItemName[] {
    const found: ItemName[] = [];
    const { duePages } = this;
    let page = duePages.leastMs > nowMs ? -1 : duePages.nextPage(0, nowMs);
    for (let looked = 0; page >= 0 && looked < DUE_ITEMS_MAX && found.length < countMax;) {
      looked += this.lookForDue(page, nowMs, countMax, found);
      page = duePages.nextPage(page + 1, nowMs);
    }
    return found;
  }

  maintain(itemsMax: number): boolean {
    this.other.forget();
    this.hashed.forget();
    this.index.close();
    // What is empty begins anew, rather than hold the ends of what it had.
    if (this.itemCount === 0 && this.store.segmentCount > 0) this.clear();
    return this.compaction.idleStep(itemsMax) || SHARED_FRAMES.tidy() || SHARED_ARENAS.tidy();
  }

  get isTidying(): boolean {
    return this.compaction.isTidying;
  }

  get memoryBytes(): number {
    return this.store.memoryBytes + this.index.memoryBytes + this.duePages.memoryBytes + this.clearedBytes;
  }

  get pinnedBytes(): number {
    return this.store.pinnedBytes + this.store.large.pinnedBytes + this.clearedBytes;
  }

  /** Of tables before a `clear`, as far as views haven't read them. */
  private get clearedBytes(): number {
    let bytes = 0;
    for (const store of this.cleared) bytes += store.memoryBytes;
    return bytes;
  }

  /** Items that compaction has moved. */
  get movedItems(): number {
    return this.compaction.movedItems;
  }

  /** Checks what must hold between the parts; for tests. Looks at everything. */
  check(): void {
    const { index, store, other, hasher, digest } = this;
    let contentBytes = 0;
    let sumA = 0;
    let sumB = 0;
    const seen = new Set<number>();
    index.check((position, tag, page) => {
      assert(!seen.has(position), `position ${position} stands in the index twice`);
      seen.add(position);
      store.view(position, other);
      const hash = hasher.hash32(other.keyBytes, other.keyStart, other.keyEnd) >>> 0;
      assert((hash & 0xff) === tag, `tag ${tag} is not that of hash ${hash}`);
      assert(index.directory.pageOf(hash) === page, `hash ${hash} stands in page ${page}`);
      if (other.expiryMs !== 0) this.duePages.check(page, other.expiryMs);
      digest.ofItem(other);
      contentBytes += contentBytesOf(other);
      sumA = (sumA + digest.a) >>> 0;
      sumB = (sumB + digest.b) >>> 0;
    });
    assert(seen.size === this.itemCount, `${seen.size} items, ${this.itemCount} counted`);
    assert(contentBytes === this.contentBytes, `${contentBytes} bytes, ${this.contentBytes} counted`);
    assert(sumA === this.sumA && sumB === this.sumB, 'the sum of digests is another');
    store.check(seen);
  }

  /** Opens the page of the hash; returns the slot of the item with this key, or -1. */
  private locate(hash: number, bytes: Uint8Array, start: number, end: number): number {
    const { index, store } = this;
    index.open(hash);
    for (let slot = index.match(hash, 0); slot >= 0; slot = index.match(hash, slot + 1)) {
      if (store.hasKey(index.positionAt(slot), bytes, start, end)) return slot;
    }
    return -1;
  }

  /** Takes the item at `position`, which `view` shows, out of the sums. */
  private uncount(position: number, view: Item): void {
    const { digest } = this;
    let { a, b } = digest;
    if (position >= LARGE_FROM) {
      const large = this.store.large.at(position - LARGE_FROM);
      a = large.digestA;
      b = large.digestB;
    } else {
      digest.ofItem(view);
      ({ a, b } = digest);
    }
    this.itemCount--;
    this.contentBytes -= contentBytesOf(view);
    this.sumA = (this.sumA - a) >>> 0;
    this.sumB = (this.sumB - b) >>> 0;
  }

  private afterWrite(): void {
    this.compaction.step();
    if (++this.writes % RELAX_WRITES !== 0) return;
    SHARED_FRAMES.relax();
    SHARED_ARENAS.relaxBusy();
  }

  private split(): void {
    const { index, duePages } = this;
    const from = index.split();
    const added = index.directory.pageCount - 1;
    if (!duePages.has(from)) return;
    duePages.set(added, this.earliestIn(added));
    duePages.set(from, this.earliestIn(from));
  }

  private merge(): void {
    const { index, duePages } = this;
    const last = index.directory.pageCount - 1;
    const into = index.merge();
    if (!duePages.has(last)) return;
    duePages.set(last, Infinity);
    duePages.set(into, this.earliestIn(into));
  }

  private earliestIn(page: number): number {
    const { index, store } = this;
    index.openPage(page);
    let earliest = Infinity;
    for (let slot = 0; slot < index.count; slot++) {
      const expiryMs = store.expiryMsOf(index.positionAt(slot));
      if (expiryMs !== 0 && expiryMs < earliest) earliest = expiryMs;
    }
    return earliest;
  }

  /** Adds the page's due items to `found`, up to `countMax` in all, and makes its bound exact. Returns its items' number. */
  private lookForDue(page: number, nowMs: number, countMax: number, found: ItemName[]): number {
    const { index, store, other, hasher } = this;
    index.openPage(page);
    let earliest = Infinity;
    for (let slot = 0; slot < index.count; slot++) {
      const position = index.positionAt(slot);
      const expiryMs = store.expiryMsOf(position);
      if (expiryMs === 0) continue;
      if (expiryMs < earliest) earliest = expiryMs;
      if (expiryMs > nowMs || found.length >= countMax) continue;
      store.view(position, other);
      const hash = hasher.hash32(other.keyBytes, other.keyStart, other.keyEnd) >>> 0;
      found.push({ hash, version: other.version });
    }
    this.duePages.set(page, earliest);
    return index.count;
  }

  /** First hash behind the page of this one. */
  private pageEnd(hash: number): number {
    const { directory } = this.index;
    const width = 2 ** (32 - directory.levelOf(directory.pageOf(hash)));
    return (Math.floor(hash / width) + 1) * width;
  }

  /** The items of the open page with this hash or a higher one, by hash, then by version. */
  private sortedFrom(hash: number): { hash: number; version: number; position: number }[] {
    const { index, store, hasher, other } = this;
    const list: { hash: number; version: number; position: number }[] = [];
    for (let slot = 0; slot < index.count; slot++) {
      const position = index.positionAt(slot);
      store.view(position, other);
      const own = hasher.hash32(other.keyBytes, other.keyStart, other.keyEnd) >>> 0;
      if (own >= hash) list.push({ hash: own, version: other.version, position });
    }
    return list.sort((a, b) => a.hash - b.hash || a.version - b.version);
  }

  private createIndex(): PageIndex {
    const { store, hashed } = this;
    return new PageIndex(SHARED_FRAMES, (position) => {
      store.view(position, hashed);
      return this.hasher.hash32(hashed.keyBytes, hashed.keyStart, hashed.keyEnd);
    });
  }

  private createCompaction(): Compaction {
    return new Compaction(this.store, this.index, (bytes, start, end) =>
      this.hasher.hash32(bytes, start, end),
    );
  }
}

function contentBytesOf(item: Item): number {
  return item.keyEnd - item.keyStart + item.valueEnd - item.valueStart;
}
