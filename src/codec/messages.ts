/**
 * The Raft frame: everything that one node has to say to another on the `raft` channel in one turn. A frame without
 * messages is the heartbeat between two nodes.
 *
 *   u8 version | u8 flags | u32 node | u64 bootNumber | u64 wallMs | u64 mapVersion | u32 count | messages…
 *
 * A message is described in raft-message.ts. `RaftFrameWriter` is reused from turn to turn; what `finish` returns is
 * a view, valid until the next `begin`.
 */
import {
  assert,
  ByteReader,
  ByteWriter,
  type GroupId,
  type MapVersion,
  type NodeId,
  type WallMs,
} from '../base/index.js';
import type { Message } from '../raft/index.js';
import {
  asMalformed,
  expectEnd,
  expectVersion,
  putId,
  putSafe,
  readCount,
  readFlags,
  restart,
} from './malformed.js';
import { MESSAGE_BYTES_MIN, putMessage, readMessage } from './raft-message.js';

const VERSION = 1;
/** No flag is defined yet; a set one is from a later version, whose frames the handshake keeps away. */
const FLAGS_KNOWN = 0;
const COUNT_AT = 30;
export const RAFT_FRAME_HEADER_BYTES = 34;

export interface RaftFrameHeader {
  readonly node: NodeId;
  readonly bootNumber: number;
  /** The sender's wall clock when it built the frame. */
  readonly wallMs: WallMs;
  readonly mapVersion: MapVersion;
}

export interface RaftFrameVisitor {
  /** Once, first. */
  onHeader(header: RaftFrameHeader): void;
  /** The message is the callee's. */
  onMessage(group: GroupId, message: Message): void;
}

export class RaftFrameWriter {
  private readonly w = new ByteWriter(4096);
  private messages = 0;

  /** Messages added since `begin`. */
  get count(): number {
    return this.messages;
  }

  /** Bytes of the frame so far. */
  get bytes(): number {
    return this.w.length;
  }

  begin(header: RaftFrameHeader): void {
    this.messages = 0;
    restart(this.w);
    this.w.u8(VERSION);
    this.w.u8(0);
    putId(this.w, header.node);
    putSafe(this.w, header.bootNumber);
    putSafe(this.w, Math.floor(header.wallMs));
    putSafe(this.w, header.mapVersion);
    this.w.u32(0);
  }

  add(group: GroupId, message: Message): void {
    assert(this.w.length >= RAFT_FRAME_HEADER_BYTES, 'add before begin');
    putMessage(this.w, group, message);
    this.messages++;
  }

  finish(): Uint8Array {
    assert(this.w.length >= RAFT_FRAME_HEADER_BYTES, 'finish before begin');
    this.w.putU32(COUNT_AT, this.messages);
    return this.w.view();
  }
}

/** Throws `MalformedFrame`; what was visited before that was well-formed. */
export function decodeRaftFrame(bytes: Uint8Array, visitor: RaftFrameVisitor): void {
  const reader = new ByteReader(bytes);
  try {
    expectVersion(reader, VERSION, 'raft frame');
    readFlags(reader, FLAGS_KNOWN, 'raft frame');
    const node = reader.u32();
    const bootNumber = reader.u64();
    const wallMs = reader.u64();
    const mapVersion = reader.u64();
    const count = readCount(reader, MESSAGE_BYTES_MIN, 'raft frame');
    visitor.onHeader({ node, bootNumber, wallMs, mapVersion });
    for (let i = 0; i < count; i++) {
      const group = reader.u32();
      visitor.onMessage(group, readMessage(reader));
    }
    expectEnd(reader, 'raft frame');
  } catch (error) {
    throw asMalformed(error, 'raft frame');
  }
}
