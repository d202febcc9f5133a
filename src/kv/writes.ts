/**
 * Commands that change the state. Each reads all of its operands first, then decides, then changes; a refusal (an
 * `error` result, or malformed operands) leaves everything as it was. Time is the applied timestamp alone.
 */
import { runEvict, runSetBudget } from './budget.js';
import { Op } from './command.js';
import { runExpire, runGetEx, runPersist } from './expiry-writes.js';
import { EventKind } from './feed-events.js';
import { runIncrByFloat } from './float-increment.js';
import { INT64_MAX, INT64_MIN, parseInt64, printBigInt, printInteger } from './int64.js';
import { expectEnd, malformed, readInt64, readKey, readKeyCount, readValue } from './operands.js';
import { findOnlyKey, putFoundValue } from './reads.js';
import { readItemNames } from './reap.js';
import { KvError, putBigInt, putError, putInt } from './result.js';
import type { Run } from './run.js';
import { runCad, runCas, runSet } from './set.js';
import { runAppend, runSetRange } from './string-edits.js';
import { runRaiseVersion } from './version-raise.js';

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
    case Op.cas:
      return runCas(run);
    case Op.cad:
      return runCad(run);
    case Op.append:
      return runAppend(run);
    case Op.setRange:
      return runSetRange(run);
    case Op.getDel:
      return runGetDel(run);
    case Op.getEx:
      return runGetEx(run);
    case Op.incrByFloat:
      return runIncrByFloat(run);
    case Op.reap:
      return runReap(run);
    case Op.evict:
      return runEvict(run);
    case Op.setBudget:
      return runSetBudget(run);
    case Op.mark:
      return runMark(run);
    case Op.raiseVersion:
      return runRaiseVersion(run);
    default:
      throw malformed(`op ${op} is unknown`);
  }
}

function runDel(run: Run): void {
  let removed = 0;
  for (let left = readKeyCount(run.reader); left > 0; left--) {
    if (!run.find(readKey(run.reader), run.reader.position)) continue;
    run.state.removeFound(EventKind.deleted);
    removed++;
  }
  putInt(run.out, removed);
}

function runGetDel(run: Run): void {
  if (!findOnlyKey(run)) return run.putNil();
  putFoundValue(run);
  run.state.removeFound(EventKind.deleted);
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
    run.nameKey(readKey(reader), reader.position);
    state.draft.setKey(reader.buffer, run.keyStart, run.keyEnd);
    state.draft.setValue(reader.buffer, readValue(reader), reader.position);
    state.draft.expiryMs = 0;
    state.putDraft();
  }
  run.putOk();
}

/** Adds to the integer that the value spells; an absent key counts as 0. The expiry stays. */
function runIncrBy(run: Run): void {
  const { reader, state, digits } = run;
  const delta = readInt64(reader);
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

/** The sum, as a number when it is a safe one; null when it leaves the 64-bit range. */
function add(a: number | bigint, b: number | bigint): number | bigint | null {
  if (typeof a === 'number' && typeof b === 'number') {
    const sum = a + b;
    if (Number.isSafeInteger(sum)) return sum;
  }
  const sum = BigInt(a) + BigInt(b);
  return sum >= INT64_MIN && sum <= INT64_MAX ? sum : null;
}

function runFlush(run: Run): void {
  expectEnd(run.reader);
  run.state.clear();
  run.putOk();
}

function runMark(run: Run): void {
  expectEnd(run.reader);
  putInt(run.out, run.index);
}

/**
 * Drops items that are expired by now and still of the named version: a key that was written again, or whose expiry
 * was moved, since the leader chose it has another version and stays.
 */
function runReap(run: Run): void {
  const { reader, state } = run;
  const count = readItemNames(reader, 'reap');
  let dropped = 0;
  for (let i = 0; i < count; i++) {
    const hash = reader.u64();
    const version = reader.u64();
    if (!state.table.findVersion(hash, version, state.found)) continue;
    const { expiryMs } = state.found;
    if (expiryMs === 0 || expiryMs > state.timestampMs) continue;
    state.removeFound(EventKind.expired);
    dropped++;
  }
  putInt(run.out, dropped);
}
