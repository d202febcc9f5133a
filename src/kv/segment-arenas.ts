/**
 * The memory that segments and the index are made of: slots of 64 KiB in arenas of 33 MiB, shared by all tables of the process.
 *
 * Why so large: the C library takes what is above 32 MiB from the system by itself, untouched, and gives it back when it
 * is freed, whereas smaller pieces come from its heap, which keeps what is freed between what is not. Untouched slots take
 * no memory. What was touched and is free serves the next segment; when that is much, an idle table has a whole arena
 * moved: segments are copied one by one to other slots, without their dirty ends, and the arena is dropped.
 * (A resizable `ArrayBuffer` gives pages back in place, but every access to it costs two to ten times as much.)
 */
import { assert } from '../base/index.js';

export const SEGMENT_BITS = 16;
export const SEGMENT_BYTES = 2 ** SEGMENT_BITS;
/** 33 MiB: see above. */
const ARENA_SLOTS = 528;
/** Slots of dropped tables that one `relax` takes back: microseconds. */
const RELAX_SLOTS = 64;
/** An arena is moved when so much of what it takes is waste, and at least so many bytes. */
const WASTE_SHARE = 1 / 256;
/**
 * While tables are written to, so many free slots, and a sixteenth of what is held, are no waste: they will be used. And
 * a move takes an arena more until the collector has found the old one, so that for less it would cost what it gives.
 */
const BUSY_FREE_SLOTS = ARENA_SLOTS / 2;
const BUSY_FREE_SHARE = 1 / 16;
/** Tables count as idle after so many calls to `tidy`, of all of them, without a new segment: a second or a few. */
const QUIET_CALLS = 256;
const WASTE_BYTES_MIN = 2 * SEGMENT_BYTES;

/** Whoever holds a slot. Its bytes may move between any two calls: it is told by way of these fields. */
export interface SlotHolder {
  bytes: Uint8Array;
  view: DataView;
  /** Where the slot begins in both. */
  start: number;
  /** Bytes from there on that count. */
  readonly used: number;
  /** The fields above were set. */
  onPlaced?(): void;
}

interface Arena {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly holders: (SlotHolder | null)[];
  /** By slot, bytes from its beginning that may have been touched. */
  readonly dirtyBytes: number[];
  /** Free slots that were touched. */
  readonly free: number[];
  /** Slots from here on were never touched. */
  fresh: number;
  heldCount: number;
}

export class SegmentArenas {
  private readonly arenas: Arena[] = [];
  /** The one that is being moved elsewhere: nothing new goes there. */
  private leaving: Arena | null = null;
  /** Slot of `leaving` that is moved next. */
  private leavingSlot = 0;
  /** Calls to `tidy` since a segment was last given out. */
  private quietCalls = 0;
  /** What tables that were cleared held. */
  private readonly retired: (SlotHolder | null)[][] = [];

  /** Gives the holder a slot, of any content. */
  take(holder: SlotHolder): void {
    this.quietCalls = 0;
    this.takeSlot(holder);
  }

  private takeSlot(holder: SlotHolder): void {
    const arena = this.arenaWithRoom();
    const slot = arena.free.pop() ?? arena.fresh++;
    arena.holders[slot] = holder;
    arena.heldCount++;
    place(holder, arena, slot);
  }

  give(holder: SlotHolder): void {
    const arena = this.arenaOf(holder);
    const slot = holder.start / SEGMENT_BYTES;
    assert(arena.holders[slot] === holder, `slot ${slot} is another's`);
    arena.dirtyBytes[slot] = dirtyBytesOf(arena, slot, holder);
    arena.holders[slot] = null;
    arena.free.push(slot);
    arena.heldCount--;
    // One empty arena stays, so that a segment more or less doesn't make one each time.
    if (arena.heldCount === 0 && (arena === this.leaving || this.hasOtherEmpty(arena))) this.drop(arena);
  }

  /** Bytes that the holder's slot takes. */
  residentBytesOf(holder: SlotHolder): number {
    const arena = this.arenaOf(holder);
    return dirtyBytesOf(arena, holder.start / SEGMENT_BYTES, holder);
  }

  /** Takes back all these slots, at once as far as the caller can tell; `relax` does it. */
  retire(holders: (SlotHolder | null)[]): void {
    if (holders.length > 0) this.retired.push(holders);
  }

  /** Takes back some slots of retired tables; false when there are none. */
  relax(): boolean {
    const list = this.retired.at(-1);
    if (list === undefined) return false;
    for (let left = RELAX_SLOTS; left > 0; left--) {
      const holder = list.pop();
      if (holder === undefined) {
        this.retired.pop();
        break;
      }
      if (holder !== null) this.give(holder);
    }
    return true;
  }

