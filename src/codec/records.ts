/**
 * Records of the node's ordered store. docs/formats.md tells the same in tables.
 *
 *   key    u32 group | u8 kind | u64 index          (a node value: u32 group | u8 kind | name)
 *   value  u8 version | u32 crc | fields
 *
 * The CRC-32 covers the fields and then the key, so that a record that turns up under another key is as bad as one
 * with a flipped bit. Kinds are ordered such that a scan meets what describes a group before its entries, and the
 * low mark before the batch numbers. Numbers of kinds are never reused.
 */
import {
  ByteReader,
  ByteWriter,
  readU32,
  type BatchNumber,
  type GroupId,
  type LogIndex,
  type ReplicaId,
  type Term,
} from '../base/index.js';
import type { Crc32 } from '../ports/index.js';
import type { Configuration, Entry, EntryKind, HardState } from '../raft/index.js';
import { putConfiguration, readConfiguration } from './configuration.js';
import { expectEnd, putId, putSafe, restart } from './malformed.js';

export const RECORD_VERSION = 1;
/** The node's own records live under a group number that no group has; it is the last one in key order. */
export const NODE_GROUP: GroupId = 0xffffffff;

export const RecordKind = {
  replica: 1,
  hardState: 2,
  configuration: 3,
  truncation: 4,
  checkpoint: 5,
  tombstone: 6,
  suspect: 7,
  entry: 16,
  nodeValue: 32,
  lowMark: 33,
  batchNumber: 48,
} as const;
export type RecordKind = (typeof RecordKind)[keyof typeof RecordKind];

export const KEY_BYTES = 13;
/** Version and CRC, before the fields. */
const VALUE_HEADER_BYTES = 5;
/** An entry's fields before its data: term and kind. */
const ENTRY_DATA_OFFSET = VALUE_HEADER_BYTES + 9;
/** Where a node value's name begins in its key. */
const NAME_OFFSET = 5;
/** What an entry's record takes besides its data: key, header, term, kind. */
export const ENTRY_RECORD_OVERHEAD_BYTES = KEY_BYTES + ENTRY_DATA_OFFSET;
const NAME_BYTES_MAX = 255;

/** What a key says; `name` is set for node values only. */
export interface RecordKey {
  group: GroupId;
  kind: number;
  index: number;
}

export interface CheckpointFields {
  readonly index: LogIndex;
  readonly term: Term;
  readonly file: string;
}

/**
 * Encodes one record at a time into one reused buffer: after a call, `key` and `value` are views of it, valid until
 * the next call. In the buffer the key stands behind the value, so that the CRC runs over one stretch.
 */
export class RecordWriter {
  key: Uint8Array = new Uint8Array(0);
  value: Uint8Array = new Uint8Array(0);
  private readonly w = new ByteWriter(4096);

  constructor(private readonly crc32: Crc32) {}

  /** Only `key`: for a delete. */
  keyOf(group: GroupId, kind: RecordKind, index: number): void {
    restart(this.w);
    this.putKey(group, kind, index);
    this.key = this.w.view();
  }

  entry(group: GroupId, entry: Entry): void {
    this.begin();
    putSafe(this.w, entry.term);
    this.w.u8(entry.kind);
    this.w.bytes(entry.data);
    this.end(group, RecordKind.entry, entry.index);
  }

  replica(group: GroupId, replica: ReplicaId): void {
    this.idRecord(group, RecordKind.replica, replica);
  }

  tombstone(group: GroupId, replica: ReplicaId): void {
    this.idRecord(group, RecordKind.tombstone, replica);
  }

  hardState(group: GroupId, state: HardState): void {
    this.begin();
    putSafe(this.w, state.term);
    putId(this.w, state.vote);
    putSafe(this.w, state.commit);
    this.end(group, RecordKind.hardState, 0);
  }

  configuration(group: GroupId, index: LogIndex, configuration: Configuration): void {
    this.begin();
    putSafe(this.w, index);
    putConfiguration(this.w, configuration);
    this.end(group, RecordKind.configuration, 0);
  }

  truncation(group: GroupId, index: LogIndex, term: Term): void {
    this.begin();
    putSafe(this.w, index);
    putSafe(this.w, term);
    this.end(group, RecordKind.truncation, 0);
  }

  /** Two slots, 0 and 1: the newest overwrites the older one's. */
  checkpoint(group: GroupId, slot: number, checkpoint: CheckpointFields): void {
    this.begin();
    putSafe(this.w, checkpoint.index);
    putSafe(this.w, checkpoint.term);
    this.w.string16(checkpoint.file);
    this.end(group, RecordKind.checkpoint, slot);
  }

  suspect(group: GroupId, reason: string): void {
    this.begin();
    this.w.string16(reason);
    this.end(group, RecordKind.suspect, 0);
  }

  nodeValue(name: string, bytes: Uint8Array): void {
    this.begin();
    this.w.bytes(bytes);
    const nameStart = this.w.length;
    this.w.u32(NODE_GROUP);
    this.w.u8(RecordKind.nodeValue);
    this.w.utf8(name);
    const nameBytes = this.w.length - nameStart - NAME_OFFSET;
    if (nameBytes < 1 || nameBytes > NAME_BYTES_MAX) {
      throw new RangeError(`node value name of ${nameBytes} bytes: 1 to ${NAME_BYTES_MAX} are possible`);
    }
    this.seal(nameStart);
  }

