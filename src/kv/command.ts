/**
 * Commands as bytes, from the front door to the table: layout, encoders and the cursor that reads them.
 *
 *   u8 op | u8 flags | u8 namespace | u8 valueType | [session's fields] | operands
 *
 * `flags` bit 2: the session's fields (session-fields.ts) are there; of reads they are ignored. Bit 1, for commands of one key: the result is wrapped, `array(2) [result, int version of the key after the command, 0 when absent]`; an `error` result is not.
 * Namespace is 0, value type 0 (bytes).
 * Operands by op (all lengths big-endian; `key` is u16 length + bytes, `value` is u32 length + bytes):
 *
 *   get:     key                                 set:     u8 setFlags | u8 expiryKind | u64 expiryMs | key | value
 *   del, exists, mget: u32 count | key…          mset:    u32 count | (key | value)…
 *   incrby:  i64 delta | key                     expire:  u8 expireFlags | u8 expiryKind | u64 expiryMs | key
 *   ttl:     key                                 persist: key
 *   type:    key                                 dbsize, flush: nothing
 *   getMeta, strlen, expireTime, getDel: key     append:  key | value
 *   getRange: i64 start | i64 end | key          setRange: u32 offset | key | value
 *   getEx:   u8 expiryKind | u64 expiryMs | u8 persist | key
 *   cas:     u64 expectedVersion | u8 setFlags (keepTtl alone) | u8 expiryKind | u64 expiryMs | key | value
 *   cad:     u64 expectedVersion | key
 *   scan:    u32 fromHash | u32 countMax | u8 patternGiven | u16 length + glob pattern
 *   randomKey: u32 atHash
 *   incrByFloat: key | u16 length + decimal text
 *   reap:    u32 count | (u64 hash | u64 version)…   (internal: proposed by a leader, never by a client)
 *   evict:   as reap                              setBudget: u64 version | u64 bytesMax | u64 itemsMax   (internal)
 *   mark:    nothing                                  (internal: see there)
 *   raiseVersion: u32 cluster version                 (internal: version-raise.ts)
 *
 * `expiryKind`: 0 none, 1 relative to the entry's timestamp, 2 absolute (ms since the epoch).
 * A command of unknown op or with bytes left over is malformed: `decodeError` in apply, never an exception there.
 */
import type { ByteReader, ByteWriter } from '../base/index.js';
import { HeaderFlag, SESSION_FIELDS_BYTES } from './session-fields.js';

export { HeaderFlag } from './session-fields.js';

