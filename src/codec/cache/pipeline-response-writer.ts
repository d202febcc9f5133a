/**
 * Writes results of operations: a `PipelineResponse`, or, without hints and map version, a `BatchGetResponse` or
 * `BatchWriteResponse`, whose layouts are the same. Nothing is allocated per result; values are copied at once.
 */
import { assert } from '../../base/index.js';
import {
  HINT_NODE,
  HINT_SHARD,
  HINT_TERM,
  RESPONSE_HINT,
  RESPONSE_MAP_VERSION,
  RESPONSE_RESULT,
  RESPONSE_SESSION,
  RESULT_APPLIED,
  RESULT_ERROR,
  RESULT_FOUND,
  RESULT_ID,
  RESULT_NUMBER,
  RESULT_TTL_MS,
  RESULT_VALUE,
  RESULT_VERSION,
} from './fields.js';
import { ERROR_MESSAGE, SESSION_MESSAGE, type ErrorMessage, type SessionMessage } from './messages.js';
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
  WireWriter,
} from './wire-writer.js';

type Writable<T> = { -readonly [K in keyof T]: T[K] };

export class PipelineResponseWriter {
  private readonly w = new WireWriter();
  private readonly failure: Writable<ErrorMessage> = ERROR_MESSAGE.create();
  private results = 0;

  /** Results since `begin`, errors among them. */
  get count(): number {
    return this.results;
  }

  /** Bytes of the message so far. */
  get byteLength(): number {
    return this.w.length;
  }

  /** Empties the writer. */
  begin(): void {
    this.w.reset();
    this.results = 0;
  }

  /**
   * Copies `value[valueStart, valueEnd)`; null: no value. `version` and `ttlMs` 0 and `number` null or 0 are the zero
   * that an unset field reads as.
   */
  result(
    id: number,
    found: boolean,
    applied: boolean,
    value: Uint8Array | null,
    valueStart: number,
    valueEnd: number,
    version: number,
    number: number | bigint | null,
    ttlMs: number,
  ): void {
    const w = this.w;
    const valueBytes = value === null ? 0 : valueEnd - valueStart;
    const bytes =
      integerFieldBytes(id) +
      flagFieldBytes(found) +
      flagFieldBytes(applied) +
      bytesFieldBytes(valueBytes) +
      integerFieldBytes(version) +
      (number === null ? 0 : sint64FieldBytes(number)) +
      integerFieldBytes(ttlMs);
    w.reserve(1 + varintBytes(bytes) + bytes);
    const target = w.buffer;
    let at = w.length;
    target[at++] = RESPONSE_RESULT;
    at = putVarint(target, at, bytes);
    const end = at + bytes;
    at = putUint32Field(target, at, RESULT_ID, id);
    at = putFlagField(target, at, RESULT_FOUND, found);
    at = putFlagField(target, at, RESULT_APPLIED, applied);
    if (value !== null) at = putBytesField(target, at, RESULT_VALUE, value, valueStart, valueEnd);
    at = putIntegerField(target, at, RESULT_VERSION, version);
    if (number !== null) at = putSint64Field(target, at, RESULT_NUMBER, number);
    at = putIntegerField(target, at, RESULT_TTL_MS, ttlMs);
    if (at !== end) assert(false, `result ends at ${at}, not ${end}`);
    w.length = at;
    this.results++;
  }

  /** `reason` is the number of a row of ERROR_REASONS; `leaderNode`, `mapVersion`, `retryAfterMs` 0: unknown. */
  error(
    id: number,
    reason: number,
    message: string,
    shard: number,
    leaderNode: number,
    leaderAddress: string,
    mapVersion: number,
    retryAfterMs: number,
  ): void {
    const w = this.w;
    const failure = this.failure;
    failure.reason = reason;
    failure.message = message;
    failure.shard = shard;
    failure.leaderNode = leaderNode;
    failure.leaderAddress = leaderAddress;
    failure.mapVersion = mapVersion;
    failure.retryAfterMs = retryAfterMs;
    w.u8(RESPONSE_RESULT);
    const resultAt = w.openNested();
    w.reserve(integerFieldBytes(id));
    w.length = putUint32Field(w.buffer, w.length, RESULT_ID, id);
    w.u8(RESULT_ERROR);
    const errorAt = w.openNested();
    ERROR_MESSAGE.writeFields(w, failure);
    w.closeNested(errorAt);
    w.closeNested(resultAt);
    this.results++;
  }

  /** Node that leads a shard, and its term. */
  hint(shard: number, node: number, term: number): void {
    const w = this.w;
    const bytes = integerFieldBytes(shard) + integerFieldBytes(node) + integerFieldBytes(term);
    w.reserve(2 + bytes);
    const target = w.buffer;
    let at = w.length;
    target[at++] = RESPONSE_HINT;
    target[at++] = bytes; // at most 21
    at = putUint32Field(target, at, HINT_SHARD, shard);
    at = putUint32Field(target, at, HINT_NODE, node);
    w.length = putIntegerField(target, at, HINT_TERM, term);
  }

  /** The message, as bytes that nobody else has. `mapVersion` 0: none; `session`: one that was granted. The writer waits for the next `begin`. */
  finish(mapVersion: number, session: SessionMessage | null = null): Uint8Array {
    const w = this.w;
    w.reserve(integerFieldBytes(mapVersion));
    w.length = putIntegerField(w.buffer, w.length, RESPONSE_MAP_VERSION, mapVersion);
    if (session !== null) {
      w.u8(RESPONSE_SESSION);
      const bodyAt = w.openNested();
      SESSION_MESSAGE.writeFields(w, session);
      w.closeNested(bodyAt);
    }
    this.results = 0;
    return w.handOver();
  }
}
