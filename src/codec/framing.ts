/**
 * How frames lie in a peer connection's byte stream. A piece is
 *
 *   u32 length of the payload | u8 kind | u32 CRC-32 of the payload, seeded with the kind | payload
 *
 * and a frame is one `whole` piece or, above 256 KiB, a `first` piece (u32 total length, then bytes) followed by
 * `more` pieces until the total is reached. Between the pieces of a large frame whole small ones may pass (the
 * sender decides: only on the raft channel, where order means nothing). One large frame at a time is in the making.
 *
 * `FrameParser` is fed bytes as they come. It never reads a length it does not believe: garbage, an oversized
 * length, an unknown kind or a wrong CRC is a thrown `MalformedFrame`, after which the connection is of no more use.
 */
import { readU32 } from '../base/index.js';
import type { Crc32 } from '../ports/index.js';
import { HANDSHAKE_BYTES_MAX } from './handshake.js';
import { MalformedFrame } from './malformed.js';

/** Numbers travel on the wire: never reused. None is 0, so that a run of zeros is no keep-alive. */
export const PieceKind = { keepAlive: 1, hello: 2, welcome: 3, whole: 4, first: 5, more: 6 } as const;
export type PieceKind = (typeof PieceKind)[keyof typeof PieceKind];

export const PIECE_HEADER_BYTES = 9;
/** Larger frames are cut: at 1 Gbit/s a piece takes 2 ms, at 10 Mbit/s 0.2 s, well under an election time-out. */
export const PIECE_BYTES_MAX = 256 * 1024;
/** Default limit of a whole frame: the largest command (64 MiB) and what is wrapped around it. */
export const FRAME_BYTES_MAX = 80 * 1024 * 1024;
const TOTAL_BYTES = 4;

/** Writes a piece at `at` and returns the position behind it. `source` is only read. */
export function putPiece(
  target: Uint8Array,
  at: number,
  kind: PieceKind,
  source: Uint8Array,
  crc32: Crc32,
): number {
  const start = at + PIECE_HEADER_BYTES;
  target.set(source, start);
  putHeader(target, at, kind, source.length, crc32(source, kind));
  return start + source.length;
}

/** Bytes that a frame takes in the stream. */
export function framedBytes(frameBytes: number): number {
  if (frameBytes <= PIECE_BYTES_MAX) return PIECE_HEADER_BYTES + frameBytes;
  const payload = frameBytes + TOTAL_BYTES;
  return payload + PIECE_HEADER_BYTES * Math.ceil(payload / PIECE_BYTES_MAX);
}

/** Cuts a large frame into pieces, each ready to be sent. Copies the frame once. */
export function cutFrame(frame: Uint8Array, crc32: Crc32): Uint8Array[] {
  const target = new Uint8Array(framedBytes(frame.length));
  const pieces: Uint8Array[] = [];
  let taken = 0;
  let at = 0;
  while (taken < frame.length) {
    const first = taken === 0;
    const prefix = first ? TOTAL_BYTES : 0;
    const count = Math.min(PIECE_BYTES_MAX - prefix, frame.length - taken);
    const start = at + PIECE_HEADER_BYTES;
    if (first) putU32(target, start, frame.length);
    target.set(frame.subarray(taken, taken + count), start + prefix);
    const end = start + prefix + count;
    const kind = first ? PieceKind.first : PieceKind.more;
    putHeader(target, at, kind, prefix + count, crc32(target.subarray(start, end), kind));
    pieces.push(target.subarray(at, end));
    taken += count;
    at = end;
  }
  return pieces;
}

export interface FrameSink {
  /** A piece came, of whatever kind: its sender is alive. Before `onFrame`. */
  onPiece(): void;
  /** A whole frame, hello or welcome: a view, valid during the call. Returning false stops the parser for good. */
  onFrame(kind: PieceKind, frame: Uint8Array): boolean;
}

export class FrameParser {
  /** Bytes of an unfinished piece; grown as needed, at most one piece. */
  private pending = new Uint8Array(0);
  private pendingBytes = 0;
  /** The large frame in the making, or null. */
  private large: Uint8Array | null = null;
  private largeBytes = 0;
  private stopped = false;
  /** Until the handshake is over only hello and welcome are believed, and only short ones. */
  private open = false;

  constructor(
    private readonly crc32: Crc32,
    private readonly sink: FrameSink,
    private readonly frameBytesMax = FRAME_BYTES_MAX,
  ) {}

  /** The handshake is over: frames may come, handshakes may not. */
  onAccepted(): void {
    this.open = true;
  }

  /** Throws `MalformedFrame`. The bytes are not kept. */
  push(bytes: Uint8Array): void {
    let at = 0;
    while (this.pendingBytes > 0 && at < bytes.length && !this.stopped) at += this.complete(bytes, at);
    while (!this.stopped && at < bytes.length) {
      const size = this.pieceBytes(bytes, at, bytes.length);
      if (size === 0 || at + size > bytes.length) {
        this.keep(bytes, at, bytes.length, size);
        return;
      }
      this.piece(bytes, at, at + size);
      at += size;
    }
  }