/** Numbers are on disk: never reused. Reads are below 64, writes from 64 on, internal ones from 192 on. */
export const Op = {
  get: 1,
  exists: 2,
  mget: 3,
  ttl: 4,
  type: 5,
  dbsize: 6,
  /** nil, or array(3) [bytes value, int version, int ttlMs (-1: none)]. */
  getMeta: 7,
  /** int length, 0 when absent. */
  strlen: 8,
  /** bytes, as Redis' GETRANGE. */
  getRange: 9,
  /** int: -2 absent, -1 without expiry, else ms since the epoch. */
  expireTime: 10,
  /**
   * A page of the keys in hash order: array(2) [int nextHash (2^32 at the end), array of keys]. Every key of a hash is
   * in one page. At least `countMax` keys are looked at, unless the end or a bound of the work comes first
   * (`SCAN_COUNT_MAX`, and those in scan.ts); fewer may match the pattern. Error `tooLarge` for a pattern longer than
   * `SCAN_PATTERN_BYTES_MAX`.
   */
  scan: 11,
  /** bytes of the first living key at or after `atHash`, going round; nil when the shard is empty (or nearly all expired). */
  randomKey: 12,
  set: 64,
  del: 65,
  mset: 66,
  incrby: 67,
  expire: 68,
  persist: 69,
  flush: 70,
  /** array(2) [int 1 or 0, int version now]: set if the key's version is the expected one (0: if it is absent). */
  cas: 71,
  /** array(2) [int 1 or 0, int version now]. */
  cad: 72,
  /** int new length; the expiry stays. */
  append: 73,
  /** int new length, as Redis' SETRANGE. */
  setRange: 74,
  /** bytes or nil; the key is gone. */
  getDel: 75,
  /** bytes or nil; the expiry is set, taken away (`persist`), or left alone (kind none). */
  getEx: 76,
  /** bytes, the new value: the sum as decimal text (decimal.ts). The expiry stays. */
  incrByFloat: 77,
  reap: 192,
  /** int: items dropped. */
  evict: 194,
  /** int: the version of the budget in force. */
  setBudget: 195,
  /** int index of the entry. Changes nothing: it gives replicas an index at which they compare their states. */
  mark: 200,
  /** int: the cluster version that the shard is at. */
  raiseVersion: 202,
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

/**
 * The longest value that APPEND and SETRANGE make. Many times what a client can send at once, but one that still travels
 * between nodes as a result: a few bytes of SETRANGE must not make what nobody can read.
 */
export const GROWN_VALUE_BYTES_MAX = 64 * 1024 * 1024;
/** The most keys that one `scan` looks at, apart from those of its last hash. */
export const SCAN_COUNT_MAX = 10_000;
/** Longer patterns are refused (`tooLarge`): one key of 64 KiB against such a pattern can't be cut into smaller work. */
export const SCAN_PATTERN_BYTES_MAX = 1024;

/** With `HeaderFlag.session` room is left for the session's fields: `putSessionFields` has to follow. */
export function beginCommand(w: ByteWriter, op: Op, headerFlags = 0): void {
  w.u8(op);
  w.u8(headerFlags);
  w.u8(0);
  w.u8(0);
  if ((headerFlags & HeaderFlag.session) === 0) return;
  w.reserve(SESSION_FIELDS_BYTES);
  w.length += SESSION_FIELDS_BYTES;
}

export function putKey(w: ByteWriter, source: Uint8Array, start = 0, end = source.length): void {
  w.u16(end - start);
  w.bytes(source, start, end);
}

export function putValue(w: ByteWriter, source: Uint8Array, start = 0, end = source.length): void {
  w.u32(end - start);
  w.bytes(source, start, end);
}

/**
 * Commands of one key and nothing else: `get`, `ttl`, `type`, `persist`, `getMeta`, `strlen`, `expireTime`, `getDel`.
 * Here as below, `headerFlags` are bits of `HeaderFlag`, and the key is `key[start, end)`.
 */
export function encodeKeyCommand(
  w: ByteWriter,
  op: Op,
  key: Uint8Array,
  start = 0,
  end = key.length,
  headerFlags = 0,
): void {
  beginCommand(w, op, headerFlags);
  putKey(w, key, start, end);
}

/** Everything of a `set` before its key and value; follow with `putKey` and `putValue`. */
export function beginSet(
  w: ByteWriter,
  setFlags: number,
  expiryKind: number,
  expiryMs: number,
  headerFlags = 0,
): void {
  beginCommand(w, Op.set, headerFlags);
  w.u8(setFlags);
  w.u8(expiryKind);
  w.u64(expiryMs);
}

/**
 * Everything of a `cas` before its key and value; follow with `putKey` and `putValue`. `expectedVersion` 0 means absent;
 * of `SetFlag` only `keepTtl` is allowed, and not beside an expiry.
 */
export function beginCas(
  w: ByteWriter,
  expectedVersion: number,
  setFlags: number,
  expiryKind: number,
  expiryMs: number,
  headerFlags = 0,
): void {
  beginCommand(w, Op.cas, headerFlags);
  w.u64(expectedVersion);
  w.u8(setFlags);
  w.u8(expiryKind);
  w.u64(expiryMs);
}

export function encodeCad(
  w: ByteWriter,
  expectedVersion: number,
  key: Uint8Array,
  start = 0,
  end = key.length,
  headerFlags = 0,
): void {
  beginCommand(w, Op.cad, headerFlags);
  w.u64(expectedVersion);
  putKey(w, key, start, end);
}

/** `append` up to its key and value; follow with `putKey` and `putValue`. */
export function beginAppend(w: ByteWriter, headerFlags = 0): void {
  beginCommand(w, Op.append, headerFlags);
}

/** `setRange` up to its key and value; follow with `putKey` and `putValue`. `offset` is in bytes, below 2^32. */
export function beginSetRange(w: ByteWriter, offset: number, headerFlags = 0): void {
  beginCommand(w, Op.setRange, headerFlags);
  w.u32(offset);
}

/** `first` and `last` are offsets in bytes, both included; negative ones count from the end (-1 is the last byte). */
export function encodeGetRange(
  w: ByteWriter,
  first: bigint,
  last: bigint,
  key: Uint8Array,
  start = 0,
  end = key.length,
  headerFlags = 0,
): void {
  beginCommand(w, Op.getRange, headerFlags);
  w.i64(first);
  w.i64(last);
  putKey(w, key, start, end);
}

/** With kind none the expiry is taken away (`persist`) or left alone; `persist` beside an expiry is malformed. */
export function encodeGetEx(
  w: ByteWriter,
  expiryKind: number,
  expiryMs: number,
  persist: boolean,
  key: Uint8Array,
  start = 0,
  end = key.length,
  headerFlags = 0,
): void {
  beginCommand(w, Op.getEx, headerFlags);
  w.u8(expiryKind);
  w.u64(expiryMs);
  w.u8(persist ? 1 : 0);
  putKey(w, key, start, end);
}

/**
 * A page of the shard's keys. `fromHash` is 0, or the `nextHash` of the page before (below 2^32); `countMax` at least 1.
 * `pattern[start, end)` is a glob of at most `SCAN_PATTERN_BYTES_MAX` bytes, null for every key.
 */
export function encodeScan(
  w: ByteWriter,
  fromHash: number,
  countMax: number,
  pattern: Uint8Array | null,
  start = 0,
  end = pattern === null ? 0 : pattern.length,
): void {
  beginCommand(w, Op.scan);
  w.u32(fromHash);
  w.u32(countMax);
  w.u8(pattern === null ? 0 : 1);
  if (pattern === null) w.u16(0);
  else putKey(w, pattern, start, end);
}

/** `atHash` is a random number below 2^32, drawn by whoever asks. */
export function encodeRandomKey(w: ByteWriter, atHash: number): void {
  beginCommand(w, Op.randomKey);
  w.u32(atHash);
}

/** `del`, `exists`, `mget` (then `count` keys) and `mset` (then `count` pairs). */
export function beginMany(w: ByteWriter, op: Op, count: number, headerFlags = 0): void {
  beginCommand(w, op, headerFlags);
  w.u32(count);
}

export function encodeIncrBy(
  w: ByteWriter,
  delta: bigint,
  key: Uint8Array,
  start = 0,
  end = key.length,
  headerFlags = 0,
): void {
  beginCommand(w, Op.incrby, headerFlags);
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
  headerFlags = 0,
): void {
  beginCommand(w, Op.expire, headerFlags);
  w.u8(expireFlags);
  w.u8(expiryKind);
  w.u64(expiryMs);
  putKey(w, key, start, end);
}

/** Adds `amount[amountStart, amountEnd)`, a decimal number as text, to the number that the key's value spells. */
export function encodeIncrByFloat(
  w: ByteWriter,
  key: Uint8Array,
  start: number,
  end: number,
  amount: Uint8Array,
  amountStart = 0,
  amountEnd = amount.length,
  headerFlags = 0,
): void {
  beginCommand(w, Op.incrByFloat, headerFlags);
  putKey(w, key, start, end);
  putKey(w, amount, amountStart, amountEnd);
}

export function encodeMark(w: ByteWriter): void {
  beginCommand(w, Op.mark);
}

/** Skips a command's header; the reader then stands at the operands. Returns the op. */
export function readHeader(reader: ByteReader): number {
  const op = reader.u8();
  const flags = reader.u8();
  reader.skip(2);
  if (flags & HeaderFlag.session) reader.skip(SESSION_FIELDS_BYTES);
  return op;
}

/** The frame around an entry's commands is the same for every state machine. */
export { ENTRY_VERSION, ENTRY_HEADER_BYTES, beginEntry, appendCommand, finishEntry } from '../base/index.js';
