/**
 * One shard's state machine. `apply` is a pure and total function of (state, entry): no clock, no randomness, and no
 * bytes that make it throw. What it cannot read it answers with `malformed`, and changes nothing.
 *
 * One exception: a `raiseVersion`, or a snapshot, above what this build knows throws `UnknownVersionError`; the node stops.
 *
 * Of options only `valueBytesMax` takes part in `apply` without being part of the state: it must be the same on every
 * replica, for ever (a log is applied again after a restart).
 */
import {
  assert,
  ByteReader,
  ByteWriter,
  ENTRY_HEADER_BYTES,
  ENTRY_VERSION,
  KNOWN_VERSIONS,
  readU32,
  SESSIONS_SINCE,
  ShortBytesError,
  type LogIndex,
  type Term,
  type VersionRange,
} from '../base/index.js';
import type {
  EntryResults,
  SnapshotLoader,
  SnapshotSource,
  StateMachine,
  StateRehash,
} from '../ports/index.js';
import type { Budget } from './budget.js';
import { isWriteOp } from './command.js';
import { Digest } from './digest.js';
import { createEvictor, type EvictionPolicy, type Evictor } from './evictor.js';
import type { FeedLimits } from './feed-window.js';
import { ChangeFeed } from './feed.js';
import type { Item } from './item.js';
import { hashText, NotedSums } from './noted-sums.js';
import { malformed, readOp } from './operands.js';
import { runRead } from './reads.js';
import { encodeReap } from './reap.js';
import { KvRehash } from './rehash.js';
import { KvError, putError } from './result.js';
import { Run } from './run.js';
import { COMMAND_HEADER_BYTES, hasSession } from './session-fields.js';
import { KvSnapshotLoader, KvSnapshotSource } from './snapshot.js';
import { ShardState } from './state.js';
import type { ItemName, Table } from './table.js';
import { beginVersioned, finishVersioned, wantsVersion } from './with-version.js';
import { runWrite } from './writes.js';

export interface KvOptions {
  /** A safe, non-negative integer. Replicated state: drawn when the shard is created, equal on every replica. */
  readonly hashSeed: number;
  readonly valueBytesMax: number;
  readonly firstSlot: number;
  /** Included. */
  readonly lastSlot: number;
  /** Replicated state: the cluster version at which the shard's log begins. The newest known if absent. */
  readonly born?: number;
  /** Cluster versions that this build knows; others in tests alone. */
  readonly versions?: VersionRange;
  /** How much of the change feed is kept; `DEFAULT_FEED` when left out. No part of the state. */
  readonly feed?: FeedLimits;
}

export const DEFAULT_FEED: FeedLimits = { bytesMax: 1024 * 1024, eventsMax: 32_768 };

export interface Kv extends StateMachine {
  /** Items and bytes of keys and values, for metrics. */
  figures(): { items: number; bytes: number; sessions: number; sessionDuplicates: number };
  /** Items in the table, those expired but not yet reaped included. */
  readonly itemCount: number;
  /** Bytes of their keys and values. */
  readonly bytes: number;
  /** Those of the options, or of the snapshot that was loaded last. */
  readonly hashSeed: number;
  readonly firstSlot: number;
  readonly lastSlot: number;
  /** Grows with every mutation. */
  readonly lastVersion: number;
  /** The cluster version that the shard's log has reached. */
  readonly clusterVersion: number;

  /**
   * Runs the read command `bytes[start, end)` against the applied state and appends its result to `out`. 'needs_time',
   * and nothing written, when an item it touches lives at the applied timestamp but not at `nowMs` (the leader's log
   * clock): have an entry applied whose timestamp is at least `nowMs`, then ask again.
   */
  read(bytes: Uint8Array, start: number, end: number, nowMs: number, out: ByteWriter): 'done' | 'needs_time';
  /**
   * Runs the read as of `stampMs`: for reads that come right before an entry with that stamp, whose time is then the
   * shard's anyway. Always answers.
   */
  readAt(bytes: Uint8Array, start: number, end: number, stampMs: number, out: ByteWriter): void;
  /** Items expired at `nowMs`, to be named in a `reap`: at most `countMax`, and the same again until they are reaped. */
  dueForReap(nowMs: number, countMax: number): readonly ItemName[];
  /**
   * Writes one command that reaps those items; returns how many it names (with 0 nothing is written). Stamp its entry
   * with `nowMs` or later.
   */
  encodeReap(nowMs: number, countMax: number, out: ByteWriter): number;
  /** No item expires before this (ms, log time); Infinity when none ever does. May be earlier than needed. */
  nextDueMs(): number;

