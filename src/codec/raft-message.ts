/**
 * One Raft message as bytes, inside a Raft frame (messages.ts):
 *
 *   u32 group | u8 type | u8 flags | u32 from | u32 to | u64 term | u64 configuration version | fields of the type
 *
 *   append           u64 prevIndex | u64 prevTerm | u64 commit | u32 count | (u8 kind | u64 term | u32 length | data)…
 *                    indexes are not sent: entries follow prevIndex without a gap
 *   append_response  u64 index | u64 hintIndex | u64 hintTerm          flags: reject
 *   heartbeat        u64 commit
 *   vote             u64 lastIndex | u64 lastTerm                      flags: pre, transfer
 *   vote_response    u64 commit | u64 commitTerm                       flags: pre, granted
 *   read_round, read_round_response                                    u64 round
 *   heartbeat_response, timeout_now, removed, suspect                  nothing
 *   snapshot         u64 index | u64 term | configuration
 *
 * Encoding and decoding are inverse in both directions: a message has one encoding. Entry data is copied while
 * decoding, once, because frames are views of a socket's buffer.
 */
import { assert, assertNever, EMPTY_BYTES, type ByteReader, type ByteWriter } from '../base/index.js';
import { EntryKind, type Entry, type Message, type MessageType } from '../raft/index.js';
import { putConfiguration, readConfiguration } from './configuration.js';
import { MalformedFrame, putId, putSafe, readCount, readFlags } from './malformed.js';

/** Numbers on the wire: never reused. */
const TYPE_NUMBERS: Record<MessageType, number> = {
  append: 1,
  append_response: 2,
  heartbeat: 3,
  heartbeat_response: 4,
  vote: 5,
  vote_response: 6,
  read_round: 7,
  read_round_response: 8,
  timeout_now: 9,
  snapshot: 10,
  removed: 11,
  suspect: 12,
};
const TYPES: readonly (MessageType | undefined)[] = byNumber();

const FLAG_REJECT = 1;
const FLAG_PRE = 2;
const FLAG_TRANSFER = 4;
const FLAG_GRANTED = 8;

/** Bytes of a message without fields; what a count of messages is checked against. */
export const MESSAGE_BYTES_MIN = 30;
const ENTRY_BYTES_MIN = 13;

export function putMessage(w: ByteWriter, group: number, message: Message): void {
  putId(w, group);
  w.u8(TYPE_NUMBERS[message.type]);
  w.u8(flagsOf(message));
  putId(w, message.from);
  putId(w, message.to);
  putSafe(w, message.term);
  putSafe(w, message.configurationVersion);
  switch (message.type) {
    case 'append':
      putSafe(w, message.prevIndex);
      putSafe(w, message.prevTerm);
      putSafe(w, message.commit);
      putEntries(w, message.prevIndex, message.entries);
      return;
    case 'append_response':
      putSafe(w, message.index);
      putSafe(w, message.hintIndex);
      putSafe(w, message.hintTerm);
      return;
    case 'heartbeat':
      putSafe(w, message.commit);
      return;
    case 'vote':
      putSafe(w, message.lastIndex);
      putSafe(w, message.lastTerm);
      return;
    case 'read_round':
    case 'read_round_response':
      putSafe(w, message.round);
      return;
    case 'snapshot':
      putSafe(w, message.snapshot.index);
      putSafe(w, message.snapshot.term);
      putConfiguration(w, message.snapshot.configuration);
      return;
    case 'vote_response':
      putSafe(w, message.commit);
      putSafe(w, message.commitTerm);
      return;
    case 'heartbeat_response':
    case 'timeout_now':
    case 'removed':
    case 'suspect':
      return;
    default:
      assertNever(message, 'raft message');
  }
}

