/**
 * One slot of the watermark file:  u32 magic "QWMK" | u8 version | u64 batch | u32 crc over what stands before.
 * Two slots, a page apart, written in turn: a torn write spoils one, the other still tells the batch before.
 */
import { ByteReader, ByteWriter, type BatchNumber } from '../base/index.js';
import type { Crc32 } from '../ports/index.js';
import { putSafe } from './malformed.js';

const MAGIC = 0x51574d4b;
const VERSION = 1;
const CRC_OFFSET = 13;
export const WATERMARK_SLOT_BYTES = 17;
/** Distance of the slots: a page, so that no single sector or page write touches both. */
export const WATERMARK_SLOT_STRIDE = 4096;

export function encodeWatermarkSlot(batch: BatchNumber, crc32: Crc32): Uint8Array {
  const w = new ByteWriter(WATERMARK_SLOT_BYTES);
  w.u32(MAGIC);
  w.u8(VERSION);
  putSafe(w, batch);
  w.u32(crc32(w.buffer.subarray(0, CRC_OFFSET)));
  return w.take();
}

/** The batch of the slot at `offset`; null when there is no whole slot. */
export function decodeWatermarkSlot(file: Uint8Array, offset: number, crc32: Crc32): BatchNumber | null {
  if (file.length < offset + WATERMARK_SLOT_BYTES) return null;
  const r = new ByteReader(file, offset, offset + WATERMARK_SLOT_BYTES);
  if (r.u32() !== MAGIC || r.u8() !== VERSION) return null;
  r.skip(8);
  if (r.u32() !== crc32(file.subarray(offset, offset + CRC_OFFSET))) return null;
  return new ByteReader(file, offset + 5, offset + CRC_OFFSET).u64();
}
