/**
 * Every group's log in one ordered store, with group commit.
 *
 *   append, saveHardState, … ─► open batch ─ flush ─► write + fsync ─► done ─► watermark (docs/formats.md)
 *                                     (the next batch collects meanwhile)
 *
 * Invariants:
 *  - one write in flight: two are not ordered by LevelDB. So a later batch never overtakes an earlier one;
 *  - every batch carries its number; numbers grow by one (batch-window.ts);
 *  - what replaces a suffix deletes all of it in the same batch, and so does a snapshot: no dead entry can come back;
 *  - a dead prefix is hidden by the truncation point at once, and its records go in slices with later batches;
 *  - any error is final: every later flush fails with it, and the caller ends the process.
 */
import {
  assert,
  must,
  type BatchNumber,
  type GroupId,
  type LogIndex,
  type MetricsRegistry,
  type MonoMs,
  type ReplicaId,
  type Term,
} from '../base/index.js';
import {
  ENTRY_RECORD_OVERHEAD_BYTES,
  NODE_GROUP,
  RecordKind,
  RecordReader,
  type RecordWriter,
} from '../codec/index.js';
import {
  STORE_BUFFER_BYTES,
  type Clock,
  type Crc32,
  type Done,
  type OrderedStore,
  type Timers,
} from '../ports/index.js';
import type { Configuration, Entry, HardState, SnapshotMeta } from '../raft/index.js';
import type { CheckpointPointer, LogStore, RecoveredNode } from './api.js';
import { BatchWindow } from './batch-window.js';
import type { DeadRanges } from './dead-ranges.js';
import { EntrySizes } from './entry-sizes.js';
import { StorageError } from './errors.js';
import { readEntries } from './fetch.js';
import { GroupLog, NOTHING_UNWRITTEN } from './group-log.js';
import { logMetrics, type LogMetrics } from './log-metrics.js';
import { OpenBatch } from './open-batch.js';
import type { Recovery } from './recovery.js';
import type { Watermark } from './watermark.js';

/** Deletes that a batch carries for the sake of the past; twice its entries if that is more, so that it keeps up. */
const SLICE_DELETES = 128;

export interface LogStoreParts {
  readonly store: OrderedStore;
  readonly recovery: Recovery;
  readonly crc32: Crc32;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly metrics: MetricsRegistry;
  readonly sync: boolean;
}

/** What a replica can't be recovered without, besides entries and checkpoints. */
const DESCRIBING_KINDS = [
  RecordKind.replica,
  RecordKind.hardState,
  RecordKind.configuration,
  RecordKind.truncation,
  RecordKind.suspect,
] as const;

export class LevelLogStore implements LogStore {
  readonly recovered: RecoveredNode;
  writing = false;
  private failure: Error | null = null;
  private closed = false;
  /** Null only while the store is being opened: the opening batch is durable before the watermark exists. */
  private watermark: Watermark | null = null;

  private readonly logs: Map<GroupId, GroupLog>;
  private readonly tombstones: Map<GroupId, ReplicaId>;
  private readonly store: OrderedStore;
  private readonly reader: RecordReader;
  private readonly metrics: LogMetrics;

  private readonly batch: OpenBatch;
  private readonly records: RecordWriter;
  /** Groups whose entries the open batch touches, and those of the batch in flight. */
  private touched: GroupLog[] = [];
  private inFlight: GroupLog[] = [];

  private nextNumber: BatchNumber;
  private readonly window: BatchWindow;
  private lowMarkMoved = true;
  /** Number records in [numbersFrom, window.low) wait for deletion. */
  private numbersFrom: BatchNumber;
  private readonly dead: DeadRanges;

  private inFlightNumber: BatchNumber = 0;
  private inFlightSince: MonoMs = 0;
  private inFlightBytes = 0;
  private flushed: Done | null = null;
  private closing: Done | null = null;

  constructor(private readonly parts: LogStoreParts) {
    const { recovery } = parts;
    this.store = parts.store;
    this.recovered = recovery.node;
    this.logs = recovery.logs;
    this.tombstones = new Map(recovery.node.tombstones);
    this.batch = new OpenBatch(parts.store, parts.crc32);
    this.records = this.batch.records;
    this.reader = new RecordReader(parts.crc32);
    this.metrics = logMetrics(parts.metrics, parts.sync);
    this.metrics.damagedRecords.inc(recovery.damagedRecords);
    this.nextNumber = recovery.next;
    this.numbersFrom = recovery.numbersFrom;
    this.dead = recovery.dead;
    // The store was opened: the batches of earlier lives are where a damaged log file can't reach them.
    this.window = new BatchWindow(recovery.next, STORE_BUFFER_BYTES);
  }

