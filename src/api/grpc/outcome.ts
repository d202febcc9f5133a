/**
 * Results of the state machine (kv/result.ts) as outcomes of operations. One object serves all calls of a server: it
 * holds the outcome read last, and the value as a place in the result's own bytes.
 */
import {
  assert,
  ByteReader,
  EMPTY_BYTES,
  reasonFromNumber,
  type ErrorReason,
  type NodeId,
} from '../../base/index.js';
import { OperationKind } from '../../codec/cache/index.js';
import { KvError, Tag } from '../../kv/index.js';
import { ResultFlag, type Refusal } from './operation.js';

const TWO_32 = 4294967296;
/** The high words between which an int64 is a safe integer. */
const SAFE_HIGH = 0x1fffff;

/** What the state machine's refusals are called to clients. */
export const KV_REFUSALS: Readonly<Record<KvError, Refusal>> = {
  [KvError.notInteger]: { reason: 'NOT_A_NUMBER', message: 'the value is no 64-bit integer' },
  [KvError.overflow]: { reason: 'OVERFLOW', message: 'the number would leave the range of 64 bits' },
  [KvError.wrongType]: { reason: 'WRONG_TYPE', message: 'the key holds another type of value' },
  [KvError.malformed]: { reason: 'INVALID_ARGUMENT', message: 'the command is malformed' },
  [KvError.tooLarge]: {
    reason: 'TOO_LARGE',
    message: 'the value or the result is larger than this server allows',
  },
  [KvError.invalidExpire]: { reason: 'INVALID_ARGUMENT', message: 'the expiry is out of range' },
  [KvError.notFloat]: { reason: 'NOT_A_NUMBER', message: 'the value is no decimal number' },
  [KvError.infinite]: { reason: 'OVERFLOW', message: 'the sum would not be finite' },
  [KvError.sessionExpired]: {
    reason: 'SESSION_EXPIRED',
    message: 'the session has ended: ask for another one',
  },
  [KvError.sessionsFull]: {
    reason: 'OVERLOADED',
    message: 'the shard has no room for more of sessions just now',
  },
  [KvError.sequenceAnswered]: {
    reason: 'OUTCOME_UNKNOWN',
    message: 'the session said before that this write needs no answer any more',
  },
  [KvError.replyNotKept]: {
    reason: 'OUTCOME_UNKNOWN',
    message: 'the write was applied before, and its answer was too long to be kept',
  },
};

export class OperationOutcome {
  /** Null: the operation was answered by the state machine; everything below but `message` and `leader` counts. */
  failure: ErrorReason | null = null;
  message = '';
  /** With a failure: node to try instead, 0 when unknown. */
  leader: NodeId = 0;
  found = false;
  applied = false;
  /** The value is `bytes[valueStart, valueEnd)`, valid as long as the result's bytes. Null: none. */
  bytes: Uint8Array | null = null;
  valueStart = 0;
  valueEnd = 0;
  version = 0;
  /** After an increment, exact. */
  number: number | bigint = 0;
  ttlMs = 0;

  private readonly reader = new ByteReader(EMPTY_BYTES);

  /** Reads the result `bytes[start, end)` of an operation of that kind; `flags` are `resultFlags` of the operation. */
  read(kind: OperationKind, flags: number, bytes: Uint8Array, start: number, end: number): void {
    this.clear();
    const reader = this.reader.reset(bytes, start, end);
    const tag = reader.u8();
    if (tag === Tag.failed) {
      this.failure = reasonFromNumber(reader.u8());
      this.message = reader.string16();
      this.leader = reader.u32();
    } else if (tag === Tag.error) {
      const refusal = KV_REFUSALS[reader.u8() as KvError];
      this.refuse(refusal ?? { reason: 'INTERNAL', message: 'refused for an unknown reason' });
    } else this.readAnswer(kind, flags, tag, reader);
    if (reader.remaining !== 0)
      assert(false, `a result of kind ${kind} has ${reader.remaining} bytes left over`);
  }

  /** The outcome of an operation that was not submitted, or whose result can't be told. */
  refuse({ reason, message }: Refusal): void {
    this.clear();
    this.failure = reason;
    this.message = message;
  }

  private clear(): void {
    this.failure = null;
    this.message = '';
    this.leader = 0;
    this.found = false;
    this.applied = false;
    this.bytes = null;
    this.valueStart = this.valueEnd = 0;
    this.version = 0;
    this.number = 0;
    this.ttlMs = 0;
  }

  private readAnswer(kind: OperationKind, flags: number, tag: number, reader: ByteReader): void {
    switch (kind) {
      case OperationKind.get:
        if (tag === Tag.nil) return;
        if ((flags & ResultFlag.withMeta) !== 0) {
          expectPair(tag, reader, 3);
          this.readValue(reader.u8(), reader);
          this.version = this.readNumber(reader);
          this.ttlMs = Math.max(0, this.readNumber(reader));
        } else this.readValue(tag, reader);
        this.found = true;
        return;
      case OperationKind.set:
        expectPair(tag, reader, 2);
        this.applied = reader.u8() === Tag.ok;
        this.version = this.readNumber(reader);
        return;
      case OperationKind.compareAndSet:
      case OperationKind.compareAndDelete:
        expectPair(tag, reader, 2);
        this.applied = this.readNumber(reader) === 1;
        this.version = this.readNumber(reader);
        // At the comparison: a version that matched was the expected one, one that did not is still there.
        this.found = this.applied ? (flags & ResultFlag.expectsAbsent) === 0 : this.version !== 0;
        return;
      case OperationKind.delete:
      case OperationKind.touch:
        this.found = this.applied = readInt(tag, reader) === 1;
        return;
      case OperationKind.increment:
        expectPair(tag, reader, 2);
        this.number = readInt(reader.u8(), reader);
        this.version = this.readNumber(reader);
        this.applied = true;
        return;
      case OperationKind.persist:
        expectPair(tag, reader, 2);
        this.applied = this.readNumber(reader) === 1;
        this.version = this.readNumber(reader);
        this.found = this.version !== 0;
        return;
      case OperationKind.none:
        assert(false, 'an operation without a kind has no result');
    }
  }

  private readValue(tag: number, reader: ByteReader): void {
    if (tag !== Tag.bytes) assert(false, `tag ${tag} where a value was expected`);
    const count = reader.u32();
    this.valueStart = reader.position;
    reader.skip(count);
    this.valueEnd = reader.position;
    this.bytes = reader.buffer;
  }

  /** An int that is a safe integer by what it means: a version, a flag, a time to live. */
  private readNumber(reader: ByteReader): number {
    return Number(readInt(reader.u8(), reader));
  }
}

function expectPair(tag: number, reader: ByteReader, count: number): void {
  const found = tag === Tag.array ? reader.u32() : -1;
  if (found !== count) assert(false, `tag ${tag} with ${found} parts where ${count} were expected`);
}

/** The int behind its tag: a number where that is exact. */
function readInt(tag: number, reader: ByteReader): number | bigint {
  if (tag !== Tag.int) assert(false, `tag ${tag} where an int was expected`);
  const at = reader.position;
  const high = reader.u32() | 0;
  const low = reader.u32();
  if (high >= -SAFE_HIGH && high <= SAFE_HIGH) return high * TWO_32 + low;
  reader.position = at;
  return reader.i64();
}
