/**
 * How often keys were asked for lately, of those in the shard and of those that are not: counters of 0 to 15, each with
 * 12 bits of its key's hash, in buckets of eight that share their leading hash bits (16 bytes, so that the items of one
 * page of the table find theirs in a few cache lines). A key without a counter contests the lowest of its bucket: one
 * contest in four takes one off it, and who takes the last takes the place. So keys that are asked for once leave
 * hardly a trace, where a count-min sketch of the same size is filled by them (docs/decisions/0010-eviction.md).
 *
 * All counters are halved once in a window of reads, and moved when their number changes, in slices that reads and
 * writes pay for. Two keys of a bucket share a counter if those 12 bits are equal too: an estimate may be too high,
 * seldom.
 */
import { SketchBuckets } from './sketch-buckets.js';

const BUCKET_CELLS = 8;
const COUNT_BITS = 4;
export const COUNT_MAX = 15;
/** Counters for each item that the sketch is made for, 2 bytes each. */
const CELLS_PER_ITEM = 2;
const CONTEST_MASK = 3;
/** Buckets halved with each use, once a halving has begun. */
const SLICE_BUCKETS = 8;
/** At most so many with one call that tells of many reads. */
const HALVED_BUCKETS_MAX = 8192;
/** Slices of a move that such a call may take. */
const MOVES_MAX = 512;
const TAG_FACTOR = 0x9e3779b1;
const NONE = -1;

export class FrequencySketch {
  /** Buckets halved so far; tests count work by it. */
  halvedBuckets = 0;
  /** Of cells of 12 bits of tag, 4 of count; a count of 0 marks a free cell. */
  private readonly buckets: SketchBuckets;
  /** The next bucket to be halved; `NONE` when no halving is under way. */
  private halving = NONE;
  private reads = 0;
  private dice: number;

  /** `window`: reads between two halvings; to be moved as the holder likes. */
  constructor(
    itemCount: number,
    public window: number,
    seed: number,
  ) {
    this.buckets = new SketchBuckets(bucketsFor(itemCount), BUCKET_CELLS);
    this.dice = seed | 1;
  }

  get memoryBytes(): number {
    return this.buckets.memoryBytes;
  }

  /** Buckets moved to another size so far. */
  get movedBuckets(): number {
    return this.buckets.movedBuckets;
  }

  /** An earlier change of size is not at its end: another has to wait. */
  get isMoving(): boolean {
    return this.buckets.isMoving;
  }

  /** For another number of items; keeps the counters. Those not halved yet, when a halving is under way, stay. */
  resize(itemCount: number): void {
    if (this.buckets.resize(bucketsFor(itemCount))) this.halving = NONE;
  }

  estimate(hash: number): number {
    const cell = this.find(hash);
    return cell < 0 ? 0 : (this.buckets.cells[cell] as number) & COUNT_MAX;
  }

  /** Counts one use; returns the estimate before. */
  add(hash: number): number {
    const { buckets } = this;
    if (buckets.isMoving) buckets.moveSlice();
    else if (this.halving !== NONE) this.halveSlice(SLICE_BUCKETS);
    const cell = this.find(hash);
    const { cells } = buckets;
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
    let cell = this.find(hash);
    const { cells } = this.buckets;
    if (cell < 0) {
      cell = this.lowest();
      if (((cells[cell] as number) & COUNT_MAX) >= count) return;
    }
    cells[cell] = tagOf(hash) | count;
  }

  /**
   * Time passes: `reads` of them. Those that were not added here pay for slices, too, as far as one call may. A halving
   * that is due while another, or a move, lasts begins after it.
   */
  advance(reads: number): void {
    this.reads += reads;
    const { buckets } = this;
    for (let left = Math.min(reads - 1, MOVES_MAX); left > 0 && buckets.isMoving; left--) buckets.moveSlice();
    if (buckets.isMoving) return;
    if (this.halving !== NONE) {
      if (reads > 1) this.halveSlice(Math.min(reads * SLICE_BUCKETS, HALVED_BUCKETS_MAX));
    } else if (this.reads >= this.window) {
      this.reads = 0;
      this.halving = 0;
    }
  }

  private halveSlice(bucketsMax: number): void {
    const { all: cells, count } = this.buckets;
    const end = Math.min(this.halving + bucketsMax, count);
    for (let i = this.halving * BUCKET_CELLS; i < end * BUCKET_CELLS; i++) {
      const cell = cells[i] as number;
      cells[i] = (cell & ~COUNT_MAX) | ((cell & COUNT_MAX) >>> 1);
    }
    this.halvedBuckets += end - this.halving;
    this.halving = end === count ? NONE : end;
  }

  /** Opens the bucket of the hash; place of its cell, or -1. */
  private find(hash: number): number {
    const { buckets } = this;
    const tag = tagOf(hash);
    buckets.open(hash);
    const { cells, first } = buckets;
    for (let i = first; i < first + BUCKET_CELLS; i++) {
      const cell = cells[i] as number;
      if ((cell & ~COUNT_MAX) === tag && (cell & COUNT_MAX) !== 0) return i;
    }
    return -1;
  }

  /** Of the open bucket. */
  private lowest(): number {
    const { cells, first } = this.buckets;
    let lowest = first;
    for (let i = first + 1; i < first + BUCKET_CELLS; i++) {
      if (((cells[i] as number) & COUNT_MAX) < ((cells[lowest] as number) & COUNT_MAX)) lowest = i;
    }
    return lowest;
  }

  /** In the open bucket, which is that of the hash. */
  private contest(hash: number): void {
    const { cells } = this.buckets;
    const cell = this.lowest();
    const count = (cells[cell] as number) & COUNT_MAX;
    if (count > 0) {
      this.dice = (Math.imul(this.dice, 1664525) + 1013904223) | 0;
      if (((this.dice >>> 24) & CONTEST_MASK) !== 0) return;
    }
    if (count <= 1) cells[cell] = tagOf(hash) | 1;
    else cells[cell] = (cells[cell] as number) - 1;
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
