/**
 * Hashes the items of a frozen table again, from their bytes. The sum that a table keeps was added up when items were
 * written: bytes that changed in memory since don't show in it, nor in any comparison of replicas, but here they do.
 *
 * A step is bounded in bytes and in items, and a large value is hashed over several steps, so that whoever drives it
 * may leave the loop to others in between.
 */
import type { StateRehash } from '../ports/index.js';
import { Digest } from './digest.js';
import { Item } from './item.js';
import type { ShardState } from './state.js';
import type { FrozenItems } from './table.js';

/** Of one step. Some tenths of a millisecond. A multiple of four: values are hashed in words. */
const STEP_BYTES_MAX = 64 * 1024;
const STEP_ITEMS_MAX = 256;

export class KvRehash implements StateRehash {
  items = 0;
  private readonly expectedItems: number;
  private readonly expectedA: number;
  private readonly expectedB: number;
  private sumA = 0;
  private sumB = 0;
  private frozen: FrozenItems | null;
  private readonly item = new Item();
  private readonly digest = new Digest();
  /** Where the item's value goes on; the item is done when nothing is left of it. */
  private valueAt = 0;
  private isInValue = false;

  constructor({ table }: ShardState) {
    this.expectedItems = table.itemCount;
    this.expectedA = table.sumA;
    this.expectedB = table.sumB;
    this.frozen = table.freeze();
  }

  get isRotten(): boolean {
    return this.items !== this.expectedItems || this.sumA !== this.expectedA || this.sumB !== this.expectedB;
  }

  drop(): void {
    this.frozen?.release();
    this.frozen = null;
  }

  step(): boolean {
    const { frozen, item } = this;
    if (frozen === null) return false;
    let bytesLeft = STEP_BYTES_MAX;
    for (let left = STEP_ITEMS_MAX; left > 0 && bytesLeft > 0; left--) {
      if (!this.isInValue) {
        if (!frozen.next(item)) {
          if (frozen.isCutOff) return true; // whoever drives it gives up in time
          this.drop();
          return false;
        }
        bytesLeft -= item.keyEnd - item.keyStart;
        this.digest.beginItem(item);
        this.valueAt = item.valueStart;
      }
      bytesLeft -= this.valuePart();
    }
    return true;
  }

  /** As much of the value as fits into a step; how many bytes that were. */
  private valuePart(): number {
    const { item, digest } = this;
    const from = this.valueAt;
    const wordsEnd = item.valueEnd - ((item.valueEnd - item.valueStart) & 3);
    const to = Math.min(wordsEnd, from + STEP_BYTES_MAX);
    this.isInValue = to < wordsEnd;
    this.valueAt = to;
    digest.wholeWords(item.valueBytes, from, to);
    if (!this.isInValue) {
      digest.tail(item.valueBytes, wordsEnd, item.valueEnd);
      digest.end();
      this.sumA = (this.sumA + digest.a) >>> 0;
      this.sumB = (this.sumB + digest.b) >>> 0;
      this.items++;
    }
    return to - from;
  }
}
