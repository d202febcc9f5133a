/** One of each thing that peers say, with every field set to something that would be missed. */
import type { BulkFrame, RaftFrameHeader } from '../../../src/codec/index.js';
import type { Configuration, Message } from '../../../src/raft/index.js';

export const HEADER: RaftFrameHeader = {
  node: 3,
  bootNumber: 7,
  wallMs: 1_790_000_000_123,
  mapVersion: 2 ** 40 + 5,
};

export const CONFIGURATION: Configuration = {
  version: 12,
  voters: [1, 2, 3],
  outgoing: [1, 2, 4],
  learners: [9],
  learnersNext: [4],
  autoLeave: true,
  highestId: 9,
  homes: [
    { replica: 1, node: 11 },
    { replica: 9, node: 12 },
  ],
};

const envelope = { from: 1, to: 2, term: 2 ** 53 - 1, configurationVersion: 12 };

export const MESSAGES: readonly Message[] = [
  {
    ...envelope,
    type: 'append',
    prevIndex: 41,
    prevTerm: 5,
    commit: 40,
    entries: [
      { index: 42, term: 6, kind: 0, data: Uint8Array.of(1, 2, 3) },
      { index: 43, term: 6, kind: 2, data: new Uint8Array(0) },
      { index: 44, term: 7, kind: 1, data: new Uint8Array(300).fill(9) },
    ],
  },
  { ...envelope, type: 'append', prevIndex: 0, prevTerm: 0, commit: 0, entries: [] },
  { ...envelope, type: 'append_response', index: 44, reject: true, hintIndex: 12, hintTerm: 3 },
  { ...envelope, type: 'append_response', index: 44, reject: false, hintIndex: 0, hintTerm: 0 },
  { ...envelope, type: 'heartbeat', commit: 17 },
  { ...envelope, type: 'heartbeat_response' },
  { ...envelope, type: 'vote', lastIndex: 9, lastTerm: 2, pre: true, transfer: false },
  { ...envelope, type: 'vote', lastIndex: 9, lastTerm: 2, pre: false, transfer: true },
  { ...envelope, type: 'vote_response', pre: true, granted: false, commit: 7, commitTerm: 2 },
  { ...envelope, type: 'vote_response', pre: false, granted: true, commit: 0, commitTerm: 0 },
  { ...envelope, type: 'read_round', round: 2 ** 33 },
  { ...envelope, type: 'read_round_response', round: 2 ** 33 },
  { ...envelope, type: 'timeout_now' },
  { ...envelope, type: 'removed' },
  { ...envelope, type: 'suspect' },
  { ...envelope, type: 'snapshot', snapshot: { index: 100, term: 6, configuration: CONFIGURATION } },
];

export const BULK_FRAMES: readonly BulkFrame[] = [
  {
    kind: 'offer',
    transfer: 77,
    group: 4,
    from: 1,
    to: 9,
    term: 8,
    snapshot: { index: 1000, term: 7, configuration: CONFIGURATION },
    bytes: 2 ** 33,
    crc: 0xfedcba98,
  },
  { kind: 'resume', transfer: 77, offset: 4096 },
  { kind: 'chunk', transfer: 77, offset: 2 ** 32, bytes: Uint8Array.of(5, 6, 7) },
  { kind: 'ack', transfer: 77, nextOffset: 2 ** 32 + 3 },
  { kind: 'done', transfer: 77, ok: false, reason: 'disk full: größer' },
  { kind: 'done', transfer: 78, ok: true, reason: '' },
];
