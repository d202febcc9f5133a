/**
 * Stand-ins for storage, in memory: what was appended is there at once, a flush takes its time. They keep the rules
 * of src/storage/api.ts (one write in flight, completions from the event loop) and fail a test that breaks them.
 * Nothing here crashes or loses anything: that is the simulator's business.
 */
import { ByteReader, ByteWriter, concatBytes, encodeUtf8 } from '../../src/base/index.js';
import type { Done, SnapshotLoader, SnapshotSource } from '../../src/ports/index.js';
import type { Configuration, Entry, HardState, SnapshotMeta } from '../../src/raft/index.js';
import type {
  CheckpointMeta,
  CheckpointPointer,
  CheckpointReceiver,
  CheckpointStore,
  CheckpointStream,
  LogStore,
  RecoveredNode,
  TransferIdentity,
} from '../../src/storage/index.js';

/** Runs something later: the event loop's `soon`, or a test's own list. */
export type Later = (run: () => void) => void;

interface GroupLog {
  entries: Entry[];
  truncatedIndex: number;
  truncatedTerm: number;
  hardState: HardState | null;
}

export class MemoryLogStore implements LogStore {
  readonly recovered: RecoveredNode = { groups: [], tombstones: new Map(), values: new Map() };
  readonly logs = new Map<number, GroupLog>();
  readonly values = new Map<string, Uint8Array>();
  dirty = false;
  writing = false;
  flushes = 0;
  /** The error of the next flush. */
  failure: Error | null = null;

  constructor(private readonly later: Later) {}

  logOf(group: number): GroupLog {
    let log = this.logs.get(group);
    if (log === undefined) {
      log = { entries: [], truncatedIndex: 0, truncatedTerm: 0, hardState: null };
      this.logs.set(group, log);
    }
    return log;
  }

  createGroup(group: number, replica = 0): void {
    this.replicas.set(group, replica);
    this.logOf(group);
    this.dirty = true;
  }

  /** Ids of replicas by group, as they were created; tombstones of those that were removed. */
  readonly replicas = new Map<number, number>();
  readonly tombstones = new Map<number, number>();

  removeGroup(group: number): void {
    this.tombstones.set(group, this.replicas.get(group) ?? 0);
    this.logs.delete(group);
    this.dirty = true;
  }

  tombstoneOf(group: number): number {
    return this.tombstones.get(group) ?? 0;
  }

  append(group: number, entries: readonly Entry[]): void {
    const log = this.logOf(group);
    const first = entries[0] as Entry;
    const next = log.truncatedIndex + log.entries.length + 1;
    if (first.index > next)
      throw new Error(`group ${group}: append at ${first.index}, log ends before ${next}`);
    log.entries.length = first.index - log.truncatedIndex - 1;
    log.entries.push(...entries);
    this.dirty = true;
  }

  saveHardState(group: number, hardState: HardState): void {
    this.logOf(group).hardState = hardState;
    this.dirty = true;
  }

  readonly suspects = new Map<number, string>();

  saveSuspect(group: number, reason: string): void {
    this.suspects.set(group, reason);
    this.dirty = true;
  }

  saveConfiguration(_group: number, _index: number, _configuration: Configuration): void {
    this.dirty = true;
  }

  installSnapshot(group: number, snapshot: SnapshotMeta): void {
    const log = this.logOf(group);
    log.entries = [];
    log.truncatedIndex = snapshot.index;
    log.truncatedTerm = snapshot.term;
    this.dirty = true;
  }

  saveCheckpoint(): void {
    this.dirty = true;
  }

  dropCheckpoint(): void {
    this.dirty = true;
  }

  truncatePrefix(group: number, index: number, term: number): void {
    const log = this.logOf(group);
    if (index < log.truncatedIndex) throw new Error('the truncation point goes back');
    log.entries.splice(0, index - log.truncatedIndex);
    log.truncatedIndex = index;
    log.truncatedTerm = term;
    this.dirty = true;
  }

  putNodeValue(name: string, value: Uint8Array): void {
    this.values.set(name, value);
    this.dirty = true;
  }

  flush(done: Done): void {
    if (this.writing) throw new Error('two writes in flight');
    this.writing = true;
    this.dirty = false;
    this.flushes++;
    const failure = this.failure;
    this.later(() => {
      this.writing = false;
      done(failure);
    });
  }

  fetch(
    group: number,
    lo: number,
    hi: number,
    bytesMax: number,
    done: (error: Error | null, entries: Entry[] | null) => void,
  ): void {
    const log = this.logOf(group);
    const found: Entry[] = [];
    let bytes = 0;
    for (const entry of log.entries) {
      if (entry.index < lo || entry.index >= hi || (found.length > 0 && bytes > bytesMax)) continue;
      found.push(entry);
      bytes += entry.data.length;
    }
    this.later(() => done(null, lo <= log.truncatedIndex ? null : found));
  }

  logBytes(group: number, after = 0): number {
    return this.logOf(group).entries.reduce(
      (sum, { index, data }) => sum + (index > after ? data.length : 0),
      0,
    );
  }