  get dirty(): boolean {
    return !this.batch.isEmpty;
  }

  /** The store is ready for use: from now on fsynced batches move the watermark. */
  attachWatermark(watermark: Watermark): void {
    this.watermark = watermark;
  }

  // --- Opening: what recovery concluded becomes durable before anybody acts on it. -------------------------------

  openingBatch(): void {
    const { doomed, newSuspects } = this.parts.recovery;
    for (const { group, reason } of newSuspects) {
      this.records.suspect(group, reason);
      this.batch.put();
    }
    for (const key of doomed) this.batch.del(key);
    this.batch.begin();
  }

  // --- Changes ----------------------------------------------------------------------------------------------------

  createGroup(group: GroupId, replica: ReplicaId, configuration: Configuration): void {
    const tombstone = this.tombstoneOf(group);
    assert(
      replica > tombstone,
      `group ${group}: replica ${replica} was removed (tombstone ${tombstone}) and never comes back`,
    );
    const old = this.logs.get(group);
    if (old) {
      assert(
        replica > old.replica,
        `group ${group}: replica ${replica} can't take the place of replica ${old.replica}`,
      );
      this.eraseForSuccessor(old);
    }
    // Of one that was removed lately, too.
    this.dead.takeGroup(group, this.batch.delEntry);
    const log = new GroupLog(group, replica);
    this.logs.set(group, log);
    this.touch(log, 1);
    this.records.replica(group, replica);
    this.batch.put();
    this.records.hardState(group, { term: 0, vote: 0, commit: 0 });
    this.batch.put();
    this.records.configuration(group, 0, configuration);
    this.batch.put();
    this.records.truncation(group, 0, 0);
    this.batch.put();
  }

  tombstoneOf(group: GroupId): ReplicaId {
    return this.tombstones.get(group) ?? 0;
  }

  removeGroup(group: GroupId): void {
    const log = this.logOf(group);
    this.tombstones.set(group, log.replica);
    this.records.tombstone(group, log.replica);
    this.batch.put();
    // Without them recovery has nothing to begin with, and deletes what the slices have not come to.
    for (const kind of DESCRIBING_KINDS) this.batch.delRecord(group, kind, 0);
    for (let slot = 0; slot < log.checkpoints.length; slot++) {
      this.batch.delRecord(group, RecordKind.checkpoint, slot);
    }
    this.dead.add(group, log.truncatedIndex + 1, log.lastIndex + 1);
    this.logs.delete(group);
  }

  append(group: GroupId, entries: readonly Entry[]): void {
    const first = entries[0];
    if (!first) return;
    const log = this.logOf(group);
    assert(
      first.index > log.truncatedIndex && first.index <= log.lastIndex + 1,
      `group ${group}: append at ${first.index}, log is (${log.truncatedIndex}, ${log.lastIndex}]`,
    );
    this.touch(log, first.index);
    const replaced = log.lastIndex - first.index + 1;
    if (replaced > 0) log.sizes.dropLast(replaced);
    let index = first.index;
    let term = first.term;
    for (const entry of entries) {
      if (entry.index !== index || entry.term < term) {
        assert(
          false,
          `group ${group}: entry ${entry.index}/${entry.term} where ${index}/${term} or later belongs`,
        );
      }
      term = entry.term;
      this.records.entry(group, entry);
      this.batch.put();
      log.sizes.push(entry.data.length + ENTRY_RECORD_OVERHEAD_BYTES);
      index++;
    }
    // What stands behind the new end is dead, and goes with the same batch.
    for (let dead = index; dead <= log.lastIndex; dead++) this.batch.delEntry(group, dead);
    log.lastIndex = index - 1;
    this.batch.entries += entries.length;
  }

  saveHardState(group: GroupId, hardState: HardState): void {
    this.logOf(group);
    this.records.hardState(group, hardState);
    this.batch.put();
  }

  saveSuspect(group: GroupId, reason: string): void {
    this.logOf(group);
    this.records.suspect(group, reason);
    this.batch.put();
  }

  saveConfiguration(group: GroupId, index: LogIndex, configuration: Configuration): void {
    this.logOf(group);
    this.records.configuration(group, index, configuration);
    this.batch.put();
  }

