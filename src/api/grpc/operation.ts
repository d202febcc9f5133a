/**
 * Operations of the public protocol as commands of the state machine. What the front end must refuse is found here,
 * before anything is submitted; what depends on the key is the state machine's to say.
 */
import type { ByteWriter, ErrorReason } from '../../base/index.js';
import {
  CacheConsistency,
  CacheExpiryKind,
  CacheSetCondition,
  OperationKind,
  type RequestHeader,
} from '../../codec/cache/index.js';
import {
  beginCas,
  beginMany,
  beginSet,
  encodeCad,
  encodeExpire,
  encodeIncrBy,
  encodeKeyCommand,
  ExpiryKind,
  HeaderFlag,
  KEY_BYTES_MAX,
  Op,
  putKey,
  putValue,
  SetFlag,
} from '../../kv/index.js';
import { Freshness, staleReadOf } from '../../group/index.js';
import { EXPIRY_MS_MAX, STALENESS_MS_DEFAULT } from './limits.js';

/** One operation with its key and value as places in bytes elsewhere; the stream's reader is one itself. */
export interface OperationFields {
  readonly kind: OperationKind;
  readonly keyStart: number;
  readonly keyEnd: number;
  readonly valueStart: number;
  readonly valueEnd: number;
  readonly withMeta: boolean;
  readonly condition: number;
  readonly keepTtl: boolean;
  readonly expiryKind: CacheExpiryKind;
  readonly expiryMs: number;
  readonly expectedVersion: number;
  readonly delta: number | bigint;
}

/** Why an operation can't be submitted. */
export interface Refusal {
  readonly reason: ErrorReason;
  readonly message: string;
}

export function invalid(message: string): Refusal {
  return { reason: 'INVALID_ARGUMENT', message };
}

const NO_KIND = invalid('the operation has no kind, or one that this server does not know');
const KEY_TOO_LARGE: Refusal = { reason: 'TOO_LARGE', message: `a key has at most ${KEY_BYTES_MAX} bytes` };
const VALUE_TOO_LARGE: Refusal = {
  reason: 'TOO_LARGE',
  message: 'the value is larger than limits.valueBytesMax allows',
};
const BAD_EXPIRY = invalid(`an expiry is from 1 to ${EXPIRY_MS_MAX} ms`);
const TWO_EXPIRIES = invalid('keep_ttl and an expiry exclude each other');
const NO_EXPIRY = invalid('touch needs an expiry; persist takes the time to live away');
const BAD_CONDITION = invalid('the condition is none that this server knows');
const NO_GRANT = invalid('a session comes with the time of its grant and its lifetime, and only with one');
const NO_SEQUENCE = invalid('a session needs a sequence, and a lowest_unanswered that is not above it');
const SEQUENCE_IN_HEADER = invalid('here every operation has a sequence of its own, and the header none');
const BAD_CONSISTENCY = invalid('the consistency is none that this server knows');

/**
 * Why nothing under this header may run; null: it may. Half of a session's fields ask for at-most-once without getting
 * it, and a consistency of a later version may be stricter than ours: to ignore either would be a false promise.
 * `isOfMany`: operations have sequences of their own.
 */
export function refusalOfHeader(header: RequestHeader, isOfMany: boolean): Refusal | null {
  const { session, sequence, lowestUnanswered, sessionGrantedMs, sessionLifetimeMs } = header;
  const isInSession = session !== 0;
  if (isInSession !== (sessionGrantedMs !== 0) || isInSession !== (sessionLifetimeMs !== 0)) return NO_GRANT;
  if (isOfMany) {
    if (sequence !== 0 || lowestUnanswered !== 0) return SEQUENCE_IN_HEADER;
  } else if (isInSession !== (sequence !== 0) || lowestUnanswered > sequence) return NO_SEQUENCE;
  switch (header.consistency) {
    case CacheConsistency.linearizable:
    case CacheConsistency.lease:
    case CacheConsistency.stale:
    case CacheConsistency.follower:
    case CacheConsistency.quorum:
      return null;
    default:
      return BAD_CONSISTENCY;
  }
}

/** For the gateway. Only for headers that `refusalOfHeader` lets through. */
export function freshnessOf(header: RequestHeader): number {
  switch (header.consistency) {
    case CacheConsistency.lease:
      return Freshness.lease;
    case CacheConsistency.stale:
      return staleReadOf(header.maxStalenessMs || STALENESS_MS_DEFAULT);
    case CacheConsistency.follower:
      return Freshness.follower;
    case CacheConsistency.quorum:
      return Freshness.quorum;
    default:
      return Freshness.linearizable;
  }
}

/** What a result must be read with. */
export const ResultFlag = { withMeta: 1, expectsAbsent: 2 } as const;

