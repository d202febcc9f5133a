/**
 * One command over several shards: a part for each, run on its own and atomic on its own, joined into one reply.
 *
 * A failure of any part is the command's. Told is the worst; and where a write was applied by one part and refused
 * by another, that nothing was applied would be false and so would be success: `OUTCOMEUNKNOWN`.
 * One object per such command: they are rarer than commands on one shard, and cost several messages anyhow.
 */
import {
  assert,
  ByteReader,
  copyBytes,
  reasonFromNumber,
  type ByteWriter,
  type ErrorReason,
} from '../../base/index.js';
import { KvError, Tag } from '../../kv/index.js';
import { failureText, kvErrorText, PARTLY_APPLIED_TEXT, worseFailure } from './error-table.js';
import { writeArray, writeError, writeInt, writeSimple, type RespVersion } from './reply-writer.js';
import type { PartedCommand } from './part-tokens.js';
import { Outcome, outcomeOf, readSafeInt, Shape, type ResultEncoder } from './result-encoder.js';

/** How parts become one reply: the sum of integers, OK if all are, or one array in the order of the keys. */
export const Join = { sum: 0, ok: 1, array: 2 } as const;
export type Join = (typeof Join)[keyof typeof Join];

export class Gather implements PartedCommand {
  /** Of the parts' results that are kept until all are there. */
  keptBytes = 0;
  private submitted = 0;
  private remaining: number;
  private sum = 0;
  private applied = false;
  private failure: ErrorReason | null = null;
  private detail = '';
  private refusal: number | null = null;
  private readonly arrays: Uint8Array[] = [];

  constructor(
    readonly sequence: number,
    private readonly join: Join,
    private readonly isWrite: boolean,
    parts: number,
    private readonly partOfKey: Int32Array | null,
  ) {
    assert(parts > 1, `a command in ${parts} parts is not gathered`);
    assert((join === Join.array) === (partOfKey !== null), `join ${join} with or without an order of keys`);
    this.remaining = parts;
  }

  /** The number of the part that is submitted now. */
  nextPart(): number {
    return this.submitted++;
  }

  get isComplete(): boolean {
    return this.remaining === 0;
  }

  /** Takes the result of one part. Once more than `bytesMax` would be kept, the command is refused as too large. */
  take(part: number, reader: ByteReader, bytesMax: number): boolean {
    assert(this.remaining > 0, `part ${part} of a complete command`);
    this.remaining--;
    const start = reader.position;
    const tag = reader.u8();
    if (tag === Tag.failed) this.takeFailure(reader);
    else if (tag === Tag.error) this.refusal ??= reader.u8();
    else {
      this.applied = true;
      if (this.join === Join.sum) {
        assert(tag === Tag.int, `tag ${tag} in a sum`);
        this.sum += readSafeInt(reader);
      } else if (this.join === Join.array) {
        assert(tag === Tag.array, `tag ${tag} in an array`);
        this.keep(part, reader.buffer, start, reader.end, bytesMax);
      }
    }
    return false;
  }

  /** Appends the reply; all parts are there. Failures leave their reason in the encoder. */
  encode(w: ByteWriter, version: RespVersion, name: string, encoder: ResultEncoder): Outcome {
    assert(this.remaining === 0, `${this.remaining} parts of ${name} are missing`);
    encoder.values = encoder.nulls = 0;
    if (this.failure !== null) return this.encodeFailure(w, encoder, this.failure);
    if (this.refusal !== null) {
      if (this.isWrite && this.applied) return this.encodePartly(w, encoder, kvErrorText(this.refusal, name));
      writeError(w, kvErrorText(this.refusal, name));
      return Outcome.error;
    }
    if (this.join === Join.sum) writeInt(w, this.sum);
    else if (this.join === Join.ok) writeSimple(w, 'OK');
    else this.encodeArray(w, version, name, encoder);
    return Outcome.ok;
  }

  private keep(part: number, bytes: Uint8Array, start: number, end: number, bytesMax: number): void {
    if (this.keptBytes + end - start > bytesMax) this.refusal ??= KvError.tooLarge;
    if (this.refusal === null && this.failure === null) {
      this.arrays[part] = copyBytes(bytes, start, end);
      this.keptBytes += end - start;
    } else {
      this.arrays.length = 0; // nobody will see them
      this.keptBytes = 0;
    }
  }

  private takeFailure(reader: ByteReader): void {
    const reason = reasonFromNumber(reader.u8());
    const worst = this.failure === null ? reason : worseFailure(this.failure, reason);
    if (worst !== this.failure) this.detail = reader.string16();
    this.failure = worst;
  }

  private encodeFailure(w: ByteWriter, encoder: ResultEncoder, failure: ErrorReason): Outcome {
    const text = failureText(failure, this.detail);
    if (this.isWrite && this.applied && outcomeOf(failure) === Outcome.failed) {
      return this.encodePartly(w, encoder, text);
    }
    encoder.reason = failure;
    writeError(w, text);
    return outcomeOf(failure);
  }

  private encodePartly(w: ByteWriter, encoder: ResultEncoder, why: string): Outcome {
    encoder.reason = 'OUTCOME_UNKNOWN';
    writeError(w, `${PARTLY_APPLIED_TEXT}: ${why.replace('; nothing was applied', '')}`);
    return Outcome.unknown;
  }

  private encodeArray(w: ByteWriter, version: RespVersion, name: string, encoder: ResultEncoder): void {
    const readers = this.arrays.map((bytes) => new ByteReader(bytes, 5)); // behind tag and count
    const order = this.partOfKey as Int32Array;
    writeArray(w, order.length);
    for (let key = 0; key < order.length; key++) {
      const reader = readers[order[key] as number] as ByteReader;
      encoder.encodeOne(w, reader, Shape.plain, version, name);
    }
  }
}
