/**
 * Reads results in place: a `PipelineResponse`, `BatchGetResponse` or `BatchWriteResponse`. One object, whose fields
 * are those of the result or hint read last: nothing is allocated per result, unless it is an error.
 *
 * `reset` passes over the outer fields once: map version and counts are known before the first result, hints may be
 * read before or after the results, and a message that is cut off is refused whole.
 */
import { EMPTY_BYTES, ERROR_REASONS } from '../../base/index.js';
import {
  HINT_FIELD_MAX,
  HINT_NODE,
  HINT_SHARD,
  HINT_TERM,
  RESPONSE_FIELD_MAX,
  RESPONSE_HINT,
  RESPONSE_MAP_VERSION,
  RESPONSE_RESULT,
  RESPONSE_SESSION,
  RESULT_APPLIED,
  RESULT_ERROR,
  RESULT_FIELD_MAX,
  RESULT_FOUND,
  RESULT_ID,
  RESULT_NUMBER,
  RESULT_TTL_MS,
  RESULT_VALUE,
  RESULT_VERSION,
} from './fields.js';
import { ERROR_MESSAGE, SESSION_MESSAGE, type ErrorMessage, type SessionMessage } from './messages.js';
import { WireReader } from './wire-reader.js';

export class PipelineResponseReader {
  /** The message. Offsets below are places in it. */
  bytes: Uint8Array = EMPTY_BYTES;
  /** The server's; 0: not said. */
  mapVersion = 0;
  resultCount = 0;
  hintCount = 0;
  /** What was granted is in `session`, an object that is reused. */
  hasSession = false;
  readonly session: SessionMessage = SESSION_MESSAGE.create();

  // The result read last. With an error nothing else but the id counts.
  id = 0;
  /** Number of a row of ERROR_REASONS; 0: no error. An error that names no reason reads as INTERNAL. */
  errorReason = 0;
  /** Holds the error while `errorReason` is not 0; the object is reused. */
  readonly error: ErrorMessage = ERROR_MESSAGE.create();
  found = false;
  applied = false;
  valueStart = 0;
  valueEnd = 0;
  version = 0;
  /** A number where that is exact, else a bigint. */
  number: number | bigint = 0;
  ttlMs = 0;

  // The hint read last.
  hintShard = 0;
  hintNode = 0;
  hintTerm = 0;

  private readonly r = new WireReader();
  private readonly hints = new WireReader();

  /** Begins with a message, which must not change while it is read. Throws `MalformedMessage`. */
  reset(message: Uint8Array): this {
    const r = this.r.reset(message);
    this.bytes = message;
    this.mapVersion = 0;
    this.resultCount = 0;
    this.hintCount = 0;
    this.hasSession = false;
    while (!r.atEnd) {
      const tag = r.tag();
      if (tag === RESPONSE_RESULT) {
        this.resultCount++;
        r.skip(tag);
      } else if (tag === RESPONSE_HINT) {
        this.hintCount++;
        r.skip(tag);
      } else if (tag === RESPONSE_MAP_VERSION) this.mapVersion = r.uint64();
      else if (tag === RESPONSE_SESSION) this.readSession(r);
      else r.skipUnknown(tag, RESPONSE_FIELD_MAX);
    }
    r.reset(message);
    this.hints.reset(message);
    return this;
  }

  /** Moves to the next result; false at the end. Throws `MalformedMessage`; the message is then lost. */
  nextResult(): boolean {
    const r = this.r;
    if (!find(r, RESPONSE_RESULT)) return false;
    this.id = 0;
    this.errorReason = 0;
    this.found = false;
    this.applied = false;
    this.valueStart = 0;
    this.valueEnd = 0;
    this.version = 0;
    this.number = 0;
    this.ttlMs = 0;
    const outerEnd = r.enter();
    while (!r.atEnd) this.readResultField(r, r.tag());
    r.leave(outerEnd);
    return true;
  }

  /** Moves to the next hint; false at the end. Independent of the results. Throws `MalformedMessage`. */
  nextHint(): boolean {
    const r = this.hints;
    if (!find(r, RESPONSE_HINT)) return false;
    this.hintShard = 0;
    this.hintNode = 0;
    this.hintTerm = 0;
    const outerEnd = r.enter();
    while (!r.atEnd) {
      const tag = r.tag();
      if (tag === HINT_SHARD) this.hintShard = r.uint32();
      else if (tag === HINT_NODE) this.hintNode = r.uint32();
      else if (tag === HINT_TERM) this.hintTerm = r.uint64();
      else r.skipUnknown(tag, HINT_FIELD_MAX);
    }
    r.leave(outerEnd);
    return true;
  }

  private readSession(r: WireReader): void {
    if (!this.hasSession) SESSION_MESSAGE.clear(this.session);
    const outerEnd = r.enter();
    SESSION_MESSAGE.readInto(this.session, r);
    r.leave(outerEnd);
    this.hasSession = true;
  }

  private readResultField(r: WireReader, tag: number): void {
    switch (tag) {
      case RESULT_ID:
        this.id = r.uint32();
        return;
      case RESULT_ERROR:
        this.readError(r);
        return;
      case RESULT_FOUND:
        this.found = r.bool();
        return;
      case RESULT_APPLIED:
        this.applied = r.bool();
        return;
      case RESULT_VALUE: {
        const count = r.byteCount();
        this.valueStart = r.position;
        this.valueEnd = r.position += count;
        return;
      }
      case RESULT_VERSION:
        this.version = r.uint64();
        return;
      case RESULT_NUMBER:
        this.number = r.sint64();
        return;
      case RESULT_TTL_MS:
        this.ttlMs = r.uint64();
        return;
      default:
        r.skipUnknown(tag, RESULT_FIELD_MAX);
    }
  }

  private readError(r: WireReader): void {
    if (this.errorReason === 0) ERROR_MESSAGE.clear(this.error);
    const outerEnd = r.enter();
    ERROR_MESSAGE.readInto(this.error, r);
    r.leave(outerEnd);
    this.errorReason = this.error.reason === 0 ? ERROR_REASONS.INTERNAL.number : this.error.reason;
  }
}

/** Moves behind the next outer tag of this kind. */
function find(r: WireReader, wanted: number): boolean {
  while (!r.atEnd) {
    const tag = r.tag();
    if (tag === wanted) return true;
    r.skip(tag);
  }
  return false;
}
