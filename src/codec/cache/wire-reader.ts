/**
 * Reads protobuf's encoding from bytes that a stranger may have sent. Meant to be reused.
 *
 * Invariants: nothing is read past `end`; every read moves forward, so that a loop over a message ends; nothing is
 * allocated from a length before the bytes are known to be there; every refusal is a `MalformedMessage`. Fields
 * nobody knows are skipped without looking inside, and groups are refused, so that nesting is no deeper than the
 * messages that this version knows.
 */
import { decodeUtf8, EMPTY_BYTES } from '../../base/index.js';
import { MalformedMessage } from './malformed-message.js';
import { WireType } from './wire-writer.js';

export class WireReader {
  bytes: Uint8Array = EMPTY_BYTES;
  /** Of the next byte; `position <= end`. */
  position = 0;
  /** Of the message being read; `enter` and `leave` move it. */
  end = 0;
  /** Halves of the varint read last. */
  private low = 0;
  private high = 0;

  reset(bytes: Uint8Array, start = 0, end = bytes.length): this {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
    return this;
  }

  get atEnd(): boolean {
    return this.position >= this.end;
  }

  /** Field number times 8 plus wire type. */
  tag(): number {
    const tag = this.uint32();
    if (tag < 8) throw new MalformedMessage(`field 0 at ${this.position}`);
    return tag;
  }

  /** Refuses values above 2^32 - 1. */
  uint32(): number {
    const value = this.uint64();
    if (value > 0xffffffff) throw new MalformedMessage(`integer above 2^32 - 1 before ${this.position}`);
    return value;
  }

  /** Refuses values above 2^53 - 1. */
  uint64(): number {
    const bytes = this.bytes;
    const at = this.position;
    if (at < this.end) {
      const first = bytes[at] as number;
      if (first < 128) {
        this.position = at + 1;
        return first;
      }
      if (at + 3 < this.end) {
        const second = bytes[at + 1] as number;
        let value = (first & 127) | ((second & 127) << 7);
        if (second < 128) {
          this.position = at + 2;
          return value;
        }
        const third = bytes[at + 2] as number;
        value |= (third & 127) << 14;
        if (third < 128) {
          this.position = at + 3;
          return value;
        }
        const fourth = bytes[at + 3] as number;
        if (fourth < 128) {
          this.position = at + 4;
          return value | (fourth << 21);
        }
      }
    }
    this.varint();
    if (this.high > 0x1fffff) throw new MalformedMessage(`integer above 2^53 - 1 before ${this.position}`);
    return this.high * 4294967296 + this.low;
  }

  bool(): boolean {
    if (this.position < this.end && (this.bytes[this.position] as number) <= 1) {
      return this.bytes[this.position++] === 1;
    }
    this.varint();
    return this.low !== 0 || this.high !== 0;
  }

  /** A number where that is exact, else a bigint: one form for each value. */
  sint64(): number | bigint {
    this.varint();
    const flip = -(this.low & 1);
    const low = (((this.low >>> 1) | (this.high << 31)) ^ flip) >>> 0;
    const high = (this.high >>> 1) ^ flip;
    const value = high * 4294967296 + low;
    return Number.isSafeInteger(value) ? value : (BigInt(high) << 32n) | BigInt(low);
  }

  /** Length of the bytes that follow, which are there. */
  byteCount(): number {
    const count = this.uint32();
    if (count > this.end - this.position) {
      throw new MalformedMessage(`${count} bytes announced, ${this.end - this.position} are there`);
    }
    return count;
  }

  /** Begins a nested message; `leave` gets what this returns, once `atEnd`. */
  enter(): number {
    const count = this.byteCount();
    const outerEnd = this.end;
    this.end = this.position + count;
    return outerEnd;
  }

  leave(outerEnd: number): void {
    this.position = this.end;
    this.end = outerEnd;
  }

  /** Bytes of a length-delimited field; they share memory with the message. */
  view(): Uint8Array {
    const count = this.byteCount();
    const at = this.position;
    this.position = at + count;
    return this.bytes.subarray(at, at + count);
  }

  /** Text of a length-delimited field; what is no UTF-8 becomes U+FFFD. */
  text(): string {
    const count = this.byteCount();
    const at = this.position;
    this.position = at + count;
    return decodeUtf8(this.bytes, at, at + count);
  }

  /** Moves past the value of a field of this tag. */
  skip(tag: number): void {
    switch (tag & 7) {
      case WireType.varint:
        this.varint();
        return;
      case WireType.fixed64:
        this.skipBytes(8);
        return;
      case WireType.bytes:
        this.skipBytes(this.byteCount());
        return;
      case WireType.fixed32:
        this.skipBytes(4);
        return;
      default:
        throw new MalformedMessage(`wire type ${tag & 7} of field ${tag >>> 3}`);
    }
  }

  /**
   * Moves past a field that the caller has no use for. One that it knows (numbers up to `fieldMax`) came with a wire
   * type that is not its own: refused, since skipping it would read as zero.
   */
  skipUnknown(tag: number, fieldMax: number): void {
    if (tag >>> 3 <= fieldMax) throw new MalformedMessage(`wire type ${tag & 7} of field ${tag >>> 3}`);
    this.skip(tag);
  }

  private skipBytes(count: number): void {
    if (count > this.end - this.position) {
      throw new MalformedMessage(`need ${count} bytes, have ${this.end - this.position}`);
    }
    this.position += count;
  }

  /** Any varint of at most 64 bits, into `low` and `high`. */
  private varint(): void {
    const bytes = this.bytes;
    let at = this.position;
    let low = 0;
    let high = 0;
    for (let shift = 0; ; shift += 7) {
      if (at >= this.end) throw new MalformedMessage(`varint cut off at ${at}`);
      const byte = bytes[at++] as number;
      if (shift < 28) low |= (byte & 127) << shift;
      else if (shift === 28) {
        low |= (byte & 15) << 28;
        high = (byte & 127) >>> 4;
      } else {
        if (shift === 63 && byte > 1) throw new MalformedMessage(`varint above 64 bits at ${at}`);
        high |= (byte & 127) << (shift - 32);
      }
      if (byte < 128) break;
    }
    this.position = at;
    this.low = low >>> 0;
    this.high = high >>> 0;
  }
}
