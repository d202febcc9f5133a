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
  TransferIdentity,
} from './api.js';
import { CheckpointHolds, checkpointName } from './checkpoint-files.js';
import { scanPrefix } from './checkpoint-prefix.js';
import { FileReceiver, type ReceiverEnd } from './checkpoint-receiver.js';
import { asDamaged, scanCheckpoint, type CheckpointFacts } from './checkpoint-scan.js';
import { openCheckpointStream } from './checkpoint-stream.js';
import { writeCheckpoint } from './checkpoint-writer.js';
import { StorageError } from './errors.js';
import { partialName, type PartialFile } from './partial-files.js';
import { closeAfter, runSteps } from './whole-file.js';

/** Plain bytes of one frame: about a millisecond of compression. */
const CHUNK_BYTES = 256 * 1024;
export const SNAPSHOTS_FAILED_HELP = 'Checkpoints that could not be written, loaded, sent or received.';
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
type Received = (error: Error | null, receiver: CheckpointReceiver | null) => void;

class FileCheckpoints implements CheckpointStore {
  private readonly holds: CheckpointHolds;
  private readonly created: Counter;
  private readonly loaded: Counter;
  private readonly writeSeconds: Histogram;
  private readonly loadSeconds: Histogram;
  private readonly sizes: Histogram;
  /** Transfers that wait for the one before them, of the same group, to let go of its file. */
  private readonly nextTransfers = new Map<GroupId, { transfer: TransferIdentity; done: Received }>();

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
      // At its end or given up: a frozen state must not pin what has been overwritten since.
      source.release();
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
    done: (error: Error | null, meta: CheckpointMeta | null, bytes: number) => void,
  ): void {
    const sinceMs = this.deps.clock.monoMs();
    this.scan(group, pointer, loader, (error, facts) => {
      const failure = error ?? finishLoad(loader);
      if (failure || !facts) {
        const known = failure ?? new StorageError('DAMAGED_CHECKPOINT', 'no facts');
        loader.drop();
        this.onFailure('load', group, pointer.index, known);
        return done(known, null, 0);
      }
      this.loaded.inc();
      this.loadSeconds.observe((this.deps.clock.monoMs() - sinceMs) / 1000);
      done(null, facts.meta, facts.bytes);
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

  receive(transfer: TransferIdentity, done: Received): void {
    const { group } = transfer;
    const { timers } = this.deps;
    if (!this.holds.partials.isInUse(group)) return this.beginReceive(transfer, done);
    const replaced = this.nextTransfers.get(group);
    this.nextTransfers.set(group, { transfer, done });
    if (replaced !== undefined) {
      const error = new StorageError('ABORTED', 'another transfer of the group took its place');
      timers.soon(() => replaced.done(error, null));
    }
  }

  private beginReceive(transfer: TransferIdentity, done: Received): void {
    const { deps } = this;
    const { group } = transfer;
    const folder = this.holds.folder(group);
    const temporary = partialName(transfer);
    const other = this.holds.partials.use(group, temporary);
    const onEnd = (end: ReceiverEnd): void => this.onReceiverEnd(transfer, end);
    const fail = (error: Error): void => {
      onEnd({ kind: 'failed', error });
      done(error, null);
    };
    const begin = (): void => {
      deps.files.open(`${folder}/${temporary}`, 'update', (error, file) => {
        if (error || !file) return fail(error ?? new StorageError('BAD_TRANSFER', 'nothing opened'));
        scanPrefix(file, deps, (scanError, prefix) => {
          if (scanError) return closeAfter(file, scanError, () => fail(scanError));
          // A whole beginning that is longer than what was announced is none of that file.
          const usable = prefix.bytes < transfer.bytes ? prefix : { bytes: 0, crc: 0 };
          done(null, new FileReceiver({ ...deps, folder, temporary, transfer, onEnd }, file, usable));
        });
      });
    };
    this.prepareFolder(group, (folderError) => {
      if (folderError) return fail(folderError);
      if (other === null) begin();
      else this.removePartial(other, begin);
    });
  }

  private onReceiverEnd(transfer: TransferIdentity, end: ReceiverEnd): void {
    const { group, index } = transfer;
    const { partials } = this.holds;
    if (end.kind === 'suspended') {
      const replaced = partials.keep(group, this.deps.clock.monoMs());
      if (replaced !== null) this.removePartial(replaced, () => undefined);
    } else {
      partials.forget(group);
      if (end.kind === 'published') this.holds.onPublished(group, end.file);
      else if (!isAborted(end.error)) this.onFailure('receive', group, index, end.error);
    }
    const next = this.nextTransfers.get(group);
    if (next === undefined) return;
    this.nextTransfers.delete(group);
    this.beginReceive(next.transfer, next.done);
  }

  dropOldPartials(): void {
    for (const partial of this.holds.partials.takeOld(this.deps.clock.monoMs())) {
      this.removePartial(partial, () => undefined);
    }
  }

  /** An error is no news: the next `prune` finds the file again. */
  private removePartial({ group, name }: PartialFile, done: () => void): void {
    this.deps.files.remove(`${this.holds.folder(group)}/${name}`, (error) => {
      if (error)
        this.deps.logger.warn('removing a broken transfer failed', { group, name, error: error.message });
      done();
    });
  }

  prune(group: GroupId, keep: readonly CheckpointPointer[], done: Done): void {
    const { files } = this.deps;
    const folder = this.holds.folder(group);
    files.list(folder, (error, names) => {
      if (error) return done(error);
      const deletable = this.holds.deletable(group, names, keep, this.deps.clock.monoMs());
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
      if (openError || !file) return done(asMissing(openError, pointer), null);
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
    this.deps.metrics.counter('snapshots_failed_total', SNAPSHOTS_FAILED_HELP, { reason: operation }).inc();
    const code = 'code' in error && typeof error.code === 'string' ? error.code : 'INTERNAL';
    this.deps.logger.warn('checkpoint failed', { operation, group, index, code, error: error.message });
  }
}

/** What the loader has against the whole of what it was given; what else it throws is a bug of ours, and passes. */
function finishLoad(loader: SnapshotLoader): StorageError | null {
  try {
    loader.finish();
    return null;
  } catch (thrown) {
    if (!(thrown instanceof RangeError)) throw thrown;
    return asDamaged(thrown);
  }
}

function asMissing(error: Error | null, { file }: CheckpointPointer): Error {
  if (error !== null && !('code' in error && error.code === 'ENOENT')) return error;
  return new StorageError('MISSING_CHECKPOINT', `checkpoint file ${file} is not there`);
}

/** A file under the right name with the wrong content (a copied folder) is as bad as a damaged one. */
function mismatch(group: GroupId, pointer: CheckpointPointer, meta: CheckpointMeta): StorageError | null {
  const { index, term } = pointer;
  if (meta.group === group && meta.index === index && meta.term === term) return null;
  return new StorageError(
    'FOREIGN_CHECKPOINT',
    `checkpoint of group ${meta.group} at ${meta.index}/${meta.term} where group ${group} at ${index}/${term} belongs`,
  );
}

function isAborted(error: Error): boolean {
  return error instanceof StorageError && error.code === 'ABORTED';
}