  /** Itself, as what a leader looks at to keep it within its budget. */
  readonly memory: Kv;
  /** Of the table, and of who chooses what goes. */
  readonly memoryBytes: number;
  /** Of `memoryBytes`, what snapshots and verifications that are being read keep from going. */
  readonly pinnedBytes: number;
  /** The sum of the items' charges. */
  readonly charge: number;
  readonly budget: Budget;
  /** Who knows what may go; null with policy `none`. */
  readonly evictor: Evictor | null;
  /** No part of the state: what it learned by then is forgotten. `seed` spreads what it draws. */
  setEviction(policy: EvictionPolicy, seed: number): void;
  /** `stateHash` after the entry of this index, one of the last 1,000 applied here; null for any other. */
  hashAt(index: LogIndex): string | null;
  /** What is noted up to this index: see noted-sums.ts. */
  notedUpTo(index: LogIndex): Uint8Array;
  /** Of the present items. */
  rehash(): StateRehash;
  /** What was changed, for readers. Whoever puts the state at another entry places it there (`ChangeFeed.place`). */
  readonly feed: ChangeFeed;
  /**
   * The item that an event of the feed left, where no later change took its place: fills `into`, which is valid until
   * the state changes.
   */
  itemOf(hash: number, version: number, into: Item): boolean;
  /** Moves at most `itemsMax` items of the table together, to give memory back; false when nothing was to do. */
  maintain(itemsMax: number): boolean;
  /**
   * Empties the table, and ends what is frozen of it: its memory is the process's, and would not come back by itself. A
   * snapshot that is being read then says that it is not whole.
   */
  close(): void;
  /** `maintain` is not at its end with this table. */
  readonly isTidying: boolean;
}

export function createKv(options: KvOptions): Kv {
  return new ShardKv(options);
}

/** A result buffer that a large value has grown beyond this is given back after the entry. */
const OUT_BYTES_KEPT_MAX = 1024 * 1024;
/** Of a command in an entry: its length. */
const LENGTH_BYTES = 4;

class ShardKv implements Kv {
  private state: ShardState;
  private readonly run: Run;
  /** Results of `apply`; `read` writes to its caller's. */
  private applyOut = new ByteWriter(4096);
  private readonly frame = new ByteReader(new Uint8Array(0));
  private readonly digest = new Digest();
  private policy: EvictionPolicy = 'none';
  private evictionSeed = 0;
  private readonly noted = new NotedSums();
  readonly feed: ChangeFeed;
  /** Before snapshots that were loaded, while views of them may be read. */
  private formerTables: Table[] = [];

  constructor(options: KvOptions) {
    const { hashSeed, firstSlot, lastSlot, valueBytesMax, versions = KNOWN_VERSIONS } = options;
    const { born = versions.max } = options;
    assert(Number.isSafeInteger(hashSeed) && hashSeed >= 0, `hash seed ${hashSeed}`);
    this.feed = new ChangeFeed(options.feed ?? DEFAULT_FEED);
    this.state = new ShardState({ hashSeed, firstSlot, lastSlot });
    this.state.clusterVersion = born;
    this.state.feed = this.feed;
    this.run = new Run(this.state, valueBytesMax, versions);
  }

  get itemCount(): number {
    return this.state.table.itemCount;
  }

  get bytes(): number {
    return this.state.table.contentBytes;
  }

  get hashSeed(): number {
    return this.state.seed.hashSeed;
  }

  get firstSlot(): number {
    return this.state.seed.firstSlot;
  }

  get lastSlot(): number {
    return this.state.seed.lastSlot;
  }

  get lastVersion(): number {
    return this.state.lastVersion;
  }

  get clusterVersion(): number {
    return this.state.clusterVersion;
  }

  /** An entry without bytes (a new leader's first) changes nothing. */
  apply(index: LogIndex, term: Term, data: Uint8Array, results: EntryResults | null): void {
    this.run.index = index;
    this.feed.advance(index, term);
    if (data.length > 0) this.applyCommands(data, results);
    this.mixState();
    this.noted.note(index, this.digest.a, this.digest.b);
  }

