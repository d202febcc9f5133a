/**
 * The table's items: small ones in segments, large ones by themselves. An item has a position of 32 bits, its number of
 * segment and its offset there, or from `LARGE_FROM` on its number among the large ones.
 *
 * Two segments are open: the one that writes go to, and the one that compaction gathers items in, so that what has just
 * been written isn't mixed with what stayed. All others are full, and stand in the lists by garbage, but for the one
 * that is being emptied (`compaction.ts`) and those that were found pinned by a frozen view (`parked`).
 */
import { assert } from '../base/index.js';
import type { Digest } from './digest.js';
import { FrozenSegments } from './frozen-segments.js';
import { GarbageLists } from './garbage-lists.js';
import type { Item } from './item.js';
import { LargeItems, viewLarge } from './large-items.js';
import { ItemPlaces, Segment, TOUCHES_MAX, viewItem } from './segment.js';
import { SEGMENT_BITS, SEGMENT_BYTES, type SegmentArenas } from './segment-arenas.js';

/** Positions from here on name large items. */
export const LARGE_FROM = 0xf0000000;
const SEGMENTS_MAX = LARGE_FROM / SEGMENT_BYTES;
/** Bytes of one table's small items, garbage included, at most. A shard's charge is kept below (group/room.ts). */
export const SMALL_ITEMS_BYTES_MAX = SEGMENTS_MAX * SEGMENT_BYTES;
/** Segments that new items leave to compaction: with one to gather in it frees others, with none it could free none. */
const SEGMENTS_RESERVED = 64;
/** Key and value together, above which an item is large: an eighth of a segment, which bounds what is left at its end. */
const SMALL_BYTES_MAX = SEGMENT_BYTES / 8;
/** Parked segments that are looked at for each victim. */
const UNPARK_COUNT = 8;
const OFFSET_MASK = SEGMENT_BYTES - 1;

export class SegmentStore {
  readonly large = new LargeItems();
  /** Bytes of dead items in segments. */
  deadBytes = 0;
  /** Bytes written in segments, dead ones included. */
  usedBytes = 0;
  segmentCount = 0;
  /** Bytes of items that died while a frozen view pinned their segment, and still does. At most `deadBytes`. */
  pinnedBytes = 0;
  /** Grows when the last view ends: what segments noted as pinned before counts no more. */
  private pinRound = 0;
  readonly garbage: GarbageLists;
  /** Full segments that a frozen view pinned when compaction came to them. */
  private readonly parked: Segment[] = [];
  /** The parked one that is looked at next. */
  private parkedAt = 0;

  private readonly segments: (Segment | null)[] = [];
  private readonly freeNumbers: number[] = [];
  private writing: Segment | null = null;
  private gathering: Segment | null = null;
  private epoch = 0;
  private readonly views: FrozenSegments[] = [];
  private isRetired = false;
  private readonly places = new ItemPlaces();

  constructor(
    private readonly arenas: SegmentArenas,
    private readonly segmentsMax = SEGMENTS_MAX,
  ) {
    assert(segmentsMax > SEGMENTS_RESERVED && segmentsMax <= SEGMENTS_MAX, `${segmentsMax} segments`);
    this.garbage = new GarbageLists(this.segments);
  }

  /**
   * Appends a new item; returns its position. Where no segment is left, since a frozen view pins what was overwritten,
   * a small item is kept as a large one: that takes more memory, but never fails.
   */
  add(item: Item, digest: Digest, touches: number): number {
    const contentBytes = item.keyEnd - item.keyStart + item.valueEnd - item.valueStart;
    if (contentBytes > SMALL_BYTES_MAX) return LARGE_FROM + this.large.add(item, digest, touches);
    if (this.writing === null && !this.hasFree()) return LARGE_FROM + this.large.add(item, digest, touches);
    let segment = (this.writing ??= this.begin());
    let before = segment.used;
    let offset = segment.append(item, touches);
    if (offset < 0) {
      if (!this.hasFree()) return LARGE_FROM + this.large.add(item, digest, touches);
      this.close(segment);
      segment = this.writing = this.begin();
      before = 0;
      offset = segment.append(item, touches);
    }
    this.usedBytes += segment.used - before;
    return segment.number * SEGMENT_BYTES + offset;
  }

  /** Appends a copy of the small item that stands where `places` says; returns its position. */
  gather(from: Segment, fromOffset: number, places: ItemPlaces): number {
    let segment = (this.gathering ??= this.begin());
    let before = segment.used;
    let offset = segment.appendFrom(from, fromOffset, places);
    if (offset < 0) {
      this.close(segment);
      segment = this.gathering = this.begin();
      before = 0;
      offset = segment.appendFrom(from, fromOffset, places);
    }
    this.usedBytes += segment.used - before;
    return segment.number * SEGMENT_BYTES + offset;
  }

