/**
 * Policy `s3fifo`: what is asked for often stays. Reads count, of absent keys too, so that a key that was dropped comes
 * back with what it is worth. An item that was not read since it was written stands one lower: its own first write is no
 * sign that it will be wanted (the small queue of S3-FIFO, as a handicap). Of equals the youngest goes, so that of a loop
 * over more keys than there is room for a part stays, where dropping the oldest would never give a hit.
 *
 * The window is long, since an item at the edge of a small cache may be asked for once in ten times as many reads as
 * the cache has items. So that a hot set that moves is learnt soon all the same, the share of hits among reads of known
 * keys is watched: when it falls, what was known is halved at once and the window is short for a while. A scan of keys
 * that nobody knows does not count in it.
 */
import { COUNT_MAX, FrequencySketch } from './frequency-sketch.js';
import type { Item } from './item.js';
import { refit, type Ranking } from './ranking.js';

/** Reads between two halvings, for each item of the shard. */
const WINDOW_PER_ITEM = 100;
/** The first window after a hot set moved; each is twice as long as the one before. */
const SHORT_WINDOW_PER_ITEM = 2;
const UNREAD_HANDICAP = 1;
/** A power of two. */
const MISSED_SLOTS = 512;
/** Youth stays below one count. */
const AGE_WEIGHT = 0.999;
/** Reads of known keys, for each item, that make one reading of the share of hits. */
const READING_PER_ITEM = 1;
const READING_MIN = 256;
/** How far the share falls below its mean before the hot set is taken for another. */
const FALL_MIN = 0.15;
const DEVIATIONS_MIN = 3;
const READINGS_OF_MEAN = 8;
const DEVIATION_FIRST = 0.05;
/** A reading in which fewer of the keys are known says nothing: a scan, or the part of a loop that has no room. */
const KNOWN_SHARE_MIN = 0.3;

export class FrequencyRanking implements Ranking {
  private sketch: FrequencySketch;
  private size: number;
  /** Hashes of keys that were asked for in vain and not written since; newer ones take their place. */
  private readonly missed = new Uint32Array(MISSED_SLOTS);
  private reads = 0;
  private hits = 0;
  private knownMisses = 0;
  /** Mean share of hits among reads of known keys; below 0 while unknown. */
  private meanShare = -1;
  /** How far readings are off that mean, on the whole. */
  private deviation = DEVIATION_FIRST;

  constructor(itemCount: number, seed: number) {
    this.size = Math.max(64, itemCount);
    this.sketch = new FrequencySketch(this.size, this.size * WINDOW_PER_ITEM, seed);
  }

  get memoryBytes(): number {
    return this.sketch.memoryBytes;
  }

  fit(itemCount: number): void {
    const size = refit(this.size, itemCount);
    if (size === 0) return;
    this.size = size;
    this.sketch.resize(size);
    this.sketch.window = size * WINDOW_PER_ITEM;
  }

  onRead(hash: number, hit: boolean): void {
    const before = this.sketch.add(hash);
    if (this.sketch.advance(1)) this.widen();
    if (hit) {
      this.hits++;
    } else {
      this.missed[hash & (MISSED_SLOTS - 1)] = hash;
      if (before > 0) this.knownMisses++;
    }
    if (++this.reads >= Math.max(READING_MIN, this.size * READING_PER_ITEM)) this.takeReading();
  }

  /** A new item is mostly one that was just asked for in vain, and counted then: it is not counted again. */
  onWrite(hash: number, isNew: boolean): void {
    const slot = hash & (MISSED_SLOTS - 1);
    if (isNew && this.missed[slot] === hash) this.missed[slot] = 0;
    else this.sketch.add(hash);
  }

  score(item: Item, youth: number): number {
    const handicap = item.touches === 0 ? UNREAD_HANDICAP : 0;
    return this.sketch.estimate(item.hash) + UNREAD_HANDICAP - handicap + AGE_WEIGHT * (1 - youth);
  }

  level(hash: number): number {
    const estimate = this.sketch.estimate(hash);
    return estimate < 2 ? 0 : estimate;
  }

  learn(hash: number, level: number): void {
    this.sketch.learn(hash, Math.min(level, COUNT_MAX));
  }

  onReadsElsewhere(count: number): void {
    this.sketch.advance(count);
  }

  private widen(): void {
    this.sketch.window = Math.min(this.size * WINDOW_PER_ITEM, this.sketch.window * 2);
  }

  private takeReading(): void {
    const known = this.hits + this.knownMisses;
    if (known > this.reads * KNOWN_SHARE_MIN) this.compare(this.hits / known);
    this.reads = this.hits = this.knownMisses = 0;
  }

  /** Where the share goes up and down anyway, as in a loop, a fall has to be the larger. */
  private compare(share: number): void {
    const rise = this.meanShare < 0 ? 0 : share - this.meanShare;
    const isFall = -rise > Math.max(FALL_MIN, DEVIATIONS_MIN * this.deviation);
    this.deviation += (Math.abs(rise) - this.deviation) / READINGS_OF_MEAN;
    if (isFall) this.onOtherHotSet();
    else this.meanShare = this.meanShare < 0 ? share : this.meanShare + rise / READINGS_OF_MEAN;
  }

  private onOtherHotSet(): void {
    this.meanShare = -1;
    this.sketch.halveNow();
    this.sketch.window = this.size * SHORT_WINDOW_PER_ITEM;
  }
}
