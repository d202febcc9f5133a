/**
 * Frames on the `bulk` channel: a checkpoint file streamed from a leader's node to a follower's or learner's.
 *
 *   sender                           receiver
 *   offer (what, how long, its CRC) ->
 *                                   <- resume (offset: 0, or where an earlier transfer of the same file ended)
 *                                   <- or done (refused, with a reason)
 *   chunk (offset, bytes) …         ->
 *                                   <- ack (next offset wanted) …          flow control: the sender's window
 *                                   <- done (the whole file is verified and on disk; or why not)
 *
 * Either side ends a transfer early with `done`. A file is known by (sender's replica, index, term, CRC), so that a
 * transfer can go on after a broken link; `transfer` is the sender's number for one attempt.
 *
 *   u8 version | u8 kind | u64 transfer, then
 *   offer   u32 group | u32 from | u32 to | u64 term | u64 index | u64 indexTerm | configuration | u64 bytes | u32 crc
 *   resume  u64 offset
 *   chunk   u64 offset | u32 length | bytes
 *   ack     u64 nextOffset
 *   done    u8 ok | u16 length + reason (UTF-8)
 */
import {
  assertNever,
  ByteReader,
  type ByteWriter,
  type GroupId,
  type ReplicaId,
  type Term,
} from '../base/index.js';
import type { SnapshotMeta } from '../raft/index.js';
import { putConfiguration, readConfiguration } from './configuration.js';
import {
  asMalformed,
  expectEnd,
  expectVersion,
  MalformedFrame,
  putId,
  putSafe,
  restart,
} from './malformed.js';

const VERSION = 1;
const Kind = { offer: 1, resume: 2, chunk: 3, ack: 4, done: 5 } as const;

export type BulkFrame =
  | {
      readonly kind: 'offer';
      readonly transfer: number;
      readonly group: GroupId;
      readonly from: ReplicaId;
      readonly to: ReplicaId;
      /** Term of the sending leader: a lower one than the receiver's is refused. */
      readonly term: Term;
      readonly snapshot: SnapshotMeta;
      readonly bytes: number;
      /** CRC-32 of the whole file. */
      readonly crc: number;
    }
  | { readonly kind: 'resume'; readonly transfer: number; readonly offset: number }
  /** When decoded, `bytes` is a view of the frame: valid during the call. */
  | {
      readonly kind: 'chunk';
      readonly transfer: number;
      readonly offset: number;
      readonly bytes: Uint8Array;
    }
  | { readonly kind: 'ack'; readonly transfer: number; readonly nextOffset: number }
  | { readonly kind: 'done'; readonly transfer: number; readonly ok: boolean; readonly reason: string };

/** Writes a whole frame into an emptied writer and returns a view of it, valid until the writer's next use. */
export function encodeBulkFrame(w: ByteWriter, frame: BulkFrame): Uint8Array {
  restart(w);
  w.u8(VERSION);
  w.u8(Kind[frame.kind]);
  putSafe(w, frame.transfer);
  switch (frame.kind) {
    case 'offer':
      putId(w, frame.group);
      putId(w, frame.from);
      putId(w, frame.to);
      putSafe(w, frame.term);
      putSafe(w, frame.snapshot.index);
      putSafe(w, frame.snapshot.term);
      putConfiguration(w, frame.snapshot.configuration);
      putSafe(w, frame.bytes);
      putId(w, frame.crc);
      break;
    case 'resume':
      putSafe(w, frame.offset);
      break;
    case 'chunk':
      putSafe(w, frame.offset);
      w.u32(frame.bytes.length);
      w.bytes(frame.bytes);
      break;
    case 'ack':
      putSafe(w, frame.nextOffset);
      break;
    case 'done':
      w.u8(frame.ok ? 1 : 0);
      w.string16(frame.reason);
      break;
    default:
      assertNever(frame, 'bulk frame');
  }
  return w.view();
}

/** Throws `MalformedFrame`. */
export function decodeBulkFrame(bytes: Uint8Array): BulkFrame {
  const reader = new ByteReader(bytes);
  try {
    expectVersion(reader, VERSION, 'bulk frame');
    const kind = reader.u8();
    const frame = readBody(reader, kind, reader.u64());
    expectEnd(reader, 'bulk frame');
    return frame;
  } catch (error) {
    throw asMalformed(error, 'bulk frame');
  }
}

function readBody(reader: ByteReader, kind: number, transfer: number): BulkFrame {
  switch (kind) {
    case Kind.offer: {
      const group = reader.u32();
      const from = reader.u32();
      const to = reader.u32();
      const term = reader.u64();
      const index = reader.u64();
      const indexTerm = reader.u64();
      const configuration = readConfiguration(reader);
      const bytes = reader.u64();
      const crc = reader.u32();
      const snapshot = { index, term: indexTerm, configuration };
      return { kind: 'offer', transfer, group, from, to, term, snapshot, bytes, crc };
    }
    case Kind.resume:
      return { kind: 'resume', transfer, offset: reader.u64() };
    case Kind.chunk: {
      const offset = reader.u64();
      return { kind: 'chunk', transfer, offset, bytes: reader.view(reader.u32()) };
    }
    case Kind.ack:
      return { kind: 'ack', transfer, nextOffset: reader.u64() };
    case Kind.done: {
      const ok = reader.u8();
      if (ok > 1) throw new MalformedFrame(`bulk frame: ok ${ok}`);
      return { kind: 'done', transfer, ok: ok === 1, reason: reader.string16() };
    }
    default:
      throw new MalformedFrame(`bulk frame: unknown kind ${kind}`);
  }
}
