/**
 * Results as bytes, from the table to the client's front end, and over the peer links in between.
 *
 *   u8 tag, then:  ok, nil: nothing        int: i64           bytes: u32 length + bytes
 *                  array: u32 count + results                 text: u8 length + ASCII (a status such as `string`)
 *                  error: u8 KvError       failed: u8 reason number, u16 length + UTF-8 message, u32 leader's node id
 *
 * `error` is an answer of the state machine (the command was applied and said no). `failed` is the cluster's: the
 * command was not run, or nobody knows.
 */
import {
  ERROR_REASONS,
  type ByteReader,
  type ByteWriter,
  type ErrorReason,
  type NodeId,
} from '../base/index.js';

export const Tag = { ok: 0, nil: 1, int: 2, bytes: 3, array: 4, text: 5, error: 6, failed: 7 } as const;
export type Tag = (typeof Tag)[keyof typeof Tag];

/** Numbers travel on the wire: never reused. */
export const KvError = {
  notInteger: 1,
  overflow: 2,
  wrongType: 3,
  malformed: 4,
  tooLarge: 5,
  invalidExpire: 6,
  /** The value, or what is to be added, spells no decimal number. */
  notFloat: 7,
  /** The sum has no finite value. */
  infinite: 8,
  /** The session has ended, or is none that may begin: not applied. */
  sessionExpired: 9,
  /** No room for another session, or another reply of this one: not applied. */
  sessionsFull: 10,
  /** The client said that it has its answer, or needs none: whether it was applied is not known any more. */
  sequenceAnswered: 11,
  /** It was applied before; the reply was too long to be kept. */
  replyNotKept: 12,
} as const;
export type KvError = (typeof KvError)[keyof typeof KvError];

export function putInt(w: ByteWriter, value: number): void {
  w.u8(Tag.int);
  if (value >= 0) w.u64(value);
  else w.i64(BigInt(value));
}

export function putBigInt(w: ByteWriter, value: bigint): void {
  w.u8(Tag.int);
  w.i64(value);
}

export function putBytes(w: ByteWriter, source: Uint8Array, start = 0, end = source.length): void {
  w.u8(Tag.bytes);
  w.u32(end - start);
  w.bytes(source, start, end);
}

export function putArray(w: ByteWriter, count: number): void {
  w.u8(Tag.array);
  w.u32(count);
}

/** `text` is ASCII of at most 255 characters. */
export function putText(w: ByteWriter, text: string): void {
  w.u8(Tag.text);
  w.u8(text.length);
  w.utf8(text);
}

export function putError(w: ByteWriter, error: KvError): void {
  w.u8(Tag.error);
  w.u8(error);
}

/** `leader` is the node to try instead, 0 when unknown. */
export function putFailed(w: ByteWriter, reason: ErrorReason, message: string, leader: NodeId): void {
  w.u8(Tag.failed);
  w.u8(ERROR_REASONS[reason].number);
  w.string16(message);
  w.u32(leader);
}

/** Moves the reader past one result. */
export function skipResult(reader: ByteReader): void {
  const tag = reader.u8();
  switch (tag) {
    case Tag.ok:
    case Tag.nil:
      return;
    case Tag.int:
      reader.skip(8);
      return;
    case Tag.bytes:
      reader.skip(reader.u32());
      return;
    case Tag.array: {
      const count = reader.u32();
      for (let i = 0; i < count; i++) skipResult(reader);
      return;
    }
    case Tag.text:
      reader.skip(reader.u8());
      return;
    case Tag.error:
      reader.skip(1);
      return;
    case Tag.failed:
      reader.skip(1);
      reader.skip(reader.u16());
      reader.skip(4);
      return;
    default:
      throw new RangeError(`unknown result tag ${tag}`);
  }
}