  installSnapshot(group: GroupId, snapshot: SnapshotMeta, checkpoint: CheckpointPointer): void {
    const log = this.logOf(group);
    const { index, term } = snapshot;
    assert(
      checkpoint.index === index,
      `group ${group}: snapshot ${index} with checkpoint ${checkpoint.index}`,
    );
    assert(
      index >= log.truncatedIndex,
      `group ${group}: snapshot ${index} behind the truncation point ${log.truncatedIndex}`,
    );
    this.touch(log, Math.min(index, log.lastIndex) + 1);
    // Beyond the new truncation point nothing would hide them: they go at once. What is before it goes in slices.
    for (let dead = index + 1; dead <= log.lastIndex; dead++) this.batch.delEntry(group, dead);
    this.dead.add(group, log.truncatedIndex + 1, Math.min(index, log.lastIndex) + 1);
    log.sizes = new EntrySizes();
    log.truncatedIndex = log.lastIndex = index;
    log.truncatedTerm = term;
    this.records.truncation(group, index, term);
    this.batch.put();
    this.records.configuration(group, index, snapshot.configuration);
    this.batch.put();
    const slot = log.slotFor(checkpoint);
    this.putCheckpoint(log, slot, checkpoint);
    this.clearCheckpoint(log, 1 - slot);
  }

  saveCheckpoint(group: GroupId, checkpoint: CheckpointPointer): void {
    const log = this.logOf(group);
    const newest = log.newestCheckpoint();
    assert(
      newest === null || checkpoint.index >= newest.index,
      `group ${group}: checkpoint ${checkpoint.index} after ${newest?.index}`,
    );
    this.putCheckpoint(log, log.slotFor(checkpoint), checkpoint);
  }

  dropCheckpoint(group: GroupId, file: string): void {
    const log = this.logOf(group);
    for (let slot = 0; slot < log.checkpoints.length; slot++) {
      if (log.checkpoints[slot]?.file === file) this.clearCheckpoint(log, slot);
    }
  }

  truncatePrefix(group: GroupId, index: LogIndex, term: Term): void {
    const log = this.logOf(group);
    if (index <= log.truncatedIndex) return;
    assert(index <= log.lastIndex, `group ${group}: truncation at ${index} behind the end ${log.lastIndex}`);
    const newest = log.newestCheckpoint();
    assert(
      newest !== null && newest.index >= index,
      `group ${group}: truncation at ${index} without a checkpoint that reaches so far`,
    );
    log.sizes.dropFirst(index - log.truncatedIndex);
    this.dead.add(group, log.truncatedIndex + 1, index + 1);
    log.truncatedIndex = index;
    log.truncatedTerm = term;
    this.records.truncation(group, index, term);
    this.batch.put();
  }

  putNodeValue(name: string, value: Uint8Array): void {
    this.records.nodeValue(name, value);
    this.batch.put();
  }

  // --- Writing ----------------------------------------------------------------------------------------------------

  flush(done: Done): void {
    assert(!this.writing, 'flush while a write is in flight');
    const failure =
      this.failure ??
      this.watermark?.failure ??
      (this.closed ? new StorageError('CLOSED', 'the log is closed') : null);
    if (failure || this.batch.isEmpty) {
      // Until the caller was told, a write counts as in flight: no turn in between may begin another.
      this.writing = true;
      this.parts.timers.soon(() => {
        this.writing = false;
        done(failure);
        if (this.closing) this.closeNow(this.closing);
      });
      return;
    }
    this.completeBatch();
    this.inFlightNumber = this.nextNumber++;
    this.inFlightBytes = this.batch.bufferBytes;
    this.inFlightSince = this.parts.clock.monoMs();
    this.flushed = done;
    this.writing = true;
    const emptied = this.inFlight;
    this.inFlight = this.touched;
    this.touched = emptied;
    for (const log of this.inFlight) {
      log.inFlightFrom = log.openFrom;
      log.openFrom = NOTHING_UNWRITTEN;
    }
    // What recovery concluded must outlive power loss even where the log is not fsynced.
    const concludes = this.watermark === null && this.parts.recovery.newSuspects.length > 0;
    this.store.write(this.batch.take(), this.parts.sync || concludes, this.onWritten);
  }

