/**
 * Reading a command's operands. Every command reads all of them, to the end, before it changes anything: a malformed
 * one throws `ShortBytesError` here and has then had no effect.
 */
import { readU32, ShortBytesError, type ByteReader } from '../base/index.js';
import { ExpiryKind, HeaderFlag } from './command.js';
import { SESSION_FIELDS_BYTES } from './session-fields.js';

const HEADER_FLAGS = HeaderFlag.withVersion | HeaderFlag.session;
const HIGH_WORD_MAX = 0x1fffff;
const EXPIRY_MS_MAX = Number.MAX_SAFE_INTEGER;

export function malformed(what: string): ShortBytesError {
  return new ShortBytesError(`command: ${what}`);
}

/** Reads a command's header; the reader then stands at its operands. Meanings that this version doesn't know are malformed. */
export function readOp(reader: ByteReader): number {
  const op = reader.u8();
  const flags = reader.u8();
  if ((flags & ~HEADER_FLAGS) !== 0) throw malformed(`flags ${flags}`);
  if (reader.u16() !== 0) throw malformed('namespace or value type');
  if ((flags & HeaderFlag.session) !== 0) reader.skip(SESSION_FIELDS_BYTES);
  return op;
}

export function expectEnd(reader: ByteReader): void {
  if (reader.remaining !== 0) throw malformed(`${reader.remaining} bytes left over`);
}

/** Skips a key; returns where its bytes begin. They end at the reader's position. */
export function readKey(reader: ByteReader): number {
  const length = reader.u16();
  const start = reader.position;
  reader.skip(length);
  return start;
}

/** Skips a value; returns where its bytes begin. They end at the reader's position. */
export function readValue(reader: ByteReader): number {
  const length = reader.u32();
  const start = reader.position;
  reader.skip(length);
  return start;
}

/** Reads a list of keys to the command's end, for its form alone; returns their count, the reader back at the first. */
export function readKeyCount(reader: ByteReader): number {
  const count = reader.u32();
  const start = reader.position;
  for (let i = 0; i < count; i++) readKey(reader);
  expectEnd(reader);
  reader.position = start;
  return count;
}

/** Outcomes of `readExpiry` that are no point in time. */
export const NO_EXPIRY = -1;
export const INVALID_EXPIRY = -2;

/**
 * Reads expiry kind and milliseconds, and turns them into milliseconds since the epoch: `NO_EXPIRY` for kind none,
 * `INVALID_EXPIRY` past 2^53 - 1. A relative one counts from the timestamp of the entry. An amount of 0 lies in the past
 * for EXPIRE, and is invalid for SET (`zeroAllowed` false).
 */
export function readExpiry(reader: ByteReader, timestampMs: number, zeroAllowed: boolean): number {
  const kind = reader.u8();
  const high = reader.u32();
  const low = reader.u32();
  if (kind > ExpiryKind.absolute) throw malformed(`expiry kind ${kind}`);
  if (kind === ExpiryKind.none) return NO_EXPIRY;
  if (high > HIGH_WORD_MAX) return INVALID_EXPIRY;
  const amountMs = high * 4294967296 + low;
  if (amountMs === 0 && !zeroAllowed) return INVALID_EXPIRY;
  if (kind === ExpiryKind.absolute) return amountMs;
  return amountMs <= EXPIRY_MS_MAX - timestampMs ? timestampMs + amountMs : INVALID_EXPIRY;
}

/** A yes or no. */
export function readFlag(reader: ByteReader): boolean {
  const flag = reader.u8();
  if (flag > 1) throw malformed(`flag ${flag}`);
  return flag === 1;
}

/** A signed 64-bit integer: a number when it is a safe one, so that the usual command makes no BigInt. */
export function readInt64(reader: ByteReader): number | bigint {
  const at = reader.position;
  reader.skip(8);
  const high = readU32(reader.buffer, at) | 0;
  const low = readU32(reader.buffer, at + 4);
  if (high >= -0x200000 && high <= HIGH_WORD_MAX) {
    const value = high * 4294967296 + low;
    if (Number.isSafeInteger(value)) return value;
  }
  return (BigInt(high) << 32n) | BigInt(low);
}
