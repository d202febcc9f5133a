/**
 * Goal: decoding undoes encoding for frames of any content, in both directions, and random bytes never do worse than
 * `MalformedFrame`. Method: frames drawn from a seeded generator; streams split at random places.
 */
import { crc32 } from '../../src/adapters/crc32.js';
import { describe, expect, it } from 'vitest';
import { Prng } from '../../src/base/index.js';
import {
  cutFrame,
  decodeBulkFrame,
  decodeForwardFrame,
  decodeHello,
  decodeRaftFrame,
  decodeWelcome,
  FrameParser,
  MalformedFrame,
  PieceKind,
  PIECE_BYTES_MAX,
  PIECE_HEADER_BYTES,
  putPiece,
  RaftFrameWriter,
  type ForwardVisitor,
  type RaftFrameHeader,
} from '../../src/codec/index.js';
import type { Entry, EntryKind, Message } from '../../src/raft/index.js';

function safe(prng: Prng): number {
  return prng.chance(0.5) ? prng.below(1000) : prng.u32() * 2 ** 20;
}

function bytes(prng: Prng, max: number): Uint8Array {
  return Uint8Array.from({ length: prng.below(max + 1) }, () => prng.below(256));
}

function drawMessage(prng: Prng): Message {
  const envelope = { from: prng.u32(), to: prng.u32(), term: safe(prng), configurationVersion: safe(prng) };
  const flag = (): boolean => prng.chance(0.5);
  switch (prng.below(8)) {
    case 0: {
      const prevIndex = safe(prng);
      const entries: Entry[] = [];
      for (let i = 1, n = prng.below(6); i <= n; i++) {
        const kind = prng.below(3) as EntryKind;
        entries.push({ index: prevIndex + i, term: safe(prng), kind, data: bytes(prng, 80) });
      }
      const tail = { prevIndex, prevTerm: safe(prng), commit: safe(prng), entries };
      return { ...envelope, type: 'append', ...tail };
    }
    case 1:
      return {
        ...envelope,
        type: 'append_response',
        index: safe(prng),
        reject: flag(),
        hintIndex: safe(prng),
        hintTerm: safe(prng),
      };
    case 2:
      return { ...envelope, type: 'heartbeat', commit: safe(prng), quiesce: flag() };
    case 3:
      return {
        ...envelope,
        type: 'vote',
        lastIndex: safe(prng),
        lastTerm: safe(prng),
        pre: flag(),
        transfer: flag(),
      };
    case 4:
      return {
        ...envelope,
        type: 'vote_response',
        pre: flag(),
        granted: flag(),
        commit: safe(prng),
        commitTerm: safe(prng),
      };
    case 5:
      return { ...envelope, type: 'read_round', round: safe(prng) };
    case 6:
      if (flag()) return { ...envelope, type: 'heartbeat_response', quiesced: flag() };
      return { ...envelope, type: prng.pick(['timeout_now', 'removed', 'suspect'] as const) };
    default: {
      const list = (): number[] => Array.from({ length: prng.below(5) }, () => prng.u32());
      const configuration = {
        version: safe(prng),
        voters: list(),
        outgoing: list(),
        learners: list(),
        learnersNext: list(),
        autoLeave: flag(),
        highestId: prng.u32(),
        homes: list().map((replica) => ({ replica, node: prng.u32() })),
      };
      return {
        ...envelope,
        type: 'snapshot',
        snapshot: { index: safe(prng), term: safe(prng), configuration },
      };
    }
  }
}

const NOTHING: ForwardVisitor = {
  onRequests: () => undefined,
  onRequest: () => undefined,
  onResponses: () => undefined,
  onResponse: () => undefined,
  onGossip: () => undefined,
  onGossipGroup: () => undefined,
  onMapRequest: () => undefined,
  onMemory: () => undefined,
  onTouches: () => undefined,
  onMap: () => undefined,
};

describe('frames of any content', () => {
  it('raft frames survive a round trip, and have one encoding', () => {
    const prng = new Prng(1).stream('messages');
    const writer = new RaftFrameWriter();
    for (let round = 0; round < 300; round++) {
      const plain = { node: prng.u32(), bootNumber: safe(prng), wallMs: safe(prng), mapVersion: safe(prng) };
      const groups = Array.from({ length: prng.below(65) }, () => prng.u32());
      const header = prng.chance(0.5) ? plain : { ...plain, endings: { number: 1 + safe(prng), groups } };
      const said = Array.from({ length: prng.below(8) }, () => [prng.u32(), drawMessage(prng)] as const);
      writer.begin(header);
      for (const [group, message] of said) writer.add(group, message);
      const frame = writer.finish().slice();
      const heard: (readonly [number, Message])[] = [];
      let heardHeader: RaftFrameHeader | null = null;
      decodeRaftFrame(frame, {
        onHeader: (h) => (heardHeader = h),
        onMessage: (group, message) => heard.push([group, message]),
      });
      expect(heardHeader).toEqual(header);
      expect(heard).toEqual(said);
      writer.begin(header);
      for (const [group, message] of heard) writer.add(group, message);
      expect(Buffer.compare(writer.finish(), frame)).toBe(0);
    }
  });

  it('E100 random bytes are malformed or mean something, and nothing else happens', () => {
    const prng = new Prng(2).stream('garbage');
    const readers: ((b: Uint8Array) => unknown)[] = [
      (b) => decodeRaftFrame(b, { onHeader: () => undefined, onMessage: () => undefined }),
      (b) => decodeForwardFrame(b, NOTHING),
      decodeBulkFrame,
      decodeHello,
      decodeWelcome,
    ];
    for (let round = 0; round < 3000; round++) {
      const garbage = bytes(prng, 120);
      if (garbage.length > 2 && prng.chance(0.8)) {
        garbage[0] = 1;
        garbage[1] = prng.below(6);
      }
      for (const read of readers) {
        try {
          read(garbage);
        } catch (error) {
          expect(error).toBeInstanceOf(MalformedFrame);
        }
      }
    }
  });

  it('a stream split anywhere gives the same frames', () => {
    const prng = new Prng(3).stream('splits');
    const frames: Uint8Array[] = [];
    const pieces: Uint8Array[] = [];
    for (let i = 0; i < 60; i++) {
      const size = prng.chance(0.1) ? PIECE_BYTES_MAX + prng.below(600_000) : prng.below(3000);
      const frame = new Uint8Array(size).fill(i + 1);
      frames.push(frame);
      if (size > PIECE_BYTES_MAX) pieces.push(...cutFrame(frame, crc32));
      else {
        const target = new Uint8Array(PIECE_HEADER_BYTES + size);
        putPiece(target, 0, PieceKind.whole, frame, crc32);
        pieces.push(target);
      }
    }
    const stream = Buffer.concat(pieces);
    for (let round = 0; round < 10; round++) {
      const got: Uint8Array[] = [];
      const parser = new FrameParser(crc32, {
        onPiece: () => undefined,
        onFrame: (_kind, frame) => got.push(frame.slice()) > 0,
      });
      parser.onAccepted();
      for (let at = 0; at < stream.length;) {
        const count = prng.chance(0.3) ? 1 + prng.below(20) : 1 + prng.below(100_000);
        parser.push(stream.subarray(at, at + count));
        at += count;
      }
      expect(got.map((f) => [f.length, f[0]])).toEqual(frames.map((f) => [f.length, f[0]]));
    }
  });
});
