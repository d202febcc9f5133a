/**
 * The table's hash: HalfSipHash-1-3 (Aumasson and Bernstein) with 32 bits of output, keyed by the shard's seed.
 *
 * Keyed, because keys come from strangers: with a fast unkeyed hash a client could send keys that all collide and
 * stall the loop. The hash also names items in `reap` commands, so it is part of the replicated state's meaning.
 */
const rotate = (x: number, bits: number): number => (x << bits) | (x >>> (32 - bits));

export class KeyHasher {
  private readonly k0: number;
  private readonly k1: number;

  /** `seed` is a safe integer; all of its bits count. */
  constructor(readonly seed: number) {
    this.k0 = seed | 0;
    this.k1 = (Math.floor(seed / 4294967296) ^ Math.imul(seed, 0x9e3779b1)) | 0;
  }

  /** Hash of `bytes[start, end)`, 0..2^32-1. */
  hash(bytes: Uint8Array, start: number, end: number): number {
    return this.hash32(bytes, start, end) >>> 0;
  }

  /** The same bits as a signed integer, which the engine doesn't box. */
  hash32(bytes: Uint8Array, start: number, end: number): number {
    let v0 = this.k0;
    let v1 = this.k1;
    let v2 = this.k0 ^ 0x6c796765;
    let v3 = this.k1 ^ 0x74656462;
    const length = end - start;
    const wordsEnd = end - (length & 3);
    // The tail (0 to 3 bytes) and the length make the last word; then three rounds with nothing mixed in.
    let last = length << 24;
    for (let i = end - 1; i >= wordsEnd; i--) last |= (bytes[i] as number) << ((i - wordsEnd) * 8);
    for (let i = start; i <= wordsEnd; i += 4) {
      const word =
        i < wordsEnd
          ? (bytes[i] as number) |
            ((bytes[i + 1] as number) << 8) |
            ((bytes[i + 2] as number) << 16) |
            ((bytes[i + 3] as number) << 24)
          : last;
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = rotate(v1, 5) ^ v0;
      v0 = rotate(v0, 16);
      v2 = (v2 + v3) | 0;
      v3 = rotate(v3, 8) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = rotate(v3, 7) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = rotate(v1, 13) ^ v2;
      v2 = rotate(v2, 16);
      v0 ^= word;
    }
    v2 ^= 0xff;
    for (let round = 0; round < 3; round++) {
      v0 = (v0 + v1) | 0;
      v1 = rotate(v1, 5) ^ v0;
      v0 = rotate(v0, 16);
      v2 = (v2 + v3) | 0;
      v3 = rotate(v3, 8) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = rotate(v3, 7) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = rotate(v1, 13) ^ v2;
      v2 = rotate(v2, 16);
    }
    return v1 ^ v3;
  }
}
