/**
 * The session's fields in a command's header: who asks, which of its writes this is, and what it still waits for.
 *
 *   u64 session | u64 grantedMs | u32 lifetimeMs | u64 sequence | u64 lowestUnanswered
 *
 * They follow the four bytes that every command begins with, if its flags say so (`HeaderFlag.session`). Encoders leave
 * room for them; `putSessionFields` fills it in.
 */
import type { ByteReader, ByteWriter } from '../base/index.js';

/** Bits of a command's header. Bit 0 is malformed. */
export const HeaderFlag = { withVersion: 2, session: 4 } as const;
export const SESSION_FIELDS_BYTES = 36;
/** Of a command, before its session's fields. */
export const COMMAND_HEADER_BYTES = 4;

/** Who a session is: the three together. It ends `lifetimeMs` after `grantedMs`, by the time of a shard's log. */
export interface SessionGrant {
  /** A safe integer; never 0. */
  readonly session: number;
  /** Milliseconds since the epoch. */
  readonly grantedMs: number;
  readonly lifetimeMs: number;
}

export interface SessionFields extends SessionGrant {
  /** Of this write among the client's; from 1 on. */
  readonly sequence: number;
  /** No write of the client on this shard with a lower sequence waits for an answer. At most `sequence`. */
  readonly lowestUnanswered: number;
}

/** As one reads them: reused, so that none is made per command. */
export class SessionFieldsSlot implements SessionFields {
  session = 0;
  grantedMs = 0;
  lifetimeMs = 0;
  sequence = 0;
  lowestUnanswered = 0;

  get endMs(): number {
    return this.grantedMs + this.lifetimeMs;
  }

  /** Reads them where the reader stands. Throws `ShortBytesError` where they are none. */
  read(reader: ByteReader): this {
    this.session = reader.u64();
    this.grantedMs = reader.u64();
    this.lifetimeMs = reader.u32();
    this.sequence = reader.u64();
    this.lowestUnanswered = reader.u64();
    return this;
  }
}

/** Fills in the fields of the command that begins at `commandStart` and was encoded with `HeaderFlag.session`. */
export function putSessionFields(w: ByteWriter, commandStart: number, fields: SessionFields): void {
  const end = w.length;
  w.length = commandStart + COMMAND_HEADER_BYTES;
  w.u64(fields.session);
  w.u64(fields.grantedMs);
  w.u32(fields.lifetimeMs);
  w.u64(fields.sequence);
  w.u64(fields.lowestUnanswered);
  w.length = end;
}

/** Appends the command `bytes[start, end)`, which has no session, with these fields. */
export function appendWithSession(
  w: ByteWriter,
  bytes: Uint8Array,
  start: number,
  end: number,
  fields: SessionFields,
): void {
  const commandStart = w.length;
  w.reserve(end - start + SESSION_FIELDS_BYTES);
  w.bytes(bytes, start, start + COMMAND_HEADER_BYTES);
  w.buffer[commandStart + 1] = (bytes[start + 1] as number) | HeaderFlag.session;
  w.length += SESSION_FIELDS_BYTES;
  w.bytes(bytes, start + COMMAND_HEADER_BYTES, end);
  putSessionFields(w, commandStart, fields);
}

/** Appends the command `bytes[start, end)` without the fields of its session. */
export function appendWithoutSession(w: ByteWriter, bytes: Uint8Array, start: number, end: number): void {
  const commandStart = w.length;
  w.bytes(bytes, start, start + COMMAND_HEADER_BYTES);
  w.buffer[commandStart + 1] = (bytes[start + 1] as number) & ~HeaderFlag.session;
  w.bytes(bytes, start + COMMAND_HEADER_BYTES + SESSION_FIELDS_BYTES, end);
}

/** Whether the command that begins there, of which four bytes are there, has the fields of a session. */
export function hasSession(bytes: Uint8Array, commandStart: number): boolean {
  return ((bytes[commandStart + 1] as number) & HeaderFlag.session) !== 0;
}
