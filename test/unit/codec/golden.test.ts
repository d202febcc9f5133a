/**
 * Goal: the bytes on the wire don't change by accident, and what an earlier release said is understood. Method: the
 * samples against test/golden/wire-v1.json. A change of a layout is a new version byte and a new golden file.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { crc32 } from '../../../src/adapters/crc32.js';
import { ByteWriter, copyBytes } from '../../../src/base/index.js';
import {
  configurationEntries,
  cutFrame,
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
  FrameParser,
  PIECE_BYTES_MAX,
  PieceKind,
  putPiece,
  ForwardRequestWriter,
  ForwardResponseWriter,
  GossipWriter,
  HandshakeGuard,
  type ForwardVisitor,
  type MemoryReport,
  RaftFrameWriter,
} from '../../../src/codec/index.js';
import type { Message } from '../../../src/raft/index.js';
import {
  BULK_FRAMES,
  CONFIGURATION,
  ENDINGS,
  HEADER,
  MESSAGES,
  QUIET_MESSAGES,
  READ_MESSAGES,
} from './samples.js';

const golden = JSON.parse(
  readFileSync(new URL('../../golden/wire-v1.json', import.meta.url), 'utf8'),
) as Record<string, string>;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const fromGolden = (name: string): Uint8Array => new Uint8Array(Buffer.from(golden[name] ?? '', 'hex'));

const MEMORY: MemoryReport = {
  node: 2,
  bytesMax: 2 ** 40,
  itemsMax: 0,
  rows: [{ group: 3, charge: 2 ** 33, items: 7, budgetVersion: 9, budgetBytes: 2 ** 34, budgetItems: 8 }],
};
/** One byte more than goes into one piece: the smallest that is cut. */
const LARGE = new Uint8Array(PIECE_BYTES_MAX + 1).fill(7);

/** A piece of every kind; of the large frame only what stands around its bytes. */
function pieces(): Uint8Array {
  const target = new Uint8Array(64);
  let end = putPiece(target, 0, PieceKind.keepAlive, new Uint8Array(0), crc32);
  for (const kind of [PieceKind.hello, PieceKind.welcome, PieceKind.whole] as const)
    end = putPiece(target, end, kind, Uint8Array.of(1, 2, kind), crc32);
  const [first, more] = cutFrame(LARGE, crc32) as [Uint8Array, Uint8Array];
  return Buffer.concat([target.subarray(0, end), first.subarray(0, 14), more]);
}

function encodeAll(): Record<string, string> {
  const w = new ByteWriter();
  const guard = new HandshakeGuard(
    { clusterId: 'alpha', nodeId: 1, bootNumber: 4, nonce: 'aa' },
    { min: 1, max: 2 },
    2,
  );
  const raftFrame = (messages: readonly Message[]): string => {
    const raft = new RaftFrameWriter();
    raft.begin(HEADER);
    messages.forEach((message, i) => raft.add(i, message));
    return hex(raft.finish());
  };
  const quiet = new RaftFrameWriter();
  quiet.begin({ ...HEADER, endings: ENDINGS });
  QUIET_MESSAGES.forEach((message, i) => quiet.add(i, message));
  const requests = new ForwardRequestWriter();
  requests.begin(9);
  requests.add(0xffffffff, 16, 2, 4999, Uint8Array.of(1, 2, 3));
  const responses = new ForwardResponseWriter();
  responses.begin(10);
  responses.add(5, Uint8Array.of(9, 8));
  const gossip = new GossipWriter();
  gossip.begin(2, 11);
  gossip.add(1, 2 ** 52, 3, 2);
  const all: Record<string, string> = {
    raft: raftFrame(MESSAGES),
    raftReads: raftFrame(READ_MESSAGES),
    raftQuiet: hex(quiet.finish()),
    requests: hex(requests.finish()),
    responses: hex(responses.finish()),
    gossip: hex(gossip.finish()),
    mapRequest: hex(encodeMapRequest(w, 3)),
    map: hex(encodeMap(w, 3, Uint8Array.of(1, 2))),
    hello: hex(encodeHello(w, guard.hello('bulk', 2))),
    welcome: hex(encodeWelcome(w, guard.welcome({ kind: 'accepted', newLife: true }))),
    welcomeRefused: hex(
      encodeWelcome(w, guard.welcome({ kind: 'refused', reason: 'UNAVAILABLE', text: 'not now' })),
    ),
    memory: hex(encodeMemoryReport(w, MEMORY)),
    touches: hex(encodeTouches(w, 3, Uint32Array.of(1, 2 ** 32 - 1))),
    configurationEntry: hex(configurationEntries.encode(CONFIGURATION)),
    pieces: hex(pieces()),
  };
  BULK_FRAMES.forEach((frame, i) => (all[`bulk${i}`] = hex(encodeBulkFrame(w, frame))));
  return all;
}