export function resultFlags(op: OperationFields): number {
  return (op.withMeta ? ResultFlag.withMeta : 0) | (op.expectedVersion === 0 ? ResultFlag.expectsAbsent : 0);
}

/** Appends the operation's command; a refusal instead, with nothing written, where it has none. */
export function encodeOperation(
  w: ByteWriter,
  op: OperationFields,
  keySource: Uint8Array,
  valueSource: Uint8Array,
  valueBytesMax: number,
  /** Leave room for the session's fields, which the caller puts in. Only of writes. */
  inSession = false,
): Refusal | null {
  const { keyStart, keyEnd } = op;
  const flags = inSession ? HeaderFlag.session : 0;
  if (keyEnd - keyStart > KEY_BYTES_MAX) return KEY_TOO_LARGE;
  switch (op.kind) {
    case OperationKind.get:
      encodeKeyCommand(w, op.withMeta ? Op.getMeta : Op.get, keySource, keyStart, keyEnd);
      return null;
    case OperationKind.set:
      return encodeSet(w, op, keySource, valueSource, valueBytesMax, flags);
    case OperationKind.compareAndSet:
      return encodeCompareAndSet(w, op, keySource, valueSource, valueBytesMax, flags);
    case OperationKind.compareAndDelete:
      encodeCad(w, op.expectedVersion, keySource, keyStart, keyEnd, flags);
      return null;
    case OperationKind.delete:
      beginMany(w, Op.del, 1, flags);
      putKey(w, keySource, keyStart, keyEnd);
      return null;
    case OperationKind.increment:
      encodeIncrBy(w, BigInt(op.delta), keySource, keyStart, keyEnd, HeaderFlag.withVersion | flags);
      return null;
    case OperationKind.touch:
      if (op.expiryKind === CacheExpiryKind.none) return NO_EXPIRY;
      if (!isExpiry(op)) return BAD_EXPIRY;
      encodeExpire(w, 0, EXPIRY_KINDS[op.expiryKind], op.expiryMs, keySource, keyStart, keyEnd, flags);
      return null;
    case OperationKind.persist:
      encodeKeyCommand(w, Op.persist, keySource, keyStart, keyEnd, HeaderFlag.withVersion | flags);
      return null;
    case OperationKind.none:
      return NO_KIND;
  }
}

const EXPIRY_KINDS: Readonly<Record<CacheExpiryKind, number>> = {
  [CacheExpiryKind.none]: ExpiryKind.none,
  [CacheExpiryKind.ttl]: ExpiryKind.relative,
  [CacheExpiryKind.at]: ExpiryKind.absolute,
};

function isExpiry(op: OperationFields): boolean {
  return op.expiryKind === CacheExpiryKind.none || (op.expiryMs >= 1 && op.expiryMs <= EXPIRY_MS_MAX);
}

function refuseWrite(op: OperationFields, valueBytesMax: number): Refusal | null {
  if (op.valueEnd - op.valueStart > valueBytesMax) return VALUE_TOO_LARGE;
  if (!isExpiry(op)) return BAD_EXPIRY;
  if (op.keepTtl && op.expiryKind !== CacheExpiryKind.none) return TWO_EXPIRIES;
  return null;
}

function encodeSet(
  w: ByteWriter,
  op: OperationFields,
  keySource: Uint8Array,
  valueSource: Uint8Array,
  valueBytesMax: number,
  headerFlags: number,
): Refusal | null {
  const refusal = refuseWrite(op, valueBytesMax);
  if (refusal !== null) return refusal;
  let flags: number = op.keepTtl ? SetFlag.keepTtl : 0;
  if (op.condition === CacheSetCondition.ifAbsent) flags |= SetFlag.ifAbsent;
  else if (op.condition === CacheSetCondition.ifPresent) flags |= SetFlag.ifPresent;
  else if (op.condition !== CacheSetCondition.none) return BAD_CONDITION;
  beginSet(w, flags, EXPIRY_KINDS[op.expiryKind], op.expiryMs, HeaderFlag.withVersion | headerFlags);
  putKey(w, keySource, op.keyStart, op.keyEnd);
  putValue(w, valueSource, op.valueStart, op.valueEnd);
  return null;
}

function encodeCompareAndSet(
  w: ByteWriter,
  op: OperationFields,
  keySource: Uint8Array,
  valueSource: Uint8Array,
  valueBytesMax: number,
  headerFlags: number,
): Refusal | null {
  const refusal = refuseWrite(op, valueBytesMax);
  if (refusal !== null) return refusal;
  const flags = op.keepTtl ? SetFlag.keepTtl : 0;
  beginCas(w, op.expectedVersion, flags, EXPIRY_KINDS[op.expiryKind], op.expiryMs, headerFlags);
  putKey(w, keySource, op.keyStart, op.keyEnd);
  putValue(w, valueSource, op.valueStart, op.valueEnd);
  return null;
}
