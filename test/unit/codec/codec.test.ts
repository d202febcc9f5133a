/**
 * Goal: every frame decodes to what was encoded, and every other sequence of bytes is refused cleanly. Method: one of
 * each message; then each frame cut at every byte, with a byte too many, and with each bit flipped.
 */
import { describe, expect, it } from 'vitest';
import { ByteWriter, InvariantError } from '../../../src/base/index.js';
import {
  decodeBulkFrame,
  decodeForwardFrame,
  decodeHello,
  decodeRaftFrame,
  decodeWelcome,
  encodeBulkFrame,
  encodeHello,
  encodeMap,
  encodeMapRequest,
  encodeMemoryReport,
  encodeTouches,
  encodeWelcome,
  ForwardRequestWriter,
  ForwardResponseWriter,
  GossipWriter,
  HandshakeGuard,
  MalformedFrame,
  RaftFrameWriter,
  RAFT_FRAME_HEADER_BYTES,
  type ForwardVisitor,
} from '../../../src/codec/index.js';
import type { Message } from '../../../src/raft/index.js';
import { BULK_FRAMES, HEADER, MESSAGES as BASIC_MESSAGES, READ_MESSAGES } from './samples.js';

const MESSAGES = [...BASIC_MESSAGES, ...READ_MESSAGES];

function raftFrame(messages: readonly Message[] = MESSAGES): Uint8Array {
  const writer = new RaftFrameWriter();
  writer.begin(HEADER);
  messages.forEach((message, i) => writer.add(i * 1000, message));
  return writer.finish().slice();
}

/** Everything that a raft frame says, as data. */
function readRaft(bytes: Uint8Array): unknown[] {
  const seen: unknown[] = [];
  decodeRaftFrame(bytes, {
    onHeader: (header) => seen.push(header),
    onMessage: (group, message) => seen.push([group, message]),
  });
  return seen;
}

/** Everything that a forward frame says, as data. */
function readForward(bytes: Uint8Array): unknown[] {
  const seen: unknown[] = [];
  const visitor: ForwardVisitor = {
    onRequests: (mapVersion, count) => seen.push(['requests', mapVersion, count]),
    onRequest: (id, shard, hops, remainingMs, b, start, end) =>
      seen.push([id, shard, hops, remainingMs, [...b.subarray(start, end)]]),
    onResponses: (mapVersion, count) => seen.push(['responses', mapVersion, count]),
    onResponse: (id, b, start, end) => seen.push([id, [...b.subarray(start, end)]]),
    onGossip: (node, mapVersion) => seen.push(['gossip', node, mapVersion]),
    onGossipGroup: (group, term, version, leader) => seen.push([group, term, version, leader]),
    onMemory: (report) => seen.push(['memory', report]),
    onTouches: (group, hashes) => seen.push(['touches', group, [...hashes]]),
    onMapRequest: (known) => seen.push(['map request', known]),
    onMap: (version, b, start, end) => seen.push(['map', version, [...b.subarray(start, end)]]),
  };
  decodeForwardFrame(bytes, visitor);
  return seen;
}

function requestFrame(): Uint8Array {
  const writer = new ForwardRequestWriter();
  writer.begin(9);
  writer.add(0xffffffff, 16, 2, 4999.9, Uint8Array.of(0, 1, 2, 3), 1, 3);
  writer.add(5, 1, 0, 0, new Uint8Array(0));
  return writer.finish().slice();
}

function responseFrame(): Uint8Array {
  const writer = new ForwardResponseWriter();
  writer.begin(10);
  writer.add(5, Uint8Array.of(9, 8, 7), 0, 2);
  return writer.finish().slice();
}

function gossipFrame(): Uint8Array {
  const writer = new GossipWriter();
  writer.begin(2, 11);
  writer.add(1, 2 ** 52, 3, 2);
  writer.add(7, 1, 1, 0);
  return writer.finish().slice();
}

const identity = { clusterId: 'c-1', nodeId: 1, bootNumber: 4, nonce: 'aa' };
const guard = new HandshakeGuard(identity);

/** Every frame with the function that reads it. */
const FRAMES: readonly [string, Uint8Array, (bytes: Uint8Array) => unknown][] = [
  ['raft', raftFrame(), readRaft],
  ['raft heartbeat', raftFrame([]), readRaft],
  ['requests', requestFrame(), readForward],
  ['responses', responseFrame(), readForward],
  ['gossip', gossipFrame(), readForward],
  ['map request', encodeMapRequest(new ByteWriter(), 3).slice(), readForward],
  ['map', encodeMap(new ByteWriter(), 3, Uint8Array.of(1, 2)).slice(), readForward],
  ['hello', encodeHello(new ByteWriter(), guard.hello('bulk', 2)).slice(), decodeHello],
  [
    'welcome',
    encodeWelcome(
      new ByteWriter(),
      guard.welcome({ kind: 'refused', reason: 'WRONG_NODE', text: 'x' }),
    ).slice(),
    decodeWelcome,
  ],
  ...BULK_FRAMES.map(
    (frame) =>
      [`bulk ${frame.kind}`, encodeBulkFrame(new ByteWriter(), frame).slice(), decodeBulkFrame] as const,
  ),
].map(([name, bytes, read]) => [name, bytes, read] as [string, Uint8Array, (b: Uint8Array) => unknown]);

