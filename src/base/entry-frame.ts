/**
 * The frame of a normal log entry, the same for every state machine:
 *
 *   u8 version (1) | u64 timestampMs | u32 count | (u32 length | command)…
 *
 * `timestampMs` is the leader's log clock. A count of 0 is a time entry: it moves the group's clock, nothing else.
 */
import { readU32, type ByteWriter } from './bytes.js';

export const ENTRY_VERSION = 1;
export const ENTRY_HEADER_BYTES = 13;

/** Begins an entry in an empty writer; `finishEntry` fills in time and count. */
export function beginEntry(w: ByteWriter): void {
  w.u8(ENTRY_VERSION);
  w.u64(0);
  w.u32(0);
}

/** Appends one encoded command. */
export function appendCommand(w: ByteWriter, command: Uint8Array, start: number, end: number): void {
  w.u32(end - start);
  w.bytes(command, start, end);
}

/** Stamps the entry that stands in the writer. */
export function finishEntry(w: ByteWriter, timestampMs: number, count: number): void {
  const high = Math.floor(timestampMs / 4294967296);
  w.putU32(1, high);
  w.putU32(5, timestampMs - high * 4294967296);
  w.putU32(9, count);
}

/** The stamp of a framed entry; 0 for one without bytes. */
export function entryStampMs(data: Uint8Array): number {
  return data.length < ENTRY_HEADER_BYTES ? 0 : readU32(data, 1) * 4294967296 + readU32(data, 5);
}
