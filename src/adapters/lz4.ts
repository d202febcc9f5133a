/**
 * LZ4 frames, as the `lz4` tool reads and writes them: compressed by lz4-block.ts, decompressed by lz4js.
 *
 * lz4js trusts every length in a frame: a content size of 4 GiB is allocated, a block that runs past the end reads
 * nothing as zeros. So the frame is walked here, every length is checked against the bytes that are there, and only
 * the blocks are handed to lz4js, with a buffer of exactly the expected size. Whether the bytes are right is for the
 * caller's CRCs to say.
 */
import { decompressBlock } from 'lz4js';
import type { Compressor } from '../ports/index.js';
import { blockBytesMax, compressBlock } from './lz4-block.js';

const MAGIC = 0x184d2204;
const VERSION_MASK = 0xc0;
const VERSION = 0x40;
const FLAG = { blockChecksum: 0x10, contentSize: 0x08, contentChecksum: 0x04, dictionary: 0x01 } as const;
const UNCOMPRESSED = 0x80000000;
/** Largest block by the code in the frame's header. */
const BLOCK_BYTES = new Map([
  [4, 64 * 1024],
  [5, 256 * 1024],
  [6, 1024 * 1024],
  [7, 4 * 1024 * 1024],
]);

export const lz4Compressor: Compressor = {
  compress(plain) {
    return compressFrame(plain);
  },

  decompress(packed, plainBytes) {
    const view = new DataView(packed.buffer, packed.byteOffset, packed.length);
    const frame = readFrameHeader(view, plainBytes);
    const plain = new Uint8Array(plainBytes);
    let from = frame.headerBytes;
    let to = 0;
    for (;;) {
      const word = u32(view, from);
      from += 4;
      if (word === 0) break;
      const blockBytes = word & ~UNCOMPRESSED;
      if (blockBytes > frame.blockBytesMax || from + blockBytes > packed.length) {
        throw new Error(`LZ4 block of ${blockBytes} bytes at ${from} of ${packed.length}`);
      }
      if (word >= UNCOMPRESSED) {
        if (to + blockBytes > plainBytes) throw new Error(`LZ4 frame holds more than ${plainBytes} bytes`);
        plain.set(packed.subarray(from, from + blockBytes), to);
        to += blockBytes;
      } else {
        to = decompressBlock(packed, plain, from, blockBytes, to);
        if (!(to <= plainBytes)) throw new Error(`LZ4 frame holds more than ${plainBytes} bytes`);
      }
      from += blockBytes + (frame.blockChecksum ? 4 : 0);
    }
    from += frame.contentChecksum ? 4 : 0;
    if (from !== packed.length) throw new Error(`LZ4 frame ends at ${from} of ${packed.length} bytes`);
    if (to !== plainBytes) throw new Error(`LZ4 frame holds ${to} bytes, expected ${plainBytes}`);
    return plain;
  },
};

/** Magic number; version 1, no sums; blocks of at most 4 MiB; a byte of the xxHash of the two bytes before. */
const FRAME_HEADER = Uint8Array.of(0x04, 0x22, 0x4d, 0x18, 0x40, 0x70, 0xdf);
const WRITTEN_BLOCK_BYTES = 4 * 1024 * 1024;

function compressFrame(plain: Uint8Array): Uint8Array {
  const blocks = Math.ceil(plain.length / WRITTEN_BLOCK_BYTES);
  const room =
    FRAME_HEADER.length + blocks * (4 + blockBytesMax(Math.min(plain.length, WRITTEN_BLOCK_BYTES))) + 4;
  const frame = new Uint8Array(room);
  const view = new DataView(frame.buffer);
  frame.set(FRAME_HEADER);
  let at = FRAME_HEADER.length;
  for (let from = 0; from < plain.length; from += WRITTEN_BLOCK_BYTES) {
    const to = Math.min(plain.length, from + WRITTEN_BLOCK_BYTES);
    let end = compressBlock(plain, from, to, frame, at + 4);
    const isSmaller = end - at - 4 < to - from;
    if (!isSmaller) {
      frame.set(plain.subarray(from, to), at + 4);
      end = at + 4 + to - from;
    }
    view.setUint32(at, isSmaller ? end - at - 4 : (end - at - 4) | UNCOMPRESSED, true);
    at = end;
  }
  view.setUint32(at, 0, true);
  return frame.slice(0, at + 4);
}

interface FrameHeader {
  readonly headerBytes: number;
  readonly blockBytesMax: number;
  readonly blockChecksum: boolean;
  readonly contentChecksum: boolean;
}

function readFrameHeader(view: DataView, plainBytes: number): FrameHeader {
  if (u32(view, 0) !== MAGIC || view.byteLength < 7) throw new Error('no LZ4 frame');
  const flags = view.getUint8(4);
  if ((flags & VERSION_MASK) !== VERSION || (flags & FLAG.dictionary) !== 0) {
    throw new Error(`LZ4 frame with flags ${flags}`);
  }
  const blockBytesMax = BLOCK_BYTES.get((view.getUint8(5) >> 4) & 7);
  if (blockBytesMax === undefined) throw new Error('LZ4 frame with an unknown block size');
  const hasSize = (flags & FLAG.contentSize) !== 0;
  if (hasSize) {
    const size = u32(view, 6) + u32(view, 10) * 4294967296;
    if (size !== plainBytes) throw new Error(`LZ4 frame of ${size} bytes, expected ${plainBytes}`);
  }
  return {
    headerBytes: hasSize ? 15 : 7,
    blockBytesMax,
    blockChecksum: (flags & FLAG.blockChecksum) !== 0,
    contentChecksum: (flags & FLAG.contentChecksum) !== 0,
  };
}

function u32(view: DataView, at: number): number {
  if (at + 4 > view.byteLength) throw new Error('LZ4 frame ends in the middle');
  return view.getUint32(at, true);
}
