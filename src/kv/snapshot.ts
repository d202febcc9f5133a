/**
 * A shard's state as chunks, and back.
 *
 *   first chunk:  u8 1 (header) | u8 layout (4) | u32 clusterVersion | u64 hashSeed | u16 firstSlot | u16 lastSlot
 *                 | u64 timestampMs | u64 lastVersion | u64 itemCount | u32 sum a | u32 sum b
 *                 | u64 budget version | u64 bytesMax | u64 itemsMax
 *                 | u32 sessions | u32 sum a | u32 sum b of the sessions
 *   if any:       u8 3 (sessions), see session-chunks.ts; before the items
 *   each other:   u8 2 (items) | (u64 version | u64 expiryMs | u16 key length | u32 value length | key | value)…
 *
 * Count and sums of the header must be those of the items at the end: a lost, repeated or damaged chunk is found even
 * where the transport's checks are not.
 */
import {
  assert,
  ByteReader,
  ByteWriter,
  knowsVersion,
  SLOT_COUNT,
  UnknownSnapshotFormat,
  UnknownVersionError,
  type VersionRange,
} from '../base/index.js';
import type { SnapshotLoader, SnapshotSource } from '../ports/index.js';
import { Item } from './item.js';
import { CHUNK_SESSIONS, encodeSessions, readSession } from './session-chunks.js';
import { ShardState } from './state.js';
import type { FrozenItems } from './table.js';

const CHUNK_HEADER = 1;
const CHUNK_ITEMS = 2;
const LAYOUT = 4;

/** Reads a frozen state; the living one may change meanwhile. */
export class KvSnapshotSource implements SnapshotSource {
  /** What comes before the items, last first. */
  private readonly head: Uint8Array[];
  private readonly items: FrozenItems;
  private readonly item = new Item();
  private readonly writer = new ByteWriter(4096);

  constructor(state: ShardState) {
    this.head = [...encodeSessions(state.sessions).reverse(), encodeHeader(state)];
    this.items = state.table.freeze();
  }

  next(bytesMax: number): Uint8Array | null {
    const before = this.head.pop();
    if (before !== undefined) return before;
    const { writer, item } = this;
    writer.reset();
    writer.u8(CHUNK_ITEMS);
    while (writer.length < bytesMax || writer.length === 1) {
      if (!this.items.next(item)) {
        if (this.items.isCutOff) throw new Error('the table was closed while a snapshot of it was read');
        break;
      }
      encodeItem(writer, item);
    }
    return writer.length > 1 ? writer.take() : null;
  }

  get isPressed(): boolean {
    return this.items.isPressed;
  }

  release(): void {
    this.items.release();
  }
}

interface ExpectedEnd {
  readonly itemCount: number;
  readonly sumA: number;
  readonly sumB: number;
  sessions: number;
  sessionsA: number;
  sessionsB: number;
}

const NOTHING: ExpectedEnd = { itemCount: 0, sumA: 0, sumB: 0, sessions: 0, sessionsA: 0, sessionsB: 0 };

/** Builds a state aside; hands it over whole, or not at all. */
export class KvSnapshotLoader implements SnapshotLoader {
  private state: ShardState | null = null;
  private expected: ExpectedEnd = NOTHING;
  private readonly reader = new ByteReader(new Uint8Array(0));
  private readonly item = new Item();

  constructor(
    private readonly known: VersionRange,
    private readonly install: (state: ShardState) => void,
  ) {}

  push(chunk: Uint8Array): void {
    try {
      this.read(chunk);
    } catch (error) {
      this.drop();
      throw error;
    }
  }

  drop(): void {
    this.state?.table.clear(); // what was built so far holds memory of the process
    this.state = null;
  }

  private read(chunk: Uint8Array): void {
    const reader = this.reader.reset(chunk);
    const kind = reader.u8();
    if (this.state === null) {
      refuseIf(kind !== CHUNK_HEADER, `begins with a chunk of kind ${kind}`);
      this.readHeader(reader);
    } else if (kind === CHUNK_SESSIONS) {
      refuseIf(this.state.table.itemCount > 0, 'sessions behind items');
      while (reader.remaining > 0)
        refuseIf(!readSession(reader, this.state.sessions), 'a session that is none');
    } else {
      refuseIf(kind !== CHUNK_ITEMS, `chunk of kind ${kind} after the first`);
      while (reader.remaining > 0) this.readItem(reader, this.state);
    }
  }