  private applyCommands(data: Uint8Array, results: EntryResults | null): void {
    const { state } = this;
    const { budget } = state;
    const readable = this.readFrame(data);
    // A frame that can't be read has no commands, but whoever waits for them gets answers all the same.
    const count = readable ? readU32(data, ENTRY_HEADER_BYTES - 4) : declaredCount(data);
    const out = this.applyOut;
    let at = ENTRY_HEADER_BYTES;
    for (let position = 0; position < count; position++) {
      out.reset();
      if (readable) {
        const start = at + LENGTH_BYTES;
        at = start + readU32(data, at);
        // A read in the log is there for its caller's order; where nobody waits for it, it would only cost time.
        const isNeeded = results !== null || start === at || isWriteOp(data[start] as number);
        if (isNeeded) this.execute(data, start, at, state.timestampMs, true, out);
      } else {
        putError(out, KvError.malformed);
      }
      if (results !== null) results.onResult(position, out.buffer, 0, out.length);
    }
    if (state.budget !== budget) this.onBudget();
    if (out.buffer.length > OUT_BYTES_KEPT_MAX) this.applyOut = new ByteWriter(4096);
  }

  read(bytes: Uint8Array, start: number, end: number, nowMs: number, out: ByteWriter): 'done' | 'needs_time' {
    const { state } = this;
    const mark = out.length;
    state.needsTime = false;
    state.isReading = true;
    this.execute(bytes, start, end, nowMs, false, out);
    state.isReading = false;
    if (!state.needsTime) return 'done';
    out.length = mark;
    return 'needs_time';
  }

  readAt(bytes: Uint8Array, start: number, end: number, stampMs: number, out: ByteWriter): void {
    const { state } = this;
    const appliedMs = state.timestampMs;
    state.timestampMs = Math.max(appliedMs, stampMs);
    state.isReading = true;
    this.execute(bytes, start, end, state.timestampMs, false, out);
    state.isReading = false;
    state.timestampMs = appliedMs;
  }

  dueForReap(nowMs: number, countMax: number): readonly ItemName[] {
    return this.state.table.due(nowMs, countMax);
  }

  encodeReap(nowMs: number, countMax: number, out: ByteWriter): number {
    const items = this.dueForReap(nowMs, countMax);
    if (items.length > 0) encodeReap(out, items);
    return items.length;
  }

  get memory(): Kv {
    return this;
  }

  get memoryBytes(): number {
    const { table, evictor } = this.state;
    return table.memoryBytes + (evictor?.memoryBytes ?? 0);
  }

  get pinnedBytes(): number {
    return this.state.table.pinnedBytes;
  }

  get charge(): number {
    return this.state.charge;
  }

  get budget(): Budget {
    return this.state.budget;
  }

  get evictor(): Evictor | null {
    return this.state.evictor;
  }

  setEviction(policy: EvictionPolicy, seed: number): void {
    this.policy = policy;
    this.evictionSeed = seed;
    this.state.evictor = null;
    this.onBudget();
  }

  /** Who would choose needs memory of its own, and is there only where there is a budget. */
  private onBudget(): void {
    const { policy, state } = this;
    const { bytesMax, itemsMax } = state.budget;
    if (policy === 'none' || (bytesMax === 0 && itemsMax === 0)) state.evictor = null;
    else state.evictor ??= createEvictor(policy, state.table, this.evictionSeed);
  }

  figures(): { items: number; bytes: number; sessions: number; sessionDuplicates: number } {
    const { count, duplicates } = this.state.sessions;
    return { items: this.itemCount, bytes: this.bytes, sessions: count, sessionDuplicates: duplicates };
  }

  nextDueMs(): number {
    return this.state.table.nextDueMs;
  }

  maintain(itemsMax: number): boolean {
    this.state.found.forget(); // the item that was looked at last must not keep memory alive
    return this.state.table.maintain(itemsMax);
  }

  itemOf(hash: number, version: number, into: Item): boolean {
    return this.state.table.findVersion(hash, version, into);
  }

  close(): void {
    this.state.found.forget();
    this.state.table.close();
    for (const table of this.formerTables) table.close();
    this.formerTables = [];
    this.feed.close();
  }

  /** What stood here before goes, once frozen views of it are read. */
  private replaceState(state: ShardState): void {
    this.state.found.forget();
    this.state.table.clear();
    this.formerTables = this.formerTables.filter((table) => table.pinnedBytes > 0);
    this.formerTables.push(this.state.table);
    this.state = state;
  }

  get isTidying(): boolean {
    return this.state.table.isTidying;
  }