  /** Now and then while tables are written to: as `relax`, and as `tidy` when many slots are free. */
  relaxBusy(): void {
    if (this.relax()) return;
    let held = 0;
    let free = 0;
    for (const arena of this.arenas) {
      held += arena.heldCount;
      free += arena.free.length;
    }
    if (this.leaving !== null || free > held * BUSY_FREE_SHARE + BUSY_FREE_SLOTS) this.move();
  }

  /** One step of giving memory back, for a table that is idle: at most one segment is copied. False: nothing to do. */
  tidy(): boolean {
    if (this.relax()) return true;
    if (this.leaving === null) {
      // One table that is idle for a moment says nothing: arenas that are moved while others write pile up.
      if (this.mostWasteful() === null) return false;
      if (++this.quietCalls < QUIET_CALLS) return true;
    }
    return this.move();
  }

  private move(): boolean {
    const leaving = (this.leaving ??= this.mostWasteful());
    if (leaving === null) return false;
    while (leaving.holders[this.leavingSlot] === null) this.leavingSlot++;
    const holder = leaving.holders[this.leavingSlot] as SlotHolder;
    const { bytes, start, used } = holder;
    leaving.holders[this.leavingSlot++] = null;
    leaving.heldCount--;
    this.takeSlot(holder);
    holder.bytes.set(bytes.subarray(start, start + used), holder.start);
    if (leaving.heldCount === 0) this.drop(leaving);
    return true;
  }

  private arenaWithRoom(): Arena {
    // Last come first: an arena that has room is most often the one that was looked at before.
    for (let i = this.arenas.length - 1; i >= 0; i--) {
      const arena = this.arenas[i] as Arena;
      if (arena !== this.leaving && arena.free.length > 0) return arena;
    }
    for (const arena of this.arenas) if (arena !== this.leaving && arena.fresh < ARENA_SLOTS) return arena;
    const buffer = new ArrayBuffer(ARENA_SLOTS * SEGMENT_BYTES);
    const arena: Arena = {
      bytes: new Uint8Array(buffer),
      view: new DataView(buffer),
      holders: new Array<SlotHolder | null>(ARENA_SLOTS).fill(null),
      dirtyBytes: new Array<number>(ARENA_SLOTS).fill(0),
      free: [],
      fresh: 0,
      heldCount: 0,
    };
    this.arenas.push(arena);
    return arena;
  }

  private arenaOf(holder: SlotHolder): Arena {
    const arena = this.arenas.find((each) => each.bytes === holder.bytes);
    assert(arena, 'a slot of no arena');
    return arena;
  }

  private hasOtherEmpty(than: Arena): boolean {
    return this.arenas.some((arena) => arena !== than && arena.heldCount === 0);
  }

  private drop(arena: Arena): void {
    this.arenas.splice(this.arenas.indexOf(arena), 1);
    if (this.leaving === arena) this.leaving = null;
  }

  /** The arena with the largest share of waste, if that is worth moving it. */
  private mostWasteful(): Arena | null {
    let most: Arena | null = null;
    let mostShare = WASTE_SHARE;
    for (const arena of this.arenas) {
      let touched = 0;
      let used = 0;
      for (let slot = 0; slot < arena.fresh; slot++) {
        const holder = arena.holders[slot] ?? null;
        touched += holder === null ? (arena.dirtyBytes[slot] as number) : dirtyBytesOf(arena, slot, holder);
        if (holder !== null) used += holder.used;
      }
      const waste = touched - used;
      if (waste < WASTE_BYTES_MIN || waste <= touched * mostShare) continue;
      most = arena;
      mostShare = waste / touched;
    }
    if (most !== null && most.heldCount === 0) {
      this.drop(most);
      return this.mostWasteful();
    }
    this.leavingSlot = 0;
    return most;
  }
}

function place(holder: SlotHolder, arena: Arena, slot: number): void {
  holder.bytes = arena.bytes;
  holder.view = arena.view;
  holder.start = slot * SEGMENT_BYTES;
  holder.onPlaced?.();
}

function dirtyBytesOf(arena: Arena, slot: number, holder: SlotHolder): number {
  return Math.max(arena.dirtyBytes[slot] as number, holder.used);
}

/** All tables of the process share it: memory that one gives up serves the next. Holds no state that a result shows. */
export const SHARED_ARENAS = new SegmentArenas();
