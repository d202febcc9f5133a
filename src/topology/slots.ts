/**
 * Keys to slots, and slots to the ranges that shards begin with.
 *
 * A slot is `crc16(tag or key) mod 16384` as in Redis Cluster: when the key holds a `{` and, after it, a `}` with at
 * least one byte in between, only those bytes count, so that a client can keep keys together. The first `{` and the
 * first `}` after it decide; with nothing between them the whole key counts.
 */
import { assert, SLOT_COUNT, type Slot } from '../base/index.js';
import { crc16 } from './crc16.js';

const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** Slot of the key `bytes[start, end)`. */
export function slotOfKey(bytes: Uint8Array, start = 0, end = bytes.length): Slot {
  for (let open = start; open < end; open++) {
    if (bytes[open] !== OPEN_BRACE) continue;
    for (let close = open + 1; close < end; close++) {
      if (bytes[close] !== CLOSE_BRACE) continue;
      if (close === open + 1) break; // `{}`: no tag
      return crc16(bytes, open + 1, close) % SLOT_COUNT;
    }
    break;
  }
  return crc16(bytes, start, end) % SLOT_COUNT;
}

export interface SlotRange {
  readonly firstSlot: Slot;
  /** Included. */
  readonly lastSlot: Slot;
}

/** All slots cut into `shardCount` contiguous ranges whose sizes differ by at most one. */
export function slotRanges(shardCount: number): SlotRange[] {
  assert(
    Number.isInteger(shardCount) && shardCount >= 1 && shardCount <= SLOT_COUNT,
    `shard count ${shardCount} is not within 1..${SLOT_COUNT}`,
  );
  const ranges: SlotRange[] = [];
  for (let i = 0; i < shardCount; i++) {
    ranges.push({
      firstSlot: Math.floor((i * SLOT_COUNT) / shardCount),
      lastSlot: Math.floor(((i + 1) * SLOT_COUNT) / shardCount) - 1,
    });
  }
  return ranges;
}
