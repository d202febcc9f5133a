/**
 * A simple choice of victims: a hand goes round the table in the order of hashes; what was touched since the hand came
 * by last is passed over once (a CLOCK whose bits are a small set of hashes).
 */
import { chargeOf } from './charge.js';
import type { EvictionPolicy, Evictor } from './evict-choice.js';
import { Item } from './item.js';
import type { ItemName, Table } from './table.js';

/** Items looked at in one call: bounds its work. */
const LOOKS_MAX = 4096;
/** Touched hashes kept; older ones are forgotten. */
const TOUCHED_MAX = 16_384;

export function createSweepEvictor(_policy: EvictionPolicy, table: Table, seed: number): Evictor {
  return new SweepEvictor(table, seed >>> 0);
}

class SweepEvictor implements Evictor {
  private readonly item = new Item();
  private readonly touched = new Set<number>();
  private readonly named = new Set<number>();

  constructor(
    private readonly table: Table,
    private hand: number,
  ) {}

  onRead(hash: number, hit: boolean): void {
    if (hit) this.touch(hash);
  }

  onWrite(): void {
    // A new item is worth no more than any other until it is read.
  }

  choose(chargeMin: number, countMax: number, into: ItemName[]): number {
    let charge = 0;
    let looks = 0;
    let count = 0;
    const { item } = this;
    // Twice round at most: the first may pass over all of them.
    for (let round = 0; round < 3 && charge < chargeMin && count < countMax && looks < LOOKS_MAX; round++) {
      let last = -1;
      this.table.scan(this.hand, item, () => {
        if (charge >= chargeMin || count >= countMax || looks >= LOOKS_MAX) {
          if (item.hash !== last) this.hand = item.hash;
          return item.hash === last;
        }
        looks++;
        last = item.hash;
        if (this.touched.delete(item.hash) || this.named.has(item.version)) return true;
        into.push({ hash: item.hash, version: item.version });
        this.named.add(item.version);
        charge += chargeOf(item.keyEnd - item.keyStart, item.valueEnd - item.valueStart);
        count++;
        return true;
      });
      if (charge < chargeMin && count < countMax && looks < LOOKS_MAX) {
        this.hand = 0;
        this.named.clear();
        into.forEach(({ version }) => this.named.add(version));
      }
    }
    return charge;
  }

  takeTouches(countMax: number): Uint32Array {
    return Uint32Array.from([...this.touched].slice(0, countMax));
  }

  onTouches(hashes: Uint32Array): void {
    for (const hash of hashes) this.touch(hash);
  }

  private touch(hash: number): void {
    if (this.touched.size >= TOUCHED_MAX) this.touched.clear();
    this.touched.add(hash);
  }
}
