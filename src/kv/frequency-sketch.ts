/**
 * How often keys were asked for lately, of those in the shard and of those that are not: counters of 0 to 15, each with
 * 12 bits of its key's hash, in buckets of eight that share their leading hash bits (16 bytes, so that the items of one
 * page of the table find theirs in a few cache lines). A key without a counter contests the lowest of its bucket: one
 * contest in four takes one off it, and who takes the last takes the place. So keys that are asked for once leave
 * hardly a trace, where a count-min sketch of the same size is filled by them (docs/decisions/0010-eviction.md).
 *
 * All counters are halved once in a window of reads, in slices. Two keys of a bucket share a counter if those 12 bits
 * are equal too: an estimate may be too high, seldom.
 */
import { copyBuckets } from './sketch-buckets.js';

const BUCKET_CELLS = 8;
const COUNT_BITS = 4;
export const COUNT_MAX = 15;
/** Counters for each item that the sketch is made for, 2 bytes each. */
const CELLS_PER_ITEM = 2;
const CONTEST_MASK = 3;
/** Buckets halved with each read, once a halving has begun. */
const SLICE_BUCKETS = 8;
const TAG_FACTOR = 0x9e3779b1;

export class FrequencySketch {
  /** 12 bits of tag, 4 of count; a count of 0 marks a free cell. */
  private cells: Uint16Array;
  private buckets: number;
  /** The next bucket to be halved; at `buckets` when no halving is under way. */
  private halving: number;
  private reads = 0;
  private dice: number;

  /** `window`: reads between two halvings; to be moved as the holder likes. */
  constructor(
    itemCount: number,
    public window: number,
    seed: number,
  ) {
    this.buckets = bucketsFor(itemCount);
    this.cells = new Uint16Array(this.buckets * BUCKET_CELLS);
    this.halving = this.buckets;
    this.dice = seed | 1;
  }

  get memoryBytes(): number {
    return this.cells.byteLength;
  }

  /** For another number of items; keeps the counters. */
  resize(itemCount: number): void {
    const buckets = bucketsFor(itemCount);
    this.cells = copyBuckets(this.cells, this.buckets, buckets, BUCKET_CELLS);
    this.buckets = buckets;
    this.halving = buckets;
  }

  estimate(hash: number): number {
    const cell = this.find(hash);
    return cell < 0 ? 0 : (this.cells[cell] as number) & COUNT_MAX;
  }

  /** Counts one use; returns the estimate before. True to `isRead`, time passes. */
  add(hash: number): number {
    const { cells } = this;
    const cell = this.find(hash);
    if (cell >= 0) {
      const count = (cells[cell] as number) & COUNT_MAX;
      if (count < COUNT_MAX) cells[cell] = (cells[cell] as number) + 1;
      return count;
    }
    this.contest(hash);
    return 0;
  }

  /** Makes the key's estimate `count`, if there is a cell that is worth less. */
  learn(hash: number, count: number): void {
    const { cells } = this;
    let cell = this.find(hash);
    if (cell < 0) {
      cell = this.lowest(hash);
      if (((cells[cell] as number) & COUNT_MAX) >= count) return;
    }
    cells[cell] = tagOf(hash) | count;
  }

  /** Time passes: `reads` of them. Whether a halving begins. */
  advance(reads: number): boolean {
    if (this.halving < this.buckets) this.halveSlice();
    this.reads += reads;
    if (this.reads < this.window) return false;
    this.halveNow();
    return true;
  }

  /** Begins to halve, whatever the window says. */
  halveNow(): void {
    while (this.halving < this.buckets) this.halveSlice();
    this.reads = 0;
    this.halving = 0;
  }

  private halveSlice(): void {
    const { cells } = this;
    const end = Math.min(this.halving + SLICE_BUCKETS, this.buckets);
    for (let i = this.halving * BUCKET_CELLS; i < end * BUCKET_CELLS; i++) {
      const cell = cells[i] as number;
      cells[i] = (cell & ~COUNT_MAX) | ((cell & COUNT_MAX) >>> 1);
    }
    this.halving = end;
  }

  private find(hash: number): number {
    const { cells } = this;
    const tag = tagOf(hash);
    const first = this.firstOf(hash);
    for (let i = first; i < first + BUCKET_CELLS; i++) {
      const cell = cells[i] as number;
      if ((cell & ~COUNT_MAX) === tag && (cell & COUNT_MAX) !== 0) return i;
    }
    return -1;
  }

  private lowest(hash: number): number {
    const { cells } = this;
    const first = this.firstOf(hash);
    let lowest = first;
    for (let i = first + 1; i < first + BUCKET_CELLS; i++) {
      if (((cells[i] as number) & COUNT_MAX) < ((cells[lowest] as number) & COUNT_MAX)) lowest = i;
    }
    return lowest;
  }

  private contest(hash: number): void {
    const { cells } = this;
    const cell = this.lowest(hash);
    const count = (cells[cell] as number) & COUNT_MAX;
    if (count > 0) {
      this.dice = (Math.imul(this.dice, 1664525) + 1013904223) | 0;
      if (((this.dice >>> 24) & CONTEST_MASK) !== 0) return;
    }
    if (count <= 1) cells[cell] = tagOf(hash) | 1;
    else cells[cell] = (cells[cell] as number) - 1;
  }

  private firstOf(hash: number): number {
    return Math.floor((hash * this.buckets) / 4294967296) * BUCKET_CELLS;
  }
}

/** Drawn from all bits but the lowest four, which a touch on the wire uses otherwise; stands above the count. */
function tagOf(hash: number): number {
  const mixed = Math.imul(hash >>> 4, TAG_FACTOR);
  return ((mixed >>> 20) << COUNT_BITS) & 0xfff0;
}

function bucketsFor(itemCount: number): number {
  return Math.max(1, Math.ceil((itemCount * CELLS_PER_ITEM) / BUCKET_CELLS));
}
