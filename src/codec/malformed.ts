/**
 * The one error of every decoder of peer bytes, and the checks that encoders and decoders share. A malformed frame
 * is an operating error (another version, a broken link): it costs the sender its connection, never the process.
 * A field that can't be encoded is a bug of ours and fails an assertion.
 */
import { assert, ShortBytesError, type ByteReader, type ByteWriter } from '../base/index.js';

export class MalformedFrame extends Error {
  override readonly name = 'MalformedFrame';
}

/** Turns a reader's "short" into a malformed frame; everything else (a visitor's own failure) passes unchanged. */
export function asMalformed(error: unknown, what: string): unknown {
  return error instanceof ShortBytesError ? new MalformedFrame(`${what}: ${error.message}`) : error;
}

/** Fails unless every byte was read: what is left over was meant by somebody. */
export function expectEnd(reader: ByteReader, what: string): void {
  if (reader.remaining !== 0) throw new MalformedFrame(`${what}: ${reader.remaining} bytes left over`);
}

export function expectVersion(reader: ByteReader, version: number, what: string): void {
  const found = reader.u8();
  if (found !== version) throw new MalformedFrame(`${what}: version ${found}, expected ${version}`);
}

/** A count (u32) of records of at least `recordBytesMin` bytes each: checked before anything is allocated for them. */
export function readCount(reader: ByteReader, recordBytesMin: number, what: string): number {
  const count = reader.u32();
  if (count * recordBytesMin > reader.remaining) {
    throw new MalformedFrame(`${what}: ${count} records announced in ${reader.remaining} bytes`);
  }
  return count;
}

/** A flags byte in which only the bits of `known` may be set, so that a value has one encoding. */
export function readFlags(reader: ByteReader, known: number, what: string): number {
  const flags = reader.u8();
  if ((flags & ~known) !== 0) throw new MalformedFrame(`${what}: unknown flags ${flags}`);
  return flags;
}

/** An id (node, replica, group): four bytes, asserted to fit. */
export function putId(w: ByteWriter, value: number): void {
  if (!(Number.isInteger(value) && value >= 0 && value <= 0xffffffff)) assert(false, `id ${value} is no u32`);
  w.u32(value);
}

/** A term, an index, a version: eight bytes, asserted to be a safe, non-negative integer. */
export function putSafe(w: ByteWriter, value: number): void {
  if (!(Number.isSafeInteger(value) && value >= 0))
    assert(false, `${value} is no safe index, term or version`);
  w.u64(value);
}

/** Memory that a reused writer may keep between frames; a larger buffer was for one large frame. */
const RETAINED_BYTES_MAX = 4 * 1024 * 1024;

/** Empties a reused writer, and lets the memory of an unusually large frame go. */
export function restart(w: ByteWriter): void {
  if (w.buffer.length > RETAINED_BYTES_MAX) w.buffer = new Uint8Array(64 * 1024);
  w.reset();
}
