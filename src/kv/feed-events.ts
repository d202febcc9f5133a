/**
 * Events of the change feed as a reader gets them, one behind the other:
 *
 *   u8 kind | u64 version | u32 hash | u16 length | key
 *
 * `version` numbers the event: each is one more than the one before. With `set` and `expiry` it is also the version of
 * the item that came to be; hash and version together name it (`Kv.itemOf`). Kept in memory alone, for readers in the
 * same process: not a format of wire or disk.
 */
import { ByteReader, EMPTY_BYTES } from '../base/index.js';

export const EventKind = {
  /** A value was written, with an expiry or without: the item is new, or took the place of another. */
  set: 1,
  /** The expiry moved, or went; the value is as it was. */
  expiry: 2,
  /** By a command, also one that set an expiry in the past. */
  deleted: 3,
  /** Its time was over, and it was reaped. It was absent by rule before. */
  expired: 4,
  evicted: 5,
  /** All items went; hash and key are empty. */
  flushed: 6,
} as const;
export type EventKind = (typeof EventKind)[keyof typeof EventKind];

/** Of an event besides its key. */
export const EVENT_HEAD_BYTES = 15;

/** Goes through what `ChangeFeed.read` wrote; the fields are those of the event that `next` went to. */
export class FeedEvents {
  kind: EventKind = EventKind.flushed;
  version = 0;
  hash = 0;
  /** The key is `keyBytes[keyStart, keyEnd)`: a view of what was read. */
  keyBytes: Uint8Array = EMPTY_BYTES;
  keyStart = 0;
  keyEnd = 0;
  private readonly reader = new ByteReader(EMPTY_BYTES);

  reset(bytes: Uint8Array, start = 0, end = bytes.length): this {
    this.reader.reset(bytes, start, end);
    this.keyBytes = bytes;
    return this;
  }

  /** False at the end. */
  next(): boolean {
    const { reader } = this;
    if (reader.remaining === 0) return false;
    this.kind = reader.u8() as EventKind;
    this.version = reader.u64();
    this.hash = reader.u32();
    const length = reader.u16();
    this.keyStart = reader.position;
    reader.skip(length);
    this.keyEnd = reader.position;
    return true;
  }
}