/** Reads what follows the group id. */
export function readMessage(reader: ByteReader): Message {
  const number = reader.u8();
  const type = TYPES[number];
  if (type === undefined) throw new MalformedFrame(`raft message: unknown type ${number}`);
  const flags = readFlags(reader, KNOWN_FLAGS[type], type);
  const from = reader.u32();
  const to = reader.u32();
  const term = reader.u64();
  const configurationVersion = reader.u64();
  const envelope = { from, to, term, configurationVersion };
  switch (type) {
    case 'append': {
      const prevIndex = reader.u64();
      const prevTerm = reader.u64();
      const commit = reader.u64();
      return {
        type,
        from,
        to,
        term,
        configurationVersion,
        prevIndex,
        prevTerm,
        commit,
        entries: readEntries(reader, prevIndex),
      };
    }
    case 'append_response': {
      const index = reader.u64();
      const hintIndex = reader.u64();
      const hintTerm = reader.u64();
      const reject = (flags & FLAG_REJECT) !== 0;
      return { type, from, to, term, configurationVersion, index, reject, hintIndex, hintTerm };
    }
    case 'heartbeat':
      return { type, ...envelope, commit: reader.u64() };
    case 'vote': {
      const lastIndex = reader.u64();
      const lastTerm = reader.u64();
      const pre = (flags & FLAG_PRE) !== 0;
      const transfer = (flags & FLAG_TRANSFER) !== 0;
      return { type, ...envelope, lastIndex, lastTerm, pre, transfer };
    }
    case 'vote_response': {
      const pre = (flags & FLAG_PRE) !== 0;
      const commit = reader.u64();
      const commitTerm = reader.u64();
      return { type, ...envelope, pre, granted: (flags & FLAG_GRANTED) !== 0, commit, commitTerm };
    }
    case 'read_round':
    case 'read_round_response':
      return { type, ...envelope, round: reader.u64() };
    case 'snapshot': {
      const index = reader.u64();
      const snapshotTerm = reader.u64();
      const configuration = readConfiguration(reader);
      return { type, ...envelope, snapshot: { index, term: snapshotTerm, configuration } };
    }
    case 'heartbeat_response':
    case 'timeout_now':
    case 'removed':
    case 'suspect':
      return { type, ...envelope };
    default:
      return assertNever(type, 'raft message type');
  }
}

const KNOWN_FLAGS: Record<MessageType, number> = {
  append: 0,
  append_response: FLAG_REJECT,
  heartbeat: 0,
  heartbeat_response: 0,
  vote: FLAG_PRE | FLAG_TRANSFER,
  vote_response: FLAG_PRE | FLAG_GRANTED,
  read_round: 0,
  read_round_response: 0,
  timeout_now: 0,
  snapshot: 0,
  removed: 0,
  suspect: 0,
};

function flagsOf(message: Message): number {
  switch (message.type) {
    case 'append_response':
      return message.reject ? FLAG_REJECT : 0;
    case 'vote':
      return (message.pre ? FLAG_PRE : 0) | (message.transfer ? FLAG_TRANSFER : 0);
    case 'vote_response':
      return (message.pre ? FLAG_PRE : 0) | (message.granted ? FLAG_GRANTED : 0);
    default:
      return 0;
  }
}

function putEntries(w: ByteWriter, prevIndex: number, entries: readonly Entry[]): void {
  w.u32(entries.length);
  let index = prevIndex;
  for (const entry of entries) {
    index++;
    if (entry.index !== index) assert(false, `entry ${entry.index} where ${index} was due`);
    w.u8(entry.kind);
    putSafe(w, entry.term);
    w.u32(entry.data.length);
    w.bytes(entry.data);
  }
}

function readEntries(reader: ByteReader, prevIndex: number): Entry[] {
  const count = readCount(reader, ENTRY_BYTES_MIN, 'entries');
  if (!Number.isSafeInteger(prevIndex + count)) throw new MalformedFrame('entries: index above 2^53');
  const entries: Entry[] = [];
  for (let i = 1; i <= count; i++) {
    const kind = entryKind(reader.u8());
    const term = reader.u64();
    const length = reader.u32();
    entries.push({
      index: prevIndex + i,
      term,
      kind,
      data: length === 0 ? EMPTY_BYTES : reader.bytes(length),
    });
  }
  return entries;
}

function entryKind(number: number): EntryKind {
  switch (number) {
    case EntryKind.normal:
    case EntryKind.configuration:
    case EntryKind.empty:
      return number;
    default:
      throw new MalformedFrame(`entry: unknown kind ${number}`);
  }
}

function byNumber(): (MessageType | undefined)[] {
  const types: (MessageType | undefined)[] = [];
  for (const type of Object.keys(TYPE_NUMBERS) as MessageType[]) types[TYPE_NUMBERS[type]] = type;
  return types;
}