  finish(): void {
    const { state } = this;
    if (state === null) throw new RangeError('snapshot: empty');
    try {
      this.check(state);
    } catch (error) {
      this.drop();
      throw error;
    }
    this.state = null;
    this.install(state);
  }

  private check(state: ShardState): void {
    const { expected } = this;
    const { itemCount, sumA, sumB } = state.table;
    refuseIf(itemCount !== expected.itemCount, `${itemCount} items instead of ${expected.itemCount}`);
    refuseIf(sumA !== expected.sumA || sumB !== expected.sumB, 'its items are not those that were written');
    const { sessions } = state;
    refuseIf(
      sessions.count !== expected.sessions ||
        sessions.sumA >>> 0 !== expected.sessionsA ||
        sessions.sumB >>> 0 !== expected.sessionsB,
      'its sessions are not those that were written',
    );
  }

  private readHeader(reader: ByteReader): void {
    const layout = reader.u8();
    if (layout !== LAYOUT) throw new UnknownSnapshotFormat(layout);
    const clusterVersion = reader.u32();
    if (!knowsVersion(this.known, clusterVersion))
      throw new UnknownVersionError('the snapshot of a shard', clusterVersion, this.known);
    const hashSeed = reader.u64();
    const firstSlot = reader.u16();
    const lastSlot = reader.u16();
    refuseIf(lastSlot < firstSlot || lastSlot >= SLOT_COUNT, `slots ${firstSlot} to ${lastSlot}`);
    const state = new ShardState({ hashSeed, firstSlot, lastSlot });
    state.clusterVersion = clusterVersion;
    state.timestampMs = reader.u64();
    state.lastVersion = reader.u64();
    const expected = { ...NOTHING, itemCount: reader.u64(), sumA: reader.u32(), sumB: reader.u32() };
    state.budget = { version: reader.u64(), bytesMax: reader.u64(), itemsMax: reader.u64() };
    expected.sessions = reader.u32();
    expected.sessionsA = reader.u32();
    expected.sessionsB = reader.u32();
    this.expected = expected;
    refuseIf(reader.remaining !== 0, 'header of another length');
    this.state = state;
  }

  private readItem(reader: ByteReader, state: ShardState): void {
    const { item } = this;
    item.version = reader.u64();
    item.expiryMs = reader.u64();
    const keyLength = reader.u16();
    const valueLength = reader.u32();
    const start = reader.position;
    reader.skip(keyLength);
    reader.skip(valueLength);
    refuseIf(item.version === 0 || item.version > state.lastVersion, `item of version ${item.version}`);
    item.setKey(reader.buffer, start, start + keyLength);
    item.setValue(reader.buffer, start + keyLength, reader.position);
    item.hash = state.hash(reader.buffer, start, start + keyLength);
    state.table.put(item);
  }
}

function encodeHeader(state: ShardState): Uint8Array {
  const { seed, table, budget, sessions } = state;
  const w = new ByteWriter(64);
  w.u8(CHUNK_HEADER);
  w.u8(LAYOUT);
  w.u32(state.clusterVersion);
  w.u64(seed.hashSeed);
  w.u16(seed.firstSlot);
  w.u16(seed.lastSlot);
  w.u64(state.timestampMs);
  w.u64(state.lastVersion);
  w.u64(table.itemCount);
  w.u32(table.sumA);
  w.u32(table.sumB);
  w.u64(budget.version);
  w.u64(budget.bytesMax);
  w.u64(budget.itemsMax);
  w.u32(sessions.count);
  w.u32(sessions.sumA);
  w.u32(sessions.sumB);
  return w.take();
}

function encodeItem(w: ByteWriter, item: Item): void {
  const keyLength = item.keyEnd - item.keyStart;
  assert(keyLength <= 0xffff, `key of ${keyLength} bytes`);
  w.u64(item.version);
  w.u64(item.expiryMs);
  w.u16(keyLength);
  w.u32(item.valueEnd - item.valueStart);
  w.bytes(item.keyBytes, item.keyStart, item.keyEnd);
  w.bytes(item.valueBytes, item.valueStart, item.valueEnd);
}

function refuseIf(condition: boolean, what: string): void {
  if (condition) throw new RangeError(`snapshot: ${what}`);
}
