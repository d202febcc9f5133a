/**
 * The items of a store's segments as they were at one moment. Segments that existed then are pinned until they were
 * read: what dies in them stays where it is, and the store notes when it died. So the view has an item of such a segment
 * if it isn't dead, or died since.
 */
import type { Item } from './item.js';
import { ItemPlaces, viewItem, type Segment } from './segment.js';
import { SEGMENT_BYTES } from './segment-arenas.js';
import type { SegmentStore } from './segment-store.js';

/** Garbage that can't be collected while it is shown takes the place of items that a budget has room for. */
const PRESSED_SHARE = 0.1;

export class FrozenSegments {
  /** Segments below this number were read, and aren't pinned any more. */
  cursor = 0;
  /** The items of the segment at the cursor that are still to be shown: none before it was opened. */
  private offsets: number[] = [];
  private shown = 0;
  private isOpen = false;
  private readonly places = new ItemPlaces();
  /** When it was made, of segments and large items. */
  private readonly bytes: number;
  /** Of the segment that is being opened: a bit for each offset at which an item died since the freeze. */
  private readonly diedSince = new Uint8Array(SEGMENT_BYTES / 8);

  constructor(
    private readonly store: SegmentStore,
    /** Segments that began with this freeze or later (`born` at least this) aren't in the view. */
    readonly epoch: number,
    /** Segment numbers that were in use are below this. */
    private readonly numberEnd: number,
    /** Segments that were not full, and where they ended. */
    private readonly ends: ReadonlyMap<number, number>,
  ) {
    this.bytes = store.usedBytes + store.large.contentBytes;
  }

  /** Much of what the store holds is garbage that a view pins. */
  get isPressed(): boolean {
    const { store } = this;
    return store.pinnedBytes + store.large.pinnedBytes > this.bytes * PRESSED_SHARE;
  }

  next(into: Item): boolean {
    while (this.cursor < this.numberEnd) {
      const segment = this.store.segmentAt(this.cursor);
      if (segment !== null && segment.born < this.epoch) {
        if (!this.isOpen) this.open(segment);
        if (this.shown < this.offsets.length) {
          const offset = this.offsets[this.shown++] as number;
          this.places.read(segment, offset);
          viewItem(segment, offset, this.places, into);
          return true;
        }
      }
      this.pass();
    }
    this.release();
    return false;
  }

  release(): void {
    this.cursor = this.numberEnd;
    this.offsets = [];
    this.shown = 0;
    this.isOpen = false;
    this.store.unfreeze(this);
  }

  private pass(): void {
    this.isOpen = false;
    this.offsets.length = 0;
    this.shown = 0;
    this.cursor++;
    this.store.onPassed(this.cursor - 1);
  }

  /** Lists the segment's items at once: what dies from here on doesn't matter, as bytes stay until it is passed. */
  private open(segment: Segment): void {
    this.isOpen = true;
    const end = this.ends.get(segment.number) ?? segment.used;
    const { diedSince, offsets, places } = this;
    const deaths = segment.deaths ?? [];
    for (let i = 0; i < deaths.length; i += 2) {
      const offset = deaths[i] as number;
      if ((deaths[i + 1] as number) >= this.epoch)
        diedSince[offset >>> 3] = (diedSince[offset >>> 3] as number) | (1 << (offset & 7));
    }
    for (let offset = 0; offset < end; offset = places.valueEnd) {
      places.read(segment, offset);
      if (!segment.isDead(offset) || (diedSince[offset >>> 3] as number) & (1 << (offset & 7)))
        offsets.push(offset);
    }
    if (deaths.length > 0) diedSince.fill(0);
  }
}
