/**
 * SET, and the two commands that act only on an expected version. Versions are unique within a shard and never come
 * back, so that an equal version means that nothing happened to the key in between; 0 means that it is absent.
 */
import { SetFlag } from './command.js';
import { EventKind } from './feed-events.js';
import {
  expectEnd,
  INVALID_EXPIRY,
  malformed,
  NO_EXPIRY,
  readExpiry,
  readKey,
  readValue,
} from './operands.js';
import { putFoundValue } from './reads.js';
import { KvError, putArray, putError, putInt } from './result.js';
import type { Run } from './run.js';

const SET_FLAGS = SetFlag.ifAbsent | SetFlag.ifPresent | SetFlag.returnOld | SetFlag.keepTtl;
const ABSENT = 0;

export function runSet(run: Run): void {
  const { reader, state } = run;
  const flags = reader.u8();
  const expiryMs = readExpiry(reader, state.timestampMs, false);
  const keyStart = readKey(reader);
  const keyEnd = reader.position;
  const valueStart = readValue(reader);
  const valueEnd = reader.position;
  expectEnd(reader);
  checkSetFlags(flags, SET_FLAGS, expiryMs);
  if (valueEnd - valueStart > run.valueBytesMax) return putError(run.out, KvError.tooLarge);
  if (expiryMs === INVALID_EXPIRY) return putError(run.out, KvError.invalidExpire);

  const exists = run.find(keyStart, keyEnd);
  const returnOld = (flags & SetFlag.returnOld) !== 0;
  const refused = (flags & (exists ? SetFlag.ifAbsent : SetFlag.ifPresent)) !== 0;
  if (returnOld && exists) putFoundValue(run);
  else if (returnOld || refused) run.putNil();
  else run.putOk();
  if (!refused) storeNamed(run, exists, flags, expiryMs, valueStart, valueEnd);
}

export function runCas(run: Run): void {
  const { reader, state } = run;
  const expectedVersion = reader.u64();
  const flags = reader.u8();
  const expiryMs = readExpiry(reader, state.timestampMs, false);
  const keyStart = readKey(reader);
  const keyEnd = reader.position;
  const valueStart = readValue(reader);
  const valueEnd = reader.position;
  expectEnd(reader);
  checkSetFlags(flags, SetFlag.keepTtl, expiryMs);
  if (valueEnd - valueStart > run.valueBytesMax) return putError(run.out, KvError.tooLarge);
  if (expiryMs === INVALID_EXPIRY) return putError(run.out, KvError.invalidExpire);

  const exists = run.find(keyStart, keyEnd);
  const version = exists ? state.found.version : ABSENT;
  if (version !== expectedVersion) return putCompared(run, false, version);
  const stored = storeNamed(run, exists, flags, expiryMs, valueStart, valueEnd);
  putCompared(run, true, stored ? state.lastVersion : ABSENT);
}

/** An expected version of 0 holds for what is absent, and changes nothing. */
export function runCad(run: Run): void {
  const { reader, state } = run;
  const expectedVersion = reader.u64();
  const keyStart = readKey(reader);
  const keyEnd = reader.position;
  expectEnd(reader);

  const exists = run.find(keyStart, keyEnd);
  const version = exists ? state.found.version : ABSENT;
  if (version !== expectedVersion) return putCompared(run, false, version);
  if (exists) state.removeFound(EventKind.deleted);
  putCompared(run, true, ABSENT);
}

function putCompared(run: Run, held: boolean, versionNow: number): void {
  putArray(run.out, 2);
  putInt(run.out, held ? 1 : 0);
  putInt(run.out, versionNow);
}

/**
 * Stores the value under the key that `find` was just asked for (and `exists` is its answer). An expiry in the past
 * deletes instead: false then.
 */
function storeNamed(
  run: Run,
  exists: boolean,
  flags: number,
  expiryMs: number,
  valueStart: number,
  valueEnd: number,
): boolean {
  const { reader, state } = run;
  const { found, draft } = state;
  if (expiryMs !== NO_EXPIRY && expiryMs <= state.timestampMs) {
    if (exists) state.removeFound(EventKind.deleted);
    return false;
  }
  const keptMs = exists && (flags & SetFlag.keepTtl) !== 0 ? found.expiryMs : 0;
  draft.setKey(reader.buffer, run.keyStart, run.keyEnd);
  draft.setValue(reader.buffer, valueStart, valueEnd);
  draft.expiryMs = expiryMs === NO_EXPIRY ? keptMs : expiryMs;
  state.putDraft();
  return true;
}

function checkSetFlags(flags: number, allowed: number, expiryMs: number): void {
  if ((flags & ~allowed) !== 0) throw malformed(`set flags ${flags}`);
  const { ifAbsent, ifPresent, keepTtl } = SetFlag;
  if ((flags & ifAbsent) !== 0 && (flags & ifPresent) !== 0) throw malformed('NX and XX');
  if ((flags & keepTtl) !== 0 && expiryMs !== NO_EXPIRY) throw malformed('KEEPTTL and an expiry');
}
