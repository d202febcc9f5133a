/**
 * Writes protobuf's encoding: tags, varints, zigzag, length-delimited fields. Meant to be reused.
 *
 * Two ways. `WireWriter`'s methods make room by themselves, and fill in the lengths of nested messages behind them.
 * The functions `put…` write at a place where the caller made room before, after adding up what the functions
 * `…Bytes` say: hot paths use them. Values out of range are bugs of the caller and fail an assertion: what leaves
 * here always decodes.
 */
import { assert, ByteWriter } from '../../base/index.js';

/** How a field's value is laid out; groups are refused, and the fixed widths are only skipped. */
export const WireType = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

const CAPACITY_BYTES = 4096;
/** A message above this leaves with its memory, instead of being copied: one copy less, and nothing large is kept. */
const COPIED_BYTES_MAX = 64 * 1024;
/** Below this a loop is faster than a call into the engine. */
const LOOP_COPY_MAX = 32;
const VARINT_BYTES_MAX = 10;

/** Bytes of a varint; `value` is a safe integer from 0. */
export function varintBytes(value: number): number {
  if (value < 128) return 1;
  if (value < 16384) return 2;
  if (value < 2097152) return 3;
  if (value < 268435456) return 4;
  let count = 5;
  for (let rest = value / 34359738368; rest >= 1; rest /= 128) count++;
  return count;
}

/** Bytes of a text as UTF-8; a lone surrogate counts as the U+FFFD that is written for it. */
export function textBytes(text: string): number {
  let count = text.length;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c < 0x80) continue;
    if (c < 0x800) count += 1;
    else if (c >= 0xd800 && c <= 0xdbff && (text.charCodeAt(i + 1) & 0xfc00) === 0xdc00) {
      count += 2; // two units, four bytes
      i++;
    } else count += 2;
  }
  return count;
}

/** Bytes of an integer field of a one-byte tag; 0 for zero, which is not written. */
export function integerFieldBytes(value: number): number {
  return value === 0 ? 0 : 1 + varintBytes(value);
}

/** Bytes of a bytes field of a one-byte tag, of `count` bytes; 0 for none. */
export function bytesFieldBytes(count: number): number {
  return count === 0 ? 0 : 1 + varintBytes(count) + count;
}

/** Bytes of a bool field of a one-byte tag. */
export function flagFieldBytes(on: boolean): number {
  return on ? 2 : 0;
}

/** Bytes of a signed integer field of a one-byte tag. */
export function sint64FieldBytes(value: number | bigint): number {
  if (Number(value) === 0) return 0;
  const zigzag = shortZigzag(value);
  if (zigzag >= 0) return 1 + varintBytes(zigzag);
  let count = 1;
  for (let rest = longZigzag(value); rest > 0n; rest >>= 7n) count++;
  return count;
}

