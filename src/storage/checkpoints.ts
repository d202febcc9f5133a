/**
 * Checkpoint files of all groups: FOLDER/checkpoints/gGROUP/INDEX-TERM.ckpt (docs/formats.md). Every way in ends in
 * the same place: a file under its final name is whole, durable, and was checked by whoever gave it that name.
 */
import type { Counter, GroupId, Histogram, LogIndex, MetricsRegistry } from '../base/index.js';
import type {
  Clock,
  Compressor,
  Crc32,
  Done,
  Files,
  Logger,
  SnapshotLoader,
  SnapshotSource,
  Timers,
} from '../ports/index.js';
import type {
  CheckpointMeta,
  CheckpointPointer,
  CheckpointReceiver,
  CheckpointStore,
  CheckpointStream,
} from './api.js';
import { CheckpointHolds, checkpointName } from './checkpoint-files.js';
import { FileReceiver } from './checkpoint-receiver.js';
import { scanCheckpoint, type CheckpointFacts } from './checkpoint-scan.js';
import { openCheckpointStream } from './checkpoint-stream.js';
import { writeCheckpoint } from './checkpoint-writer.js';
import { StorageError } from './errors.js';
import { closeAfter, runSteps } from './whole-file.js';

/** Plain bytes of one frame: about a millisecond of compression. */
const CHUNK_BYTES = 256 * 1024;
const SIZE_BUCKETS: readonly number[] = [1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10];

export interface CheckpointDeps {
  /** The data folder; files go to `${folder}/checkpoints`. */
  readonly folder: string;
  readonly files: Files;
  readonly crc32: Crc32;
  readonly compressor: Compressor;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly chunkBytes?: number;
}

export function openCheckpoints(deps: CheckpointDeps): CheckpointStore {
  return new FileCheckpoints(deps);
}

type Operation = 'write' | 'load' | 'receive';

class FileCheckpoints implements CheckpointStore {
  private readonly holds: CheckpointHolds;
  private readonly created: Counter;
  private readonly loaded: Counter;
  private readonly writeSeconds: Histogram;
  private readonly loadSeconds: Histogram;
  private readonly sizes: Histogram;

  constructor(private readonly deps: CheckpointDeps) {
    const { metrics } = deps;
    this.holds = new CheckpointHolds(`${deps.folder}/checkpoints`);
    this.created = metrics.counter('snapshots_created_total', 'Checkpoints written.');
    this.loaded = metrics.counter('snapshots_loaded_total', 'Checkpoints loaded.');
    this.writeSeconds = metrics.histogram('snapshot_duration_seconds', 'Time to write a checkpoint.');
    this.loadSeconds = metrics.histogram('snapshot_load_duration_seconds', 'Time to load a checkpoint.');
    this.sizes = metrics.histogram('snapshot_bytes', 'Size of a written checkpoint.', {}, SIZE_BUCKETS);
  }

  write(
    meta: CheckpointMeta,
    source: SnapshotSource,
    done: (error: Error | null, pointer: CheckpointPointer | null, bytes: number) => void,
  ): void {
    const { group, index, term } = meta;
    const folder = this.holds.folder(group);
    const file = checkpointName(index, term);
    const temporary = this.holds.beginTemporary(group);
    const sinceMs = this.deps.clock.monoMs();
    const tools = { ...this.deps, chunkBytes: this.deps.chunkBytes ?? CHUNK_BYTES };
    const end = (error: Error | null, bytes: number): void => {
      this.holds.endTemporary(group, temporary);
      if (error) {
        this.onFailure('write', group, index, error);
        return done(error, null, 0);
      }
      this.holds.onPublished(group, file);
      this.created.inc();
      this.sizes.observe(bytes);
      this.writeSeconds.observe((this.deps.clock.monoMs() - sinceMs) / 1000);
      done(null, { index, term, file }, bytes);
    };
    this.prepareFolder(group, (folderError) => {
      if (folderError) return end(folderError, 0);
      writeCheckpoint(tools, { folder, temporary, file }, meta, source, end);
    });
  }

  load(
    group: GroupId,
    pointer: CheckpointPointer,
    loader: SnapshotLoader,
    done: (error: Error | null, meta: CheckpointMeta | null) => void,
  ): void {
    const sinceMs = this.deps.clock.monoMs();
    this.scan(group, pointer, loader, (error, facts) => {
      if (error || !facts) {
        const failure = error ?? new StorageError('DAMAGED_CHECKPOINT', 'no facts');
        this.onFailure('load', group, pointer.index, failure);
        return done(failure, null);
      }
      loader.finish();
      this.loaded.inc();
      this.loadSeconds.observe((this.deps.clock.monoMs() - sinceMs) / 1000);
      done(null, facts.meta);
    });
  }

