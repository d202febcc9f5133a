/**
 * Goal: the parser gives back what was framed, however the bytes are split, and refuses everything else before it
 * takes memory for it. Method: a stream of small and large frames, whole, byte by byte, and split at every boundary.
 */
import { crc32 } from '../../../src/adapters/crc32.js';
import { describe, expect, it } from 'vitest';
import {
  cutFrame,
  framedBytes,
  FrameParser,
  MalformedFrame,
  PieceKind,
  PIECE_BYTES_MAX,
  PIECE_HEADER_BYTES,
  putPiece,
} from '../../../src/codec/index.js';

function piece(kind: PieceKind, payload: Uint8Array): Uint8Array {
  const target = new Uint8Array(PIECE_HEADER_BYTES + payload.length);
  expect(putPiece(target, 0, kind, payload, crc32)).toBe(target.length);
  return target;
}

/** A parser past its handshake, and what it gave. */
function openParser(frameBytesMax?: number): {
  parser: FrameParser;
  frames: Uint8Array[];
  heard: () => number;
} {
  const frames: Uint8Array[] = [];
  let pieces = 0;
  const sink = {
    onPiece: () => void pieces++,
    onFrame: (_kind: PieceKind, frame: Uint8Array) => frames.push(frame.slice()) > 0,
  };
  const parser = new FrameParser(crc32, sink, frameBytesMax);
  parser.onAccepted();
  return { parser, frames, heard: () => pieces };
}

const join = (parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

describe('FrameParser', () => {
  const small = Uint8Array.of(1, 2, 3);
  const stream = join([
    piece(PieceKind.keepAlive, new Uint8Array(0)),
    piece(PieceKind.whole, small),
    piece(PieceKind.whole, new Uint8Array(0)),
    piece(PieceKind.whole, new Uint8Array(40).fill(7)),
  ]);
  const expected = [small, new Uint8Array(0), new Uint8Array(40).fill(7)];

  it('reads frames whole, byte by byte, and split at every boundary', () => {
    for (let cut = 0; cut <= stream.length; cut++) {
      const { parser, frames } = openParser();
      parser.push(stream.subarray(0, cut));
      parser.push(stream.subarray(cut));
      expect(frames).toEqual(expected);
    }
    const { parser, frames, heard } = openParser();
    for (const byte of stream) parser.push(Uint8Array.of(byte));
    expect(frames).toEqual(expected);
    expect(heard()).toBe(4);
  });

  it('puts a large frame together and lets small ones pass between its pieces', () => {
    const large = new Uint8Array(3 * PIECE_BYTES_MAX + 17);
    for (let i = 0; i < large.length; i += 1000) large[i] = i;
    const pieces = cutFrame(large, crc32);
    expect(pieces.length).toBe(4);
    expect(pieces.reduce((sum, p) => sum + p.length, 0)).toBe(framedBytes(large.length));
    const { parser, frames, heard } = openParser();
    for (const p of pieces) {
      parser.push(p.subarray(0, 100_000 % p.length));
      parser.push(p.subarray(100_000 % p.length));
      parser.push(piece(PieceKind.whole, small));
    }
    expect(frames.map((f) => f.length)).toEqual([3, 3, 3, large.length, 3]);
    expect(Buffer.compare(frames[3] as Uint8Array, large)).toBe(0);
    expect(heard()).toBe(8);
  });

  it('measures frames of every size around a piece', () => {
    for (const size of [PIECE_BYTES_MAX + 1, 2 * PIECE_BYTES_MAX - 4, 2 * PIECE_BYTES_MAX - 3]) {
      const total = cutFrame(new Uint8Array(size), crc32).reduce((sum, p) => sum + p.length, 0);
      expect(framedBytes(size)).toBe(total);
    }
    expect(framedBytes(PIECE_BYTES_MAX)).toBe(PIECE_BYTES_MAX + PIECE_HEADER_BYTES);
  });

  it('E100 refuses any flipped bit', () => {
    const bytes = piece(PieceKind.whole, small);
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      const { parser, frames } = openParser();
      try {
        parser.push(flipped);
      } catch (error) {
        expect(error).toBeInstanceOf(MalformedFrame);
      }
      expect(frames).toEqual([]);
    }
  });

  it('E100 refuses an oversized length, before and after the handshake', () => {
    const header = Uint8Array.of(0xff, 0xff, 0xff, 0xff, PieceKind.whole, 0, 0, 0, 0);
    expect(() => openParser().parser.push(header)).toThrow(/piece of 4294967295 bytes/);
    const shut = new FrameParser(crc32, { onPiece: () => undefined, onFrame: () => true });
    const hello = Uint8Array.of(0, 0, 0x20, 0, PieceKind.hello, 0, 0, 0, 0);
    expect(() => shut.push(hello)).toThrow(/piece of 8192 bytes/);
    const { parser } = openParser(300_000);
    expect(() => parser.push(cutFrame(new Uint8Array(300_001), crc32)[0] as Uint8Array)).toThrow(
      /frame of 300001 bytes/,
    );
  });

  it('E100 refuses frames before the handshake, and a handshake after it', () => {
    const shut = new FrameParser(crc32, { onPiece: () => undefined, onFrame: () => true });
    expect(() => shut.push(piece(PieceKind.whole, small))).toThrow(MalformedFrame);
    expect(() => openParser().parser.push(piece(PieceKind.hello, small))).toThrow(MalformedFrame);
  });

  it('E100 refuses pieces that belong to no large frame, and a second one within one', () => {
    const [first, more] = cutFrame(new Uint8Array(PIECE_BYTES_MAX + 1), crc32) as [Uint8Array, Uint8Array];
    expect(() => openParser().parser.push(more)).toThrow(MalformedFrame);
    const { parser } = openParser();
    parser.push(first);
    expect(() => parser.push(first)).toThrow(MalformedFrame);
    const other = openParser().parser;
    other.push(first);
    expect(() => other.push(piece(PieceKind.more, new Uint8Array(100)))).toThrow(/longer than announced/);
    const empty = openParser().parser;
    empty.push(first);
    expect(() => empty.push(piece(PieceKind.more, new Uint8Array(0)))).toThrow(/empty piece/);
  });

  it('stops when told to', () => {
    const frames: number[] = [];
    const sink = { onPiece: () => undefined, onFrame: () => (frames.push(1), false) };
    const parser = new FrameParser(crc32, sink);
    parser.onAccepted();
    parser.push(stream);
    parser.push(stream);
    expect(frames).toEqual([1]);
  });
});
