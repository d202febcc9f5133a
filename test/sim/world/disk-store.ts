/**
 * What a simulated ordered store keeps, and what a crash leaves of it, in the manner of LevelDB: `tables` are safe;
 * `log` holds the batches since the store was opened, of which power loss takes unsynced ones, and a flipped bit a
 * run of any of them, silently. Opening moves everything into the tables. A write that the disk lost, or put in
 * another one's place, is seen by the process that made it, and gone at the next opening.
 */
import type { Prng } from '../../../src/base/index.js';
import type { StoreRange, StoreRecord } from '../../../src/ports/index.js';

/** Shared by tables, log and index, so that a flipped bit is seen everywhere. */
interface Stored {
  readonly key: Uint8Array;
  value: Uint8Array;
}

interface Operation {
  readonly id: string;
  /** Null deletes. */
  readonly stored: Stored | null;
}

interface LoggedBatch {
  readonly operations: readonly Operation[];
  readonly synced: boolean;
  /** Acknowledged, and not on the disk. */
  isLost: boolean;
}

/** One character a byte: strings then compare like the keys do. */
function idOf(key: Uint8Array): string {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString('latin1');
}

export class SimBatch {
  readonly operations: Operation[] = [];
  bytes = 0;

  put(key: Uint8Array, value: Uint8Array): void {
    this.operations.push({ id: idOf(key), stored: { key: key.slice(), value: value.slice() } });
    this.bytes += key.length + value.length;
  }

  del(key: Uint8Array): void {
    this.operations.push({ id: idOf(key), stored: null });
    this.bytes += key.length;
  }

  get length(): number {
    return this.operations.length;
  }
}

export class StoreImage {
  private tables = new Map<string, Stored>();
  private log: LoggedBatch[] = [];
  private dropAtOpen: { from: number; count: number } | null = null;
  /** The present state, with its keys in order. */
  private index = new Map<string, Stored>();
  private ids: string[] = [];
  /** The life that has it open, or 0. */
  lockedBy = 0;

  get size(): number {
    return this.ids.length;
  }

  /** Batches in the log file, that is since the last opening. */
  get logLength(): number {
    return this.log.length;
  }

  /** Reads the log file into tables; what a flipped bit spoils is dropped without a word. */
  open(): void {
    if (this.dropAtOpen) {
      this.log.splice(this.dropAtOpen.from, this.dropAtOpen.count);
      this.dropAtOpen = null;
      this.rebuild();
    }
    this.forgetLost();
    this.tables = new Map(this.index);
    this.log = [];
  }

  apply(batch: SimBatch, synced: boolean, isLost = false): void {
    this.log.push({ operations: batch.operations, synced, isLost });
    this.play(batch.operations);
  }

  /** A write for another place landed on an older batch: that one is gone from the disk. False when there is none. */
  loseOlder(prng: Prng): boolean {
    const older = this.log[prng.below(Math.max(1, this.log.length - 1))];
    if (older === undefined) return false;
    older.isLost = true;
    return true;
  }

  /**
   * The last batches of the log count as written: nothing tells their loss from a crash before their fsync
   * (docs/spec.md, "The last stretch"), so no node can be blamed for believing it.
   */
  private forgetLost(): void {
    let end = this.log.length;
    while (end > 0 && this.log[end - 1]?.isLost === true) end--;
    const kept = this.log.filter((batch, i) => i >= end || !batch.isLost);
    if (kept.length === this.log.length) return;
    this.log = kept;
    this.rebuild();
  }

  scan(range: StoreRange): StoreRecord[] {
    const from = this.position(idOf(range.gte));
    const to = this.position(idOf(range.lt));
    const step = range.reverse ? -1 : 1;
    const records: StoreRecord[] = [];
    let bytes = 0;
    for (let i = range.reverse ? to - 1 : from; i >= from && i < to; i += step) {
      const stored = this.index.get(this.ids[i] as string) as Stored;
      records.push({ key: stored.key, value: stored.value });
      bytes += stored.value.length;
      if (records.length >= (range.countMax ?? Infinity) || bytes >= (range.bytesMax ?? Infinity)) break;
    }
    return records;
  }

  /** Everything up to the last synced batch survives, and any number of those behind it, in order. */
  losePower(prng: Prng): void {
    let safe = 0;
    for (let i = 0; i < this.log.length; i++) if (this.log[i]?.synced) safe = i + 1;
    if (safe === this.log.length) return;
    this.log.length = safe + prng.below(this.log.length - safe + 1);
    this.rebuild();
  }

  /** A bit flips in the log file: `count` batches from `from` on are gone at the next opening. */
  drop(from: number, count: number): void {
    this.dropAtOpen = { from, count };
  }

  /** Keys in order. */
  keys(): Uint8Array[] {
    return this.ids.map((id) => (this.index.get(id) as Stored).key);
  }

  /** Flips a bit of the first value whose key is picked; false when there is none. */
  flipValue(pick: (key: Uint8Array) => boolean, prng: Prng): boolean {
    for (const stored of this.index.values()) {
      if (!pick(stored.key) || stored.value.length === 0) continue;
      const value = stored.value.slice();
      const at = prng.below(value.length);
      value[at] = (value[at] as number) ^ (1 << prng.below(8));
      stored.value = value;
      return true;
    }
    return false;
  }

  private rebuild(): void {
    this.index = new Map(this.tables);
    this.ids = [...this.index.keys()].sort((a, b) => (a < b ? -1 : 1));
    for (const batch of this.log) this.play(batch.operations);
  }

  private play(operations: readonly Operation[]): void {
    for (const { id, stored } of operations) {
      const known = this.index.has(id);
      if (stored) {
        if (!known) this.ids.splice(this.position(id), 0, id);
        this.index.set(id, stored);
      } else if (known) {
        this.ids.splice(this.position(id), 1);
        this.index.delete(id);
      }
    }
  }

  /** How many keys are below `id`. */
  private position(id: string): number {
    const { ids } = this;
    // Most puts are of the newest batch number, the last key of all.
    const last = ids[ids.length - 1];
    if (last === undefined || last < id) return ids.length;
    let low = 0;
    let high = ids.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((ids[middle] as string) < id) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
