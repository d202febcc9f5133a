/**
 * The layout of a checkpoint file. It is a sequence of LZ4 frames: every other one is an LZ4 "skippable frame" that
 * holds what we need to know, so that `lz4 -d FILE` gives the plain state.
 *
 *   section   u32le magic 0x184D2A51 | u32le length | body          (the skippable frame)
 *   file      header section | (frame section | LZ4 frame)… | footer section
 *   header    u8 1 | u32 "QCKP" | u8 version | u32 group | u64 index | u64 term | configuration
 *             | string16 state hash | u32 crc of the body before
 *   frame     u8 2 | u32 number | u32 packed bytes | u32 plain bytes | u32 plain crc
 *             | u32 crc of the body before and of the packed bytes
 *   footer    u8 3 | u32 frames | u64 plain bytes | u32 crc of the whole file before this field
 *
 * The packed bytes and their lengths are checked before anything is decompressed; LZ4 itself checks nothing. The
 * CRC of the whole file needs no pass over it: it is the footer's, continued over the footer's own four bytes.
 */
import { ByteReader, ByteWriter, type GroupId, type LogIndex, type Term } from '../base/index.js';
import type { Crc32 } from '../ports/index.js';
import type { Configuration } from '../raft/index.js';
import { putConfiguration, readConfiguration } from './configuration.js';
import { asMalformed, expectEnd, MalformedFrame, putId, putSafe } from './malformed.js';

export const CHECKPOINT_VERSION = 1;
const HEADER_MAGIC = 0x51434b50;
const SECTION_MAGIC = [0x51, 0x2a, 0x4d, 0x18] as const;
const TAG = { header: 1, frame: 2, footer: 3 } as const;

export const SECTION_HEAD_BYTES = 8;
const FRAME_BODY_BYTES = 21;
const FOOTER_BODY_BYTES = 17;
export const FRAME_SECTION_BYTES = SECTION_HEAD_BYTES + FRAME_BODY_BYTES;
export const FOOTER_SECTION_BYTES = SECTION_HEAD_BYTES + FOOTER_BODY_BYTES;
/** A header is a few hundred bytes; a longer one is damage. */
export const HEADER_SECTION_BYTES_MAX = 64 * 1024;
/** One frame holds one chunk: about 256 KiB, or one large item (values are at most 512 MiB). */
const FRAME_BYTES_MAX = 640 * 1024 * 1024;
/** LZ4 can't do better than this; a frame that promises more lies. */
const RATIO_MAX = 256;

export interface CheckpointHeader {
  readonly group: GroupId;
  readonly index: LogIndex;
  readonly term: Term;
  readonly configuration: Configuration;
  readonly stateHash: string;
}

export interface FrameSection {
  readonly number: number;
  readonly packedBytes: number;
  readonly plainBytes: number;
  readonly plainCrc: number;
  readonly crc: number;
}

export interface CheckpointFooter {
  readonly frames: number;
  readonly plainBytes: number;
  /** Of every byte of the file before this field. */
  readonly crc: number;
}

/** A whole header of another version. Every version ends its header with the CRC of the body before. */
export class UnknownCheckpointVersion extends MalformedFrame {
  constructor(readonly version: number) {
    super(`checkpoint version ${version}, this program knows ${CHECKPOINT_VERSION}`);
  }
}

function beginSection(w: ByteWriter): void {
  for (const byte of SECTION_MAGIC) w.u8(byte);
  w.u32(0);
}

function endSection(w: ByteWriter): Uint8Array {
  const length = w.length - SECTION_HEAD_BYTES;
  for (let i = 0; i < 4; i++) w.buffer[4 + i] = (length >>> (8 * i)) & 0xff;
  return w.take();
}

export function encodeCheckpointHeader(header: CheckpointHeader, crc32: Crc32): Uint8Array {
  const w = new ByteWriter(512);
  beginSection(w);
  w.u8(TAG.header);
  w.u32(HEADER_MAGIC);
  w.u8(CHECKPOINT_VERSION);
  putId(w, header.group);
  putSafe(w, header.index);
  putSafe(w, header.term);
  putConfiguration(w, header.configuration);
  w.string16(header.stateHash);
  w.u32(crc32(w.buffer.subarray(SECTION_HEAD_BYTES, w.length)));
  return endSection(w);
}

