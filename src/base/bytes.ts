/**
 * Byte cursors: a growable writer and a bounds-checked reader, big-endian, over plain `Uint8Array`s.
 *
 * The writer is meant to be reused (`reset`), so that hot paths allocate nothing per command. The reader never
 * reads past its end: it throws `ShortBytesError`, which decoders turn into "malformed".
 */

export class ShortBytesError extends Error {
  override readonly name = 'ShortBytesError';
}

export const EMPTY_BYTES = new Uint8Array(0);

/** Copies below this size byte by byte: `set(subarray)` allocates a view, which costs more than a short loop. */
const LOOP_COPY_MAX = 48;

/** A copy of `source[start, end)`. Not `slice`: Node's Buffer overrides that to share memory. */
export function copyBytes(source: Uint8Array, start = 0, end = source.length): Uint8Array {
  const copy = new Uint8Array(end - start);
  copy.set(source.subarray(start, end));
  return copy;
}

export class ByteWriter {
  buffer: Uint8Array;
  /** Bytes written so far; also the position of the next write. */
  length = 0;

  constructor(capacity = 256) {
    this.buffer = new Uint8Array(capacity);
  }

  reset(): void {
    this.length = 0;
  }

  /** Makes room for `count` more bytes. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed <= this.buffer.length) return;
    let capacity = this.buffer.length * 2;
    while (capacity < needed) capacity *= 2;
    const grown = new Uint8Array(capacity);
    grown.set(this.buffer.subarray(0, this.length));
    this.buffer = grown;
  }

  u8(value: number): void {
    this.reserve(1);
    this.buffer[this.length++] = value;
  }

  u16(value: number): void {
    this.reserve(2);
    this.buffer[this.length++] = value >>> 8;
    this.buffer[this.length++] = value;
  }

  u32(value: number): void {
    this.reserve(4);
    this.putU32(this.length, value);
    this.length += 4;
  }

  /** A safe, non-negative integer (up to 2^53 - 1) in eight bytes. */
  u64(value: number): void {
    this.reserve(8);
    const high = Math.floor(value / 4294967296);
    this.putU32(this.length, high);
    this.putU32(this.length + 4, value - high * 4294967296);
    this.length += 8;
  }

  /** A signed 64-bit integer, two's complement. */
  i64(value: bigint): void {
    this.reserve(8);
    const unsigned = BigInt.asUintN(64, value);
    this.putU32(this.length, Number(unsigned >> 32n));
    this.putU32(this.length + 4, Number(unsigned & 0xffffffffn));
    this.length += 8;
  }

  /** Copies `source[start, end)`. */
  bytes(source: Uint8Array, start = 0, end = source.length): void {
    const count = end - start;
    this.reserve(count);
    if (count <= LOOP_COPY_MAX) {
      const target = this.buffer;
      let at = this.length;
      for (let i = start; i < end; i++) target[at++] = source[i] as number;
    } else {
      this.buffer.set(source.subarray(start, end), this.length);
    }
    this.length += count;
  }

  /** A string as UTF-8, without a length. */
  utf8(text: string): void {
    this.reserve(text.length * 3);
    const target = this.buffer;
    let at = this.length;
    for (let i = 0; i < text.length; i++) {
      let c = text.codePointAt(i) as number;
      if (c > 0xffff) i++;
      if (c >= 0xd800 && c <= 0xdfff) c = 0xfffd; // a lone surrogate has no UTF-8 form
      if (c < 0x80) target[at++] = c;
      else if (c < 0x800) {
        target[at++] = 0xc0 | (c >> 6);
        target[at++] = 0x80 | (c & 63);
      } else if (c < 0x10000) {
        target[at++] = 0xe0 | (c >> 12);
        target[at++] = 0x80 | ((c >> 6) & 63);
        target[at++] = 0x80 | (c & 63);
      } else {
        target[at++] = 0xf0 | (c >> 18);
        target[at++] = 0x80 | ((c >> 12) & 63);
        target[at++] = 0x80 | ((c >> 6) & 63);
        target[at++] = 0x80 | (c & 63);
      }
    }
    this.length = at;
  }

  /** A string of at most 65,535 UTF-8 bytes behind its length (u16). */
  string16(text: string): void {
    const at = this.length;
    this.u16(0);
    this.utf8(text);
    const count = this.length - at - 2;
    if (count > 65535) throw new RangeError(`string of ${count} bytes does not fit a u16 length`);
    this.buffer[at] = count >>> 8;
    this.buffer[at + 1] = count;
  }

