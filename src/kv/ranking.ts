/** What a policy of eviction knows and says of keys: who is worth how much. Which of them go is the hand's affair. */
import type { Item } from './item.js';

/** A level that `learn` and `level` deal in: 0 nothing worth telling, 15 the highest. */
export const LEVEL_MAX = 15;

export interface Ranking {
  /** What it keeps, in bytes. */
  readonly memoryBytes: number;
  /** The shard has so many items now: takes memory for them, in steps. */
  fit(itemCount: number): void;
  onRead(hash: number, hit: boolean): void;
  onWrite(hash: number, isNew: boolean): void;
  /** 0 up to SCORE_LIMIT; the lowest go first. `youth`: 1 for what was just written, 0 for what is old. */
  score(item: Item, youth: number): number;
  /** How much the key is worth, as told to other replicas. */
  level(hash: number): number;
  learn(hash: number, level: number): void;
  /** At another replica so many reads have passed since it last told so. */
  onReadsElsewhere(count: number): void;
}

/** Sizes follow the number of items once they are off by more than this factor. */
const FIT_FACTOR = 1.25;

/** The size to make a sketch for, or 0 when the one made for `size` still serves `itemCount` items. */
export function refit(size: number, itemCount: number): number {
  const isSmall = itemCount > size * FIT_FACTOR;
  const isLarge = itemCount * FIT_FACTOR * FIT_FACTOR < size && size > SIZE_MIN;
  return isSmall || isLarge ? Math.max(SIZE_MIN, itemCount) : 0;
}

const SIZE_MIN = 64;
