/**
 * Commands as bytes, from the front door to the table: layout, encoders and the cursor that reads them.
 *
 *   u8 op | u8 flags | u8 namespace | u8 valueType | [u64 session | u64 sequence | u64 lowestUnanswered] | operands
 *
 * `flags` bit 0: the session fields are there (else 0 bytes of them). Namespace is 0, value type 0 (bytes).
 * Operands by op (all lengths big-endian; `key` is u16 length + bytes, `value` is u32 length + bytes):
 *
 *   get strlenLike: key                         set:     u8 setFlags | u8 expiryKind | u64 expiryMs | key | value
 *   del, exists, mget: u32 count | key…          mset:    u32 count | (key | value)…
 *   incrby:  i64 delta | key                     expire:  u8 expireFlags | u8 expiryKind | u64 expiryMs | key
 *   ttl:     key                                 persist: key
 *   type:    key                                 dbsize, flush: nothing
 *   reap:    u32 count | (u64 hash | u64 version)…   (internal: proposed by a leader, never by a client)
 *
 * `expiryKind`: 0 none, 1 relative to the entry's timestamp, 2 absolute (ms since the epoch).
 * A command of unknown op or with bytes left over is malformed: `decodeError` in apply, never an exception there.
 */
import type { ByteReader, ByteWriter } from '../base/index.js';

/** Numbers are on disk: never reused. Reads are below 64, writes from 64 on, internal ones from 192 on. */
export const Op = {
  get: 1,
  exists: 2,
  mget: 3,
  ttl: 4,
  type: 5,
  dbsize: 6,
  set: 64,
  del: 65,
  mset: 66,
  incrby: 67,
  expire: 68,
  persist: 69,
  flush: 70,
  reap: 192,
} as const;
export type Op = (typeof Op)[keyof typeof Op];

export function isWriteOp(op: number): boolean {
  return op >= 64;
}

export const SetFlag = { ifAbsent: 1, ifPresent: 2, returnOld: 4, keepTtl: 8 } as const;
export const ExpireFlag = { ifNone: 1, ifSome: 2, ifGreater: 4, ifLess: 8 } as const;
export const ExpiryKind = { none: 0, relative: 1, absolute: 2 } as const;

export const KEY_BYTES_MAX = 65_535;
/** Default of `limits.valueBytesMax`. */
export const VALUE_BYTES_MAX = 8 * 1024 * 1024;
/**
 * What `apply` refuses as too large: a constant, because it decides results and so must be the same on every replica
 * for ever. The setting is held at the front door only, and may differ from node to node and from day to day.
 */
export const APPLY_VALUE_BYTES_MAX = 512 * 1024 * 1024;

const HEADER_FLAGS = 0;

export function beginCommand(w: ByteWriter, op: Op): void {
  w.u8(op);
  w.u8(HEADER_FLAGS);
  w.u8(0);
  w.u8(0);
}

export function putKey(w: ByteWriter, source: Uint8Array, start = 0, end = source.length): void {
  w.u16(end - start);
  w.bytes(source, start, end);
}

export function putValue(w: ByteWriter, source: Uint8Array, start = 0, end = source.length): void {
  w.u32(end - start);
  w.bytes(source, start, end);
}

/** `get`, `ttl`, `type`, `persist`: one key and nothing else. */
export function encodeKeyCommand(w: ByteWriter, op: Op, key: Uint8Array, start = 0, end = key.length): void {
  beginCommand(w, op);
  putKey(w, key, start, end);
}

/** Everything of a `set` before its key and value; follow with `putKey` and `putValue`. */
export function beginSet(w: ByteWriter, setFlags: number, expiryKind: number, expiryMs: number): void {
  beginCommand(w, Op.set);
  w.u8(setFlags);
  w.u8(expiryKind);
  w.u64(expiryMs);
}

/** `del`, `exists`, `mget` (then `count` keys) and `mset` (then `count` pairs). */
export function beginMany(w: ByteWriter, op: Op, count: number): void {
  beginCommand(w, op);
  w.u32(count);
}

export function encodeIncrBy(
  w: ByteWriter,
  delta: bigint,
  key: Uint8Array,
  start = 0,
  end = key.length,
): void {
  beginCommand(w, Op.incrby);
  w.i64(delta);
  putKey(w, key, start, end);
}

export function encodeExpire(
  w: ByteWriter,
  expireFlags: number,
  expiryKind: number,
  expiryMs: number,
  key: Uint8Array,
  start = 0,
  end = key.length,
): void {
  beginCommand(w, Op.expire);
  w.u8(expireFlags);
  w.u8(expiryKind);
  w.u64(expiryMs);
  putKey(w, key, start, end);
}

/** Skips a command's header; the reader then stands at the operands. Returns the op. */
export function readHeader(reader: ByteReader): number {
  const op = reader.u8();
  const flags = reader.u8();
  reader.skip(2);
  if (flags & 1) reader.skip(24);
  return op;
}

/** The frame around an entry's commands is the same for every state machine. */
export { ENTRY_VERSION, ENTRY_HEADER_BYTES, beginEntry, appendCommand, finishEntry } from '../base/index.js';