/** Writes a safe integer from 0, not checked. Returns the place behind it, as all of these do. */
export function putVarint(target: Uint8Array, position: number, value: number): number {
  let at = position;
  let rest = value;
  while (rest > 0x7fffffff) {
    target[at++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  while (rest > 127) {
    target[at++] = (rest & 127) | 128;
    rest >>>= 7;
  }
  target[at++] = rest;
  return at;
}

/** A safe integer from 0; 0 is not written. */
export function putIntegerField(target: Uint8Array, at: number, tag: number, value: number): number {
  if (value === 0) return at;
  if (!(Number.isSafeInteger(value) && value > 0)) assert(false, `${value} is no safe uint64`);
  target[at] = tag;
  return putVarint(target, at + 1, value);
}

export function putUint32Field(target: Uint8Array, at: number, tag: number, value: number): number {
  if (value > 0xffffffff) assert(false, `${value} is no uint32`);
  return putIntegerField(target, at, tag, value);
}

export function putFlagField(target: Uint8Array, at: number, tag: number, on: boolean): number {
  if (!on) return at;
  target[at] = tag;
  target[at + 1] = 1;
  return at + 2;
}

/** Tag, length and bytes of `source[start, end)`; nothing for no bytes. */
export function putBytesField(
  target: Uint8Array,
  position: number,
  tag: number,
  source: Uint8Array,
  start: number,
  end: number,
): number {
  const count = end - start;
  if (count === 0) return position;
  target[position] = tag;
  let at = putVarint(target, position + 1, count);
  if (count <= LOOP_COPY_MAX) {
    for (let i = start; i < end; i++) target[at++] = source[i] as number;
    return at;
  }
  target.set(count === source.length ? source : source.subarray(start, end), at);
  return at + count;
}

/** A safe integer, or any signed 64-bit one as bigint; 0 is not written. */
export function putSint64Field(target: Uint8Array, at: number, tag: number, value: number | bigint): number {
  if (Number(value) === 0) return at;
  target[at] = tag;
  return putSint64(target, at + 1, value);
}

function putSint64(target: Uint8Array, position: number, value: number | bigint): number {
  const zigzag = shortZigzag(value);
  if (zigzag >= 0) return putVarint(target, position, zigzag);
  let at = position;
  let rest = longZigzag(value);
  for (; rest > 127n; rest >>= 7n) target[at++] = Number(rest & 127n) | 128;
  target[at++] = Number(rest);
  return at;
}

/** The sign goes to the lowest bit, so that small negative numbers stay short. -1: not exact as a number. */
function shortZigzag(value: number | bigint): number {
  if (typeof value !== 'number') return -1;
  if (!Number.isSafeInteger(value)) assert(false, `${value} is no safe sint64`);
  if (value >= 2 ** 52 || value <= -(2 ** 52)) return -1;
  return value < 0 ? -2 * value - 1 : 2 * value;
}

function longZigzag(value: number | bigint): bigint {
  const exact = BigInt(value);
  if (BigInt.asIntN(64, exact) !== exact) assert(false, `${exact} is no sint64`);
  return BigInt.asUintN(64, (exact << 1n) ^ (exact >> 63n));
}

export class WireWriter extends ByteWriter {
  constructor(capacityBytes = CAPACITY_BYTES) {
    super(capacityBytes);
  }

  tag(field: number, wireType: number): void {
    this.varint(field * 8 + wireType);
  }

  uint32(value: number): void {
    if (!(Number.isInteger(value) && value >= 0 && value <= 0xffffffff))
      assert(false, `${value} is no uint32`);
    this.varint(value);
  }

  /** A safe integer from 0. */
  uint64(value: number): void {
    if (!(Number.isSafeInteger(value) && value >= 0)) assert(false, `${value} is no safe uint64`);
    this.varint(value);
  }

  /** A safe integer, or any signed 64-bit one as bigint. */
  sint64(value: number | bigint): void {
    this.reserve(VARINT_BYTES_MAX);
    this.length = putSint64(this.buffer, this.length, value);
  }

  /** Length and bytes. */
  delimited(source: Uint8Array): void {
    this.varint(source.length);
    this.bytes(source);
  }

  /** Length and UTF-8 bytes. */
  text(text: string): void {
    this.varint(textBytes(text));
    this.utf8(text);
  }

  /** Begins a nested message whose length is not known; `closeNested` gets what this returns. */
  openNested(): number {
    this.u8(0);
    return this.length;
  }

  /** Fills in the length; a body of 128 bytes or more moves up to make room for it. */
  closeNested(bodyAt: number): void {
    const body = this.length - bodyAt;
    const extra = varintBytes(body) - 1;
    this.reserve(extra);
    if (extra > 0) this.buffer.copyWithin(bodyAt + extra, bodyAt, this.length);
    putVarint(this.buffer, bodyAt - 1, body);
    this.length += extra;
  }

  /** What was written, as bytes that nobody else has; the writer is empty afterwards. */
  handOver(): Uint8Array {
    const length = this.length;
    if (length <= COPIED_BYTES_MAX) {
      this.length = 0;
      return this.buffer.slice(0, length);
    }
    const whole = this.view();
    this.reset();
    this.buffer = new Uint8Array(CAPACITY_BYTES);
    return whole;
  }

  /** A safe integer from 0, not checked. */
  private varint(value: number): void {
    this.reserve(VARINT_BYTES_MAX);
    this.length = putVarint(this.buffer, this.length, value);
  }
}