export function encodeFrameSection(
  number: number,
  packed: Uint8Array,
  plain: Uint8Array,
  crc32: Crc32,
): Uint8Array {
  const w = new ByteWriter(FRAME_SECTION_BYTES);
  beginSection(w);
  w.u8(TAG.frame);
  w.u32(number);
  w.u32(packed.length);
  w.u32(plain.length);
  w.u32(crc32(plain));
  w.u32(crc32(packed, crc32(w.buffer.subarray(SECTION_HEAD_BYTES, w.length))));
  return endSection(w);
}

/** `crcBefore` is the CRC of all bytes before the footer section. */
export function encodeCheckpointFooter(
  frames: number,
  plainBytes: number,
  crcBefore: number,
  crc32: Crc32,
): Uint8Array {
  const w = new ByteWriter(FOOTER_SECTION_BYTES);
  beginSection(w);
  w.u8(TAG.footer);
  w.u32(frames);
  putSafe(w, plainBytes);
  const crcAt = w.length;
  w.u32(0);
  const section = endSection(w);
  const crc = crc32(section.subarray(0, crcAt), crcBefore);
  new DataView(section.buffer, section.byteOffset).setUint32(crcAt, crc);
  return section;
}

/** Length of the body behind a section's head; throws when there is no section. */
export function readSectionHead(bytes: Uint8Array, offset = 0): number {
  if (bytes.length < offset + SECTION_HEAD_BYTES)
    throw new MalformedFrame('checkpoint ends in a section head');
  for (let i = 0; i < 4; i++) {
    if (bytes[offset + i] !== SECTION_MAGIC[i]) throw new MalformedFrame('no checkpoint section here');
  }
  return new DataView(bytes.buffer, bytes.byteOffset + offset + 4, 4).getUint32(0, true);
}

export function decodeCheckpointHeader(body: Uint8Array, crc32: Crc32): CheckpointHeader {
  try {
    const r = new ByteReader(body);
    if (r.u8() !== TAG.header || r.u32() !== HEADER_MAGIC) throw new MalformedFrame('no checkpoint header');
    const version = r.u8();
    // First the CRC: in a damaged header the version says nothing.
    const crcAt = body.length - 4;
    if (crcAt < 6 || new ByteReader(body, crcAt).u32() !== crc32(body.subarray(0, crcAt))) {
      throw new MalformedFrame('checkpoint header: wrong CRC');
    }
    if (version !== CHECKPOINT_VERSION) throw new UnknownCheckpointVersion(version);
    const header: CheckpointHeader = {
      group: r.u32(),
      index: r.u64(),
      term: r.u64(),
      configuration: readConfiguration(r),
      stateHash: r.string16(),
    };
    r.skip(4);
    expectEnd(r, 'checkpoint header');
    return header;
  } catch (error) {
    throw asMalformed(error, 'checkpoint header');
  }
}

/** What stands behind a section head, once its length is known: the next frame, or the end. */
export function decodeFrameOrFooter(body: Uint8Array): FrameSection | CheckpointFooter {
  try {
    const r = new ByteReader(body);
    const tag = r.u8();
    if (tag === TAG.frame) {
      const section: FrameSection = {
        number: r.u32(),
        packedBytes: r.u32(),
        plainBytes: r.u32(),
        plainCrc: r.u32(),
        crc: r.u32(),
      };
      expectEnd(r, 'checkpoint frame');
      const { packedBytes, plainBytes } = section;
      if (packedBytes > FRAME_BYTES_MAX || plainBytes > Math.min(FRAME_BYTES_MAX, packedBytes * RATIO_MAX)) {
        throw new MalformedFrame(`checkpoint frame of ${packedBytes} bytes claims ${plainBytes}`);
      }
      return section;
    }
    if (tag !== TAG.footer) throw new MalformedFrame(`checkpoint section ${tag}`);
    const footer: CheckpointFooter = { frames: r.u32(), plainBytes: r.u64(), crc: r.u32() };
    expectEnd(r, 'checkpoint footer');
    return footer;
  } catch (error) {
    throw asMalformed(error, 'checkpoint section');
  }
}

/** Whether the packed bytes are the ones that the section was written for. */
export function isFrameWhole(section: Uint8Array, packed: Uint8Array, crc: number, crc32: Crc32): boolean {
  return crc32(packed, crc32(section.subarray(0, section.length - 4))) === crc;
}

export function isFooter(section: FrameSection | CheckpointFooter): section is CheckpointFooter {
  return 'frames' in section;
}
