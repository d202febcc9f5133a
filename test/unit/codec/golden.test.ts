/**
 * Goal: the bytes on the wire don't change by accident, and what an earlier release said is understood. Method: the
 * samples against test/golden/wire-v1.json. A change of a layout is a new version byte and a new golden file.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { ByteWriter } from '../../../src/base/index.js';
import {
  decodeBulkFrame,
  decodeHello,
  decodeRaftFrame,
  decodeWelcome,
  encodeBulkFrame,
  encodeHello,
  encodeMap,
  encodeMapRequest,
  encodeWelcome,
  ForwardRequestWriter,
  ForwardResponseWriter,
  GossipWriter,
  HandshakeGuard,
  RaftFrameWriter,
} from '../../../src/codec/index.js';
import type { Message } from '../../../src/raft/index.js';
import { BULK_FRAMES, ENDINGS, HEADER, MESSAGES, QUIET_MESSAGES, READ_MESSAGES } from './samples.js';

const golden = JSON.parse(
  readFileSync(new URL('../../golden/wire-v1.json', import.meta.url), 'utf8'),
) as Record<string, string>;

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const fromGolden = (name: string): Uint8Array => new Uint8Array(Buffer.from(golden[name] ?? '', 'hex'));

function encodeAll(): Record<string, string> {
  const w = new ByteWriter();
  const guard = new HandshakeGuard({ clusterId: 'alpha', nodeId: 1, bootNumber: 4, nonce: 'aa' });
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
    welcome: hex(encodeWelcome(w, guard.welcome({ kind: 'accepted', protocol: 1, newLife: true }))),
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
    expect(decodeWelcome(fromGolden('welcome'))).toMatchObject({ refused: null, protocol: 1 });
  });
});
