/**
 * A tiny cache of keys alone, to learn how often a way of ranking would hit: it is told of the reads of a sample of the
 * keys, and has room for the same part of the shard's items. Who goes is the lowest of some places drawn at random.
 * Knows hashes of 32 bits; keys that share one are one key here.
 */
import { FrequencySketch } from './frequency-sketch.js';

/** How items are ranked: how long counts last, and who of equals goes. */
export interface Manner {
  /** Reads between two halvings of the counts, for each item. */
  readonly windowPerItem: number;
  /** How many counts lower an item stands that was not read since it was written. */
  readonly unreadHandicap: number;
  /** Of equals the oldest goes, or the youngest. */
  readonly oldestGoes: boolean;
}

/** Places drawn for one that goes. */
const DRAWN = 16;
const NOBODY = -1;

export class ShadowCache {
  /** Reads that found their key, since the holder took them. */
  hits = 0;
  private readonly sketch: FrequencySketch;
  /** By place. */
  private readonly hashes: Uint32Array;
  private readonly versions: Float64Array;
  private readonly wasRead: Uint8Array;
  private readonly next: Int16Array;
  /** First place of each chain; chains by the hash's leading bits. */
  private readonly heads: Int16Array;
  private readonly headShift: number;
  private count = 0;
  private version = 0;
  private dice: number;

  /** `room`: places, below 32,768. */
  constructor(
    private readonly room: number,
    private readonly manner: Manner,
    seed: number,
  ) {
    this.sketch = new FrequencySketch(room, room * manner.windowPerItem, seed);
    this.hashes = new Uint32Array(room);
    this.versions = new Float64Array(room);
    this.wasRead = new Uint8Array(room);
    this.next = new Int16Array(room);
    const bits = Math.max(1, Math.ceil(Math.log2(room)));
    this.heads = new Int16Array(1 << bits).fill(NOBODY);
    this.headShift = 32 - bits;
    this.dice = seed | 1;
  }

  get memoryBytes(): number {
    return this.sketch.memoryBytes + this.room * 15 + this.heads.byteLength;
  }

  /** A key that isn't there is taken to be written next, as by a client of a cache. */
  onRead(hash: number): void {
    this.sketch.add(hash);
    this.sketch.advance(1);
    const place = this.find(hash);
    if (place === NOBODY) {
      this.insert(hash);
      return;
    }
    this.hits++;
    this.wasRead[place] = 1;
  }

  /** Says nothing of a key that is there: mostly it was just read, and counted then. */
  onWrite(hash: number): void {
    if (this.find(hash) !== NOBODY) return;
    this.sketch.add(hash);
    this.insert(hash);
  }

  private find(hash: number): number {
    let place = this.heads[hash >>> this.headShift] as number;
    while (place !== NOBODY && this.hashes[place] !== hash) place = this.next[place] as number;
    return place;
  }

  private insert(hash: number): void {
    const place = this.count < this.room ? this.count++ : this.vacate();
    this.hashes[place] = hash;
    this.versions[place] = ++this.version;
    this.wasRead[place] = 0;
    const head = hash >>> this.headShift;
    this.next[place] = this.heads[head] as number;
    this.heads[head] = place;
  }

  private vacate(): number {
    const { unreadHandicap, oldestGoes } = this.manner;
    let lowest = 0;
    let lowestScore = Infinity;
    let lowestVersion = 0;
    for (let i = 0; i < DRAWN; i++) {
      this.dice = (Math.imul(this.dice, 1664525) + 1013904223) | 0;
      const place = Math.floor(((this.dice >>> 8) / 0x1000000) * this.room);
      const score =
        this.sketch.estimate(this.hashes[place] as number) + (this.wasRead[place] as number) * unreadHandicap;
      const version = this.versions[place] as number;
      const isLower =
        score < lowestScore || (score === lowestScore && version < lowestVersion === oldestGoes);
      if (!isLower) continue;
      lowest = place;
      lowestScore = score;
      lowestVersion = version;
    }
    this.unlink(lowest);
    return lowest;
  }

  private unlink(place: number): void {
    const head = (this.hashes[place] as number) >>> this.headShift;
    const after = this.next[place] as number;
    let before = this.heads[head] as number;
    if (before === place) {
      this.heads[head] = after;
      return;
    }
    while (this.next[before] !== place) before = this.next[before] as number;
    this.next[before] = after;
  }
}
