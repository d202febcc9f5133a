/** The items of a table as they were at one moment: those in segments, then the large ones. */
import type { FrozenSegments } from './frozen-segments.js';
import type { Item } from './item.js';
import type { FrozenLargeItems } from './large-items.js';
import type { FrozenItems } from './table.js';

export class FrozenTable implements FrozenItems {
  isCutOff = false;
  private isOver = false;

  constructor(
    private readonly segments: FrozenSegments,
    private readonly large: FrozenLargeItems,
    /** It was read to its end, released, or cut off: it keeps nothing any more. */
    private readonly onOver: (view: FrozenTable) => void,
  ) {}

  next(into: Item): boolean {
    into.hash = 0; // whoever reads a snapshot has a seed, and so hashes, of its own
    if (this.segments.next(into) || this.large.next(into)) return true;
    this.release();
    return false;
  }

  release(): void {
    if (this.isOver) return;
    this.isOver = true;
    this.segments.release();
    this.large.release();
    this.onOver(this);
  }

  /** For the table alone, which ends: whoever reads the view is to learn that it is not whole. */
  cutOff(): void {
    this.isCutOff = true;
    this.release();
  }
}
