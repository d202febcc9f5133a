/** Commands that move a key's expiry. A time in the past deletes the key; every move gives the item a new version. */
import { ExpireFlag } from './command.js';
import { EventKind } from './feed-events.js';
import {
  expectEnd,
  INVALID_EXPIRY,
  malformed,
  NO_EXPIRY,
  readExpiry,
  readFlag,
  readKey,
} from './operands.js';
import { findOnlyKey, putFoundValue } from './reads.js';
import { KvError, putError, putInt } from './result.js';
import type { Run } from './run.js';

const EXPIRE_FLAGS = ExpireFlag.ifNone | ExpireFlag.ifSome | ExpireFlag.ifGreater | ExpireFlag.ifLess;

/** Without an expiry a key counts as living for ever: GT never holds for it, LT always. */
export function runExpire(run: Run): void {
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
  moveFoundTo(run, expiryMs);
  putInt(run.out, 1);
}

export function runPersist(run: Run): void {
  if (!findOnlyKey(run) || run.state.found.expiryMs === 0) return putInt(run.out, 0);
  run.state.putFoundWithExpiry(0);
  putInt(run.out, 1);
}

/** The value as it was; then the expiry moves. An absent key is nil, whatever the expiry, as in Redis. */
export function runGetEx(run: Run): void {
  const { reader, state } = run;
  const expiryMs = readExpiry(reader, state.timestampMs, false);
  const persist = readFlag(reader);
  if (persist && expiryMs !== NO_EXPIRY) throw malformed('PERSIST and an expiry');
  if (!findOnlyKey(run)) return run.putNil();
  if (expiryMs === INVALID_EXPIRY) return putError(run.out, KvError.invalidExpire);
  putFoundValue(run);
  if (expiryMs !== NO_EXPIRY) moveFoundTo(run, expiryMs);
  else if (persist && state.found.expiryMs !== 0) state.putFoundWithExpiry(0);
}

function moveFoundTo(run: Run, expiryMs: number): void {
  const { state } = run;
  if (expiryMs <= state.timestampMs) state.removeFound(EventKind.deleted);
  else state.putFoundWithExpiry(expiryMs);
}

function checkExpireFlags(flags: number): void {
  const { ifNone, ifGreater, ifLess } = ExpireFlag;
  if ((flags & ~EXPIRE_FLAGS) !== 0) throw malformed(`expire flags ${flags}`);
  if ((flags & ifNone) !== 0 && flags !== ifNone) throw malformed('NX with XX, GT or LT');
  if ((flags & ifGreater) !== 0 && (flags & ifLess) !== 0) throw malformed('GT and LT');
}

function expireHolds(flags: number, presentMs: number, wantedMs: number): boolean {
  const endMs = presentMs === 0 ? Infinity : presentMs;
  if ((flags & ExpireFlag.ifNone) !== 0 && presentMs !== 0) return false;
  if ((flags & ExpireFlag.ifSome) !== 0 && presentMs === 0) return false;
  if ((flags & ExpireFlag.ifGreater) !== 0 && wantedMs <= endMs) return false;
  if ((flags & ExpireFlag.ifLess) !== 0 && wantedMs >= endMs) return false;
  return true;
}
