/**
 * Commands that change the state. Each reads all of its operands first, then decides, then changes; a refusal (an
 * `error` result, or malformed operands) leaves everything as it was. Time is the applied timestamp alone.
 */
import { readU32, type ByteReader } from '../base/index.js';
import { ExpireFlag, Op, SetFlag } from './command.js';
import { INT64_MAX, INT64_MIN, parseInt64, printBigInt, printInteger } from './int64.js';
import {
  expectEnd,
  INVALID_EXPIRY,
  malformed,
  NO_EXPIRY,
  readExpiry,
  readKey,
  readKeyCount,
  readValue,
} from './operands.js';
import { findOnlyKey, putFoundValue } from './reads.js';
import { KvError, putBigInt, putError, putInt } from './result.js';
import type { Run } from './run.js';

const REAP_NAME_BYTES = 16;
const SET_FLAGS = SetFlag.ifAbsent | SetFlag.ifPresent | SetFlag.returnOld | SetFlag.keepTtl;
const EXPIRE_FLAGS = ExpireFlag.ifNone | ExpireFlag.ifSome | ExpireFlag.ifGreater | ExpireFlag.ifLess;

export function runWrite(run: Run, op: number): void {
  switch (op) {
    case Op.set:
      return runSet(run);
    case Op.del:
      return runDel(run);
    case Op.mset:
      return runMset(run);
    case Op.incrby:
      return runIncrBy(run);
    case Op.expire:
      return runExpire(run);
    case Op.persist:
      return runPersist(run);
    case Op.flush:
      return runFlush(run);
    case Op.reap:
      return runReap(run);
    default:
      throw malformed(`op ${op} is unknown`);
  }
}

function runSet(run: Run): void {
  const { reader, state } = run;
  const flags = reader.u8();
  const expiryMs = readExpiry(reader, state.timestampMs, false);
  const keyStart = readKey(reader);
  const keyEnd = reader.position;
  const valueStart = readValue(reader);
  const valueEnd = reader.position;
  expectEnd(reader);
  checkSetFlags(flags, expiryMs);
  if (valueEnd - valueStart > run.valueBytesMax) return putError(run.out, KvError.tooLarge);
  if (expiryMs === INVALID_EXPIRY) return putError(run.out, KvError.invalidExpire);

  const exists = run.find(keyStart, keyEnd);
  const returnOld = (flags & SetFlag.returnOld) !== 0;
  const refused = (flags & (exists ? SetFlag.ifAbsent : SetFlag.ifPresent)) !== 0;
  if (returnOld && exists) putFoundValue(run);
  else if (returnOld || refused) run.putNil();
  else run.putOk();
  if (refused) return;

  if (expiryMs !== NO_EXPIRY && expiryMs <= state.timestampMs) {
    if (exists) state.removeFound(); // an expiry in the past deletes
    return;
  }
  const keptMs = exists && (flags & SetFlag.keepTtl) !== 0 ? state.found.expiryMs : 0;
  state.draft.setKey(reader.buffer, keyStart, keyEnd);
  state.draft.setValue(reader.buffer, valueStart, valueEnd);
  state.draft.expiryMs = expiryMs === NO_EXPIRY ? keptMs : expiryMs;
  state.putDraft();
}

function checkSetFlags(flags: number, expiryMs: number): void {
  if ((flags & ~SET_FLAGS) !== 0) throw malformed(`set flags ${flags}`);
  if (hasBoth(flags, SetFlag.ifAbsent, SetFlag.ifPresent)) throw malformed('NX and XX');
  if ((flags & SetFlag.keepTtl) !== 0 && expiryMs !== NO_EXPIRY) throw malformed('KEEPTTL and an expiry');
}

function runDel(run: Run): void {
  let removed = 0;
  for (let left = readKeyCount(run.reader); left > 0; left--) {
    if (!run.find(readKey(run.reader), run.reader.position)) continue;
    run.state.removeFound();
    removed++;
  }
  putInt(run.out, removed);
}

function runMset(run: Run): void {
  const { reader, state } = run;
  const count = reader.u32();
  const start = reader.position;
  let longest = 0;
  for (let i = 0; i < count; i++) {
    readKey(reader);
    const valueStart = readValue(reader);
    longest = Math.max(longest, reader.position - valueStart);
  }
  expectEnd(reader);
  if (longest > run.valueBytesMax) return putError(run.out, KvError.tooLarge);

  reader.position = start;
  for (let i = 0; i < count; i++) {
    state.draft.setKey(reader.buffer, readKey(reader), reader.position);
    state.draft.setValue(reader.buffer, readValue(reader), reader.position);
    state.draft.expiryMs = 0;
    state.putDraft();
  }
  run.putOk();
}

