/** Commands that change nothing. Each writes exactly one result, as Redis 7 would answer. */
import { EMPTY_BYTES } from '../base/index.js';
import { malformed, expectEnd, readInt64, readKey, readKeyCount } from './operands.js';
import { Op } from './command.js';
import { KvError, putArray, putBytes, putError, putInt, putText } from './result.js';
import type { Run } from './run.js';
import { runRandomKey, runScan } from './scan.js';

/** Past this an MGET is refused: its answer could otherwise be a thousand times as large as the request. */
export const RESULT_BYTES_MAX = 64 * 1024 * 1024;

const TTL_ABSENT = -2;
const TTL_NONE = -1;

export function runRead(run: Run, op: number): void {
  switch (op) {
    case Op.get:
      return runGet(run);
    case Op.exists:
      return runExists(run);
    case Op.mget:
      return runMget(run);
    case Op.ttl:
      return runTtl(run);
    case Op.type:
      return runType(run);
    case Op.dbsize:
      return runDbsize(run);
    case Op.getMeta:
      return runGetMeta(run);
    case Op.strlen:
      return runStrlen(run);
    case Op.getRange:
      return runGetRange(run);
    case Op.expireTime:
      return runExpireTime(run);
    case Op.scan:
      return runScan(run);
    case Op.randomKey:
      return runRandomKey(run);
    default:
      throw malformed(`op ${op} is unknown`);
  }
}

/** The found item's value as a result. */
export function putFoundValue(run: Run): void {
  const { found } = run.state;
  putBytes(run.out, found.valueBytes, found.valueStart, found.valueEnd);
}

export function foundValueLength(run: Run): number {
  return run.state.found.valueEnd - run.state.found.valueStart;
}

/** Reads the one key that is the whole command, and finds it. */
export function findOnlyKey(run: Run): boolean {
  const start = readKey(run.reader);
  expectEnd(run.reader);
  return run.find(start, run.reader.position);
}

function runGet(run: Run): void {
  if (findOnlyKey(run)) putFoundValue(run);
  else run.putNil();
}

/** A key named twice counts twice. */
function runExists(run: Run): void {
  let found = 0;
  for (let left = readKeyCount(run.reader); left > 0; left--) {
    if (run.find(readKey(run.reader), run.reader.position)) found++;
  }
  putInt(run.out, found);
}

function runMget(run: Run): void {
  const count = readKeyCount(run.reader);
  const mark = run.out.length;
  putArray(run.out, count);
  for (let left = count; left > 0; left--) {
    if (run.find(readKey(run.reader), run.reader.position)) putFoundValue(run);
    else run.putNil();
    if (run.out.length - mark > RESULT_BYTES_MAX) {
      run.out.length = mark;
      putError(run.out, KvError.tooLarge);
      return;
    }
  }
}

/** -2 absent, -1 without an expiry, else milliseconds left. */
function runTtl(run: Run): void {
  putInt(run.out, findOnlyKey(run) ? foundTtlMs(run) : TTL_ABSENT);
}

/** -2 absent, -1 without an expiry, else milliseconds since the epoch. */
function runExpireTime(run: Run): void {
  if (!findOnlyKey(run)) return putInt(run.out, TTL_ABSENT);
  putInt(run.out, run.state.found.expiryMs || TTL_NONE);
}

/**
 * Milliseconds left to what was found, -1 for ever: counted from the later of applied time and the leader's clock: the applied time of a shard
 * without writes stands still, and a remaining time must not. (An item past its expiry by that clock raised
 * `needsTime`, so that what is written here is positive or discarded.)
 */
function foundTtlMs(run: Run): number {
  const { expiryMs } = run.state.found;
  if (expiryMs === 0) return TTL_NONE;
  return Math.max(0, expiryMs - Math.max(run.nowMs, run.state.timestampMs));
}

/** Value, version and time left, as of one moment. */
function runGetMeta(run: Run): void {
  if (!findOnlyKey(run)) return run.putNil();
  putArray(run.out, 3);
  putFoundValue(run);
  putInt(run.out, run.state.found.version);
  putInt(run.out, foundTtlMs(run));
}

function runStrlen(run: Run): void {
  putInt(run.out, findOnlyKey(run) ? foundValueLength(run) : 0);
}

/**
 * The bytes from offset `first` to offset `last`, both included. A negative offset counts from the end and is at least
 * 0 then, as in Redis, where GETRANGE k 0 -100 gives the first byte of a short value.
 */
function runGetRange(run: Run): void {
  const first = readInt64(run.reader);
  const last = readInt64(run.reader);
  if (!findOnlyKey(run)) return putBytes(run.out, EMPTY_BYTES);
  const length = foundValueLength(run);
  const from = toOffset(first, length);
  const end = Math.min(toOffset(last, length) + 1, length);
  const isBackwards = first < 0 && last < 0 && first > last;
  if (from >= end || isBackwards) return putBytes(run.out, EMPTY_BYTES);
  const { valueBytes, valueStart } = run.state.found;
  putBytes(run.out, valueBytes, valueStart + from, valueStart + end);
}

/** What lies outside of the safe integers is rounded, far beyond any value's end. */
function toOffset(index: number | bigint, length: number): number {
  const offset = Number(index);
  return Math.max(0, offset < 0 ? length + offset : offset);
}

function runType(run: Run): void {
  putText(run.out, findOnlyKey(run) ? 'string' : 'none');
}

/** Counts expired items until they are reaped, as Redis does. */
function runDbsize(run: Run): void {
  expectEnd(run.reader);
  putInt(run.out, run.state.table.itemCount);
}
