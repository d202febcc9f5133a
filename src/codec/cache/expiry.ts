/**
 * `Expiry` of the proto: a oneof inside a message of its own, so that a time to live of 0 differs from none. Written
 * and read in one place for the single calls and for the operations.
 */
import { assert } from '../../base/index.js';
import type { FieldType } from './description.js';
import { MalformedMessage } from './malformed-message.js';
import { CacheExpiryKind } from './numbers.js';
import type { WireReader } from './wire-reader.js';
import { putVarint, varintBytes, WireType } from './wire-writer.js';

/** When a key ends; `ms` is 0 with kind `none`. */
export interface Expiry {
  readonly kind: CacheExpiryKind;
  readonly ms: number;
}

export const NO_EXPIRY: Expiry = Object.freeze({ kind: CacheExpiryKind.none, ms: 0 });

/** Bytes of an expiry field of a one-byte tag; 0 for none. */
export function expiryFieldBytes(kind: CacheExpiryKind, ms: number): number {
  return kind === CacheExpiryKind.none ? 0 : 3 + varintBytes(ms); // two tags and a length
}

/** Writes the field where room was made. The field number of an alternative is its kind's number. */
export function putExpiryField(
  target: Uint8Array,
  at: number,
  tag: number,
  kind: CacheExpiryKind,
  ms: number,
): number {
  if (kind === CacheExpiryKind.none) return at;
  if (!(Number.isSafeInteger(ms) && ms >= 0)) assert(false, `${ms} is no time of expiry`);
  target[at] = tag;
  target[at + 1] = 1 + varintBytes(ms);
  target[at + 2] = kind * 8 + WireType.varint;
  return putVarint(target, at + 3, ms); // 0 is written too: it differs from none
}

/** What an expiry is read into: the last alternative that is set counts. */
export interface ExpirySlots {
  expiryKind: CacheExpiryKind;
  expiryMs: number;
}

const TTL_TAG = CacheExpiryKind.ttl * 8 + WireType.varint;
const AT_TAG = CacheExpiryKind.at * 8 + WireType.varint;

/** Reads the message behind its tag. */
export function readExpiry(r: WireReader, into: ExpirySlots): void {
  const outerEnd = r.enter();
  while (!r.atEnd) {
    const tag = r.tag();
    if (tag === TTL_TAG || tag === AT_TAG) {
      into.expiryMs = r.uint64();
      into.expiryKind = tag === TTL_TAG ? CacheExpiryKind.ttl : CacheExpiryKind.at;
    } else r.skipUnknown(tag, CacheExpiryKind.at);
  }
  r.leave(outerEnd);
}

export const EXPIRY: FieldType<Expiry> = {
  zero: () => NO_EXPIRY,
  write(w, field, value) {
    w.reserve(expiryFieldBytes(value.kind, value.ms));
    w.length = putExpiryField(w.buffer, w.length, field * 8 + WireType.bytes, value.kind, value.ms);
  },
  read(r, wireType, before) {
    if (wireType !== WireType.bytes) throw new MalformedMessage(`wire type ${wireType} of an expiry`);
    const slots: ExpirySlots = { expiryKind: before.kind, expiryMs: before.ms };
    readExpiry(r, slots);
    return { kind: slots.expiryKind, ms: slots.expiryMs };
  },
};
