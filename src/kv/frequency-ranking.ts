/**
 * Policy `s3fifo`: what is asked for often stays. Reads count, of absent keys too, so that a key that was dropped comes
 * back with what it is worth. An item that was not read since it was written stands one lower: its own first write is no
 * sign that it will be wanted (the small queue of S3-FIFO, as a handicap).
 *
 * How long counts last, and who of equals goes, is a choice between two manners (manner-choice.ts). With the steady one
 * counts last long, and the youngest of equals goes: so that of a loop over more keys than there is room for a part
 * stays, where dropping the oldest would never give a hit.
 */
import { COUNT_MAX, FrequencySketch } from './frequency-sketch.js';
import type { Item } from './item.js';
import { MannerChoice } from './manner-choice.js';
import { refit, type Ranking } from './ranking.js';

/** A power of two. */
const MISSED_SLOTS = 512;
/** Youth stays below one count. */
const AGE_WEIGHT = 0.999;

export class FrequencyRanking implements Ranking {
  private readonly sketch: FrequencySketch;
  private choice: MannerChoice;
  private size: number;
  /** Reads happen at another replica: shadows that saw writes alone would mislead. */
  private isElsewhere = false;
  /** Hashes of keys that were asked for in vain and not written since; newer ones take their place. */
  private readonly missed = new Uint32Array(MISSED_SLOTS);

  constructor(
    itemCount: number,
    private readonly seed: number,
  ) {
    this.size = Math.max(64, itemCount);
    this.choice = new MannerChoice(this.size, seed);
    this.sketch = new FrequencySketch(this.size, this.window, seed);
  }

  get memoryBytes(): number {
    return this.sketch.memoryBytes + this.choice.memoryBytes + this.missed.byteLength;
  }

  fit(itemCount: number): void {
    const size = this.sketch.isMoving ? 0 : refit(this.size, itemCount);
    if (size === 0) return;
    this.size = size;
    this.sketch.resize(size);
    this.beginChoice();
    this.sketch.window = this.window;
  }

  onRead(hash: number, hit: boolean): void {
    if (this.isElsewhere) this.beginChoice();
    this.sketch.add(hash);
    this.sketch.advance(1);
    if (!hit) this.missed[hash & (MISSED_SLOTS - 1)] = hash;
    if (this.choice.onRead(hash)) this.sketch.window = this.window;
  }

  /** A new item is mostly one that was just asked for in vain, and counted then: it is not counted again. */
  onWrite(hash: number, isNew: boolean): void {
    const slot = hash & (MISSED_SLOTS - 1);
    if (isNew && this.missed[slot] === hash) this.missed[slot] = 0;
    else this.sketch.add(hash);
    if (!this.isElsewhere) this.choice.onWrite(hash);
  }

  score(item: Item, youth: number): number {
    const { unreadHandicap, oldestGoes } = this.choice.manner;
    const read = item.touches === 0 ? 0 : unreadHandicap;
    return this.sketch.estimate(item.hash) + read + AGE_WEIGHT * (oldestGoes ? youth : 1 - youth);
  }

  level(hash: number): number {
    const estimate = this.sketch.estimate(hash);
    return estimate < 2 ? 0 : estimate;
  }

  learn(hash: number, level: number): void {
    this.sketch.learn(hash, Math.min(level, COUNT_MAX));
  }

  onReadsElsewhere(count: number): void {
    this.isElsewhere = true;
    this.sketch.advance(count);
  }

  /** With shadows that know nothing yet, and the manner as it is. */
  private beginChoice(): void {
    this.isElsewhere = false;
    this.choice = new MannerChoice(this.size, this.seed, this.choice.manner);
  }

  private get window(): number {
    return this.size * this.choice.manner.windowPerItem;
  }
}
