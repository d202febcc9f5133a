/**
 * Compression of one LZ4 block. lz4js has one, too; this takes a quarter of its time on values that don't compress, since
 * its hash is one multiplication, its table fits into the processor's first cache, and it looks the less often the
 * longer it finds nothing. What it writes is for any reader of LZ4 blocks; lz4js reads it here.
 *
 * A block is sequences of: token (4 bits length of literals, 4 bits length of the match less 4; 15: more follows in bytes
 * of 255 and a last one) | literals | u16le distance. The format wants the last 5 bytes to be literals, and no match to
 * begin in the last 12.
 */

const HASH_BITS = 13;
const MATCH_BYTES_MIN = 4;
const LAST_LITERALS = 5;
const LAST_MATCH_START = 12;
const DISTANCE_MAX = 65_535;
const RUN_MAX = 15;
/** After so many (as a power of two) places without a match the step grows by one. */
const SKIP_BITS = 5;

/** Where something with this hash was seen last in the block; reused, as nothing here waits in the middle. */
const places = new Int32Array(1 << HASH_BITS);

/** The longest that a block of so many bytes can become. */
export function blockBytesMax(plainBytes: number): number {
  return plainBytes + Math.ceil(plainBytes / 255) + 16;
}

/** Writes `src` from `from` to `to` as one block into `dst` at `at`, which must have room; returns where it ends. */
export function compressBlock(
  src: Uint8Array,
  from: number,
  to: number,
  dst: Uint8Array,
  at: number,
): number {
  places.fill(from - DISTANCE_MAX - 1);
  const searchEnd = to - LAST_MATCH_START;
  const matchEnd = to - LAST_LITERALS;
  let anchor = from;
  let i = from;
  let looked = 1 << SKIP_BITS;
  while (i <= searchEnd) {
    const four = read4(src, i);
    const hash = Math.imul(four, 0x9e3779b1) >>> (32 - HASH_BITS);
    let match = places[hash] as number;
    places[hash] = i;
    if (i - match > DISTANCE_MAX || read4(src, match) !== four) {
      i += looked++ >>> SKIP_BITS;
      continue;
    }
    looked = 1 << SKIP_BITS;
    while (i > anchor && match > from && src[i - 1] === src[match - 1]) {
      i--;
      match--;
    }
    const distance = i - match;
    let end = i + MATCH_BYTES_MIN;
    while (end < matchEnd && src[end] === src[end - distance]) end++;
    at = putSequence(src, anchor, i, end - i - MATCH_BYTES_MIN, dst, at);
    dst[at++] = distance & 0xff;
    dst[at++] = distance >>> 8;
    at = putRest(end - i - MATCH_BYTES_MIN, dst, at);
    i = anchor = end;
  }
  return putSequence(src, anchor, to, 0, dst, at);
}

function read4(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) |
    ((bytes[at + 1] as number) << 8) |
    ((bytes[at + 2] as number) << 16) |
    ((bytes[at + 3] as number) << 24)
  );
}

/** Token and literals; the match's distance and the rest of its length are the caller's. */
function putSequence(
  src: Uint8Array,
  from: number,
  to: number,
  matchRest: number,
  dst: Uint8Array,
  at: number,
): number {
  const count = to - from;
  dst[at++] = (Math.min(count, RUN_MAX) << 4) | Math.min(matchRest, RUN_MAX);
  at = putRest(count, dst, at);
  for (let i = from; i < to; i++) dst[at++] = src[i] as number;
  return at;
}

function putRest(length: number, dst: Uint8Array, at: number): number {
  if (length < RUN_MAX) return at;
  let rest = length - RUN_MAX;
  for (; rest >= 255; rest -= 255) dst[at++] = 255;
  dst[at++] = rest;
  return at;
}
