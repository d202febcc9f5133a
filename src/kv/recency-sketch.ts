/**
 * When keys were used last, in ticks: bytes of time, each with 8 bits of its key's hash, in buckets of eight that share
 * their leading hash bits. A new key takes the place of the one that was used the longest ago. Two keys of a bucket
 * whose 8 bits are equal share a cell: one of about 30 looks younger than it is.
 */
import { copyBuckets } from './sketch-buckets.js';

const BUCKET_CELLS = 8;
const CELLS_PER_ITEM = 2;
/** Ages are below this: what is older is as good as forgotten, long before its byte of time comes round again. */
export const AGE_MAX = 128;
/** A tick clears what is too old in 1 of this many parts, so that all of it is looked at within AGE_MAX / 2 ticks. */
const SWEEP_PARTS = 64;
const TAG_FACTOR = 0x9e3779b1;

export class RecencySketch {
  /** 8 bits of tag, 8 of time; 0 marks a free cell (times run from 1 to 255). */
  private cells: Uint16Array;
  private buckets: number;
  private now = 1;
  private part = 0;

  constructor(itemCount: number) {
    this.buckets = bucketsFor(itemCount);
    this.cells = new Uint16Array(this.buckets * BUCKET_CELLS);
  }

  get memoryBytes(): number {
    return this.cells.byteLength;
  }

  resize(itemCount: number): void {
    const buckets = bucketsFor(itemCount);
    this.cells = copyBuckets(this.cells, this.buckets, buckets, BUCKET_CELLS);
    this.buckets = buckets;
  }

  /** Ticks since the key was used last; AGE_MAX when that is not known. */
  age(hash: number): number {
    const { cells } = this;
    const tag = tagOf(hash);
    const first = this.firstOf(hash);
    for (let i = first; i < first + BUCKET_CELLS; i++) {
      const cell = cells[i] as number;
      if (cell !== 0 && (cell & 0xff00) === tag) return this.ageOf(cell);
    }
    return AGE_MAX;
  }

  /** The key was used `age` ticks ago; a later use that is known already stays. */
  touch(hash: number, age = 0): void {
    const { cells } = this;
    const tag = tagOf(hash);
    const first = this.firstOf(hash);
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
    const { cells } = this;
    const size = Math.ceil(cells.length / SWEEP_PARTS);
    const end = Math.min((this.part + 1) * size, cells.length);
    for (let i = this.part * size; i < end; i++) {
      const cell = cells[i] as number;
      if (cell !== 0 && this.ageOf(cell) >= AGE_MAX) cells[i] = 0;
    }
    this.part = (this.part + 1) % SWEEP_PARTS;
  }

  private ageOf(cell: number): number {
    return (this.now - (cell & 0xff) + 255) % 255;
  }

  private timeOf(age: number): number {
    return ((this.now - 1 - age + 255) % 255) + 1;
  }

  private firstOf(hash: number): number {
    return Math.floor((hash * this.buckets) / 4294967296) * BUCKET_CELLS;
  }
}

/** Drawn from all bits but the lowest four, which a touch on the wire uses otherwise; stands above the time. */
function tagOf(hash: number): number {
  return (Math.imul(hash >>> 4, TAG_FACTOR) >>> 16) & 0xff00;
}

function bucketsFor(itemCount: number): number {
  return Math.max(1, Math.ceil((itemCount * CELLS_PER_ITEM) / BUCKET_CELLS));
}
