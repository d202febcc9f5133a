/**
 * Results of the state machine (kv/result.ts) as replies. One encoder serves all connections of a server: it holds
 * no state between calls but its reader.
 */
import { assert, ByteReader, reasonFromNumber, type ByteWriter, type ErrorReason } from '../../base/index.js';
import { Tag } from '../../kv/index.js';
import { failureText, kvErrorText } from './error-table.js';
import {
  writeArray,
  writeBigInt,
  writeBulk,
  writeError,
  writeInt,
  writeNull,
  writeSimple,
  type RespVersion,
} from './reply-writer.js';

/**
 * How a result is shown: as it is; an integer of milliseconds as Redis rounds them to seconds; OK as 1 and nil as 0.
 */
export const Shape = { plain: 0, seconds: 1, flag: 2 } as const;
export type Shape = (typeof Shape)[keyof typeof Shape];

/** What became of a command, for metrics and for joining parts. */
export const Outcome = { ok: 0, error: 1, failed: 2, unknown: 3 } as const;
export type Outcome = (typeof Outcome)[keyof typeof Outcome];
/** Values of the label `outcome`, by number. */
export const OUTCOME_NAMES: readonly string[] = ['ok', 'error', 'failed', 'unknown'];

const TWO_32 = 4294967296;
/** The high words between which an int64 is a safe integer. */
const SAFE_HIGH = 0x1fffff;

export class ResultEncoder {
  private readonly reader = new ByteReader(new Uint8Array(0));
  /** Why the last result was a failure; valid after `encode` returned `failed` or `unknown`. */
  reason: ErrorReason = 'INTERNAL';
  /** Values and nulls among the last result's top level: hits and misses of a read. */
  values = 0;
  nulls = 0;

  /** Appends the reply for the result `bytes[start, end)` of the command `name`. */
  encode(
    w: ByteWriter,
    bytes: Uint8Array,
    start: number,
    end: number,
    shape: Shape,
    version: RespVersion,
    name: string,
  ): Outcome {
    const reader = this.reader.reset(bytes, start, end);
    this.values = this.nulls = 0;
    const outcome = this.encodeOne(w, reader, shape, version, name);
    if (reader.remaining !== 0) assert(false, `result of ${name} has ${reader.remaining} bytes left over`);
    return outcome;
  }

  /** Appends the reply for the result at the reader, and moves the reader past it. */
  encodeOne(w: ByteWriter, reader: ByteReader, shape: Shape, version: RespVersion, name: string): Outcome {
    const tag = reader.u8();
    switch (tag) {
      case Tag.ok:
        if (shape === Shape.flag) writeInt(w, 1);
        else writeSimple(w, 'OK');
        return Outcome.ok;
      case Tag.nil:
        if (shape === Shape.flag) writeInt(w, 0);
        else writeNull(w, version);
        this.nulls++;
        return Outcome.ok;
      case Tag.int:
        writeInt64(w, reader, shape);
        return Outcome.ok;
      case Tag.bytes: {
        const count = reader.u32();
        const at = reader.position;
        reader.skip(count);
        writeBulk(w, reader.buffer, at, at + count);
        this.values++;
        return Outcome.ok;
      }
      case Tag.array: {
        const count = reader.u32();
        writeArray(w, count);
        for (let i = 0; i < count; i++) this.encodeOne(w, reader, shape, version, name);
        return Outcome.ok;
      }
      case Tag.text:
        writeSimple(w, reader.utf8(reader.u8()));
        return Outcome.ok;
      case Tag.error:
        writeError(w, kvErrorText(reader.u8(), name));
        return Outcome.error;
      default:
        assert(tag === Tag.failed, `unknown result tag ${tag} for ${name}`);
        return this.encodeFailure(w, reader);
    }
  }

  private encodeFailure(w: ByteWriter, reader: ByteReader): Outcome {
    this.reason = reasonFromNumber(reader.u8());
    const detail = reader.string16();
    reader.skip(4); // the leader's node: for clients that know nodes
    writeError(w, failureText(this.reason, detail));
    return outcomeOf(this.reason);
  }
}

export function outcomeOf(reason: ErrorReason): Outcome {
  return reason === 'OUTCOME_UNKNOWN' || reason === 'INTERNAL' ? Outcome.unknown : Outcome.failed;
}

/** The int64 at the reader as a number; `Infinity` (position unchanged) when only a bigint holds it. */
export function readSafeInt(reader: ByteReader): number {
  const at = reader.position;
  let high = reader.u32();
  const low = reader.u32();
  if (high >= TWO_32 / 2) high -= TWO_32;
  if (high >= -SAFE_HIGH && high <= SAFE_HIGH) return high * TWO_32 + low;
  reader.position = at;
  return Infinity;
}

function writeInt64(w: ByteWriter, reader: ByteReader, shape: Shape): void {
  const value = readSafeInt(reader);
  if (value === Infinity) return writeBigInt(w, reader.i64());
  // Redis rounds to the nearest second; -1 and -2 (no expiry, no key) stay.
  if (shape === Shape.seconds && value >= 0) writeInt(w, Math.floor((value + 500) / 1000));
  else writeInt(w, value);
}
