/**
 * Checkpoint files that are wrong in a known way: where the sections of a good one begin, and copies of it that were cut,
 * flipped, put together otherwise or made by another version. Layout: src/codec/checkpoint-frames.ts.
 */
import { crc32 } from '../../src/adapters/crc32.js';
import { concatBytes } from '../../src/base/index.js';
import {
  decodeFrameOrFooter,
  encodeCheckpointFooter,
  encodeFrameSection,
  FRAME_SECTION_BYTES,
  isFooter,
  readSectionHead,
  SECTION_HEAD_BYTES,
} from '../../src/codec/index.js';

export interface Anatomy {
  readonly header: Uint8Array;
  /** Each frame's section with its packed bytes, and how many plain bytes it holds. */
  readonly frames: readonly { readonly bytes: Uint8Array; readonly plainBytes: number }[];
  readonly footer: Uint8Array;
  /** Offsets at which a section or a frame's packed bytes begin, ascending, and the file's end. */
  readonly boundaries: readonly number[];
}

export function dissect(file: Uint8Array): Anatomy {
  let at = SECTION_HEAD_BYTES + readSectionHead(file);
  const header = file.subarray(0, at);
  const frames: { bytes: Uint8Array; plainBytes: number }[] = [];
  const boundaries = [0, at];
  for (;;) {
    const end = at + SECTION_HEAD_BYTES + readSectionHead(file, at);
    const section = decodeFrameOrFooter(file.subarray(at + SECTION_HEAD_BYTES, end));
    if (isFooter(section)) {
      boundaries.push(end);
      return { header, frames, footer: file.subarray(at, end), boundaries };
    }
    const next = end + section.packedBytes;
    frames.push({ bytes: file.subarray(at, next), plainBytes: section.plainBytes });
    boundaries.push(end, next);
    at = next;
  }
}

/** The parts with a footer of their own, whose counts and CRC are right: only the frames can tell what is wrong. */
export function assemble(header: Uint8Array, frames: Anatomy['frames']): Uint8Array {
  const body = concatBytes([header, ...frames.map(({ bytes }) => bytes)]);
  const plainBytes = frames.reduce((sum, frame) => sum + frame.plainBytes, 0);
  return concatBytes([body, encodeCheckpointFooter(frames.length, plainBytes, crc32(body), crc32)]);
}

function withFooter(header: Uint8Array, frames: Anatomy['frames'], footer: Uint8Array): Uint8Array {
  return concatBytes([header, ...frames.map(({ bytes }) => bytes), footer]);
}

export function flipped(file: Uint8Array, at: number, bit = 0): Uint8Array {
  const copy = file.slice();
  copy[at] = (copy[at] as number) ^ (1 << bit);
  return copy;
}

/** A file as another version of the program would write it: whole, by its own measure. */
export function ofVersion(file: Uint8Array, version: number): Uint8Array {
  const { header, frames } = dissect(file);
  const copy = header.slice();
  copy[SECTION_HEAD_BYTES + 5] = version; // behind the tag and the magic number
  const crc = crc32(copy.subarray(SECTION_HEAD_BYTES, copy.length - 4));
  new DataView(copy.buffer).setUint32(copy.length - 4, crc);
  return assemble(copy, frames);
}

/** Frame `number` made anew: these packed bytes, said to be so long when plain; every CRC is right. */
export function frameOf(
  number: number,
  packed: Uint8Array,
  plain: Uint8Array,
  statedBytes = plain.length,
): Anatomy['frames'][number] {
  const section = encodeFrameSection(number, packed, plain, crc32).slice();
  const view = new DataView(section.buffer);
  view.setUint32(SECTION_HEAD_BYTES + 9, statedBytes);
  const body = section.subarray(SECTION_HEAD_BYTES, FRAME_SECTION_BYTES - 4);
  view.setUint32(FRAME_SECTION_BYTES - 4, crc32(packed, crc32(body)));
  return { bytes: concatBytes([section, packed]), plainBytes: statedBytes };
}

/**
 * Everything that a bad disk or a careless hand makes of a file, at every boundary of its sections; with the name under
 * which it must be refused. A flipped bit may also make a file look cut off.
 */
export function* wrongFiles(file: Uint8Array): Generator<{ what: string; bytes: Uint8Array; code: RegExp }> {
  const { header, frames, footer, boundaries } = dissect(file);
  const cut = /^TRUNCATED_CHECKPOINT$/;
  const damaged = /^DAMAGED_CHECKPOINT$/;
  yield { what: 'no bytes', bytes: new Uint8Array(0), code: /^EMPTY_CHECKPOINT$/ };
  yield { what: 'zeros', bytes: new Uint8Array(file.length), code: damaged };
  yield { what: 'version 2', bytes: ofVersion(file, 2), code: /^UNKNOWN_CHECKPOINT_VERSION$/ };
  yield { what: 'bytes behind the end', bytes: concatBytes([file, Uint8Array.of(0)]), code: damaged };
  yield { what: 'twice itself', bytes: concatBytes([file, file]), code: damaged };
  for (const at of boundaries) {
    for (const end of [at - 1, at, at + 1]) {
      if (end > 0 && end < file.length) yield { what: `cut at ${end}`, bytes: file.slice(0, end), code: cut };
    }
    for (const place of [at - 1, at, at + 4, at + SECTION_HEAD_BYTES]) {
      for (const bit of [0, 7]) {
        if (place < 0 || place >= file.length) continue;
        yield { what: `bit ${bit} flipped at ${place}`, bytes: flipped(file, place, bit), code: damaged };
      }
    }
  }
  for (let i = 0; i < frames.length; i++) {
    const without = frames.filter((_, n) => n !== i);
    // Without its last frame and with a footer to match a file is whole: that the state is not, its loader finds.
    const isLast = i === frames.length - 1;
    const rest = isLast ? withFooter(header, without, footer) : assemble(header, without);
    yield { what: `without frame ${i}`, bytes: rest, code: damaged };
    const frame = frames[i] as (typeof frames)[number];
    const twice = [...frames.slice(0, i), frame, ...frames.slice(i)];
    yield { what: `frame ${i} twice`, bytes: assemble(header, twice), code: damaged };
    if (i === 0) continue;
    const swapped = [...frames];
    [swapped[i - 1], swapped[i]] = [frame, frames[i - 1] as typeof frame];
    yield { what: `frames ${i - 1} and ${i} exchanged`, bytes: assemble(header, swapped), code: damaged };
  }
}
