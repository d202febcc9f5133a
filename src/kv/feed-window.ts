/**
 * The last events of a shard, in rings of numbers and bytes that the collector doesn't look into: 16 bytes for an event,
 * and its key. Memory is taken by doubling, up to the limits; then the oldest events make room.
 *
 * Invariants: the indexes of events never fall, and none is 2^32 or more above `baseIndex`; a key's bytes are in the
 * ring from its event's coming to its going.
 */
import type { ByteWriter, LogIndex } from '../base/index.js';
import { EVENT_HEAD_BYTES } from './feed-events.js';
import type { Item } from './item.js';

export interface FeedLimits {
  /** Of both rings together. */
  readonly bytesMax: number;
  readonly eventsMax: number;
}

/** hash | where the key begins | kind and length of the key | index of the entry modulo 2^32 */
const SLOT_WORDS = 4;
const SLOT_BYTES = 4 * SLOT_WORDS;
const KEY_LENGTH_BITS = 16;
const SLOTS_MIN = 64;
const KEY_BYTES_MIN = 1024;
/** Copies below this size byte by byte: `set(subarray)` allocates a view. */
const LOOP_COPY_MAX = 48;

export class FeedWindow {
  /** Events held. */
  count = 0;
  /** Of the entry that holds the last event before the window, or of where the window began. */
  baseIndex: LogIndex = 0;

  private slots = new Uint32Array(0);
  private slotCount = 0;
  /** Slot of the oldest event. */
  private first = 0;
  private keys = new Uint8Array(0);
  /** Where the oldest key begins, and how many bytes are held from there on. */
  private keysAt = 0;
  private keyBytes = 0;
  private readonly slotsMax: number;
  private readonly keyBytesMax: number;

  constructor({ bytesMax, eventsMax }: FeedLimits) {
    this.slotsMax = Math.min(eventsMax, Math.floor(bytesMax / 2 / SLOT_BYTES));
    this.keyBytesMax = this.slotsMax === 0 ? 0 : bytesMax - this.slotsMax * SLOT_BYTES;
  }

  get memoryBytes(): number {
    return this.slots.byteLength + this.keys.byteLength;
  }

  /** Of the entry of the n-th event, from the oldest (0) on. */
  indexAt(n: number): LogIndex {
    const { baseIndex } = this;
    return baseIndex + (((this.slots[this.slotAt(n) + 3] as number) - baseIndex) >>> 0);
  }

  /** Notes an event of the entry `index`. What can't be held at all empties the window: it begins behind the event. */
  push(kind: number, index: LogIndex, { hash, keyBytes, keyStart, keyEnd }: Item): void {
    const length = keyEnd - keyStart;
    if (length > this.keyBytesMax || this.slotsMax === 0) {
      this.clear(index);
      return;
    }
    if (this.count === this.slotCount) this.makeSlot();
    if (this.keyBytes + length > this.keys.length) this.makeRoom(length);
    const { slots, keys } = this;
    let keyAt = this.keysAt + this.keyBytes;
    if (keyAt >= keys.length) keyAt -= keys.length;
    const slot = this.slotAt(this.count++);
    slots[slot] = hash;
    slots[slot + 1] = keyAt;
    slots[slot + 2] = kind * 2 ** KEY_LENGTH_BITS + length;
    slots[slot + 3] = index % 2 ** 32;
    this.keyBytes += length;
    if (keyAt + length > keys.length) {
      const split = keyStart + keys.length - keyAt;
      keys.set(keyBytes.subarray(keyStart, split), keyAt);
      keys.set(keyBytes.subarray(split, keyEnd), 0);
    } else if (length > LOOP_COPY_MAX) {
      keys.set(keyBytes.subarray(keyStart, keyEnd), keyAt);
    } else {
      for (let i = keyStart; i < keyEnd; i++) keys[keyAt++] = keyBytes[i] as number;
    }
  }

