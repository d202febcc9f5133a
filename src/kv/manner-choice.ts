/**
 * Which of two ways of ranking hits more on the load at hand: two shadow caches play them on the same sample of the keys
 * (shadow-cache.ts), and the one whose shadow hit clearly more lately is the one to use. STEADY suits what is asked for
 * again and again over a long time, with scans or loops beside it; MOVING suits a hot set that moves.
 */
import { ShadowCache, type Manner } from './shadow-cache.js';

/** An item at the edge of a small cache may be asked for once in ten times as many reads as the cache has items. */
export const STEADY: Manner = { windowPerItem: 100, unreadHandicap: 1, oldestGoes: false };
export const MOVING: Manner = { windowPerItem: 2, unreadHandicap: 0, oldestGoes: true };

/** Places of a shadow: at most so many, of at most one in four keys. */
const ROOM_MAX = 512;
const SHIFT_MIN = 2;
const ROOM_MIN = 16;
/** Sampled reads, for each place, that make a reading; what older readings count for falls to this part with each. */
const READING_PER_PLACE = 4;
const MEMORY = 0.85;
/** Readings before the first choice: shadows that are still filling up tell little. */
const READINGS_MIN = 6;
/** The other shadow has to lead by this share of the reads. */
const LEAD_MIN = 0.005;

export class MannerChoice {
  private readonly steady: ShadowCache;
  private readonly moving: ShadowCache;
  private readonly sampleMask: number;
  private readonly readingReads: number;
  private reads = 0;
  private readings = 0;
  /** Decaying sums of the readings. */
  private lead = 0;
  private weight = 0;

  /** For a shard of so many items; goes on with `manner` until it knows better. */
  constructor(
    itemCount: number,
    seed: number,
    public manner: Manner = STEADY,
  ) {
    const shift = Math.max(SHIFT_MIN, Math.ceil(Math.log2(itemCount / ROOM_MAX)));
    const room = Math.max(ROOM_MIN, Math.round(itemCount / 2 ** shift));
    this.sampleMask = 2 ** shift - 1;
    this.readingReads = room * READING_PER_PLACE;
    this.steady = new ShadowCache(room, STEADY, seed);
    this.moving = new ShadowCache(room, MOVING, seed);
  }

  get memoryBytes(): number {
    return this.steady.memoryBytes + this.moving.memoryBytes;
  }

  /** True when the manner changes. */
  onRead(hash: number): boolean {
    if ((hash & this.sampleMask) !== 0) return false;
    this.steady.onRead(hash);
    this.moving.onRead(hash);
    return ++this.reads >= this.readingReads && this.takeReading();
  }

  onWrite(hash: number): void {
    if ((hash & this.sampleMask) !== 0) return;
    this.steady.onWrite(hash);
    this.moving.onWrite(hash);
  }

  private takeReading(): boolean {
    const { steady, moving } = this;
    this.lead = this.lead * MEMORY + moving.hits - steady.hits;
    this.weight = this.weight * MEMORY + this.reads;
    steady.hits = moving.hits = this.reads = 0;
    if (++this.readings < READINGS_MIN) return false;
    const share = this.lead / this.weight;
    const before = this.manner;
    if (share > LEAD_MIN) this.manner = MOVING;
    else if (share < -LEAD_MIN) this.manner = STEADY;
    return this.manner !== before;
  }
}
