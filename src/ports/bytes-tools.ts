/** CRC-32 (IEEE 802.3, as zlib's) of the bytes, continued from `seed`. */
export type Crc32 = (bytes: Uint8Array, seed?: number) => number;

/** LZ4 frames that the `lz4` tool can read. `decompress` throws on malformed input and checks nothing else. */
export interface Compressor {
  compress(plain: Uint8Array): Uint8Array;
  /** `plainBytes` is the exact length expected; more is an error before memory is taken. */
  decompress(packed: Uint8Array, plainBytes: number): Uint8Array;
}