describe('raft frames', () => {
  it('decode to the messages that were added, in order', () => {
    expect(readRaft(raftFrame())).toEqual([HEADER, ...MESSAGES.map((m, i) => [i * 1000, m])]);
  });

  it('without messages are heartbeats of 34 bytes', () => {
    expect(raftFrame([]).length).toBe(RAFT_FRAME_HEADER_BYTES);
    expect(readRaft(raftFrame([]))).toEqual([HEADER]);
  });

  it('copy entry data, so that a reused socket buffer does not change an entry', () => {
    const bytes = raftFrame();
    const [, first] = readRaft(bytes) as [unknown, [number, Message]];
    bytes.fill(0);
    expect(first[1]).toEqual(MESSAGES[0]);
  });

  it('come from a writer that is reused', () => {
    const writer = new RaftFrameWriter();
    writer.begin(HEADER);
    writer.add(1, MESSAGES[0] as Message);
    writer.finish();
    writer.begin(HEADER);
    expect(readRaft(writer.finish())).toEqual([HEADER]);
    expect(writer.count).toBe(0);
  });

  it('are not built from entries with a gap, or from a term that is no safe integer', () => {
    const writer = new RaftFrameWriter();
    writer.begin(HEADER);
    const append = MESSAGES[0] as Extract<Message, { type: 'append' }>;
    expect(() => writer.add(1, { ...append, prevIndex: 7 })).toThrow(InvariantError);
    expect(() => writer.add(1, { ...append, term: 2 ** 53 })).toThrow(InvariantError);
    expect(() => writer.add(1, { ...append, to: -1 })).toThrow(InvariantError);
  });

  it('pass on what a visitor throws', () => {
    const boom = new Error('mine');
    const visit = (): void =>
      decodeRaftFrame(raftFrame(), {
        onHeader: () => {
          throw boom;
        },
        onMessage: () => undefined,
      });
    expect(visit).toThrow(boom);
  });
});

describe('forward frames', () => {
  it('carry requests with their deadlines rounded down', () => {
    expect(readForward(requestFrame())).toEqual([
      ['requests', 9, 2],
      [0xffffffff, 16, 2, 4999, [1, 2]],
      [5, 1, 0, 0, []],
    ]);
  });

  it('carry responses, gossip and maps', () => {
    expect(readForward(responseFrame())).toEqual([
      ['responses', 10, 1],
      [5, [9, 8]],
    ]);
    expect(readForward(gossipFrame())).toEqual([
      ['gossip', 2, 11],
      [1, 2 ** 52, 3, 2],
      [7, 1, 1, 0],
    ]);
    const w = new ByteWriter();
    expect(readForward(encodeMapRequest(w, 3))).toEqual([['map request', 3]]);
    expect(readForward(encodeMap(w, 4, Uint8Array.of(1, 2)))).toEqual([['map', 4, [1, 2]]]);
  });
});

describe('memory frames', () => {
  it('carry limits and use, and touches', () => {
    const rows = [
      { group: 3, charge: 2 ** 40, items: 7, budgetVersion: 2, budgetBytes: 2 ** 41, budgetItems: 0 },
      { group: 4, charge: 0, items: 0, budgetVersion: 0, budgetBytes: 0, budgetItems: 9 },
    ];
    const report = { node: 2, bytesMax: 2 ** 42, itemsMax: 5, rows };
    const w = new ByteWriter(16);
    expect(readForward(encodeMemoryReport(w, report))).toEqual([['memory', report]]);
    expect(readForward(encodeTouches(w, 7, Uint32Array.of(1, 2 ** 32 - 1)))).toEqual([
      ['touches', 7, [1, 2 ** 32 - 1]],
    ]);
    const cut = encodeTouches(w, 7, Uint32Array.of(1, 2)).slice(0, -1);
    expect(() => readForward(cut)).toThrow(MalformedFrame);
  });
});

describe('bulk frames', () => {
  it.each(BULK_FRAMES.map((frame) => [frame.kind, frame] as const))('%s decodes to itself', (_, frame) => {
    expect(decodeBulkFrame(encodeBulkFrame(new ByteWriter(), frame))).toEqual(frame);
  });
});

describe.each(FRAMES)('a %s frame', (_name, bytes, read) => {
  it('E100 is refused when cut at any byte', () => {
    for (let end = 0; end < bytes.length; end++) {
      expect(() => read(bytes.slice(0, end)), `cut at ${end}`).toThrow(MalformedFrame);
    }
  });

  it('E100 is refused with a byte too many', () => {
    expect(() => read(Uint8Array.of(...bytes, 0))).toThrow(MalformedFrame);
  });

  it('E100 with any bit flipped is refused as malformed or decodes to something', () => {
    for (let bit = 0; bit < bytes.length * 8; bit++) {
      const flipped = bytes.slice();
      flipped[bit >> 3] = (flipped[bit >> 3] as number) ^ (1 << (bit & 7));
      try {
        read(flipped);
      } catch (error) {
        expect(error, `bit ${bit}`).toBeInstanceOf(MalformedFrame);
      }
    }
  });
});

describe('announced counts', () => {
  it('E100 are checked against the bytes that are there before anything is allocated', () => {
    const frame = raftFrame([]);
    frame.fill(0xff, 30, 34);
    expect(() => readRaft(frame)).toThrow(/4294967295 records announced in 0 bytes/);
    const gossip = gossipFrame();
    gossip.fill(0xff, 14, 18);
    expect(() => readForward(gossip)).toThrow(/4294967295 records announced/);
    const requests = requestFrame();
    requests.fill(0xff, 10, 14);
    expect(() => readForward(requests)).toThrow(/4294967295 records announced/);
  });
});
