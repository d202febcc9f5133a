/**
 * The Raft frame: everything that one node has to say to another on the `raft` channel in one turn. A frame without
 * messages is the heartbeat between two nodes.
 *
 *   u8 version | u8 flags | u32 node | u64 bootNumber | u64 wallMs | u64 mapVersion | u32 count | endings | messages…
 *   endings, with flag 1:  u64 number | u16 count | u32 group…
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
  MalformedFrame,
  putId,
  putSafe,
  readCount,
  readFlags,
  restart,
} from './malformed.js';
import { MESSAGE_BYTES_MIN, putMessage, readMessage } from './raft-message.js';

const VERSION = 1;
const FLAG_ENDINGS = 1;
/** Any other is from a later version, whose frames the handshake keeps away. */
const FLAGS_KNOWN = FLAG_ENDINGS;
const COUNT_AT = 30;
export const RAFT_FRAME_HEADER_BYTES = 34;

export interface RaftFrameHeader {
  readonly node: NodeId;
  readonly bootNumber: number;
  /** The sender's wall clock when it built the frame. */
  readonly wallMs: WallMs;
  readonly mapVersion: MapVersion;
  /** Absent while no leadership has ended on the sender since its start. */
  readonly endings?: LeadershipEndings;
}

/** Leaderships that ended on a node since its start: what wakes the quiet groups that follow it. */
export interface LeadershipEndings {
  /** How many; at least 1. */
  readonly number: number;
  /** The groups of the last ones, oldest first; maybe not of all that the reader has not heard of. */
  readonly groups: readonly GroupId[];
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
    const { endings } = header;
    this.w.u8(VERSION);
    this.w.u8(endings === undefined ? 0 : FLAG_ENDINGS);
    putId(this.w, header.node);
    putSafe(this.w, header.bootNumber);
    putSafe(this.w, Math.floor(header.wallMs));
    putSafe(this.w, header.mapVersion);
    this.w.u32(0);
    if (endings === undefined) return;
    assert(endings.number > 0 && endings.groups.length <= 0xffff, `${endings.groups.length} endings to tell`);
    putSafe(this.w, endings.number);
    this.w.u16(endings.groups.length);
    for (const group of endings.groups) putId(this.w, group);
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

function readEndings(reader: ByteReader): LeadershipEndings {
  const number = reader.u64();
  if (number === 0) throw new MalformedFrame('raft frame: endings told, and none ended');
  const count = reader.u16();
  const groups: GroupId[] = [];
  for (let i = 0; i < count; i++) groups.push(reader.u32());
  return { number, groups };
}

/** Throws `MalformedFrame`; what was visited before that was well-formed. */
export function decodeRaftFrame(bytes: Uint8Array, visitor: RaftFrameVisitor): void {
  const reader = new ByteReader(bytes);
  try {
    expectVersion(reader, VERSION, 'raft frame');
    const flags = readFlags(reader, FLAGS_KNOWN, 'raft frame');
    const node = reader.u32();
    const bootNumber = reader.u64();
    const wallMs = reader.u64();
    const mapVersion = reader.u64();
    const count = readCount(reader, MESSAGE_BYTES_MIN, 'raft frame');
    const header = { node, bootNumber, wallMs, mapVersion };
    visitor.onHeader((flags & FLAG_ENDINGS) === 0 ? header : { ...header, endings: readEndings(reader) });
    for (let i = 0; i < count; i++) {
      const group = reader.u32();
      visitor.onMessage(group, readMessage(reader));
    }
    expectEnd(reader, 'raft frame');
  } catch (error) {
    throw asMalformed(error, 'raft frame');
  }
}
