/**
 * Writes a batch of operations: a `PipelineRequest`, or a `BatchWriteRequest`, whose layout is the same. Nothing is
 * allocated per operation; keys and values are copied at once. Lengths are added up before anything is written, so
 * that no byte moves twice. Empty keys and zero values are not written, as proto3 says.
 */
import { assert } from '../../base/index.js';
import { expiryFieldBytes, putExpiryField } from './expiry.js';
import {
  CAD_EXPECTED,
  CAS_EXPECTED,
  CAS_EXPIRY,
  CAS_KEEP_TTL,
  CAS_VALUE,
  GET_WITH_META,
  INCREMENT_DELTA,
  OPERATION_ID,
  OPERATION_KEY,
  OPERATION_LOWEST_UNANSWERED,
  OPERATION_SEQUENCE,
  REQUEST_HEADER_TAG,
  REQUEST_OPERATION,
  SET_CONDITION,
  SET_EXPIRY,
  SET_KEEP_TTL,
  SET_VALUE,
  TOUCH_EXPIRY,
} from './fields.js';
import { REQUEST_HEADER, type RequestHeader } from './messages.js';
import { OperationKind, type CacheExpiryKind } from './numbers.js';
import {
  bytesFieldBytes,
  flagFieldBytes,
  integerFieldBytes,
  putBytesField,
  putFlagField,
  putIntegerField,
  putSint64Field,
  putUint32Field,
  putVarint,
  sint64FieldBytes,
  varintBytes,
  WireType,
  WireWriter,
} from './wire-writer.js';

export class PipelineRequestWriter {
  private readonly w = new WireWriter();
  private operations = 0;
  /** Where the operation that is being written must end. */
  private operationEnd = 0;
  private sequence = 0;
  private lowestUnanswered = 0;

  /** Operations since `begin`. */
  get count(): number {
    return this.operations;
  }

  /** Bytes of the message so far. */
  get byteLength(): number {
    return this.w.length;
  }

  /** Empties the writer and writes the header, of which missing fields are zero. */
  begin(header: Readonly<Partial<RequestHeader>>): void {
    const w = this.w;
    w.reset();
    this.operations = 0;
    this.sequence = 0;
    this.lowestUnanswered = 0;
    w.u8(REQUEST_HEADER_TAG);
    const bodyAt = w.openNested();
    REQUEST_HEADER.writeFields(w, header);
    if (w.length === bodyAt) w.reset();
    else w.closeNested(bodyAt);
  }

  /** For the next operation, and only that: its place in the header's session. */
  inSession(sequence: number, lowestUnanswered: number): void {
    this.sequence = sequence;
    this.lowestUnanswered = lowestUnanswered;
  }

  get(id: number, key: Uint8Array, withMeta: boolean): void {
    const at = this.open(id, key, OperationKind.get, flagFieldBytes(withMeta));
    this.close(putFlagField(this.w.buffer, at, GET_WITH_META, withMeta));
  }

  /** `condition` is a `CacheSetCondition`; `expiryMs` counts only with a kind. */
  set(
    id: number,
    key: Uint8Array,
    value: Uint8Array,
    expiryKind: CacheExpiryKind,
    expiryMs: number,
    condition: number,
    keepTtl: boolean,
  ): void {
    let at = this.open(
      id,
      key,
      OperationKind.set,
      bytesFieldBytes(value.length) +
        expiryFieldBytes(expiryKind, expiryMs) +
        integerFieldBytes(condition) +
        flagFieldBytes(keepTtl),
    );
    const target = this.w.buffer;
    at = putBytesField(target, at, SET_VALUE, value, 0, value.length);
    at = putExpiryField(target, at, SET_EXPIRY, expiryKind, expiryMs);
    at = putUint32Field(target, at, SET_CONDITION, condition);
    this.close(putFlagField(target, at, SET_KEEP_TTL, keepTtl));
  }

  delete(id: number, key: Uint8Array): void {
    this.close(this.open(id, key, OperationKind.delete, 0));
  }