/** Adds to the integer that the value spells; an absent key counts as 0. The expiry stays. */
function runIncrBy(run: Run): void {
  const { reader, state, digits } = run;
  const delta = readDelta(reader);
  const keyStart = readKey(reader);
  const keyEnd = reader.position;
  expectEnd(reader);

  const exists = run.find(keyStart, keyEnd);
  const { found, draft } = state;
  const present = exists ? parseInt64(found.valueBytes, found.valueStart, found.valueEnd) : 0;
  if (present === null) return putError(run.out, KvError.notInteger);
  const sum = add(present, delta);
  if (sum === null) return putError(run.out, KvError.overflow);

  const digitsStart = typeof sum === 'number' ? printInteger(sum, digits) : printBigInt(sum, digits);
  draft.setKey(reader.buffer, keyStart, keyEnd);
  draft.setValue(digits, digitsStart, digits.length);
  draft.expiryMs = exists ? found.expiryMs : 0;
  state.putDraft();
  if (typeof sum === 'number') putInt(run.out, sum);
  else putBigInt(run.out, sum);
}

/** A signed 64-bit integer: a number when it is a safe one, so that the usual INCR makes no BigInt. */
function readDelta(reader: ByteReader): number | bigint {
  const at = reader.position;
  reader.skip(8);
  const high = readU32(reader.buffer, at) | 0;
  const low = readU32(reader.buffer, at + 4);
  if (high >= -0x200000 && high <= 0x1fffff) {
    const value = high * 4294967296 + low;
    if (Number.isSafeInteger(value)) return value;
  }
  return (BigInt(high) << 32n) | BigInt(low);
}

/** The sum, as a number when it is a safe one; null when it leaves the 64-bit range. */
function add(a: number | bigint, b: number | bigint): number | bigint | null {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  const sum = BigInt(a) + BigInt(b);
  return sum >= INT64_MIN && sum <= INT64_MAX ? sum : null;
}

/** Without an expiry a key counts as living for ever: GT never holds for it, LT always. */
function runExpire(run: Run): void {
  const { reader, state } = run;
  const flags = reader.u8();
  const expiryMs = readExpiry(reader, state.timestampMs, true);
  const keyStart = readKey(reader);
  const keyEnd = reader.position;
  expectEnd(reader);
  checkExpireFlags(flags);
  if (expiryMs === NO_EXPIRY) throw malformed('expire without a time');
  if (expiryMs === INVALID_EXPIRY) return putError(run.out, KvError.invalidExpire);

  if (!run.find(keyStart, keyEnd) || !expireHolds(flags, state.found.expiryMs, expiryMs)) {
    return putInt(run.out, 0);
  }
  if (expiryMs <= state.timestampMs) state.removeFound();
  else state.putFoundWithExpiry(expiryMs);
  putInt(run.out, 1);
}

function checkExpireFlags(flags: number): void {
  if ((flags & ~EXPIRE_FLAGS) !== 0) throw malformed(`expire flags ${flags}`);
  if ((flags & ExpireFlag.ifNone) !== 0 && flags !== ExpireFlag.ifNone)
    throw malformed('NX with XX, GT or LT');
  if (hasBoth(flags, ExpireFlag.ifGreater, ExpireFlag.ifLess)) throw malformed('GT and LT');
}

function expireHolds(flags: number, presentMs: number, wantedMs: number): boolean {
  const endMs = presentMs === 0 ? Infinity : presentMs;
  if ((flags & ExpireFlag.ifNone) !== 0 && presentMs !== 0) return false;
  if ((flags & ExpireFlag.ifSome) !== 0 && presentMs === 0) return false;
  if ((flags & ExpireFlag.ifGreater) !== 0 && wantedMs <= endMs) return false;
  if ((flags & ExpireFlag.ifLess) !== 0 && wantedMs >= endMs) return false;
  return true;
}

function runPersist(run: Run): void {
  if (!findOnlyKey(run) || run.state.found.expiryMs === 0) return putInt(run.out, 0);
  run.state.putFoundWithExpiry(0);
  putInt(run.out, 1);
}

function runFlush(run: Run): void {
  expectEnd(run.reader);
  run.state.clear();
  run.putOk();
}

/**
 * Drops items that are expired by now and still of the named version: a key that was written again, or whose expiry
 * was moved, since the leader chose it has another version and stays.
 */
function runReap(run: Run): void {
  const { reader, state } = run;
  const count = reader.u32();
  if (count * REAP_NAME_BYTES !== reader.remaining) throw malformed(`reap of ${count}`);
  const start = reader.position;
  for (let i = 0; i < 2 * count; i++) reader.u64(); // refuses what is no safe integer, before anything is dropped
  reader.position = start;
  let dropped = 0;
  for (let i = 0; i < count; i++) {
    const hash = reader.u64();
    const version = reader.u64();
    if (!state.table.findVersion(hash, version, state.found)) continue;
    const { expiryMs } = state.found;
    if (expiryMs === 0 || expiryMs > state.timestampMs) continue;
    state.removeFound();
    dropped++;
  }
  putInt(run.out, dropped);
}

function hasBoth(flags: number, one: number, other: number): boolean {
  return (flags & one) !== 0 && (flags & other) !== 0;
}
