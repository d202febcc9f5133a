/**
 * When items of each page of the index are due: for each page a lower bound of the earliest expiry there, and the least
 * of these for each part of 512 pages. A bound is made exact when its page is looked at. Without expiries it takes
 * nothing.
 */
import { assert } from '../base/index.js';

const PART_BITS = 9;
const PART_PAGES = 2 ** PART_BITS;

export class DuePages {
  /** By part; null while none of its pages has an item with an expiry. */
  private readonly parts: (Float64Array | null)[] = [];
  /** The least in each part. */
  private readonly leasts: number[] = [];
  private least = Infinity;
  /** Whether `least` may be too low or too high. */
  private isStale = false;

  /** An item with this expiry came into the page. */
  lower(page: number, expiryMs: number): void {
    const part = page >>> PART_BITS;
    while (this.parts.length <= part) {
      this.parts.push(null);
      this.leasts.push(Infinity);
    }
    const bounds = (this.parts[part] ??= new Float64Array(PART_PAGES).fill(Infinity));
    const at = page & (PART_PAGES - 1);
    if (expiryMs < (bounds[at] as number)) bounds[at] = expiryMs;
    if (expiryMs < (this.leasts[part] as number)) this.leasts[part] = expiryMs;
    if (expiryMs < this.least) this.least = expiryMs;
  }

  /** The earliest expiry in the page is this; Infinity when it has none. */
  set(page: number, earliestMs: number): void {
    const part = page >>> PART_BITS;
    const bounds = this.parts[part] ?? null;
    if (bounds === null) {
      if (earliestMs !== Infinity) this.lower(page, earliestMs);
      return;
    }
    const at = page & (PART_PAGES - 1);
    const before = bounds[at] as number;
    if (before === earliestMs) return;
    bounds[at] = earliestMs;
    if (earliestMs < before) this.lower(page, earliestMs);
    else if (before === this.leasts[part]) this.recompute(part, bounds);
  }

  /** Whether the page is in a part that has bounds at all. */
  has(page: number): boolean {
    return (this.parts[page >>> PART_BITS] ?? null) !== null;
  }

  /** Checks that the bound of the page is not above the expiry of an item there; for tests. */
  check(page: number, expiryMs: number): void {
    const bound = this.parts[page >>> PART_BITS]?.[page & (PART_PAGES - 1)] ?? Infinity;
    assert(bound <= expiryMs, `the bound ${bound} of page ${page} is above ${expiryMs}`);
    assert((this.leasts[page >>> PART_BITS] as number) <= bound, `the part of page ${page} is due later`);
    assert(this.leastMs <= bound, `page ${page} is due before all`);
  }

  /** First page from `from` on with an item due by `nowMs`, as far as is known; -1 when there is none. */
  nextPage(from: number, nowMs: number): number {
    for (
      let part = from >>> PART_BITS, at = from & (PART_PAGES - 1);
      part < this.parts.length;
      part++, at = 0
    ) {
      if ((this.leasts[part] as number) > nowMs) continue;
      const bounds = this.parts[part] as Float64Array;
      for (; at < PART_PAGES; at++) if ((bounds[at] as number) <= nowMs) return part * PART_PAGES + at;
    }
    return -1;
  }

  /** No item is due before this. */
  get leastMs(): number {
    if (this.isStale) {
      this.isStale = false;
      this.least = Infinity;
      for (const each of this.leasts) if (each < this.least) this.least = each;
    }
    return this.least;
  }

  get memoryBytes(): number {
    let bytes = 0;
    for (const part of this.parts) if (part !== null) bytes += part.byteLength;
    return bytes;
  }

  private recompute(part: number, bounds: Float64Array): void {
    let least = Infinity;
    for (const each of bounds) if (each < least) least = each;
    this.leasts[part] = least;
    this.isStale = true;
    if (least === Infinity) this.parts[part] = null;
  }
}