  /** Overwrites four bytes at `position`, written before. */
  putU32(position: number, value: number): void {
    const b = this.buffer;
    b[position] = value >>> 24;
    b[position + 1] = value >>> 16;
    b[position + 2] = value >>> 8;
    b[position + 3] = value;
  }

  /** A view of what was written; valid until the next write or reset. */
  view(): Uint8Array {
    return this.buffer.subarray(0, this.length);
  }

  /** A copy of what was written. */
  take(): Uint8Array {
    return this.buffer.slice(0, this.length);
  }
}

export class ByteReader {
  position: number;

  constructor(
    public buffer: Uint8Array,
    start = 0,
    public end = buffer.length,
  ) {
    this.position = start;
  }

  /** Points the reader at other bytes, so that one reader serves many frames. */
  reset(buffer: Uint8Array, start = 0, end = buffer.length): this {
    this.buffer = buffer;
    this.position = start;
    this.end = end;
    return this;
  }

  get remaining(): number {
    return this.end - this.position;
  }

  private need(count: number): number {
    const at = this.position;
    if (count > this.end - at) throw new ShortBytesError(`need ${count} bytes, have ${this.end - at}`);
    this.position = at + count;
    return at;
  }

  u8(): number {
    return this.buffer[this.need(1)] as number;
  }

  u16(): number {
    const at = this.need(2);
    return ((this.buffer[at] as number) << 8) | (this.buffer[at + 1] as number);
  }

  u32(): number {
    return readU32(this.buffer, this.need(4));
  }

  /** Throws `ShortBytesError` for a value above 2^53 - 1: such bytes are malformed here. */
  u64(): number {
    const at = this.need(8);
    const high = readU32(this.buffer, at);
    if (high > 0x1fffff) throw new ShortBytesError(`integer above 2^53 at ${at}`);
    return high * 4294967296 + readU32(this.buffer, at + 4);
  }

  i64(): bigint {
    const at = this.need(8);
    const unsigned = (BigInt(readU32(this.buffer, at)) << 32n) | BigInt(readU32(this.buffer, at + 4));
    return BigInt.asIntN(64, unsigned);
  }

  /** A copy of the next `count` bytes. */
  bytes(count: number): Uint8Array {
    const at = this.need(count);
    return copyBytes(this.buffer, at, at + count);
  }

  /** A view of the next `count` bytes; shares memory with the buffer. */
  view(count: number): Uint8Array {
    const at = this.need(count);
    return this.buffer.subarray(at, at + count);
  }

  skip(count: number): void {
    this.need(count);
  }

  utf8(count: number): string {
    const at = this.need(count);
    return decodeUtf8(this.buffer, at, at + count);
  }

  string16(): string {
    return this.utf8(this.u16());
  }
}

export function readU32(b: Uint8Array, at: number): number {
  return (
    ((b[at] as number) * 16777216 +
      (((b[at + 1] as number) << 16) | ((b[at + 2] as number) << 8) | (b[at + 3] as number))) >>>
    0
  );
}

/** Decodes UTF-8; malformed sequences become U+FFFD. */
export function decodeUtf8(b: Uint8Array, start = 0, end = b.length): string {
  let text = '';
  let i = start;
  while (i < end) {
    const c = b[i++] as number;
    if (c < 0x80) {
      text += String.fromCharCode(c);
      continue;
    }
    const extra = c >= 0xf0 && c < 0xf5 ? 3 : c >= 0xe0 ? 2 : c >= 0xc2 ? 1 : 0;
    if (extra === 0 || c >= 0xf5 || i + extra > end) {
      text += '\ufffd';
      continue;
    }
    let code = c & (0x3f >> extra);
    let ok = true;
    for (let k = 0; k < extra; k++) {
      const d = b[i + k] as number;
      if ((d & 0xc0) !== 0x80) ok = false;
      code = (code << 6) | (d & 63);
    }
    if (!ok || code > 0x10ffff) {
      text += '\ufffd';
      continue;
    }
    i += extra;
    text += String.fromCodePoint(code);
  }
  return text;
}

export function encodeUtf8(text: string): Uint8Array {
  const writer = new ByteWriter(text.length * 3 + 1);
  writer.utf8(text);
  return writer.take();
}

/** Whether `a[aStart, aEnd)` and `b[bStart, bEnd)` hold the same bytes. */
export function equalBytes(
  a: Uint8Array,
  b: Uint8Array,
  aStart = 0,
  aEnd = a.length,
  bStart = 0,
  bEnd = b.length,
): boolean {
  if (aEnd - aStart !== bEnd - bStart) return false;
  for (let i = aStart, j = bStart; i < aEnd; i++, j++) if (a[i] !== b[j]) return false;
  return true;
}

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
