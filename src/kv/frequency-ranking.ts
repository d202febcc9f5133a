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
/** Youth stays below one count. */
const AGE_WEIGHT = 0.999;
/** Reads of known keys, for each item, that make one reading of the share of hits. */
const READING_PER_ITEM = 1;
const READING_MIN = 256;
/** How far the share falls below its mean before the hot set is taken for another. */
const FALL_MIN = 0.1;
/** A reading of so few known keys says nothing. */
const KNOWN_SHARE_MIN = 0.05;

export class FrequencyRanking implements Ranking {
  private sketch: FrequencySketch;
  private size: number;
  /** Touches from another replica came in since this one chose last: it sees no reads, so writes stand for them. */
  private isFollowing = false;
  private reads = 0;
  private hits = 0;
  private knownMisses = 0;
  /** Mean share of hits among reads of known keys; below 0 while unknown. */
  private meanShare = -1;

  constructor(itemCount: number, seed: number) {
    this.size = Math.max(64, itemCount);
    this.sketch = new FrequencySketch(this.size, this.size * WINDOW_PER_ITEM, seed);
  }

  get memoryBytes(): number {
    return this.sketch.memoryBytes;
  }

  fit(itemCount: number): void {
    this.isFollowing = false;
    const size = refit(this.size, itemCount);
    if (size === 0) return;
    this.size = size;
    this.sketch.resize(size);
    this.sketch.window = size * WINDOW_PER_ITEM;
  }

  onRead(hash: number, hit: boolean): void {
    const before = this.sketch.add(hash);
    if (this.sketch.advance(1)) this.widen();
    if (hit) this.hits++;
    else if (before > 0) this.knownMisses++;
    if (++this.reads >= Math.max(READING_MIN, this.size * READING_PER_ITEM)) this.takeReading();
  }

  /** A new item is mostly one that was just asked for in vain, and counted then. */
  onWrite(hash: number, isNew: boolean): void {
    if (!isNew || this.isFollowing || this.sketch.estimate(hash) === 0) this.sketch.add(hash);
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
    this.isFollowing = true;
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
    if (known > this.reads * KNOWN_SHARE_MIN) {
      const share = this.hits / known;
      if (this.meanShare < 0) this.meanShare = share;
      else if (share < this.meanShare - FALL_MIN) this.onOtherHotSet();
      else this.meanShare += (share - this.meanShare) / (share > this.meanShare ? 4 : 8);
    }
    this.reads = this.hits = this.knownMisses = 0;
  }

  private onOtherHotSet(): void {
    this.meanShare = -1;
    this.sketch.halveNow();
    this.sketch.window = this.size * SHORT_WINDOW_PER_ITEM;
  }
}
