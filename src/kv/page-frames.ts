/**
 * Frames of 4 KiB for the index's blocks, for all tables of the process: a frame that one table gave up serves the next.
 * They are cut from slots of 64 KiB (`segment-arenas.ts`). A frame's number tells its slot (`number >>> 4`) and its place
 * there. A slot none of whose frames are used is given back, and when free frames would make a slot or more, the
 * frames of the emptiest are moved elsewhere, one at a time.
 */
import { assert, EMPTY_BYTES, must } from '../base/index.js';
import { SEGMENT_BYTES, SHARED_ARENAS, type SegmentArenas, type SlotHolder } from './segment-arenas.js';

export const FRAME_WORDS = 1024;
export const FRAME_BYTES = FRAME_WORDS * 4;
const ARENA_FRAMES = SEGMENT_BYTES / FRAME_BYTES;
const ALL_FREE = 2 ** ARENA_FRAMES - 1;
/** A word's address, `frame * FRAME_WORDS + offset`, has 32 bits: 16 GiB of index in one process. */
const ARENAS_MAX = 2 ** 18;
/** Free frames that are no waste: two slots' worth, and a 128th of those in use. */
const FREE_FRAMES_MIN = 2 * ARENA_FRAMES;
const FREE_SHARE = 1 / 128;
/** Frames of dropped tables that one `relax` takes back: microseconds. */
const RELAX_FRAMES = 64;
const NO_WORDS = new Int32Array(0);
const NO_VIEW = new DataView(new ArrayBuffer(0));

/** Whoever holds a frame. */
export interface FrameOwner {
  /** Takes another frame for this one, and gives this one back. */
  moveFrame(frame: number): void;
}

/** A slot that frames are cut from. Nobody keeps its words from one call of a table to the next: it may move. */
export class FrameArena implements SlotHolder {
  bytes = EMPTY_BYTES as Uint8Array;
  view: DataView = NO_VIEW;
  start = 0;
  readonly used = SEGMENT_BYTES;
  words: Int32Array = NO_WORDS;
  /** Bit set for each free frame. */
  free = ALL_FREE;
  readonly owners = new Array<FrameOwner | null>(ARENA_FRAMES).fill(null);

  onPlaced(): void {
    this.words = new Int32Array(this.bytes.buffer, this.start, SEGMENT_BYTES / 4);
  }
}

export class FramePool {
  /** By number; null where one was dropped. Read directly by whoever has an address. */
  readonly arenas: (FrameArena | null)[] = [];
  /** Frames in use. */
  usedCount = 0;
  /** Arenas with a free frame, each at most once, but for the one that is being emptied. */
  private readonly open: number[] = [];
  private readonly dropped: number[] = [];
  /** The arena that is being emptied; -1 none. */
  private leaving = -1;
  /** Frames of dropped tables. */
  private readonly retired: number[][] = [];

  constructor(private readonly slots: SegmentArenas) {}

  wordsOf(frame: number): Int32Array {
    return this.at(Math.floor(frame / ARENA_FRAMES)).words;
  }

  /** A frame of any content. */
  take(owner: FrameOwner): number {
    const number = this.open.at(-1) ?? this.makeArena();
    const arena = this.at(number);
    const mask = arena.free;
    const place = 31 - Math.clz32(mask & -mask);
    arena.free = mask & (mask - 1);
    arena.owners[place] = owner;
    if (arena.free === 0) this.open.pop();
    this.usedCount++;
    return number * ARENA_FRAMES + place;
  }

  give(frame: number): void {
    const number = Math.floor(frame / ARENA_FRAMES);
    const place = frame % ARENA_FRAMES;
    const arena = this.at(number);
    const mask = arena.free;
    assert((mask & (1 << place)) === 0, `frame ${frame} is free already`);
    this.usedCount--;
    arena.free = mask | (1 << place);
    arena.owners[place] = null;
    if (number === this.leaving) {
      if (arena.free === ALL_FREE) this.drop(number);
      return;
    }
    if (mask === 0) this.open.push(number);
    // The one on top stays, so that a frame that is taken and given doesn't make an arena each time.
    else if (arena.free === ALL_FREE && this.open.at(-1) !== number) {
      this.close(number);
      this.drop(number);
    }
  }

  /** Takes back all these frames, at once as far as the caller can tell; `relax` does it. */
  retire(frames: number[]): void {
    if (frames.length > 0) this.retired.push(frames);
  }

  /** Takes back some frames of retired tables; false when there are none. */
  relax(): boolean {
    const frames = this.retired.at(-1);
    if (frames === undefined) return false;
    for (let left = RELAX_FRAMES; left > 0 && frames.length > 0; left--) this.give(frames.pop() as number);
    if (frames.length === 0) this.retired.pop();
    return true;
  }

  /** One step of giving memory back: at most one frame is moved. False: nothing to do. */
  tidy(): boolean {
    if (this.relax()) return true;
    if (this.leaving < 0 && !this.choose()) return false;
    const arena = this.at(this.leaving);
    const place = 31 - Math.clz32(~arena.free & ALL_FREE);
    const owner = must(arena.owners[place], 'the owner of a frame');
    owner.moveFrame(this.leaving * ARENA_FRAMES + place);
    return true;
  }

  /** Makes the arena with the most free frames the one that is being emptied, if that is worth it. */
  private choose(): boolean {
    const arenaCount = this.arenas.length - this.dropped.length;
    const freeCount = arenaCount * ARENA_FRAMES - this.usedCount;
    if (freeCount <= FREE_FRAMES_MIN + this.usedCount * FREE_SHARE) return false;
    let most = -1;
    let mostFree = 0;
    for (const number of this.open) {
      const free = countBits(this.at(number).free);
      if (free <= mostFree) continue;
      most = number;
      mostFree = free;
    }
    if (most < 0) return false;
    this.close(most);
    if (mostFree === ARENA_FRAMES) {
      this.drop(most);
      return this.choose();
    }
    this.leaving = most;
    return true;
  }

  private at(number: number): FrameArena {
    return this.arenas[number] as FrameArena;
  }

  private makeArena(): number {
    const number = this.dropped.pop() ?? this.arenas.length;
    assert(number < ARENAS_MAX, 'the index is full');
    const arena = new FrameArena();
    this.slots.take(arena);
    this.arenas[number] = arena;
    this.open.push(number);
    return number;
  }

  private close(number: number): void {
    const last = must(this.open.pop(), 'an open arena');
    if (last !== number) this.open[this.open.indexOf(number)] = last;
  }

  private drop(number: number): void {
    this.slots.give(this.at(number));
    this.arenas[number] = null;
    this.dropped.push(number);
    if (this.leaving === number) this.leaving = -1;
  }
}

function countBits(mask: number): number {
  let count = 0;
  for (let rest = mask; rest !== 0; rest &= rest - 1) count++;
  return count;
}

export const SHARED_FRAMES = new FramePool(SHARED_ARENAS);