  /** Adds to the unfinished piece what it lacks; returns how many bytes were taken. */
  private complete(bytes: Uint8Array, at: number): number {
    const known = this.pieceBytes(this.pending, 0, this.pendingBytes);
    const wanted = (known === 0 ? PIECE_HEADER_BYTES : known) - this.pendingBytes;
    const taken = Math.min(wanted, bytes.length - at);
    this.keep(bytes, at, at + taken, known);
    const size = known === 0 ? this.pieceBytes(this.pending, 0, this.pendingBytes) : known;
    if (size !== 0 && this.pendingBytes === size) {
      this.pendingBytes = 0;
      this.piece(this.pending, 0, size);
    }
    return taken;
  }

  /** Size of the piece that begins at `at`; 0 while its header is not all there. */
  private pieceBytes(bytes: Uint8Array, at: number, end: number): number {
    if (end - at < PIECE_HEADER_BYTES) return 0;
    const payload = readU32(bytes, at);
    const kind = bytes[at + 4] as number;
    if (!this.expects(kind)) throw new MalformedFrame(`unexpected piece of kind ${kind}`);
    const limit = this.open ? Math.min(PIECE_BYTES_MAX, this.frameBytesMax) : HANDSHAKE_BYTES_MAX;
    if (payload > limit) throw new MalformedFrame(`piece of ${payload} bytes, at most ${limit}`);
    return PIECE_HEADER_BYTES + payload;
  }

  private expects(kind: number): boolean {
    switch (kind) {
      case PieceKind.hello:
      case PieceKind.welcome:
        return !this.open;
      case PieceKind.keepAlive:
      case PieceKind.whole:
        return this.open;
      case PieceKind.first:
        return this.open && this.large === null;
      case PieceKind.more:
        return this.open && this.large !== null;
      default:
        return false;
    }
  }

  private piece(bytes: Uint8Array, at: number, end: number): void {
    const kind = bytes[at + 4] as PieceKind;
    const payload = bytes.subarray(at + PIECE_HEADER_BYTES, end);
    if (this.crc32(payload, kind) >>> 0 !== readU32(bytes, at + 5)) throw new MalformedFrame('wrong CRC');
    this.sink.onPiece();
    switch (kind) {
      case PieceKind.keepAlive:
        return;
      case PieceKind.first:
        this.beginLarge(payload);
        return;
      case PieceKind.more:
        this.addLarge(payload, 0);
        return;
      default:
        this.deliver(kind, payload);
    }
  }

  private beginLarge(payload: Uint8Array): void {
    if (payload.length < TOTAL_BYTES) throw new MalformedFrame('large frame without its length');
    const total = readU32(payload, 0);
    if (total > this.frameBytesMax) {
      throw new MalformedFrame(`frame of ${total} bytes, at most ${this.frameBytesMax}`);
    }
    if (total <= PIECE_BYTES_MAX) throw new MalformedFrame(`frame of ${total} bytes came in pieces`);
    this.large = new Uint8Array(total);
    this.largeBytes = 0;
    this.addLarge(payload, TOTAL_BYTES);
  }

  private addLarge(payload: Uint8Array, start: number): void {
    const large = this.large as Uint8Array;
    const count = payload.length - start;
    if (count === 0) throw new MalformedFrame('empty piece of a large frame');
    if (this.largeBytes + count > large.length) throw new MalformedFrame('large frame longer than announced');
    large.set(start === 0 ? payload : payload.subarray(start), this.largeBytes);
    this.largeBytes += count;
    if (this.largeBytes < large.length) return;
    this.large = null;
    this.deliver(PieceKind.whole, large);
  }

  private deliver(kind: PieceKind, frame: Uint8Array): void {
    if (!this.sink.onFrame(kind, frame)) this.stopped = true;
  }

  private keep(bytes: Uint8Array, start: number, end: number, size: number): void {
    const needed = Math.max(size, this.pendingBytes + end - start);
    if (needed > this.pending.length) {
      const grown = new Uint8Array(Math.max(needed, 2048));
      grown.set(this.pending.subarray(0, this.pendingBytes));
      this.pending = grown;
    }
    this.pending.set(bytes.subarray(start, end), this.pendingBytes);
    this.pendingBytes += end - start;
  }
}

function putHeader(target: Uint8Array, at: number, kind: PieceKind, payload: number, crc: number): void {
  putU32(target, at, payload);
  target[at + 4] = kind;
  putU32(target, at + 5, crc);
}

function putU32(target: Uint8Array, at: number, value: number): void {
  target[at] = value >>> 24;
  target[at + 1] = value >>> 16;
  target[at + 2] = value >>> 8;
  target[at + 3] = value;
}
