/** The items of a table as they were at one moment: those in segments, then the large ones. */
import type { FrozenSegments } from './frozen-segments.js';
import type { Item } from './item.js';
import type { FrozenLargeItems } from './large-items.js';
import type { FrozenItems } from './table.js';

/** Garbage that can't be collected while it is shown takes the place of items that a budget has room for. */
const PRESSED_SHARE = 0.1;

export class FrozenTable implements FrozenItems {
  constructor(
    private readonly segments: FrozenSegments,
    private readonly large: FrozenLargeItems,
  ) {}

  get isPressed(): boolean {
    const { segments, large } = this;
    return segments.garbageBytes + large.garbageBytes > (segments.bytes + large.bytes) * PRESSED_SHARE;
  }

  next(into: Item): boolean {
    into.hash = 0; // whoever reads a snapshot has a seed, and so hashes, of its own
    return this.segments.next(into) || this.large.next(into);
  }

  release(): void {
    this.segments.release();
    this.large.release();
  }
}