  hasKey(position: number, bytes: Uint8Array, start: number, end: number): boolean {
    let own: Uint8Array;
    let at: number;
    if (position >= LARGE_FROM) {
      const large = this.large.at(position - LARGE_FROM);
      if (large.keyLength !== end - start) return false;
      own = large.bytes;
      at = 0;
    } else {
      const segment = this.segments[position >>> SEGMENT_BITS] as Segment;
      const { places } = this;
      places.read(segment, position & OFFSET_MASK);
      if (places.keyEnd - places.keyStart !== end - start) return false;
      own = segment.bytes;
      at = segment.start + places.keyStart;
    }
    for (let i = start; i < end; i++) if (own[at++] !== bytes[i]) return false;
    return true;
  }

  versionOf(position: number): number {
    if (position >= LARGE_FROM) return this.large.at(position - LARGE_FROM).version;
    return (this.segments[position >>> SEGMENT_BITS] as Segment).versionAt(position & OFFSET_MASK);
  }

  expiryMsOf(position: number): number {
    if (position >= LARGE_FROM) return this.large.at(position - LARGE_FROM).expiryMs;
    const segment = this.segments[position >>> SEGMENT_BITS] as Segment;
    this.places.read(segment, position & OFFSET_MASK);
    return this.places.expiryMs(segment);
  }

  /** Fills the view, all but the hash. */
  view(position: number, into: Item): void {
    into.position = position;
    if (position >= LARGE_FROM) {
      viewLarge(this.large.at(position - LARGE_FROM), into);
    } else {
      const segment = this.segments[position >>> SEGMENT_BITS] as Segment;
      this.places.read(segment, position & OFFSET_MASK);
      viewItem(segment, position & OFFSET_MASK, this.places, into);
    }
  }

  touch(position: number): void {
    if (position >= LARGE_FROM) {
      const large = this.large.at(position - LARGE_FROM);
      if (large.touches < TOUCHES_MAX) large.touches++;
      return;
    }
    (this.segments[position >>> SEGMENT_BITS] as Segment).touch(position & OFFSET_MASK);
  }

  /** The item is no longer in the index. Its bytes stay until the segment is emptied, or the large one's views are gone. */
  kill(position: number): void {
    if (position >= LARGE_FROM) return this.large.remove(position - LARGE_FROM);
    const segment = this.segments[position >>> SEGMENT_BITS] as Segment;
    const offset = position & OFFSET_MASK;
    assert(!segment.isDead(offset), 'an item died twice');
    this.places.read(segment, offset);
    const bytes = this.places.valueEnd - offset;
    segment.markDead(offset);
    segment.dead += bytes;
    this.deadBytes += bytes;
    if (this.views.length > 0 && this.isPinned(segment)) {
      (segment.deaths ??= []).push(offset, this.epoch);
      this.pin(segment, bytes);
    } else segment.deaths = null;
    if (segment.list >= 0) {
      if (segment.live > 0 || this.isPinned(segment)) this.garbage.update(segment);
      else {
        this.garbage.remove(segment);
        this.free(segment);
      }
    }
  }

  segmentAt(number: number): Segment | null {
    return this.segments[number] ?? null;
  }

  /** Numbers in use are below this. */
  get numberEnd(): number {
    return this.segments.length;
  }

  isPinned(segment: Segment): boolean {
    for (const view of this.views) {
      if (segment.born < view.epoch && segment.number >= view.cursor) return true;
    }
    return false;
  }

  freeze(): FrozenSegments {
    this.epoch++;
    const ends = new Map<number, number>();
    for (const open of [this.writing, this.gathering]) if (open !== null) ends.set(open.number, open.used);
    const view = new FrozenSegments(this, this.epoch, this.segments.length, ends);
    this.views.push(view);
    return view;
  }

  /** For the view alone: it needs nothing any more. */
  unfreeze(view: FrozenSegments): void {
    const index = this.views.indexOf(view);
    if (index < 0) return;
    this.views.splice(index, 1);
    if (this.views.length === 0) {
      this.pinnedBytes = 0;
      this.pinRound++;
    }
    if (this.isRetired && this.views.length === 0) this.retire();
  }

  /** For the view alone: it has read the segment. */
  onPassed(number: number): void {
    const segment = this.segmentAt(number);
    if (segment === null || this.isPinned(segment)) return;
    segment.deaths = null;
    this.unpin(segment);
    if (this.isRetired) {
      // Nobody but views looks at it: no index names its items, and none is written.
      if (segment === this.writing) this.writing = null;
      if (segment === this.gathering) this.gathering = null;
      this.drop(segment);
    } else if (segment.list >= 0 && segment.live === 0) {
      this.garbage.remove(segment);
      this.free(segment);
    }
  }

