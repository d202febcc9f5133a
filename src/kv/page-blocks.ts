/**
 * The index's memory: a block for each page that has items. A block has one of some thirty sizes, each an eighth or so
 * larger than the last, and blocks of a size stand without a gap in frames of their own: when one is freed, the last of
 * its size moves into its place. So there is never more waste than one frame per size.
 *
 * An address is a word's place in all arenas, as a signed 32-bit integer.
 *
 *   block: page number | tags, four a word | positions, one a word
 *
 * A block moves when another of its size is freed: nobody keeps an address across a call that frees. Pages of more than
 * 512 items, which only equal hashes can make, have an array of their own.
 */
import { assert } from '../base/index.js';
import { FRAME_WORDS, FRAME_BYTES, type FramePool } from './page-frames.js';

/** Block sizes in items, by class; class 0 is a page without a block. Multiples of 4. */
export const CAPACITIES = capacities();
export const SINGLE = CAPACITIES.length;
const CAPACITY_MAX = CAPACITIES[SINGLE - 1] as number;
const ARENA_BITS = 14;
const ARENA_MASK = 2 ** ARENA_BITS - 1;

export function blockWords(capacity: number): number {
  return 1 + capacity / 4 + capacity;
}

/** Smallest class for so many items. */
export function classFor(count: number): number {
  if (count > CAPACITY_MAX) return SINGLE;
  let size = 0;
  while ((CAPACITIES[size] as number) < count) size++;
  return size;
}

export class PageBlocks {
  private readonly frames: number[][] = CAPACITIES.map(() => []);
  /** Blocks of each class. */
  private readonly counts = CAPACITIES.map(() => 0);
  private readonly singles: (Int32Array | null)[] = [];
  private readonly freeSingles: number[] = [];
  private frameCount = 0;
  private singleBytes = 0;

  constructor(
    private readonly pool: FramePool,
    /** A block moved: its page is at another address now. */
    private readonly onMoved: (page: number, address: number) => void,
  ) {}

  /** The words in which the block at an address of a class stands, from `offsetOf` on. */
  wordsOf(size: number, address: number): Int32Array {
    if (size === SINGLE) return this.singles[address] as Int32Array;
    return this.pool.arenas[address >>> ARENA_BITS] as Int32Array;
  }

  offsetOf(size: number, address: number): number {
    return size === SINGLE ? 0 : address & ARENA_MASK;
  }

  /** A block for `page`, of class `size`, for at least `count` items when it is single. Its content is anything. */
  allocate(size: number, count: number, page: number): number {
    if (size === SINGLE) return this.allocateSingle(count, page);
    const frames = this.frames[size] as number[];
    const index = this.counts[size] as number;
    this.counts[size] = index + 1;
    const perFrame = blocksPerFrame(size);
    const frame = Math.floor(index / perFrame);
    if (frame === frames.length) {
      frames.push(this.pool.take());
      this.frameCount++;
    }
    const address = this.addressOf(size, index);
    this.wordsOf(size, address)[this.offsetOf(size, address)] = page;
    return address;
  }

  release(size: number, address: number): void {
    if (size === SINGLE) {
      this.singleBytes -= (this.singles[address] as Int32Array).length * 4;
      this.singles[address] = null;
      this.freeSingles.push(address);
      return;
    }
    const index = (this.counts[size] as number) - 1;
    this.counts[size] = index;
    const last = this.addressOf(size, index);
    if (last !== address) {
      const from = this.wordsOf(size, last);
      const at = this.offsetOf(size, last);
      const to = this.wordsOf(size, address);
      const target = this.offsetOf(size, address);
      const words = blockWords(CAPACITIES[size] as number);
      for (let i = 0; i < words; i++) to[target + i] = from[at + i] as number;
      this.onMoved(to[target] as number, address);
    }
    const frames = this.frames[size] as number[];
    if (index % blocksPerFrame(size) === 0) {
      this.pool.give(frames.pop() as number);
      this.frameCount--;
    }
  }

  /** Gives all frames back. */
  clear(): void {
    for (const frames of this.frames) {
      for (const frame of frames) this.pool.give(frame);
      frames.length = 0;
    }
    this.counts.fill(0);
    this.singles.length = 0;
    this.freeSingles.length = 0;
    this.frameCount = 0;
    this.singleBytes = 0;
  }

  get memoryBytes(): number {
    return this.frameCount * FRAME_BYTES + this.singleBytes;
  }

  /** Checks that there are as many frames as the blocks need; for tests. */
  check(): void {
    for (const [size, frames] of this.frames.entries()) {
      const needed = size === 0 ? 0 : Math.ceil((this.counts[size] as number) / blocksPerFrame(size));
      assert(frames.length === needed, `${frames.length} frames of class ${size} instead of ${needed}`);
    }
  }

  private addressOf(size: number, index: number): number {
    const perFrame = blocksPerFrame(size);
    const frame = Math.floor(index / perFrame);
    const place = (index - frame * perFrame) * blockWords(CAPACITIES[size] as number);
    return (((this.frames[size] as number[])[frame] as number) * FRAME_WORDS + place) | 0;
  }

  private allocateSingle(count: number, page: number): number {
    const capacity = Math.ceil((count * 9) / 32) * 4;
    const words = new Int32Array(blockWords(capacity));
    words[0] = page;
    this.singleBytes += words.length * 4;
    const address = this.freeSingles.pop() ?? this.singles.length;
    this.singles[address] = words;
    return address;
  }
}

/** What a single block has room for. */
export function capacityOfSingle(words: Int32Array): number {
  return ((words.length - 1) * 4) / 5;
}

const PER_FRAME = CAPACITIES.map((capacity) => Math.floor(FRAME_WORDS / blockWords(capacity)));

function blocksPerFrame(size: number): number {
  return PER_FRAME[size] as number;
}

function capacities(): number[] {
  const list = [0];
  for (let capacity = 4; capacity <= 512;) {
    list.push(capacity);
    capacity += capacity < 64 ? 4 : 2 ** (Math.floor(Math.log2(capacity)) - 3);
  }
  return list;
}
