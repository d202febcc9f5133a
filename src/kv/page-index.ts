/**
 * The table's index: for each item a position of 32 bits and a tag, the last 8 bits of its key's hash, in pages of about
 * 48 items (`page-directory.ts`). A page is searched by tag, four at a time; items stand in it in no order. It grows by
 * splitting one page, and shrinks by merging two, at a time.
 *
 * Works on one page at a time, the one that was opened last. Keys are not known here: a split asks for hashes.
 */
import { assert } from '../base/index.js';
import { CAPACITIES, capacityOfSingle, classFor, PageBlocks, SINGLE } from './page-blocks.js';
import { countIn, PageDirectory, PAGES_MAX, sizeIn } from './page-directory.js';
import type { FramePool } from './page-frames.js';

/** Items a page on average: pages then have 32 to 64. Fewer cost more bytes for pages, more cost time in each search. */
const PAGE_ITEMS = 48;
/** Below this two pages are merged: far enough from the former that nothing flickers. */
const PAGE_ITEMS_MIN = 24;
/** A block is exchanged for the next smaller one when that would have so many places to spare. */
const SPARE_ON_SHRINK = 2;
const NO_WORDS = new Int32Array(0);

export class PageIndex {
  itemCount = 0;
  /** The open page, and what stands in it. */
  page = 0;
  count = 0;

  readonly directory = new PageDirectory();
  private readonly blocks: PageBlocks;
  /** Of the open page. */
  private size = 0;
  private capacity = 0;
  private words: Int32Array = NO_WORDS;
  private tagsAt = 0;
  private positionsAt = 0;
  /** Items on their way from one page to another; the arrays keep their length. */
  private readonly movedTags: number[] = [];
  private readonly movedPositions: number[] = [];
  private movedCount = 0;

  constructor(
    frames: FramePool,
    /** Hash of the key of the item at a position. */
    private readonly hashOf: (position: number) => number,
  ) {
    this.blocks = new PageBlocks(frames, (page, address) => this.directory.setAddress(page, address));
  }

  open(hash: number): void {
    this.openPage(this.directory.pageOf(hash));
  }

  openPage(page: number): void {
    const { directory, blocks } = this;
    const shape = directory.shapeOf(page);
    this.page = page;
    this.count = countIn(shape);
    const size = (this.size = sizeIn(shape));
    if (size === 0) {
      this.capacity = 0;
      return;
    }
    const address = directory.addressOf(page);
    const words = (this.words = blocks.wordsOf(size, address));
    const capacity = (this.capacity =
      size === SINGLE ? capacityOfSingle(words) : (CAPACITIES[size] as number));
    this.tagsAt = blocks.offsetOf(size, address) + 1;
    this.positionsAt = this.tagsAt + (capacity >> 2);
  }

  /** First slot of the open page from `slot` on whose tag is that of `hash`, or perhaps not; -1 when there is none. */
  match(hash: number, slot: number): number {
    const { words, tagsAt, count } = this;
    const pattern = Math.imul(hash & 0xff, 0x01010101);
    // In the first word slots before `slot` don't count.
    let ignored = ~(-1 << ((slot & 3) * 8));
    for (let at = slot & ~3; at < count; at += 4) {
      const differing = (words[tagsAt + (at >> 2)] as number) ^ pattern;
      // The lowest bit set stands at a byte that is 0; those above may be wrong, which costs a look at the item.
      const zeros = (differing - 0x01010101) & ~differing & 0x80808080 & ~ignored;
      if (zeros !== 0) {
        const found = at + ((31 - Math.clz32(zeros & -zeros)) >> 3);
        return found < count ? found : -1;
      }
      ignored = 0;
    }
    return -1;
  }

  /** Of the item in a slot of the open page. */
  positionAt(slot: number): number {
    return (this.words[this.positionsAt + slot] as number) >>> 0;
  }

  setPosition(slot: number, position: number): void {
    this.words[this.positionsAt + slot] = position;
  }

  /** Slot of the item that stands at `position` in the open page; `hash` is its key's. */
  slotOf(hash: number, position: number): number {
    for (let slot = this.match(hash, 0); slot >= 0; slot = this.match(hash, slot + 1)) {
      if (this.positionAt(slot) === position) return slot;
    }
    throw this.lost(position);
  }

  /** Adds an item to the open page, which must be that of its hash. */
  insert(hash: number, position: number): void {
    if (this.count === this.capacity) this.resize(classFor(this.count + 1), this.count + 1);
    this.append(hash & 0xff, position);
    this.directory.setShape(this.page, this.count, this.size);
    this.itemCount++;
  }

  /** Removes an item of the open page. */
  removeAt(slot: number): void {
    const last = --this.count;
    this.itemCount--;
    this.setTag(slot, this.tagAt(last));
    this.setPosition(slot, this.positionAt(last));
    this.directory.setShape(this.page, last, this.size);
    this.maybeShrink();
  }

  /** Whether pages are so full, or so empty, that one is to be split, or two to be merged. */
  get wantsSplit(): boolean {
    const pages = this.directory.pageCount;
    return this.itemCount > pages * PAGE_ITEMS && pages < PAGES_MAX;
  }

