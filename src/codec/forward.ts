/**
 * Frames on the `forward` channel: commands for a shard led elsewhere, their results, gossip, and the shard map.
 *
 *   u8 version | u8 kind, then
 *   request      u64 mapVersion | u32 count | (u32 id | u32 shard | u8 hops | u32 remainingMs | u32 length | command)…
 *   response     u64 mapVersion | u32 count | (u32 id | u32 length | result)…
 *   gossip       u32 node | u64 mapVersion | u32 count | (u32 group | u64 term | u32 configuration | u32 leader)…
 *   map request  u64 the version that the asker has
 *   map          u64 version | u32 length | encoded map
 *   memory, touches   memory-frames.ts
 *
 * Deadlines travel as the time that is left, since nodes share no clock. A leader hint is inside a result (the
 * `failed` tag). Writers are reused and visitors get plain numbers and ranges of the frame: no object per item.
 */
import {
  assert,
  ByteReader,
  ByteWriter,
  type GroupId,
  type MapVersion,
  type NodeId,
  type Term,
} from '../base/index.js';
import {
  asMalformed,
  expectEnd,
  expectVersion,
  MalformedFrame,
  putId,
  putSafe,
  readCount,
  restart,
} from './malformed.js';
import {
  FORWARD_VERSION,
  MemoryKind,
  readMemoryReport,
  readTouches,
  type MemoryVisitor,
} from './memory-frames.js';

const VERSION = FORWARD_VERSION;
const Kind = { request: 1, response: 2, gossip: 3, mapRequest: 4, map: 5 } as const;

const COUNT_AT = 10;
const BATCH_HEADER_BYTES = 14;
const GOSSIP_COUNT_AT = 14;
const GOSSIP_HEADER_BYTES = 18;
const REQUEST_BYTES_MIN = 17;
const RESPONSE_BYTES_MIN = 8;
const GOSSIP_BYTES = 20;

/** What a decoder tells. `bytes[start, end)` is a part of the frame: valid during the call. */
export interface ForwardVisitor extends MemoryVisitor {
  /** Before the requests of a frame. */
  onRequests(mapVersion: MapVersion, count: number): void;
  onRequest(
    id: number,
    shard: GroupId,
    hops: number,
    remainingMs: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void;
  /** Before the responses of a frame. */
  onResponses(mapVersion: MapVersion, count: number): void;
  onResponse(id: number, bytes: Uint8Array, start: number, end: number): void;
  /** Before the groups of a gossip frame. */
  onGossip(node: NodeId, mapVersion: MapVersion): void;
  onGossipGroup(group: GroupId, term: Term, configurationVersion: number, leader: NodeId): void;
  /** A peer that has `known` asks for a newer map. */
  onMapRequest(known: MapVersion): void;
  onMap(version: MapVersion, bytes: Uint8Array, start: number, end: number): void;
}

/** What the writers of batches share: a header with a count that is filled in at the end. */
class BatchWriter {
  protected readonly w = new ByteWriter(4096);
  private items = 0;

  constructor(
    private readonly kind: number,
    private readonly countAt: number,
    private readonly headerBytes: number,
  ) {}

  /** Items since `begin`. */
  get count(): number {
    return this.items;
  }

  /** Bytes of the frame so far. */
  get bytes(): number {
    return this.w.length;
  }

  /** A view of the frame, valid until the next `begin`. */
  finish(): Uint8Array {
    assert(this.w.length >= this.headerBytes, 'finish before begin');
    this.w.putU32(this.countAt, this.items);
    return this.w.view();
  }

  protected open(): void {
    this.items = 0;
    restart(this.w);
    this.w.u8(VERSION);
    this.w.u8(this.kind);
  }

  protected addItem(): void {
    assert(this.w.length >= this.headerBytes, 'add before begin');
    this.items++;
  }
}

export class ForwardRequestWriter extends BatchWriter {
  constructor() {
    super(Kind.request, COUNT_AT, BATCH_HEADER_BYTES);
  }

  begin(mapVersion: MapVersion): void {
    this.open();
    putSafe(this.w, mapVersion);
    this.w.u32(0);
  }

  /** Copies `command[start, end)`. `remainingMs` is rounded down, and at most 2^32 - 1. */
  add(
    id: number,
    shard: GroupId,
    hops: number,
    remainingMs: number,
    command: Uint8Array,
    start = 0,
    end = command.length,
  ): void {
    this.addItem();
    putId(this.w, id);
    putId(this.w, shard);
    assert(hops >= 0 && hops <= 255, 'hops out of range');
    this.w.u8(hops);
    this.w.u32(Math.min(0xffffffff, Math.max(0, Math.floor(remainingMs))));
    this.w.u32(end - start);
    this.w.bytes(command, start, end);
  }
}

export class ForwardResponseWriter extends BatchWriter {
  constructor() {
    super(Kind.response, COUNT_AT, BATCH_HEADER_BYTES);
  }

