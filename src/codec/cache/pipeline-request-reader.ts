/**
 * Reads a batch of operations in place: a `PipelineRequest`, or a `BatchWriteRequest`, whose layout is the same. One
 * object, whose fields are those of the operation read last: nothing is allocated per operation.
 *
 * `reset` passes over the outer fields once, so that the header is known before the first operation wherever it
 * stands, and a message that is cut off is refused whole. An operation that is malformed inside is found by the
 * `next` that comes to it.
 */
import { EMPTY_BYTES } from '../../base/index.js';
import { readExpiry, type ExpirySlots } from './expiry.js';
import {
  CAD_EXPECTED,
  CAS_EXPECTED,
  CAS_EXPIRY,
  CAS_KEEP_TTL,
  CAS_VALUE,
  GET_WITH_META,
  INCREMENT_DELTA,
  OPERATION_FIELD_MAX,
  OPERATION_ID,
  OPERATION_KEY,
  OPERATION_LOWEST_UNANSWERED,
  OPERATION_SEQUENCE,
  REQUEST_FIELD_MAX,
  REQUEST_HEADER_TAG,
  REQUEST_OPERATION,
  SET_CONDITION,
  SET_EXPIRY,
  SET_KEEP_TTL,
  SET_VALUE,
  TOUCH_EXPIRY,
} from './fields.js';
import { REQUEST_HEADER, type RequestHeader } from './messages.js';
import { CacheExpiryKind, OperationKind } from './numbers.js';
import { WireReader } from './wire-reader.js';
import { WireType } from './wire-writer.js';

export class PipelineRequestReader implements ExpirySlots {
  /** Of this message; the object is reused by the next `reset`. */
  readonly header: RequestHeader = REQUEST_HEADER.create();
  /** The message. Offsets below are places in it. */
  bytes: Uint8Array = EMPTY_BYTES;
  /** Operations in the message. */
  count = 0;

  // The operation read last. What its kind does not have is zero.
  id = 0;
  kind: OperationKind = OperationKind.none;
  keyStart = 0;
  keyEnd = 0;
  valueStart = 0;
  valueEnd = 0;
  withMeta = false;
  /** A `CacheSetCondition`, or a number of a later version. */
  condition = 0;
  keepTtl = false;
  expiryKind: CacheExpiryKind = CacheExpiryKind.none;
  expiryMs = 0;
  expectedVersion = 0;
  /** A number where that is exact, else a bigint. */
  delta: number | bigint = 0;
  sequence = 0;
  lowestUnanswered = 0;

  private readonly r = new WireReader();

  /** Begins with a message, which must not change while it is read. Throws `MalformedMessage`. */
  reset(message: Uint8Array): this {
    const r = this.r.reset(message);
    this.bytes = message;
    this.count = 0;
    REQUEST_HEADER.clear(this.header);
    while (!r.atEnd) {
      const tag = r.tag();
      if (tag === REQUEST_OPERATION) {
        this.count++;
        r.skip(tag);
      } else if (tag === REQUEST_HEADER_TAG) {
        const outerEnd = r.enter();
        REQUEST_HEADER.readInto(this.header, r);
        r.leave(outerEnd);
      } else r.skipUnknown(tag, REQUEST_FIELD_MAX);
    }
    r.reset(message);
    return this;
  }

  /** Moves to the next operation; false at the end. Throws `MalformedMessage`; the message is then lost. */
  next(): boolean {
    const r = this.r;
    while (!r.atEnd) {
      const tag = r.tag();
      if (tag === REQUEST_OPERATION) {
        this.readOperation(r);
        return true;
      }
      r.skip(tag);
    }
    return false;
  }

