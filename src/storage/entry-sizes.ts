/**
 * Bytes of a log's entries, as running totals in a ring: the size of any stretch, and dropping from either end, are
 * single steps. Eight bytes an entry.
 */
import { assert } from '../base/index.js';

export class EntrySizes {
  private totals = new Float64Array(16);
  private head = 0;
  private count = 0;
  /** The running total before the first entry kept. */
  private before = 0;

  get length(): number {
    return this.count;
  }

  /** Bytes of all entries kept. */
  get bytes(): number {
    return this.totalAt(this.count) - this.before;
  }

  /** Bytes of those behind the first `count`. */
  bytesBehind(count: number): number {
    return this.totalAt(this.count) - this.totalAt(Math.min(count, this.count));
  }

  push(bytes: number): void {
    if (this.count === this.totals.length) this.grow();
    this.totals[(this.head + this.count) & (this.totals.length - 1)] = this.totalAt(this.count) + bytes;
    this.count++;
  }

  dropFirst(count: number): void {
    assert(count <= this.count, `drop ${count} of ${this.count} sizes`);
    this.before = this.totalAt(count);
    this.head = (this.head + count) & (this.totals.length - 1);
    this.count -= count;
  }

  dropLast(count: number): void {
    assert(count <= this.count, `drop ${count} of ${this.count} sizes`);
    this.count -= count;
  }

  /** The running total after the first `count` entries. */
  private totalAt(count: number): number {
    if (count === 0) return this.before;
    return this.totals[(this.head + count - 1) & (this.totals.length - 1)] as number;
  }

  private grow(): void {
    const grown = new Float64Array(this.totals.length * 2);
    for (let i = 0; i < this.count; i++) {
      grown[i] = this.totals[(this.head + i) & (this.totals.length - 1)] as number;
    }
    this.totals = grown;
    this.head = 0;
  }
}
