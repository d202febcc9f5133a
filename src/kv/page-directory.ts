/**
 * Linear hashing: which page a hash belongs to, and where that page's block stands. The leading bits of the hash, in
 * reverse order, give the page's number: with P pages of which 2^L <= P < 2^(L+1), the first L bits, or the first L + 1
 * for pages that were split already. So each page is a range of hashes, and pages are added and taken away at the end,
 * one at a time.
 *
 * An entry has two words: the block's address, and count and class. Entries stand in parts of 512, so that no step
 * copies the whole.
 */
import { assert } from '../base/index.js';

const PART_BITS = 9;
const PART_PAGES = 2 ** PART_BITS;
/** The first part begins with so many, and is doubled until it is whole. */
const FIRST_PAGES = 8;
/** Classes of blocks are below this. */
const CLASS_BITS = 6;
/** More pages than 2^24 would leave the tags, the last 8 bits of the hash, nothing to tell apart. */
export const PAGES_MAX = 2 ** 24;

export class PageDirectory {
  /** 2^level <= pageCount < 2^(level+1). */
  pageCount = 1;
  private level = 0;
  private readonly parts: Int32Array[] = [new Int32Array(FIRST_PAGES * 2)];

  /** Number of the page of this hash, signed or not. */
  pageOf(hash: number): number {
    const bits = reverseBits(hash);
    const page = bits & ((1 << this.level) - 1);
    return page < this.pageCount - (1 << this.level) ? bits & ((2 << this.level) - 1) : page;
  }

  /** How many leading bits of the hash a page's items share. */
  levelOf(page: number): number {
    const half = 1 << this.level;
    return page >= half || page < this.pageCount - half ? this.level + 1 : this.level;
  }

  addressOf(page: number): number {
    return (this.parts[page >>> PART_BITS] as Int32Array)[(page & (PART_PAGES - 1)) * 2] as number;
  }

  setAddress(page: number, address: number): void {
    (this.parts[page >>> PART_BITS] as Int32Array)[(page & (PART_PAGES - 1)) * 2] = address;
  }

  /** Count of items and class of block in one: see `countIn` and `sizeIn`. */
  shapeOf(page: number): number {
    return (this.parts[page >>> PART_BITS] as Int32Array)[(page & (PART_PAGES - 1)) * 2 + 1] as number;
  }

  setShape(page: number, count: number, size: number): void {
    (this.parts[page >>> PART_BITS] as Int32Array)[(page & (PART_PAGES - 1)) * 2 + 1] =
      (count << CLASS_BITS) | size;
  }

  /** The page that is split next, and with which the last one is merged. */
  get splitPage(): number {
    return this.pageCount - (1 << this.level);
  }

  /** The bit of the hash that tells the items of `splitPage` that move to the new page. */
  get splitBit(): number {
    return 1 << (31 - this.level);
  }

  /** Adds a page, without a block, for the upper half of the hashes of `splitPage`; returns its number. */
  add(): number {
    const page = this.pageCount++;
    assert(page < PAGES_MAX, 'too many pages');
    const part = page >>> PART_BITS;
    if (part === this.parts.length) this.parts.push(new Int32Array(PART_PAGES * 2));
    const words = this.parts[part] as Int32Array;
    if ((page & (PART_PAGES - 1)) * 2 >= words.length) {
      const larger = new Int32Array(words.length * 2);
      larger.set(words);
      this.parts[part] = larger;
    }
    this.setAddress(page, 0);
    this.setShape(page, 0, 0);
    if (this.pageCount === 2 << this.level) this.level++;
    return page;
  }

  /** Takes the last page away, whose hashes then belong to the page that `splitPage` is afterwards. */
  removeLast(): void {
    assert(this.pageCount > 1, 'the last page stays');
    this.pageCount--;
    if (this.pageCount < 1 << this.level) this.level--;
    const parts = Math.ceil(this.pageCount / PART_PAGES);
    if (this.parts.length > parts) this.parts.pop();
  }

  get memoryBytes(): number {
    const whole = this.parts.length - 1;
    return whole * PART_PAGES * 8 + (this.parts[whole] as Int32Array).byteLength;
  }
}

export function countIn(shape: number): number {
  return shape >>> CLASS_BITS;
}

export function sizeIn(shape: number): number {
  return shape & (2 ** CLASS_BITS - 1);
}

function reverseBits(hash: number): number {
  let x = hash;
  x = ((x >>> 1) & 0x55555555) | ((x & 0x55555555) << 1);
  x = ((x >>> 2) & 0x33333333) | ((x & 0x33333333) << 2);
  x = ((x >>> 4) & 0x0f0f0f0f) | ((x & 0x0f0f0f0f) << 4);
  x = ((x >>> 8) & 0x00ff00ff) | ((x & 0x00ff00ff) << 8);
  return (x >>> 16) | (x << 16);
}