  close(done: Done): void {
    this.later(() => done(null));
  }
}

/** A file: u32 length, the meta as JSON, then chunks, each behind its length. */
export class MemoryCheckpointStore implements CheckpointStore {
  readonly files = new Map<string, Uint8Array>();
  /** Chunks that are read from a source per call of the event loop: other entries are applied in between. */
  readonly chunkBytes = 64;
  prunes = 0;

  constructor(private readonly later: Later) {}

  write(
    meta: CheckpointMeta,
    source: SnapshotSource,
    done: (error: Error | null, pointer: CheckpointPointer | null, bytes: number) => void,
  ): void {
    const parts = [withLength(encodeUtf8(JSON.stringify(meta)))];
    const step = (): void => {
      const chunk = source.next(this.chunkBytes);
      if (chunk !== null) {
        parts.push(withLength(chunk));
        this.later(step);
        return;
      }
      source.release();
      const pointer = pointerOf(meta);
      const bytes = concatBytes(parts);
      this.files.set(keyOf(meta.group, pointer), bytes);
      done(null, pointer, bytes.length);
    };
    this.later(step);
  }

  load(
    group: number,
    pointer: CheckpointPointer,
    loader: SnapshotLoader,
    done: (error: Error | null, meta: CheckpointMeta | null, bytes: number) => void,
  ): void {
    const bytes = this.files.get(keyOf(group, pointer));
    this.later(() => {
      if (bytes === undefined) {
        done(new Error('no such checkpoint'), null, 0);
        return;
      }
      const r = new ByteReader(bytes);
      const meta = readMeta(r);
      while (r.remaining > 0) loader.push(r.bytes(r.u32()));
      loader.finish();
      done(null, meta, bytes.length);
    });
  }

  openStream(
    group: number,
    pointer: CheckpointPointer,
    done: (error: Error | null, stream: CheckpointStream | null) => void,
  ): void {
    const bytes = this.files.get(keyOf(group, pointer));
    this.later(() => {
      if (bytes === undefined) {
        done(new Error('no such checkpoint'), null);
        return;
      }
      done(null, {
        bytes: bytes.length,
        crc: sum(bytes),
        meta: readMeta(new ByteReader(bytes)),
        read: (offset, length, read) => this.later(() => read(null, bytes.slice(offset, offset + length))),
        release: () => undefined,
      });
    });
  }

  /** Chunks that broken transfers left, by the identity of the file. */
  readonly partials = new Map<string, Uint8Array>();

  receive(
    transfer: TransferIdentity,
    done: (error: Error | null, receiver: CheckpointReceiver | null) => void,
  ): void {
    const name = JSON.stringify(transfer);
    let bytes = this.partials.get(name) ?? new Uint8Array(0);
    let complete = false;
    this.partials.clear();
    this.later(() =>
      done(null, {
        position: bytes.length,
        write: (offset, chunk, written) => {
          if (offset !== bytes.length) throw new Error(`chunk at ${offset}, expected ${bytes.length}`);
          bytes = concatBytes([bytes, chunk]);
          this.later(() => written(null));
        },
        finish: (finished) => {
          complete = true;
          this.later(() => {
            if (bytes.length !== transfer.bytes || sum(bytes) !== transfer.crc) {
              finished(new Error('wrong CRC'), null, null);
              return;
            }
            const meta = readMeta(new ByteReader(bytes));
            const pointer = pointerOf(meta);
            this.files.set(keyOf(transfer.group, pointer), bytes);
            finished(null, pointer, meta);
          });
        },
        suspend: () => {
          if (!complete) this.partials.set(name, bytes);
        },
        discard: () => this.partials.delete(name),
      }),
    );
  }

  dropOldPartials(): void {
    // Time is not what these tests are about.
  }

  prune(group: number, keep: readonly CheckpointPointer[], done: Done): void {
    this.prunes++;
    const kept = new Set(keep.map((pointer) => keyOf(group, pointer)));
    for (const name of [...this.files.keys()]) {
      if (name.startsWith(`${group}/`) && !kept.has(name)) this.files.delete(name);
    }
    this.later(() => done(null));
  }
}

function pointerOf(meta: CheckpointMeta): CheckpointPointer {
  return { index: meta.index, term: meta.term, file: `${meta.index}-${meta.term}` };
}

function keyOf(group: number, pointer: CheckpointPointer): string {
  return `${group}/${pointer.file}`;
}

function withLength(bytes: Uint8Array): Uint8Array {
  const w = new ByteWriter(bytes.length + 4);
  w.u32(bytes.length);
  w.bytes(bytes);
  return w.take();
}

function readMeta(r: ByteReader): CheckpointMeta {
  return JSON.parse(r.utf8(r.u32())) as CheckpointMeta;
}

function sum(bytes: Uint8Array): number {
  let total = bytes.length;
  for (const byte of bytes) total = (Math.imul(total, 31) + byte) >>> 0;
  return total;
}
