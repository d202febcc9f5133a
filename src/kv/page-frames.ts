/**
 * Frames of 4 KiB for the index's blocks, cut from arenas of 64 KiB, for all tables of the process: a frame that one
 * table gave up serves the next. A frame's number tells its arena (`number >>> 4`) and its place there, and an arena
 * none of whose frames are used is dropped.
 */
import { assert, must } from '../base/index.js';

export const FRAME_WORDS = 1024;
export const FRAME_BYTES = FRAME_WORDS * 4;
const ARENA_FRAMES = 16;
const ALL_FREE = 2 ** ARENA_FRAMES - 1;
/** A word's address, `frame * FRAME_WORDS + offset`, has 32 bits: 16 GiB of index in one process. */
const ARENAS_MAX = 2 ** 18;
const NO_WORDS = new Int32Array(0);

export class FramePool {
  /** By number; empty where an arena was dropped. Read directly by whoever has an address. */
  readonly arenas: Int32Array[] = [];
  /** Frames in use. */
  usedCount = 0;
  /** Bit set for each free frame of an arena. */
  private readonly free: number[] = [];
  /** Arenas with a free frame, each at most once. */
  private readonly open: number[] = [];
  private readonly dropped: number[] = [];

  take(): number {
    const arena = this.open.at(-1) ?? this.makeArena();
    const mask = this.free[arena] as number;
    const place = 31 - Math.clz32(mask & -mask);
    this.free[arena] = mask & (mask - 1);
    if (this.free[arena] === 0) this.open.pop();
    this.usedCount++;
    return arena * ARENA_FRAMES + place;
  }

  give(frame: number): void {
    const arena = Math.floor(frame / ARENA_FRAMES);
    const bit = 1 << (frame % ARENA_FRAMES);
    const mask = this.free[arena] as number;
    assert((mask & bit) === 0, `frame ${frame} is free already`);
    this.usedCount--;
    this.free[arena] = mask | bit;
    if (mask === 0) this.open.push(arena);
    // The one on top stays, so that a frame that is taken and given doesn't make an arena each time.
    else if ((mask | bit) === ALL_FREE && this.open.at(-1) !== arena) this.drop(arena);
  }

  private makeArena(): number {
    const arena = this.dropped.pop() ?? this.arenas.length;
    assert(arena < ARENAS_MAX, 'the index is full');
    this.arenas[arena] = new Int32Array(ARENA_FRAMES * FRAME_WORDS);
    this.free[arena] = ALL_FREE;
    this.open.push(arena);
    return arena;
  }

  private drop(arena: number): void {
    const index = this.open.indexOf(arena);
    const last = must(this.open.pop(), 'an open arena');
    if (last !== arena) this.open[index] = last;
    this.arenas[arena] = NO_WORDS;
    this.dropped.push(arena);
  }
}

export const SHARED_FRAMES = new FramePool();
