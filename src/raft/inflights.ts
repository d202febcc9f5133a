/**
 * Append messages on their way to one follower: a ring of (last index, bytes), limited in messages and in bytes.
 * The byte limit is passed by at most one message, so that a single large entry always gets through.
 */
import { assert } from '../base/index.js';
import type { LogIndex } from '../base/index.js';

const SLOTS_MIN = 8;

export class Inflights {
  private lastIndexes: number[] = new Array<number>(SLOTS_MIN).fill(0);
  private sizes: number[] = new Array<number>(SLOTS_MIN).fill(0);
  private head = 0;
  count = 0;
  bytes = 0;

  constructor(
    private readonly messagesMax: number,
    private readonly bytesMax: number,
  ) {}

  get full(): boolean {
    return this.count >= this.messagesMax || this.bytes >= this.bytesMax;
  }

  /** A message that ends at `lastIndex` was sent. */
  add(lastIndex: LogIndex, bytes: number): void {
    if (this.full) assert(false, `append to ${lastIndex} into a full window of ${this.count} messages`);
    if (this.count === this.lastIndexes.length) this.grow();
    const at = (this.head + this.count) % this.lastIndexes.length;
    this.lastIndexes[at] = lastIndex;
    this.sizes[at] = bytes;
    this.count++;
    this.bytes += bytes;
  }

  /** Everything up to `index` arrived. */
  freeTo(index: LogIndex): void {
    while (this.count > 0 && (this.lastIndexes[this.head] as number) <= index) {
      this.bytes -= this.sizes[this.head] as number;
      this.head = (this.head + 1) % this.lastIndexes.length;
      this.count--;
    }
  }

  clear(): void {
    this.head = 0;
    this.count = 0;
    this.bytes = 0;
  }

  private grow(): void {
    const capacity = this.lastIndexes.length * 2;
    const lastIndexes = new Array<number>(capacity).fill(0);
    const sizes = new Array<number>(capacity).fill(0);
    for (let i = 0; i < this.count; i++) {
      const from = (this.head + i) % this.lastIndexes.length;
      lastIndexes[i] = this.lastIndexes[from] as number;
      sizes[i] = this.sizes[from] as number;
    }
    this.lastIndexes = lastIndexes;
    this.sizes = sizes;
    this.head = 0;
  }
}
