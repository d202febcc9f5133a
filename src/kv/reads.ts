/** Commands that change nothing. Each writes exactly one result, as Redis 7 would answer. */
import { malformed, expectEnd, readKey, readKeyCount } from './operands.js';
import { Op } from './command.js';
import { KvError, putArray, putBytes, putError, putInt, putText } from './result.js';
import type { Run } from './run.js';

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
    default:
      throw malformed(`op ${op} is unknown`);
  }
}

/** The found item's value as a result. */
export function putFoundValue(run: Run): void {
  const { found } = run.state;
  putBytes(run.out, found.valueBytes, found.valueStart, found.valueEnd);
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

/**
 * Milliseconds left, counted from the later of applied time and the leader's clock: the applied time of a shard
 * without writes stands still, and a remaining time must not. (An item past its expiry by that clock raised
 * `needsTime`, so that what is written here is positive or discarded.)
 */
function runTtl(run: Run): void {
  if (!findOnlyKey(run)) return putInt(run.out, TTL_ABSENT);
  const { expiryMs } = run.state.found;
  if (expiryMs === 0) return putInt(run.out, TTL_NONE);
  putInt(run.out, Math.max(0, expiryMs - Math.max(run.nowMs, run.state.timestampMs)));
}

function runType(run: Run): void {
  putText(run.out, findOnlyKey(run) ? 'string' : 'none');
}

/** Counts expired items until they are reaped, as Redis does. */
function runDbsize(run: Run): void {
  expectEnd(run.reader);
  putInt(run.out, run.state.table.itemCount);
}