  private readOperation(r: WireReader): void {
    this.id = 0;
    this.keyStart = 0;
    this.keyEnd = 0;
    this.sequence = 0;
    this.lowestUnanswered = 0;
    this.clearKind(OperationKind.none);
    const outerEnd = r.enter();
    while (!r.atEnd) {
      const tag = r.tag();
      if (tag === OPERATION_ID) this.id = r.uint32();
      else if (tag === OPERATION_KEY) {
        const count = r.byteCount();
        this.keyStart = r.position;
        this.keyEnd = r.position += count;
      } else if (tag === OPERATION_SEQUENCE) this.sequence = r.uint64();
      else if (tag === OPERATION_LOWEST_UNANSWERED) this.lowestUnanswered = r.uint64();
      else {
        const field = tag >>> 3;
        if (field < OperationKind.get || field > OperationKind.persist || (tag & 7) !== WireType.bytes) {
          r.skipUnknown(tag, OPERATION_FIELD_MAX);
        } else this.readKind(r, field as OperationKind);
      }
    }
    r.leave(outerEnd);
  }

  /** Of several alternatives the last one counts; of one that comes twice the parts add up. */
  private readKind(r: WireReader, kind: OperationKind): void {
    if (kind !== this.kind) this.clearKind(kind);
    const outerEnd = r.enter();
    while (!r.atEnd) {
      const tag = r.tag();
      if (!this.readKindField(r, kind, tag)) r.skipUnknown(tag, FIELD_MAX[kind]);
    }
    r.leave(outerEnd);
  }

  /** False: no field of this kind has that tag. */
  private readKindField(r: WireReader, kind: OperationKind, tag: number): boolean {
    switch (kind) {
      case OperationKind.get:
        if (tag !== GET_WITH_META) return false;
        this.withMeta = r.bool();
        return true;
      case OperationKind.set:
        if (tag === SET_VALUE) this.readValue(r);
        else if (tag === SET_EXPIRY) readExpiry(r, this);
        else if (tag === SET_CONDITION) this.condition = r.uint32();
        else if (tag === SET_KEEP_TTL) this.keepTtl = r.bool();
        else return false;
        return true;
      case OperationKind.compareAndSet:
        if (tag === CAS_EXPECTED) this.expectedVersion = r.uint64();
        else if (tag === CAS_VALUE) this.readValue(r);
        else if (tag === CAS_EXPIRY) readExpiry(r, this);
        else if (tag === CAS_KEEP_TTL) this.keepTtl = r.bool();
        else return false;
        return true;
      case OperationKind.compareAndDelete:
        if (tag !== CAD_EXPECTED) return false;
        this.expectedVersion = r.uint64();
        return true;
      case OperationKind.increment:
        if (tag !== INCREMENT_DELTA) return false;
        this.delta = r.sint64();
        return true;
      case OperationKind.touch:
        if (tag !== TOUCH_EXPIRY) return false;
        readExpiry(r, this);
        return true;
      case OperationKind.none:
      case OperationKind.delete:
      case OperationKind.persist:
        return false;
    }
  }

  private readValue(r: WireReader): void {
    const count = r.byteCount();
    this.valueStart = r.position;
    this.valueEnd = r.position += count;
  }

  private clearKind(kind: OperationKind): void {
    this.kind = kind;
    this.valueStart = 0;
    this.valueEnd = 0;
    this.withMeta = false;
    this.condition = 0;
    this.keepTtl = false;
    this.expiryKind = CacheExpiryKind.none;
    this.expiryMs = 0;
    this.expectedVersion = 0;
    this.delta = 0;
  }
}

/** Highest field number that a kind's message knows: a field up to it with another wire type is refused. */
const FIELD_MAX: Readonly<Record<OperationKind, number>> = {
  [OperationKind.none]: 0,
  [OperationKind.get]: 1,
  [OperationKind.set]: 4,
  [OperationKind.delete]: 0,
  [OperationKind.compareAndSet]: 4,
  [OperationKind.compareAndDelete]: 1,
  [OperationKind.increment]: 1,
  [OperationKind.touch]: 1,
  [OperationKind.persist]: 0,
};