  timestampMs(): number {
    return this.state.timestampMs;
  }

  stateHash(): string {
    this.mixState();
    return hashText(this.digest.a, this.digest.b);
  }

  hashAt(index: LogIndex): string | null {
    return this.noted.hashAt(index);
  }

  notedUpTo(index: LogIndex): Uint8Array {
    return this.noted.upTo(index);
  }

  rehash(): StateRehash {
    return new KvRehash(this.state);
  }

  /** The sums of the whole state, into the digest's lanes. */
  private mixState(): void {
    const { state, digest } = this;
    digest.begin();
    digest.integer(state.clusterVersion);
    digest.integer(state.timestampMs);
    digest.integer(state.lastVersion);
    digest.integer(state.table.itemCount);
    digest.integer(state.seed.hashSeed);
    if (state.budget.version !== 0) {
      digest.integer(state.budget.version);
      digest.integer(state.budget.bytesMax);
      digest.integer(state.budget.itemsMax);
    }
    digest.end();
    digest.a = (digest.a + state.table.sumA + state.sessions.sumA) | 0;
    digest.b = (digest.b + state.table.sumB + state.sessions.sumB) | 0;
  }

  snapshot(): SnapshotSource {
    return new KvSnapshotSource(this.state);
  }

  loader(): SnapshotLoader {
    return new KvSnapshotLoader(this.run.versions, (state) => {
      this.replaceState(state);
      state.feed = this.feed;
      this.feed.place(0, 0, state.lastVersion);
      this.run.state = state;
      this.setEviction(this.policy, this.evictionSeed);
      this.noted.clear();
    });
  }

  /** Checks the whole frame, then moves the time. False, and nothing moved, when it is malformed. */
  private readFrame(data: Uint8Array): boolean {
    const { frame, state } = this;
    frame.reset(data);
    try {
      if (frame.u8() !== ENTRY_VERSION) return false;
      const timestampMs = frame.u64();
      for (let left = frame.u32(); left > 0; left--) frame.skip(frame.u32());
      if (frame.remaining !== 0) return false;
      if (timestampMs > state.timestampMs) {
        state.sessions.onTime(state.timestampMs, timestampMs);
        state.timestampMs = timestampMs;
      }
      return true;
    } catch (error) {
      if (error instanceof ShortBytesError) return false;
      throw error;
    }
  }

  /** False: a write that came again, or that its session refuses, with the answer written. */
  private admit(commandStart: number, out: ByteWriter): boolean {
    if (this.state.clusterVersion < SESSIONS_SINCE) {
      putError(out, KvError.sessionsFull);
      return false;
    }
    const { reader } = this.run;
    const operandsAt = reader.position;
    reader.position = commandStart + COMMAND_HEADER_BYTES;
    const isAdmitted = this.state.sessions.admit(reader, this.state.timestampMs, out);
    reader.position = operandsAt;
    return isAdmitted;
  }

  /** Runs one command; what can't be read becomes a `malformed` result. */
  private execute(
    bytes: Uint8Array,
    start: number,
    end: number,
    nowMs: number,
    writesAllowed: boolean,
    out: ByteWriter,
  ): void {
    const { run } = this;
    const mark = out.length;
    run.out = out;
    run.nowMs = nowMs;
    try {
      const op = readOp(run.reader.reset(bytes, start, end));
      const inSession = writesAllowed && isWriteOp(op) && hasSession(bytes, start);
      if (inSession && !this.admit(start, out)) return;
      const versioned = wantsVersion(bytes, start);
      if (versioned) beginVersioned(run, op);
      if (!isWriteOp(op)) runRead(run, op);
      else if (writesAllowed) runWrite(run, op);
      else throw malformed(`op ${op} is no read`);
      if (versioned) finishVersioned(run, mark);
      if (inSession) this.state.sessions.keep(out.buffer, mark, out.length);
    } catch (error) {
      if (!(error instanceof ShortBytesError)) throw error;
      out.length = mark;
      putError(out, KvError.malformed);
    }
  }
}

/** How many commands a malformed frame says it has, as far as its bytes could hold them. */
function declaredCount(data: Uint8Array): number {
  if (data.length < ENTRY_HEADER_BYTES) return 0;
  const roomFor = Math.floor((data.length - ENTRY_HEADER_BYTES) / LENGTH_BYTES);
  return Math.min(readU32(data, ENTRY_HEADER_BYTES - 4), roomFor);
}