  lowMark(batch: BatchNumber): void {
    this.begin();
    putSafe(this.w, batch);
    this.end(NODE_GROUP, RecordKind.lowMark, 0);
  }

  batchNumber(batch: BatchNumber): void {
    this.begin();
    this.end(NODE_GROUP, RecordKind.batchNumber, batch);
  }

  private idRecord(group: GroupId, kind: RecordKind, replica: ReplicaId): void {
    this.begin();
    putId(this.w, replica);
    this.end(group, kind, 0);
  }

  private begin(): void {
    restart(this.w);
    this.w.u8(RECORD_VERSION);
    this.w.u32(0);
  }

  private end(group: GroupId, kind: RecordKind, index: number): void {
    const valueBytes = this.w.length;
    this.putKey(group, kind, index);
    this.seal(valueBytes);
  }

  private putKey(group: GroupId, kind: RecordKind, index: number): void {
    putId(this.w, group);
    this.w.u8(kind);
    putSafe(this.w, index);
  }

  private seal(valueBytes: number): void {
    const w = this.w;
    const crc = this.crc32(w.buffer.subarray(VALUE_HEADER_BYTES, w.length));
    w.putU32(1, crc);
    this.value = w.buffer.subarray(0, valueBytes);
    this.key = w.buffer.subarray(valueBytes, w.length);
  }
}

/** Encodes a key alone, as a copy: bounds of scans. */
export function recordKey(group: GroupId, kind: number, index: number): Uint8Array {
  const w = new ByteWriter(KEY_BYTES);
  putId(w, group);
  w.u8(kind);
  putSafe(w, index);
  return w.take();
}

/** Fills `into` from a key; false for a key that no version writes. */
export function readRecordKey(key: Uint8Array, into: RecordKey): boolean {
  if (key.length < 6) return false;
  into.group = readU32(key, 0);
  into.kind = key[4] as number;
  into.index = 0;
  if (into.group === NODE_GROUP && into.kind === RecordKind.nodeValue) return true;
  if (key.length !== KEY_BYTES) return false;
  const high = readU32(key, 5);
  if (high > 0x1fffff) return false;
  into.index = high * 4294967296 + readU32(key, 9);
  return true;
}

/** Decodes values; every method answers null for a damaged record (version, CRC or layout). */
export class RecordReader {
  private readonly r = new ByteReader(new Uint8Array(0));

  constructor(private readonly crc32: Crc32) {}

  /** Whether version and CRC hold. */
  isWhole(key: Uint8Array, value: Uint8Array): boolean {
    if (value.length < VALUE_HEADER_BYTES || value[0] !== RECORD_VERSION) return false;
    return this.crc32(key, this.crc32(value.subarray(VALUE_HEADER_BYTES))) === readU32(value, 1);
  }

  /** The data is a view of `value`. */
  entry(key: Uint8Array, value: Uint8Array, index: LogIndex): Entry | null {
    if (value.length < ENTRY_DATA_OFFSET || !this.isWhole(key, value)) return null;
    const term = readU32(value, VALUE_HEADER_BYTES) * 4294967296 + readU32(value, VALUE_HEADER_BYTES + 4);
    const kind = value[ENTRY_DATA_OFFSET - 1] as number;
    if (!Number.isSafeInteger(term) || kind > 2) return null;
    return { index, term, kind: kind as EntryKind, data: value.subarray(ENTRY_DATA_OFFSET) };
  }

  replica(key: Uint8Array, value: Uint8Array): ReplicaId | null {
    return this.decode(key, value, (r) => r.u32());
  }

  tombstone(key: Uint8Array, value: Uint8Array): ReplicaId | null {
    return this.decode(key, value, (r) => r.u32());
  }

  hardState(key: Uint8Array, value: Uint8Array): HardState | null {
    return this.decode(key, value, (r) => ({ term: r.u64(), vote: r.u32(), commit: r.u64() }));
  }

  configuration(
    key: Uint8Array,
    value: Uint8Array,
  ): { index: LogIndex; configuration: Configuration } | null {
    return this.decode(key, value, (r) => ({ index: r.u64(), configuration: readConfiguration(r) }));
  }

  truncation(key: Uint8Array, value: Uint8Array): { index: LogIndex; term: Term } | null {
    return this.decode(key, value, (r) => ({ index: r.u64(), term: r.u64() }));
  }

  checkpoint(key: Uint8Array, value: Uint8Array): CheckpointFields | null {
    return this.decode(key, value, (r) => ({ index: r.u64(), term: r.u64(), file: r.string16() }));
  }

  suspect(key: Uint8Array, value: Uint8Array): string | null {
    return this.decode(key, value, (r) => r.string16());
  }

  lowMark(key: Uint8Array, value: Uint8Array): BatchNumber | null {
    return this.decode(key, value, (r) => r.u64());
  }

  nodeValue(key: Uint8Array, value: Uint8Array): { name: string; bytes: Uint8Array } | null {
    return this.decode(key, value, (r) => ({
      name: new ByteReader(key, NAME_OFFSET).utf8(key.length - NAME_OFFSET),
      bytes: r.bytes(r.remaining),
    }));
  }

  private decode<T>(key: Uint8Array, value: Uint8Array, parse: (r: ByteReader) => T): T | null {
    if (!this.isWhole(key, value)) return null;
    const r = this.r.reset(value, VALUE_HEADER_BYTES);
    try {
      const fields = parse(r);
      expectEnd(r, 'record');
      return fields;
    } catch {
      return null; // short or malformed: the same to the caller as a wrong CRC
    }
  }
}
