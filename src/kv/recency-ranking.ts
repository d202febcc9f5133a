/**
 * Policy `lru`: what was used last stays. Time is counted in new items, since those are what pushes others out: at 64
 * ticks for as many new items as the shard has, the last uses of its items are told apart finely enough.
 */
import type { Item } from './item.js';
import { LEVEL_MAX, refit, type Ranking } from './ranking.js';
import { AGE_MAX, RecencySketch } from './recency-sketch.js';
import { SCORE_LIMIT } from './score-scale.js';

const TICKS_PER_TURNOVER = 64;
/** Ages are told to other replicas in steps of so many ticks. */
const LEVEL_TICKS = 4;

export class RecencyRanking implements Ranking {
  private readonly sketch: RecencySketch;
  private size: number;
  private newItems = 0;

  constructor(itemCount: number) {
    this.size = Math.max(64, itemCount);
    this.sketch = new RecencySketch(this.size);
  }

  get memoryBytes(): number {
    return this.sketch.memoryBytes;
  }

  fit(itemCount: number): void {
    const size = this.sketch.isMoving ? 0 : refit(this.size, itemCount);
    if (size === 0) return;
    this.size = size;
    this.sketch.resize(size);
  }

  onRead(hash: number, hit: boolean): void {
    if (hit) this.sketch.touch(hash);
  }

  onWrite(hash: number, isNew: boolean): void {
    this.sketch.touch(hash);
    if (!isNew) return;
    this.sketch.sweep();
    if (++this.newItems < this.size / TICKS_PER_TURNOVER) return;
    this.newItems = 0;
    this.sketch.tick();
  }

  /** What is not known was last used before all that is; of those, the oldest goes. */
  score(item: Item, youth: number): number {
    const age = this.sketch.age(item.hash);
    return age >= AGE_MAX ? youth : 1 + ((SCORE_LIMIT - 2) * (AGE_MAX - age)) / AGE_MAX;
  }

  level(hash: number): number {
    return Math.max(0, LEVEL_MAX - Math.floor(this.sketch.age(hash) / LEVEL_TICKS));
  }

  learn(hash: number, level: number): void {
    this.sketch.touch(hash, (LEVEL_MAX - level) * LEVEL_TICKS);
  }

  onReadsElsewhere(): void {
    // Time goes by new items, which every replica sees.
  }
}