  /** `expectedVersion` 0: the key must be absent. */
  compareAndSet(
    id: number,
    key: Uint8Array,
    expectedVersion: number,
    value: Uint8Array,
    expiryKind: CacheExpiryKind,
    expiryMs: number,
    keepTtl: boolean,
  ): void {
    let at = this.open(
      id,
      key,
      OperationKind.compareAndSet,
      integerFieldBytes(expectedVersion) +
        bytesFieldBytes(value.length) +
        expiryFieldBytes(expiryKind, expiryMs) +
        flagFieldBytes(keepTtl),
    );
    const target = this.w.buffer;
    at = putIntegerField(target, at, CAS_EXPECTED, expectedVersion);
    at = putBytesField(target, at, CAS_VALUE, value, 0, value.length);
    at = putExpiryField(target, at, CAS_EXPIRY, expiryKind, expiryMs);
    this.close(putFlagField(target, at, CAS_KEEP_TTL, keepTtl));
  }

  compareAndDelete(id: number, key: Uint8Array, expectedVersion: number): void {
    const at = this.open(id, key, OperationKind.compareAndDelete, integerFieldBytes(expectedVersion));
    this.close(putIntegerField(this.w.buffer, at, CAD_EXPECTED, expectedVersion));
  }

  /** `delta` is a safe integer, or any signed 64-bit one as bigint. */
  increment(id: number, key: Uint8Array, delta: number | bigint): void {
    const at = this.open(id, key, OperationKind.increment, sint64FieldBytes(delta));
    this.close(putSint64Field(this.w.buffer, at, INCREMENT_DELTA, delta));
  }

  touch(id: number, key: Uint8Array, expiryKind: CacheExpiryKind, expiryMs: number): void {
    const at = this.open(id, key, OperationKind.touch, expiryFieldBytes(expiryKind, expiryMs));
    this.close(putExpiryField(this.w.buffer, at, TOUCH_EXPIRY, expiryKind, expiryMs));
  }

  persist(id: number, key: Uint8Array): void {
    this.close(this.open(id, key, OperationKind.persist, 0));
  }

  /** The message, as bytes that nobody else has. The writer waits for the next `begin`. */
  finish(): Uint8Array {
    this.operations = 0;
    return this.w.handOver();
  }

  /**
   * Makes room for an operation whose alternative has `kindBytes` bytes, and writes what is before them. Returns their
   * place; `close` gets the place behind them. An operation that fails an assertion in between leaves no trace.
   */
  private open(id: number, key: Uint8Array, kind: OperationKind, kindBytes: number): number {
    const w = this.w;
    const bytes =
      integerFieldBytes(id) +
      bytesFieldBytes(key.length) +
      1 +
      varintBytes(kindBytes) +
      kindBytes +
      integerFieldBytes(this.sequence) +
      integerFieldBytes(this.lowestUnanswered);
    w.reserve(1 + varintBytes(bytes) + bytes);
    const target = w.buffer;
    let at = w.length;
    target[at++] = REQUEST_OPERATION;
    at = putVarint(target, at, bytes);
    this.operationEnd = at + bytes;
    at = putUint32Field(target, at, OPERATION_ID, id);
    at = putBytesField(target, at, OPERATION_KEY, key, 0, key.length);
    target[at++] = kind * 8 + WireType.bytes;
    return putVarint(target, at, kindBytes);
  }

  private close(kindEnd: number): void {
    let at = putIntegerField(this.w.buffer, kindEnd, OPERATION_SEQUENCE, this.sequence);
    at = putIntegerField(this.w.buffer, at, OPERATION_LOWEST_UNANSWERED, this.lowestUnanswered);
    this.sequence = 0;
    this.lowestUnanswered = 0;
    if (at !== this.operationEnd) assert(false, `operation ends at ${at}, not ${this.operationEnd}`);
    this.w.length = at;
    this.operations++;
  }
}
