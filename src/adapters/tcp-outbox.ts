/**
 * What waits to be written to one peer connection. Frames are copied once, behind their header, into segments; a
 * segment is one buffer handed to the socket. Small frames share segments, so that a turn's frames are one write.
 *
 *   express  segments of small frames (and, on ordered channels, the pieces of large ones in their place)
 *   large    pieces of large frames on the raft channel: one goes out whenever express is empty
 *
 * At most about `WRITE_AHEAD_BYTES` are with the socket; the rest waits here, where a later small frame may still
 * pass the pieces of a large one.
 */
import type { Socket } from 'node:net';
import { assert } from '../base/index.js';
import {
  cutFrame,
  framedBytes,
  PIECE_BYTES_MAX,
  PIECE_HEADER_BYTES,
  PieceKind,
  putPiece,
} from '../codec/index.js';
import type { Crc32 } from '../ports/index.js';

/** Room of a shared segment: a turn's worth of small frames. */
const SEGMENT_BYTES = 64 * 1024;
/** More than one piece with the socket would only make small frames wait longer. */
const WRITE_AHEAD_BYTES = PIECE_BYTES_MAX;
/** Free segments kept for the next turns (2 MiB). */
const FREE_SEGMENTS_MAX = 32;

interface Segment {
  readonly buffer: Uint8Array;
  length: number;
}

/** Free segments, shared by all connections of a network. */
export class SegmentPool {
  private readonly free: Uint8Array[] = [];

  take(): Uint8Array {
    return this.free.pop() ?? new Uint8Array(new ArrayBuffer(SEGMENT_BYTES));
  }

  give(buffer: Uint8Array): void {
    if (buffer.length === SEGMENT_BYTES && this.free.length < FREE_SEGMENTS_MAX) this.free.push(buffer);
  }
}

export class Outbox {
  /** Bytes taken in and not yet written by the operating system's leave. */
  bytes = 0;
  private express: Segment[] = [];
  private large: Segment[] = [];
  /** With the socket, in order. */
  private writing: Segment[] = [];
  private writingBytes = 0;
  private closed = false;
  private readonly written = (): void => this.onWritten();

  constructor(
    private readonly socket: Socket,
    private readonly crc32: Crc32,
    private readonly pool: SegmentPool,
    /** Whether small frames may pass large ones. */
    private readonly overtaking: boolean,
    /** Something was written: there may be room. */
    private readonly onProgress: () => void,
  ) {}

  /** Copies the frame; `pump` sends it. */
  add(frame: Uint8Array): void {
    if (frame.length <= PIECE_BYTES_MAX) {
      this.addPiece(PieceKind.whole, frame);
      return;
    }
    const lane = this.overtaking ? this.large : this.express;
    for (const piece of cutFrame(frame, this.crc32)) lane.push({ buffer: piece, length: piece.length });
    this.bytes += framedBytes(frame.length);
  }

  /** A small piece of any kind, in order with the other small ones. */
  addPiece(kind: PieceKind, payload: Uint8Array): void {
    const size = PIECE_HEADER_BYTES + payload.length;
    let segment = this.express[this.express.length - 1];
    if (segment === undefined || segment.length + size > segment.buffer.length) {
      segment = { buffer: size > SEGMENT_BYTES ? new Uint8Array(size) : this.pool.take(), length: 0 };
      this.express.push(segment);
    }
    segment.length = putPiece(segment.buffer, segment.length, kind, payload, this.crc32);
    this.bytes += size;
  }

  /** Hands to the socket what may go now, as one write. */
  pump(): void {
    if (this.closed || this.writingBytes >= WRITE_AHEAD_BYTES || !this.hasMore()) return;
    this.socket.cork();
    while (this.writingBytes < WRITE_AHEAD_BYTES) {
      const segment = this.express.shift() ?? this.large.shift();
      if (segment === undefined) break;
      this.writing.push(segment);
      this.writingBytes += segment.length;
      this.socket.write(segment.buffer.subarray(0, segment.length), this.written);
    }
    this.socket.uncork();
  }

  /** Lets everything go; the connection is over. */
  close(): void {
    this.closed = true;
    this.express = [];
    this.large = [];
    this.writing = [];
    this.bytes = 0;
  }

  private hasMore(): boolean {
    return this.express.length > 0 || this.large.length > 0;
  }

  private onWritten(): void {
    if (this.closed) return;
    const segment = this.writing.shift();
    assert(segment !== undefined, 'a write ended that was not begun');
    this.writingBytes -= segment.length;
    this.bytes -= segment.length;
    this.pool.give(segment.buffer);
    this.pump();
    this.onProgress();
  }
}