  /** What `write` would add for the n-th event. */
  sizeAt(n: number): number {
    return EVENT_HEAD_BYTES + this.keyLengthAt(this.slotAt(n));
  }

  /** Appends the n-th event as bytes; `version` is its number. feed-events.ts reads them. */
  write(n: number, version: number, out: ByteWriter): void {
    const { slots, keys } = this;
    const slot = this.slotAt(n);
    const length = this.keyLengthAt(slot);
    const keyAt = slots[slot + 1] as number;
    out.u8((slots[slot + 2] as number) >>> KEY_LENGTH_BITS);
    out.u64(version);
    out.u32(slots[slot] as number);
    out.u16(length);
    const end = keyAt + length;
    out.bytes(keys, keyAt, Math.min(end, keys.length));
    if (end > keys.length) out.bytes(keys, 0, end - keys.length);
  }

  /** Forgets the events of all entries up to this one. */
  dropUpTo(index: LogIndex): void {
    while (this.count > 0 && this.indexAt(0) <= index) this.dropOldest();
    this.baseIndex = index;
  }

  clear(baseIndex: LogIndex): void {
    this.count = 0;
    this.first = 0;
    this.keysAt = 0;
    this.keyBytes = 0;
    this.baseIndex = baseIndex;
  }

  /** Lets go of the memory, too. */
  release(): void {
    this.clear(this.baseIndex);
    this.slots = new Uint32Array(0);
    this.slotCount = 0;
    this.keys = new Uint8Array(0);
  }

  /** Where the numbers of the n-th event stand. */
  private slotAt(n: number): number {
    let slot = this.first + n;
    if (slot >= this.slotCount) slot -= this.slotCount;
    return slot * SLOT_WORDS;
  }

  private keyLengthAt(slot: number): number {
    return (this.slots[slot + 2] as number) & 0xffff;
  }

  private dropOldest(): void {
    const length = this.keyLengthAt(this.slotAt(0));
    this.baseIndex = this.indexAt(0);
    this.count--;
    this.keyBytes -= length;
    if (++this.first === this.slotCount) this.first = 0;
    this.keysAt += length;
    if (this.keysAt >= this.keys.length) this.keysAt -= this.keys.length;
  }

  private makeSlot(): void {
    const { slots, slotCount, first } = this;
    if (slotCount === this.slotsMax) {
      this.dropOldest();
      return;
    }
    this.slotCount = Math.min(this.slotsMax, Math.max(SLOTS_MIN, 2 * slotCount));
    this.slots = new Uint32Array(this.slotCount * SLOT_WORDS);
    this.slots.set(slots.subarray(first * SLOT_WORDS));
    this.slots.set(slots.subarray(0, first * SLOT_WORDS), (slotCount - first) * SLOT_WORDS);
    this.first = 0;
  }

  /** For a key of `length` bytes, which is no more than the ring may hold. */
  private makeRoom(length: number): void {
    const { keyBytesMax } = this;
    if (this.keys.length < keyBytesMax) {
      let capacity = Math.max(KEY_BYTES_MIN, 2 * this.keys.length);
      while (capacity < this.keyBytes + length) capacity *= 2;
      this.growKeys(Math.min(keyBytesMax, capacity));
    }
    while (this.keyBytes + length > this.keys.length) this.dropOldest();
  }

  /** Moves the held bytes to the begin of a larger ring. */
  private growKeys(capacity: number): void {
    const { keys, keysAt } = this;
    this.keys = new Uint8Array(capacity);
    this.keys.set(keys.subarray(keysAt));
    this.keys.set(keys.subarray(0, keysAt), keys.length - keysAt);
    for (let n = 0; n < this.count; n++) {
      const at = this.slotAt(n) + 1;
      const moved = (this.slots[at] as number) - keysAt;
      this.slots[at] = moved < 0 ? moved + keys.length : moved;
    }
    this.keysAt = 0;
  }
}
