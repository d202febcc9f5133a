/**
 * What a leader tells the other replicas of its reads, so that a new leader doesn't drop the hot set: one word for a
 * key, its hash with the lowest four bits replaced by what the key is worth (0 to 15; the sketches don't look at those
 * bits). The first word is the number of reads since the last frame. Half of a frame is for keys that were just read,
 * which brings in the hottest first; the other half goes round the table, so that in the end all are told.
 */
import { Item } from './item.js';
import { LEVEL_MAX, type Ranking } from './ranking.js';

/** Hits kept to choose from; a power of two. */
const RECENT_COUNT = 512;
/** Pages that one frame looks at: bounds its work. */
const PAGES_MAX = 64;

export interface SweepSource {
  readonly itemCount: number;
  sweep(cursor: number, into: Item, visit: () => void): number;
}

export class TouchFrames {
  private readonly recent = new Uint32Array(RECENT_COUNT);
  private hits = 0;
  private reads = 0;
  private cursor = 0;
  private readonly item = new Item();

  constructor(private readonly source: SweepSource) {}

  onRead(hash: number, hit: boolean): void {
    this.reads++;
    if (hit) this.recent[this.hits++ & (RECENT_COUNT - 1)] = hash;
  }

  take(countMax: number, ranking: Ranking): Uint32Array {
    if (countMax < 2) return new Uint32Array(0);
    const words = new Uint32Array(countMax);
    let count = 1;
    words[0] = Math.min(this.reads, 0xffffffff);
    const add = (hash: number): void => {
      const level = ranking.level(hash);
      if (level > 0 && count < countMax) words[count++] = ((hash & ~LEVEL_MAX) | level) >>> 0;
    };
    const recentCount = Math.min(this.hits, RECENT_COUNT, countMax >>> 1);
    for (let i = 1; i <= recentCount; i++) {
      add(this.recent[(this.hits - i) & (RECENT_COUNT - 1)] as number);
    }
    this.reads = this.hits = 0;
    const { item, source } = this;
    for (let pages = 0; pages < PAGES_MAX && count < countMax && source.itemCount > 0; pages++) {
      this.cursor = source.sweep(this.cursor, item, () => add(item.hash));
      if (this.cursor === 0) break;
    }
    return words.subarray(0, count);
  }
}

export function learnTouches(words: Uint32Array, ranking: Ranking): void {
  if (words.length === 0) return;
  ranking.onReadsElsewhere(words[0] as number);
  for (let i = 1; i < words.length; i++) {
    const word = words[i] as number;
    if ((word & LEVEL_MAX) !== 0) ranking.learn((word & ~LEVEL_MAX) >>> 0, word & LEVEL_MAX);
  }
}
