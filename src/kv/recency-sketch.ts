/**
 * When keys were used last, in ticks: bytes of time, each with 8 bits of its key's hash, in buckets of eight that share
 * their leading hash bits. A new key takes the place of the one that was used the longest ago. Two keys of a bucket
 * whose 8 bits are equal share a cell: one of about 30 looks younger than it is.
 */
import { SketchBuckets } from './sketch-buckets.js';

const BUCKET_CELLS = 8;
const CELLS_PER_ITEM = 2;
/** Ages are below this: what is older is as good as forgotten, long before its byte of time comes round again. */
export const AGE_MAX = 128;
/** Buckets looked at for what is too old with each new item: all of them within a fraction of AGE_MAX ticks. */
const SWEPT_BUCKETS = 2;
const TAG_FACTOR = 0x9e3779b1;

export class RecencySketch {
  /** Buckets that were swept so far; tests count work by it. */
  sweptBuckets = 0;
  /** Of cells of 8 bits of tag, 8 of time; 0 marks a free cell (times run from 1 to 255). */
  private readonly buckets: SketchBuckets;
  private now = 1;
  /** The bucket that is swept next. */
  private sweeping = 0;

  constructor(itemCount: number) {
    this.buckets = new SketchBuckets(bucketsFor(itemCount), BUCKET_CELLS);
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

  resize(itemCount: number): void {
    this.buckets.resize(bucketsFor(itemCount));
  }

  /** Ticks since the key was used last; AGE_MAX when that is not known. */
  age(hash: number): number {
    const { buckets } = this;
    const tag = tagOf(hash);
    buckets.open(hash);
    const { cells, first } = buckets;
    for (let i = first; i < first + BUCKET_CELLS; i++) {
      const cell = cells[i] as number;
      if (cell !== 0 && (cell & 0xff00) === tag) return this.ageOf(cell);
    }
    return AGE_MAX;
  }

  /** The key was used `age` ticks ago; a later use that is known already stays. */
  touch(hash: number, age = 0): void {
    const { buckets } = this;
    if (buckets.isMoving) buckets.moveSlice();
    const tag = tagOf(hash);
    buckets.open(hash);
    const { cells, first } = buckets;
    let oldest = first;
    let oldestAge = -1;
    for (let i = first; i < first + BUCKET_CELLS; i++) {
      const cell = cells[i] as number;
      const cellAge = cell === 0 ? AGE_MAX : this.ageOf(cell);
      if (cell !== 0 && (cell & 0xff00) === tag) {
        if (age < cellAge) cells[i] = tag | this.timeOf(age);
        return;
      }
      if (cellAge > oldestAge) {
        oldest = i;
        oldestAge = cellAge;
      }
    }
    if (age < oldestAge) cells[oldest] = tag | this.timeOf(age);
  }

  tick(): void {
    this.now = (this.now % 255) + 1;
  }

  /**
   * Frees some of the cells that are too old, before their byte of time comes round again. To be called with each new
   * item; a tick is so many of them that all buckets are swept in a few.
   */
  sweep(): void {
    const { buckets } = this;
    if (buckets.isMoving) return;
    const { all: cells, count } = buckets;
    if (this.sweeping >= count) this.sweeping = 0;
    const end = Math.min(count, this.sweeping + SWEPT_BUCKETS);
    for (let i = this.sweeping * BUCKET_CELLS; i < end * BUCKET_CELLS; i++) {
      const cell = cells[i] as number;
      if (cell !== 0 && this.ageOf(cell) >= AGE_MAX) cells[i] = 0;
    }
    this.sweptBuckets += end - this.sweeping;
    this.sweeping = end;
  }

  private ageOf(cell: number): number {
    return (this.now - (cell & 0xff) + 255) % 255;
  }

  private timeOf(age: number): number {
    return ((this.now - 1 - age + 255) % 255) + 1;
  }
}

/** Drawn from all bits but the lowest four, which a touch on the wire uses otherwise; stands above the time. */
function tagOf(hash: number): number {
  return (Math.imul(hash >>> 4, TAG_FACTOR) >>> 16) & 0xff00;
}

function bucketsFor(itemCount: number): number {
  return Math.max(1, Math.ceil((itemCount * CELLS_PER_ITEM) / BUCKET_CELLS));
}