  /** What every batch carries: its number, the low mark when it rose, a slice of old deletes. */
  private completeBatch(): void {
    const { batch } = this;
    if (this.lowMarkMoved) {
      this.lowMarkMoved = false;
      this.records.lowMark(this.window.low);
      batch.put();
    }
    this.records.batchNumber(this.nextNumber);
    batch.put();
    let left = Math.max(SLICE_DELETES, 2 * batch.entries);
    left -= this.dead.take(left, batch.delEntry);
    for (; left > 0 && this.numbersFrom < this.window.low; left--) {
      batch.delRecord(NODE_GROUP, RecordKind.batchNumber, this.numbersFrom++);
    }
    this.metrics.batchEntries.observe(batch.entries);
    this.metrics.batchBytes.observe(batch.bytes);
  }

  private readonly onWritten: Done = (error) => {
    const done = must(this.flushed, 'callback of a flush');
    this.flushed = null;
    this.writing = false;
    if (error) {
      this.failure = error;
    } else {
      this.metrics.fsyncSeconds.observe((this.parts.clock.monoMs() - this.inFlightSince) / 1000);
      for (const log of this.inFlight) log.inFlightFrom = NOTHING_UNWRITTEN;
      this.inFlight.length = 0;
      if (this.window.onWritten(this.inFlightNumber, this.inFlightBytes)) this.lowMarkMoved = true;
      if (this.parts.sync) this.watermark?.move(this.inFlightNumber);
    }
    done(error);
    if (this.closing) this.closeNow(this.closing);
  };

  // --- Reading ----------------------------------------------------------------------------------------------------

  fetch(
    group: GroupId,
    lo: LogIndex,
    hi: LogIndex,
    bytesMax: number,
    done: (error: Error | null, entries: Entry[] | null) => void,
  ): void {
    const log = this.logOf(group);
    assert(lo < hi, `group ${group}: fetch [${lo}, ${hi})`);
    if (lo <= log.truncatedIndex) {
      this.parts.timers.soon(() => done(null, null));
      return;
    }
    const end = Math.min(hi, log.writtenEnd);
    assert(
      lo < end,
      `group ${group}: fetch of ${lo}, which is not written yet (written to ${log.writtenEnd})`,
    );
    readEntries(this.store, this.reader, group, lo, end, bytesMax, (error, entries) => {
      // Truncated, or replaced by a snapshot, while the scan ran; the group may even have a new replica.
      if (this.logs.get(group) !== log || lo <= log.truncatedIndex) return done(null, null);
      if (error instanceof StorageError) this.metrics.damagedRecords.inc();
      done(error, entries);
    });
  }

  logBytes(group: GroupId, after: LogIndex = 0): number {
    const log = this.logs.get(group);
    return log === undefined ? 0 : log.sizes.bytesBehind(Math.max(0, after - log.truncatedIndex));
  }

  close(done: Done): void {
    assert(!this.closed, 'the log is closed already');
    this.closed = true;
    if (this.writing) this.closing = done;
    else this.closeNow(done);
  }

  private closeNow(done: Done): void {
    this.closing = null;
    const watermark = this.watermark;
    if (!watermark) return this.store.close(done);
    watermark.settle((settleError) =>
      watermark.close((fileError) =>
        this.store.close((storeError) => done(settleError ?? fileError ?? storeError)),
      ),
    );
  }

  // --- Parts ------------------------------------------------------------------------------------------------------

  private putCheckpoint(log: GroupLog, slot: number, checkpoint: CheckpointPointer): void {
    log.checkpoints[slot] = checkpoint;
    this.records.checkpoint(log.group, slot, checkpoint);
    this.batch.put();
  }

  private clearCheckpoint(log: GroupLog, slot: number): void {
    if (!log.checkpoints[slot]) return;
    log.checkpoints[slot] = null;
    this.batch.delRecord(log.group, RecordKind.checkpoint, slot);
  }

  /** A fresh replica takes the place of an old one: nothing of the old one may be left to be taken for its own. */
  private eraseForSuccessor(old: GroupLog): void {
    const { batch } = this;
    for (let index = old.truncatedIndex + 1; index <= old.lastIndex; index++) {
      batch.delEntry(old.group, index);
    }
    for (let slot = 0; slot < old.checkpoints.length; slot++) {
      batch.delRecord(old.group, RecordKind.checkpoint, slot); // even one that was too damaged to be known
    }
    batch.delRecord(old.group, RecordKind.suspect, 0);
  }

  private touch(log: GroupLog, from: LogIndex): void {
    if (log.openFrom === NOTHING_UNWRITTEN) this.touched.push(log);
    log.openFrom = Math.min(log.openFrom, from);
  }

  private logOf(group: GroupId): GroupLog {
    const log = this.logs.get(group);
    if (!log) assert(false, `group ${group} has no log on this node`);
    return log;
  }
}
