/**
 * The sums of the state after each of the last entries, so that replicas can compare what they were at one index
 * though they are never asked at the same moment. A ring that grows with its use: there may be thousands of shards.
 * Indexes only rise, and the sums of one index are noted once.
 */
import { ByteWriter, type LogIndex } from '../base/index.js';

const NOTES_MAX = 1000;
const NOTES_MIN = 8;

export class NotedSums {
  private indexes = new Float64Array(0);
  private a = new Uint32Array(0);
  private b = new Uint32Array(0);
  /** Notes ever made since the last `clear`; the newest stands at `(made - 1) % capacity`. */
  private made = 0;

  note(index: LogIndex, a: number, b: number): void {
    if (this.made === this.indexes.length && this.made < NOTES_MAX) this.grow();
    const at = this.made++ % this.indexes.length;
    this.indexes[at] = index;
    this.a[at] = a;
    this.b[at] = b;
  }

  /** Null when nothing is noted for it. */
  hashAt(index: LogIndex): string | null {
    const capacity = this.indexes.length;
    // Backwards: who asks asks for what was applied a moment ago.
    for (let back = 1; back <= Math.min(this.made, capacity); back++) {
      const at = (this.made - back) % capacity;
      const noted = this.indexes[at] as number;
      if (noted < index) return null;
      if (noted === index) return hashText(this.a[at] as number, this.b[at] as number);
    }
    return null;
  }

  /** All that is noted up to this index, oldest first: u64 index | u32 a | u32 b each. */
  upTo(index: LogIndex): Uint8Array {
    const capacity = this.indexes.length;
    const count = Math.min(this.made, capacity);
    const w = new ByteWriter(16 * count);
    for (let back = count; back >= 1; back--) {
      const at = (this.made - back) % capacity;
      if ((this.indexes[at] as number) > index) break;
      w.u64(this.indexes[at] as number);
      w.u32(this.a[at] as number);
      w.u32(this.b[at] as number);
    }
    return w.take();
  }

  /** Another state took the place of this one. */
  clear(): void {
    this.made = 0;
  }

  private grow(): void {
    const capacity = Math.min(NOTES_MAX, Math.max(NOTES_MIN, this.indexes.length * 2));
    const { indexes, a, b } = this;
    this.indexes = new Float64Array(capacity);
    this.a = new Uint32Array(capacity);
    this.b = new Uint32Array(capacity);
    this.indexes.set(indexes);
    this.a.set(a);
    this.b.set(b);
  }
}

/** Both lanes as 16 hex digits. */
export function hashText(a: number, b: number): string {
  return hex32(a) + hex32(b);
}

function hex32(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}