  begin(mapVersion: MapVersion): void {
    this.open();
    putSafe(this.w, mapVersion);
    this.w.u32(0);
  }

  /** Copies `result[start, end)`. */
  add(id: number, result: Uint8Array, start = 0, end = result.length): void {
    this.addItem();
    putId(this.w, id);
    this.w.u32(end - start);
    this.w.bytes(result, start, end);
  }
}

export class GossipWriter extends BatchWriter {
  constructor() {
    super(Kind.gossip, GOSSIP_COUNT_AT, GOSSIP_HEADER_BYTES);
  }

  begin(node: NodeId, mapVersion: MapVersion): void {
    this.open();
    putId(this.w, node);
    putSafe(this.w, mapVersion);
    this.w.u32(0);
  }

  add(group: GroupId, term: Term, configurationVersion: number, leader: NodeId): void {
    this.addItem();
    putId(this.w, group);
    putSafe(this.w, term);
    putId(this.w, configurationVersion);
    putId(this.w, leader);
  }
}

/** Writes a whole frame into an emptied writer and returns a view of it. */
export function encodeMapRequest(w: ByteWriter, known: MapVersion): Uint8Array {
  restart(w);
  w.u8(VERSION);
  w.u8(Kind.mapRequest);
  putSafe(w, known);
  return w.view();
}

/** Writes a whole frame into an emptied writer and returns a view of it. */
export function encodeMap(w: ByteWriter, version: MapVersion, map: Uint8Array): Uint8Array {
  restart(w);
  w.u8(VERSION);
  w.u8(Kind.map);
  putSafe(w, version);
  w.u32(map.length);
  w.bytes(map);
  return w.view();
}

/** Throws `MalformedFrame`; what was visited before that was well-formed. */
export function decodeForwardFrame(frame: Uint8Array, visitor: ForwardVisitor): void {
  const reader = new ByteReader(frame);
  try {
    expectVersion(reader, VERSION, 'forward frame');
    const kind = reader.u8();
    switch (kind) {
      case Kind.request:
        readRequests(reader, visitor);
        break;
      case Kind.response:
        readResponses(reader, visitor);
        break;
      case Kind.gossip:
        readGossip(reader, visitor);
        break;
      case Kind.mapRequest: {
        const known = reader.u64();
        expectEnd(reader, 'map request');
        visitor.onMapRequest(known);
        break;
      }
      case Kind.map:
        readMap(reader, visitor);
        break;
      case MemoryKind.memory: {
        const report = readMemoryReport(reader);
        expectEnd(reader, 'memory');
        visitor.onMemory(report);
        break;
      }
      case MemoryKind.touches:
        readTouches(reader, visitor);
        break;
      default:
        throw new MalformedFrame(`forward frame: unknown kind ${kind}`);
    }
    expectEnd(reader, 'forward frame');
  } catch (error) {
    throw asMalformed(error, 'forward frame');
  }
}

function readRequests(reader: ByteReader, visitor: ForwardVisitor): void {
  const mapVersion = reader.u64();
  const count = readCount(reader, REQUEST_BYTES_MIN, 'requests');
  visitor.onRequests(mapVersion, count);
  for (let i = 0; i < count; i++) {
    const id = reader.u32();
    const shard = reader.u32();
    const hops = reader.u8();
    const remainingMs = reader.u32();
    const length = reader.u32();
    const start = reader.position;
    reader.skip(length);
    visitor.onRequest(id, shard, hops, remainingMs, reader.buffer, start, start + length);
  }
}

function readResponses(reader: ByteReader, visitor: ForwardVisitor): void {
  const mapVersion = reader.u64();
  const count = readCount(reader, RESPONSE_BYTES_MIN, 'responses');
  visitor.onResponses(mapVersion, count);
  for (let i = 0; i < count; i++) {
    const id = reader.u32();
    const length = reader.u32();
    const start = reader.position;
    reader.skip(length);
    visitor.onResponse(id, reader.buffer, start, start + length);
  }
}

function readGossip(reader: ByteReader, visitor: ForwardVisitor): void {
  const node = reader.u32();
  const mapVersion = reader.u64();
  const count = readCount(reader, GOSSIP_BYTES, 'gossip');
  visitor.onGossip(node, mapVersion);
  for (let i = 0; i < count; i++) {
    const group = reader.u32();
    const term = reader.u64();
    const configurationVersion = reader.u32();
    const leader = reader.u32();
    visitor.onGossipGroup(group, term, configurationVersion, leader);
  }
}

function readMap(reader: ByteReader, visitor: ForwardVisitor): void {
  const version = reader.u64();
  const length = reader.u32();
  const start = reader.position;
  reader.skip(length);
  expectEnd(reader, 'map');
  visitor.onMap(version, reader.buffer, start, start + length);
}