describe('version 1 on the wire', () => {
  it('is written as it always was', () => {
    expect(encodeAll()).toEqual(golden);
  });

  it('is read as it always was', () => {
    for (const [name, messages] of [['raft', MESSAGES] as const, ['raftReads', READ_MESSAGES] as const]) {
      const heard: Message[] = [];
      decodeRaftFrame(fromGolden(name), {
        onHeader: (header) => expect(header).toEqual(HEADER),
        onMessage: (_group, message) => heard.push(message),
      });
      expect(heard).toEqual(messages);
    }
    const heard: Message[] = [];
    decodeRaftFrame(fromGolden('raftQuiet'), {
      onHeader: (header) => expect(header).toEqual({ ...HEADER, endings: ENDINGS }),
      onMessage: (_group, message) => heard.push(message),
    });
    expect(heard).toEqual(QUIET_MESSAGES);
    BULK_FRAMES.forEach((frame, i) => expect(decodeBulkFrame(fromGolden(`bulk${i}`))).toEqual(frame));
    expect(decodeHello(fromGolden('hello'))).toMatchObject({ channel: 'bulk', wanted: 2 });
    expect(decodeWelcome(fromGolden('welcome'))).toMatchObject({ refused: null, version: 2 });
    expect(decodeWelcome(fromGolden('welcomeRefused'))).toMatchObject({
      refused: 'UNAVAILABLE',
      text: 'not now',
      versions: { min: 1, max: 2 },
    });
    expect(configurationEntries.decode(fromGolden('configurationEntry'))).toEqual(CONFIGURATION);
  });

  it('is read as it always was: frames of the forward channel', () => {
    const heard: unknown[] = [];
    const note =
      (name: string) =>
      (...fields: unknown[]): void =>
        void heard.push([name, ...fields]);
    const visitor: ForwardVisitor = {
      onRequests: note('requests'),
      onRequest: (id, shard, hops, remainingMs, bytes, start, end) =>
        void heard.push([id, shard, hops, remainingMs, copyBytes(bytes, start, end)]),
      onResponses: note('responses'),
      onResponse: (id, bytes, start, end) => void heard.push([id, copyBytes(bytes, start, end)]),
      onGossip: note('gossip'),
      onGossipGroup: note('group'),
      onMapRequest: note('mapRequest'),
      onMap: (version, bytes, start, end) => void heard.push([version, copyBytes(bytes, start, end)]),
      onMemory: note('memory'),
      onTouches: note('touches'),
    };
    const names = ['requests', 'responses', 'gossip', 'mapRequest', 'map', 'memory', 'touches'];
    for (const name of names) decodeForwardFrame(fromGolden(name), visitor);
    expect(heard).toEqual([
      ['requests', 9, 1],
      [0xffffffff, 16, 2, 4999, Uint8Array.of(1, 2, 3)],
      ['responses', 10, 1],
      [5, Uint8Array.of(9, 8)],
      ['gossip', 2, 11],
      ['group', 1, 2 ** 52, 3, 2],
      ['mapRequest', 3],
      [3, Uint8Array.of(1, 2)],
      ['memory', MEMORY],
      ['touches', 3, Uint32Array.of(1, 2 ** 32 - 1)],
    ]);
  });

  it('is read as it always was: pieces', () => {
    const heard: [number, number][] = [];
    let keepAlives = 0;
    const sink = {
      onPiece: () => void keepAlives++,
      onFrame: (kind: number, frame: Uint8Array) => heard.push([kind, frame.length]) > 0,
    };
    const bytes = fromGolden('pieces');
    const strange = new FrameParser(crc32, sink);
    strange.push(bytes.subarray(9, 33)); // hello and welcome
    const accepted = new FrameParser(crc32, sink);
    accepted.onAccepted();
    accepted.push(bytes.subarray(0, 9));
    accepted.push(bytes.subarray(33, 45));
    accepted.push(cutFrame(LARGE, crc32)[0] as Uint8Array);
    accepted.push(bytes.subarray(59));
    expect(heard).toEqual([
      [2, 3],
      [3, 3],
      [4, 3],
      [4, LARGE.length],
    ]);
    expect(keepAlives).toBe(6);
  });
});
