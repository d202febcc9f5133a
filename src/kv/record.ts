/**
 * An item in the table: one byte array, never changed once written, so that a snapshot may share it.
 *
 *   u32 digest a | u32 digest b | u64 version | u64 expiryMs | u16 key length | key | value
 */
import { readU32 } from '../base/index.js';
import type { Digest } from './digest.js';
import type { Item } from './item.js';

export type Record = Uint8Array;

const VERSION_AT = 8;
const EXPIRY_AT = 16;
const KEY_LENGTH_AT = 24;
const KEY_AT = 26;

/** Below this a byte loop beats the view that `set(subarray)` allocates. */
const LOOP_COPY_MAX = 48;

export function createRecord(item: Item, digest: Digest): Record {
  const keyLength = item.keyEnd - item.keyStart;
  const record = new Uint8Array(KEY_AT + keyLength + item.valueEnd - item.valueStart);
  putU32(record, 0, digest.a);
  putU32(record, 4, digest.b);
  putU64(record, VERSION_AT, item.version);
  putU64(record, EXPIRY_AT, item.expiryMs);
  record[KEY_LENGTH_AT] = keyLength >>> 8;
  record[KEY_LENGTH_AT + 1] = keyLength;
  copy(record, KEY_AT, item.keyBytes, item.keyStart, item.keyEnd);
  copy(record, KEY_AT + keyLength, item.valueBytes, item.valueStart, item.valueEnd);
  return record;
}

/** Fills the view; `hash` is the table's to know. */
export function viewRecord(record: Record, hash: number, into: Item): void {
  const keyEnd = KEY_AT + keyLengthOf(record);
  into.hash = hash;
  into.version = readU64(record, VERSION_AT);
  into.expiryMs = readU64(record, EXPIRY_AT);
  into.setKey(record, KEY_AT, keyEnd);
  into.setValue(record, keyEnd, record.length);
}

export function hasKey(record: Record, bytes: Uint8Array, start: number, end: number): boolean {
  const length = keyLengthOf(record);
  if (length !== end - start) return false;
  for (let i = 0; i < length; i++) if (record[KEY_AT + i] !== bytes[start + i]) return false;
  return true;
}

export function versionOf(record: Record): number {
  return readU64(record, VERSION_AT);
}

export function digestAOf(record: Record): number {
  return readU32(record, 0);
}

export function digestBOf(record: Record): number {
  return readU32(record, 4);
}

/** Bytes of key and value. */
export function contentBytesOf(record: Record): number {
  return record.length - KEY_AT;
}

function keyLengthOf(record: Record): number {
  return ((record[KEY_LENGTH_AT] as number) << 8) | (record[KEY_LENGTH_AT + 1] as number);
}

function copy(target: Uint8Array, at: number, source: Uint8Array, start: number, end: number): void {
  if (end - start > LOOP_COPY_MAX) target.set(source.subarray(start, end), at);
  else for (let i = start, j = at; i < end; i++, j++) target[j] = source[i] as number;
}

function putU32(b: Uint8Array, at: number, value: number): void {
  b[at] = value >>> 24;
  b[at + 1] = value >>> 16;
  b[at + 2] = value >>> 8;
  b[at + 3] = value;
}

function putU64(b: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / 4294967296);
  putU32(b, at, high);
  putU32(b, at + 4, value - high * 4294967296);
}

function readU64(b: Uint8Array, at: number): number {
  return readU32(b, at) * 4294967296 + readU32(b, at + 4);
}
