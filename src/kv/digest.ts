/**
 * Digests of items, for the sum by which replicas compare their states: two 32-bit lanes over key, value, version and
 * expiry. Sums of digests (mod 2^32, lane by lane) don't depend on order, so that they are kept while items come and
 * go. Against mistakes and rot, not against an adversary. The result is written into checkpoints: changing it needs a
 * new checkpoint format.
 */
import type { Item } from './item.js';

const TWO_32 = 4294967296;
const PRIME_A = 0x9e3779b1 | 0;
const PRIME_B = 0x85ebca77 | 0;
const PRIME_C = 0xc2b2ae3d | 0;
const PRIME_D = 0x27d4eb2f | 0;
/** From this length on a view of the bytes costs less than it saves. */
const VIEW_BYTES_MIN = 256;

export class Digest {
  /** The lanes of what was mixed in since `begin`, as signed 32-bit integers (which the engine doesn't box). */
  a = 0;
  b = 0;

  begin(): void {
    this.a = 0x243f6a88;
    this.b = 0x85a308d3 | 0;
  }

  word(word: number): void {
    this.a = Math.imul(rotate(this.a ^ Math.imul(word, PRIME_A), 13), PRIME_B);
    this.b = Math.imul(rotate((this.b + Math.imul(word, PRIME_C)) | 0, 15), PRIME_D) ^ this.a;
  }

  /** A safe, non-negative integer. */
  integer(value: number): void {
    this.word(Math.floor(value / TWO_32) | 0);
    this.word(value | 0);
  }

  /** Length and bytes, so that moving a border between two fields changes the digest. */
  bytes(bytes: Uint8Array, start: number, end: number): void {
    this.word(end - start);
    const wordsEnd = end - ((end - start) & 3);
    this.wholeWords(bytes, start, wordsEnd);
    this.tail(bytes, wordsEnd, end);
  }

  /** Whole words of a field whose length was mixed in; how they are cut into calls makes no difference. */
  wholeWords(bytes: Uint8Array, start: number, end: number): void {
    if (end - start >= VIEW_BYTES_MIN) {
      this.longBytes(bytes, start, end);
    } else {
      for (let i = start; i < end; i += 4) {
        this.word(
          (bytes[i] as number) |
            ((bytes[i + 1] as number) << 8) |
            ((bytes[i + 2] as number) << 16) |
            ((bytes[i + 3] as number) << 24),
        );
      }
    }
  }

  /** What is left of a field after its whole words. */
  tail(bytes: Uint8Array, start: number, end: number): void {
    let tail = 0;
    for (let i = start; i < end; i++) tail = (tail << 8) | (bytes[i] as number);
    this.word(tail);
  }

  end(): void {
    const a = this.a;
    this.a = avalanche(a ^ this.b);
    this.b = avalanche((Math.imul(this.b, PRIME_A) + rotate(a, 7)) | 0);
  }

  ofItem(item: Item): void {
    this.beginItem(item);
    const { valueBytes, valueStart, valueEnd } = item;
    const wordsEnd = valueEnd - ((valueEnd - valueStart) & 3);
    this.wholeWords(valueBytes, valueStart, wordsEnd);
    this.tail(valueBytes, wordsEnd, valueEnd);
    this.end();
  }

  /** Everything of an item up to its value's bytes. */
  beginItem(item: Item): void {
    this.begin();
    this.integer(item.version);
    this.integer(item.expiryMs);
    this.bytes(item.keyBytes, item.keyStart, item.keyEnd);
    this.word(item.valueEnd - item.valueStart);
  }

  /** What `word` does to each word of a whole number of them: several times as fast, for large values. */
  private longBytes(bytes: Uint8Array, start: number, end: number): void {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    let { a, b } = this;
    for (let i = start; i < end; i += 4) {
      const word = view.getInt32(i, true);
      a = Math.imul(rotate(a ^ Math.imul(word, PRIME_A), 13), PRIME_B);
      b = Math.imul(rotate((b + Math.imul(word, PRIME_C)) | 0, 15), PRIME_D) ^ a;
    }
    this.a = a;
    this.b = b;
  }
}

function rotate(x: number, bits: number): number {
  return (x << bits) | (x >>> (32 - bits));
}

function avalanche(x: number): number {
  let h = Math.imul(x ^ (x >>> 16), PRIME_B);
  h = Math.imul(h ^ (h >>> 13), PRIME_C);
  return h ^ (h >>> 16);
}
