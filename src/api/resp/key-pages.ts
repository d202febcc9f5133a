/**
 * Walking through the keys of shards in the order of their hashes, a page per question: what SCAN, KEYS and the count
 * of a slot's keys have in common.
 *
 * A lane stands at a slot, which names the shard that owns it now, and at a hash: keys from there on are to come. A key
 * keeps its hash for as long as its shard lives, so that the place outlives new leaders, restarts and growing tables;
 * a key that stays during the whole walk is seen at least once.
 *
 * A page that is too large to be answered is asked for again with fewer keys.
 */
import { assert, type ByteReader, type ByteWriter, type Slot } from '../../base/index.js';
import { encodeScan, KvError, Tag } from '../../kv/index.js';
import { Iteration } from './iteration.js';
import { PAGE_KEYS_MAX } from './limits.js';
import { readSafeInt } from './result-encoder.js';

/** `nextHash` behind the last page of a shard. */
export const HASH_END = 2 ** 32;
/** A page too large is asked for again with this part of its keys. */
const SHRINK = 8;

export abstract class KeyPages extends Iteration {
  private readonly slots: Slot[] = [];
  private readonly hashes: number[] = [];
  /** Keys that a lane's next question has looked at. */
  private readonly pageKeys: number[] = [];

  /** `pattern`: null for every key; not changed by anybody later. */
  constructor(
    laneCount: number,
    private readonly pattern: Uint8Array | null,
  ) {
    super(laneCount);
    for (let lane = 0; lane < laneCount; lane++) this.pageKeys.push(PAGE_KEYS_MAX);
  }

  /** Puts a lane at a place. */
  protected moveTo(lane: number, slot: Slot, hash: number): void {
    assert(hash >= 0 && hash < HASH_END, `hash ${hash} of a place among keys`);
    this.slots[lane] = slot;
    this.hashes[lane] = hash;
  }

  protected slotAt(lane: number): Slot {
    return this.slots[lane] as Slot;
  }

  protected hashAt(lane: number): number {
    return this.hashes[lane] as number;
  }

  protected pageKeysAt(lane: number): number {
    return this.pageKeys[lane] as number;
  }

  /** Lets a lane look at no more than `countMax` keys at a time. */
  protected limitPage(lane: number, countMax: number): void {
    this.pageKeys[lane] = Math.min(this.pageKeysAt(lane), countMax);
  }

  encodeNext(lane: number, w: ByteWriter): Slot {
    encodeScan(w, this.hashAt(lane), this.pageKeysAt(lane), this.pattern);
    return this.slotAt(lane);
  }

  /** Takes one key of a page, `bytes[start, end)`; false when the command was refused for it. */
  protected abstract takeKey(bytes: Uint8Array, start: number, end: number, bytesMax: number): boolean;

  /** The lane's page was taken, and the lane stands behind it. True: it asks on. */
  protected abstract onPage(lane: number): boolean;

  /** The lane's shard has no more keys. True: the lane was put at another place, and asks on. */
  protected abstract onShardEnd(lane: number): boolean;

  protected takeAnswer(lane: number, reader: ByteReader, bytesMax: number): boolean {
    if (reader.remaining > bytesMax) return this.takeRefusal(lane, KvError.tooLarge);
    const tag = reader.u8();
    const parts = reader.u32();
    assert(
      tag === Tag.array && parts === 2 && reader.u8() === Tag.int,
      `a page with tag ${tag}, ${parts} parts`,
    );
    const nextHash = readSafeInt(reader);
    assert(
      nextHash > this.hashAt(lane) && nextHash <= HASH_END,
      `a page from ${this.hashAt(lane)} to ${nextHash}`,
    );
    assert(reader.u8() === Tag.array, 'a page without keys');
    for (let left = reader.u32(); left > 0; left--) {
      assert(reader.u8() === Tag.bytes, 'a key that is no bytes');
      const length = reader.u32();
      const start = reader.position;
      reader.skip(length);
      if (!this.takeKey(reader.buffer, start, start + length, bytesMax)) return false;
    }
    if (nextHash === HASH_END) return this.onShardEnd(lane);
    this.moveTo(lane, this.slotAt(lane), nextHash);
    return this.onPage(lane);
  }

  protected takeRefusal(lane: number, error: number): boolean {
    const pageKeys = this.pageKeysAt(lane);
    if (error !== KvError.tooLarge || pageKeys === 1) return this.refuseAs(error);
    this.limitPage(lane, Math.ceil(pageKeys / SHRINK));
    return true;
  }
}