  get wantsMerge(): boolean {
    const pages = this.directory.pageCount;
    return pages > 1 && this.itemCount < pages * PAGE_ITEMS_MIN;
  }

  /** Splits the page whose turn it is; returns its number. The new page is the last. */
  split(): number {
    const { directory, movedTags, movedPositions } = this;
    const from = directory.splitPage;
    const bit = directory.splitBit;
    this.openPage(from);
    let kept = 0;
    let moved = 0;
    for (let slot = 0; slot < this.count; slot++) {
      const position = this.positionAt(slot);
      const tag = this.tagAt(slot);
      if ((this.hashOf(position) & bit) !== 0) {
        movedTags[moved] = tag;
        movedPositions[moved++] = position;
      } else {
        this.setTag(kept, tag);
        this.setPosition(kept++, position);
      }
    }
    this.movedCount = moved;
    this.count = kept;
    directory.setShape(from, kept, this.size);
    const size = classFor(kept);
    if (size !== this.size) this.resize(size, kept);
    this.openPage(directory.add());
    this.appendMoved();
    return from;
  }

  /** Merges the last page into the one that it was split from; returns the latter's number. */
  merge(): number {
    const { directory, movedTags, movedPositions } = this;
    this.openPage(directory.pageCount - 1);
    for (let slot = 0; slot < this.count; slot++) {
      movedTags[slot] = this.tagAt(slot);
      movedPositions[slot] = this.positionAt(slot);
    }
    this.movedCount = this.count;
    if (this.size !== 0) {
      const address = directory.addressOf(this.page);
      directory.setShape(this.page, 0, 0);
      this.blocks.release(this.size, address);
    }
    directory.removeLast();
    this.openPage(directory.splitPage);
    this.appendMoved();
    return this.page;
  }

  /** Gives the memory back; the index must not be used again. */
  clear(): void {
    this.blocks.clear();
  }

  get memoryBytes(): number {
    return this.blocks.memoryBytes + this.directory.memoryBytes;
  }

  private appendMoved(): void {
    const { movedTags, movedPositions, movedCount } = this;
    const count = this.count + movedCount;
    if (count > this.capacity) this.resize(classFor(count), count);
    for (let i = 0; i < movedCount; i++) this.append(movedTags[i] as number, movedPositions[i] as number);
    this.directory.setShape(this.page, this.count, this.size);
  }

  private append(tag: number, position: number): void {
    const slot = this.count++;
    this.setTag(slot, tag);
    this.setPosition(slot, position);
  }

  private maybeShrink(): void {
    const { count, size } = this;
    if (count === 0) this.resize(0, 0);
    else if (size === SINGLE) {
      if (count < this.capacity / 2) this.resize(classFor(count), count);
    } else if (size > 1 && count <= (CAPACITIES[size - 1] as number) - SPARE_ON_SHRINK) {
      this.resize(size - 1, count);
    }
  }

  /** Gives the open page a block of another class, 0 for none, with its items. */
  private resize(size: number, count: number): void {
    const { page, directory, blocks, words: from, tagsAt, positionsAt } = this;
    const oldSize = this.size;
    const oldAddress = directory.addressOf(page);
    const kept = this.count;
    const address = size === 0 ? 0 : blocks.allocate(size, count, page);
    directory.setAddress(page, address);
    directory.setShape(page, kept, size);
    this.openPage(page);
    if (size !== 0) {
      const to = this.words;
      for (let i = (kept + 3) >> 2; i-- > 0;) to[this.tagsAt + i] = from[tagsAt + i] as number;
      for (let i = 0; i < kept; i++) to[this.positionsAt + i] = from[positionsAt + i] as number;
    }
    if (oldSize === 0) return;
    blocks.release(oldSize, oldAddress);
    this.openPage(page); // a block may have moved: this one too, if the sizes are the same
  }

  private tagAt(slot: number): number {
    return ((this.words[this.tagsAt + (slot >> 2)] as number) >>> ((slot & 3) * 8)) & 0xff;
  }

  private setTag(slot: number, tag: number): void {
    const at = this.tagsAt + (slot >> 2);
    const shift = (slot & 3) * 8;
    this.words[at] = ((this.words[at] as number) & ~(0xff << shift)) | (tag << shift);
  }

  private lost(position: number): Error {
    assert(false, `the item at ${position} is not in page ${this.page}`);
  }

  /** Checks what must hold between directory, pages and blocks; shows every item. For tests. */
  check(visit: (position: number, tag: number, page: number) => void): void {
    let items = 0;
    for (let page = 0; page < this.directory.pageCount; page++) {
      this.openPage(page);
      assert(this.count <= this.capacity, `page ${page} has ${this.count} items in ${this.capacity} places`);
      assert(
        (this.count === 0) === (this.size === 0),
        `page ${page} of ${this.count} has class ${this.size}`,
      );
      if (this.size !== 0)
        assert(this.words[this.tagsAt - 1] === page, `the block of page ${page} is another's`);
      items += this.count;
      for (let slot = 0; slot < this.count; slot++) visit(this.positionAt(slot), this.tagAt(slot), page);
    }
    assert(items === this.itemCount, `${items} items in pages, ${this.itemCount} counted`);
    this.blocks.check();
  }
}
