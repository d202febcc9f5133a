/**
 * What the sketches of reads have in common: cells of 16 bits in buckets, which stand in the order of the leading bits
 * of the hash, so that each bucket is a range of hashes, and their memory follows the number of items.
 *
 * Their number changes step by step: the cells for the new number are filled from the front, a few buckets at a time;
 * hashes whose new bucket isn't filled yet are still found in the old cells. No step copies the whole, which is 40 MB
 * for ten million items. While it lasts both are held.
 */

/** Buckets filled by one `moveSlice`. */
export const MOVED_BUCKETS = 16;

export class SketchBuckets {
  /** Where the bucket that was opened last stands: from `first` on, `bucketCells` of them. */
  cells: Uint16Array;
  first = 0;
  /** Of those in force; while a move lasts, of the old ones. */
  count: number;
  /** Buckets filled so far by all moves; tests count work by it. */
  movedBuckets = 0;
  private held: Uint16Array;
  /** Those that are being filled; null while no move lasts. */
  private next: Uint16Array | null = null;
  private nextCount = 0;
  /** New buckets below this are filled. */
  private filled = 0;

  constructor(
    count: number,
    private readonly bucketCells: number,
  ) {
    this.count = count;
    this.held = this.cells = new Uint16Array(count * bucketCells);
  }

  get memoryBytes(): number {
    return this.held.byteLength + (this.next === null ? 0 : this.next.byteLength);
  }

  get isMoving(): boolean {
    return this.next !== null;
  }

  /** Opens the bucket of this hash (unsigned). */
  open(hash: number): void {
    if (this.next !== null) {
      const bucket = Math.floor((hash * this.nextCount) / 4294967296);
      if (bucket < this.filled) {
        this.cells = this.next;
        this.first = bucket * this.bucketCells;
        return;
      }
    }
    this.cells = this.held;
    this.first = Math.floor((hash * this.count) / 4294967296) * this.bucketCells;
  }

  /** All cells, which only hold everything while no move lasts. */
  get all(): Uint16Array {
    return this.held;
  }

  /** Begins to move to another number of buckets; a move that lasts goes on instead. Whether one began. */
  resize(count: number): boolean {
    if (this.next !== null || count === this.count) return false;
    this.next = new Uint16Array(count * this.bucketCells);
    this.nextCount = count;
    this.filled = 0;
    return true;
  }

  /**
   * Fills some more buckets: each takes over the old one that stood in its place. What a cell's full hash was is not
   * known, so a growing sketch has some cells twice, and a shrinking one loses some.
   */
  moveSlice(): void {
    const { next, held, count, nextCount, bucketCells } = this;
    if (next === null) return;
    const end = Math.min(nextCount, this.filled + MOVED_BUCKETS);
    for (let bucket = this.filled; bucket < end; bucket++) {
      const old = Math.floor(((bucket + 0.5) * count) / nextCount) * bucketCells;
      const to = bucket * bucketCells;
      for (let i = 0; i < bucketCells; i++) next[to + i] = held[old + i] as number;
    }
    this.movedBuckets += end - this.filled;
    this.filled = end;
    if (end < nextCount) return;
    this.held = this.cells = next;
    this.count = nextCount;
    this.next = null;
  }
}