  /** Takes out of the lists the segment with about the most garbage that nothing pins; null when there is none. */
  takeVictim(): Segment | null {
    this.unpark();
    for (let segment = this.garbage.most(); segment !== null; segment = this.garbage.most()) {
      this.garbage.remove(segment);
      if (!this.isPinned(segment)) return segment;
      this.parked.push(segment);
    }
    return null;
  }

  /** Puts back what `takeVictim` took. */
  putBack(segment: Segment): void {
    this.garbage.insert(segment);
  }

  /** The segment has no live item and stands in no list. */
  free(segment: Segment): void {
    assert(segment.live === 0, `segment ${segment.number} has ${segment.live} live bytes`);
    this.unpin(segment);
    this.drop(segment);
  }

  private drop(segment: Segment): void {
    this.usedBytes -= segment.used;
    this.deadBytes -= segment.dead;
    this.segmentCount--;
    this.segments[segment.number] = null;
    this.freeNumbers.push(segment.number);
    this.arenas.give(segment);
  }

  /** Gives all memory back in constant time, after its views: they alone may use the store from here on. */
  retire(): void {
    this.isRetired = true;
    if (this.views.length > 0) return;
    this.arenas.retire(this.segments);
  }

  /** What segments and large items take. */
  get memoryBytes(): number {
    let bytes = this.segmentCount * SEGMENT_BYTES + this.large.contentBytes + this.large.pinnedBytes;
    for (const open of [this.writing, this.gathering]) {
      if (open !== null) bytes -= SEGMENT_BYTES - this.arenas.residentBytesOf(open);
    }
    return bytes;
  }

  /** Checks the counts against all bytes, and that exactly the items at `positions` live; for tests. */
  check(positions: ReadonlySet<number>): void {
    let [used, dead, count, live, pinned] = [0, 0, 0, 0, 0];
    for (const segment of this.segments) {
      if (segment === null) continue;
      let deadHere = 0;
      for (let offset = 0; offset < segment.used; offset = this.places.valueEnd) {
        this.places.read(segment, offset);
        if (segment.isDead(offset)) deadHere += this.places.valueEnd - offset;
        else {
          live++;
          const position = segment.number * SEGMENT_BYTES + offset;
          assert(positions.has(position), `the item at ${position} lives, but is not in the index`);
        }
      }
      assert(
        deadHere === segment.dead,
        `segment ${segment.number}: ${deadHere} dead bytes, not ${segment.dead}`,
      );
      used += segment.used;
      dead += deadHere;
      if (segment.pinRound === this.pinRound) pinned += segment.pinnedBytes;
      count++;
    }
    assert(used === this.usedBytes && dead === this.deadBytes, 'bytes of segments are counted wrongly');
    assert(
      pinned === this.pinnedBytes && pinned <= dead,
      `${pinned} pinned bytes, ${this.pinnedBytes} counted`,
    );
    assert(this.views.length > 0 || pinned === 0, 'bytes are pinned by no view');
    assert(count === this.segmentCount, `${count} segments, ${this.segmentCount} counted`);
    const inAll = live + this.large.count;
    assert(inAll === positions.size, `${inAll} items live, ${positions.size} are in the index`);
  }

  private pin(segment: Segment, bytes: number): void {
    if (segment.pinRound !== this.pinRound) {
      segment.pinRound = this.pinRound;
      segment.pinnedBytes = 0;
    }
    segment.pinnedBytes += bytes;
    this.pinnedBytes += bytes;
  }

  private unpin(segment: Segment): void {
    if (segment.pinRound !== this.pinRound) return;
    this.pinnedBytes -= segment.pinnedBytes;
    segment.pinnedBytes = 0;
  }

  private hasFree(): boolean {
    return this.segmentCount < this.segmentsMax - SEGMENTS_RESERVED;
  }

  private begin(): Segment {
    const number = this.freeNumbers.pop() ?? this.segments.length;
    assert(number < this.segmentsMax, `more than ${this.segmentsMax} segments in one table`);
    const segment = new Segment(number, this.epoch);
    this.arenas.take(segment);
    this.segments[number] = segment;
    this.segmentCount++;
    return segment;
  }

  private close(segment: Segment): void {
    this.garbage.insert(segment);
    if (segment.live > 0 || this.isPinned(segment)) return;
    this.garbage.remove(segment);
    this.free(segment);
  }

  /** Looks again at some of the parked, and puts those back that nothing pins any more. */
  private unpark(): void {
    const { parked } = this;
    for (let left = UNPARK_COUNT; left > 0 && parked.length > 0; left--) {
      this.parkedAt = (this.parkedAt + 1) % parked.length;
      const segment = parked[this.parkedAt] as Segment;
      if (this.isPinned(segment)) continue;
      parked[this.parkedAt] = parked[parked.length - 1] as Segment;
      parked.pop();
      segment.deaths = null;
      this.garbage.insert(segment);
    }
  }
}