  openStream(
    group: GroupId,
    pointer: CheckpointPointer,
    done: (error: Error | null, stream: CheckpointStream | null) => void,
  ): void {
    // Held from here on, so that it can't be deleted between the opening and the first read.
    this.holds.acquire(group, pointer.file);
    const release = (): void => this.holds.release(group, pointer.file);
    openCheckpointStream(this.deps, this.pathOf(group, pointer), release, (error, stream) => {
      const wrong = stream && mismatch(group, pointer, stream.meta);
      if (!wrong) return done(error, stream);
      stream.release();
      done(wrong, null);
    });
  }

  receive(
    group: GroupId,
    index: LogIndex,
    totalBytes: number,
    crc: number,
    done: (error: Error | null, receiver: CheckpointReceiver | null) => void,
  ): void {
    const folder = this.holds.folder(group);
    const temporary = this.holds.beginTemporary(group);
    const onEnd = (published: string | null, error: Error | null): void => {
      this.holds.endTemporary(group, temporary);
      if (published !== null) this.holds.onPublished(group, published);
      if (error) this.onFailure('receive', group, index, error);
    };
    const fail = (error: Error | null): void => {
      onEnd(null, error);
      done(error, null);
    };
    this.prepareFolder(group, (folderError) => {
      if (folderError) return fail(folderError);
      this.deps.files.open(`${folder}/${temporary}`, 'create', (error, file) => {
        if (error || !file) return fail(error);
        const place = { folder, temporary, group, index, totalBytes, crc, onEnd };
        done(null, new FileReceiver({ ...this.deps, ...place }, file));
      });
    });
  }

  prune(group: GroupId, keep: readonly CheckpointPointer[], done: Done): void {
    const { files } = this.deps;
    const folder = this.holds.folder(group);
    files.list(folder, (error, names) => {
      if (error) return done(error);
      const deletable = this.holds.deletable(group, names, keep);
      if (deletable.length === 0) return done(null);
      const removals = deletable.map((name) => (next: Done) => files.remove(`${folder}/${name}`, next));
      runSteps([...removals, (next) => files.syncFolder(folder, next)], done);
    });
  }

  private scan(
    group: GroupId,
    pointer: CheckpointPointer,
    loader: SnapshotLoader,
    done: (error: Error | null, facts: CheckpointFacts | null) => void,
  ): void {
    this.deps.files.open(this.pathOf(group, pointer), 'read', (openError, file) => {
      if (openError || !file) return done(openError, null);
      const push = (chunk: Uint8Array): void => loader.push(chunk);
      scanCheckpoint(file, this.deps, push, (error, facts) => {
        const wrong = facts && mismatch(group, pointer, facts.meta);
        closeAfter(file, error ?? wrong, (failure) => done(failure, failure ? null : facts));
      });
    });
  }

  /** The folders' own names have to survive too: a durable file in a folder that is gone is gone. */
  private prepareFolder(group: GroupId, done: Done): void {
    const { files, folder } = this.deps;
    runSteps(
      [
        (next) => files.makeFolder(this.holds.folder(group), next),
        (next) => files.syncFolder(`${folder}/checkpoints`, next),
        (next) => files.syncFolder(folder, next),
      ],
      done,
    );
  }

  private pathOf(group: GroupId, pointer: CheckpointPointer): string {
    return `${this.holds.folder(group)}/${pointer.file}`;
  }

  private onFailure(operation: Operation, group: GroupId, index: LogIndex, error: Error): void {
    this.deps.metrics
      .counter('snapshots_failed_total', 'Checkpoints that could not be written, loaded or received.', {
        reason: operation,
      })
      .inc();
    this.deps.logger.warn('checkpoint failed', { operation, group, index, error: error.message });
  }
}

/** A file under the right name with the wrong content (a copied folder) is as bad as a damaged one. */
function mismatch(group: GroupId, pointer: CheckpointPointer, meta: CheckpointMeta): StorageError | null {
  const { index, term } = pointer;
  if (meta.group === group && meta.index === index && meta.term === term) return null;
  return new StorageError(
    'DAMAGED_CHECKPOINT',
    `checkpoint of group ${meta.group} at ${meta.index}/${meta.term} where group ${group} at ${index}/${term} belongs`,
  );
}
