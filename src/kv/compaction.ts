/**
 * Gives the room of dead items back: takes the segment with about the most garbage, moves its live items, a few at a
 * time, to the segment that gathers such items, and frees it. Each write pays for so much that garbage stays within an
 * eighth of what lives. An idle table begins at a 32nd and goes on to a 256th: the two are apart, since the last garbage
 * is the most expensive, and a table with a few writes now and then must not be rewritten for each of them.
 *
 * Nothing that a frozen view pins is emptied: it couldn't be freed.
 */
import type { PageIndex } from './page-index.js';
import { ItemPlaces, type Segment } from './segment.js';
import { SEGMENT_BYTES } from './segment-arenas.js';
import type { SegmentStore } from './segment-store.js';

/** Garbage beside an eighth, so that a small table isn't tidied up all the time. */
const SLACK_BYTES = SEGMENT_BYTES / 4;
const BUSY_SHARE = 1 / 8;
const IDLE_BEGIN_SHARE = 1 / 32;
const IDLE_END_SHARE = 1 / 256;
/** What one write does at most: more than the garbage that it makes can ask for, and far below a millisecond. */
const STEP_ITEMS_MAX = 64;
const STEP_BYTES_MAX = 64 * 1024;

export class Compaction {
  /** Items moved so far; tests count work by it. */
  movedItems = 0;
  /** The segment that is being emptied, and how far that got. */
  private victim: Segment | null = null;
  private offset = 0;
  /** Idle steps have begun and are not at their end. */
  isTidying = false;
  private readonly places = new ItemPlaces();

  constructor(
    private readonly store: SegmentStore,
    private readonly index: PageIndex,
    private readonly hash: (bytes: Uint8Array, start: number, end: number) => number,
  ) {}

  /** After a write. */
  step(): void {
    const { store } = this;
    const live = store.usedBytes - store.deadBytes;
    if (store.deadBytes > live * BUSY_SHARE + SLACK_BYTES) this.run(STEP_ITEMS_MAX, STEP_BYTES_MAX);
  }

  /** While nothing else is to do. False when there is nothing left that is worth it. */
  idleStep(itemsMax: number): boolean {
    const { store } = this;
    const live = store.usedBytes - store.deadBytes;
    const share = this.isTidying ? IDLE_END_SHARE : IDLE_BEGIN_SHARE;
    this.isTidying =
      (this.victim !== null || store.deadBytes > live * share) && this.run(itemsMax, STEP_BYTES_MAX);
    return this.isTidying;
  }

  /** A view was frozen that may pin the segment that is being emptied. */
  onFreeze(): void {
    if (this.victim === null) return;
    this.store.putBack(this.victim);
    this.victim = null;
  }

  /** Looks at no more than `itemsMax` items; false when there is no segment to empty. */
  private run(itemsMax: number, bytesMax: number): boolean {
    if (this.victim === null) {
      this.victim = this.store.takeVictim();
      this.offset = 0;
      if (this.victim === null) return false;
    }
    const { victim, places } = this;
    const end = Math.min(victim.used, this.offset + bytesMax);
    for (let left = itemsMax; left > 0 && this.offset < end && victim.live > 0; left--) {
      const offset = this.offset;
      places.read(victim, offset);
      this.offset = places.valueEnd;
      if (!victim.isDead(offset)) this.move(victim, offset);
    }
    if (victim.live === 0) {
      this.victim = null;
      this.store.free(victim);
    }
    return true;
  }

  private move(victim: Segment, offset: number): void {
    const { places, index, store } = this;
    const position = victim.number * SEGMENT_BYTES + offset;
    const { bytes, start } = victim;
    const hash = this.hash(bytes, start + places.keyStart, start + places.keyEnd);
    index.open(hash);
    index.setPosition(index.slotOf(hash, position), store.gather(victim, offset, places));
    store.kill(position);
    this.movedItems++;
  }
}
