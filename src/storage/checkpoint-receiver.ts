/**
 * A checkpoint file that comes from another node. Chunks are appended under a name that says which file it is the
 * beginning of; at the end the CRC of what came must be the announced one, and the whole file passes the same checks as
 * a load, before it gets its name. A chunk that does not continue the last one is refused and changes nothing.
 *
 * A transfer that breaks off leaves the file; the next one goes on behind what is whole of it. A file that is complete
 * and fails its checks is removed: nobody goes on with that.
 */
import { assert } from '../base/index.js';
import type { Done, Files, OpenFile } from '../ports/index.js';
import type { CheckpointMeta, CheckpointPointer, CheckpointReceiver, TransferIdentity } from './api.js';
import { checkpointName } from './checkpoint-files.js';
import type { WholePrefix } from './checkpoint-prefix.js';
import { scanCheckpoint, type CheckpointFacts, type ScanTools } from './checkpoint-scan.js';
import { publish } from './checkpoint-writer.js';
import { StorageError } from './errors.js';

export interface ReceiverParts extends ScanTools {
  readonly files: Files;
  readonly folder: string;
  readonly temporary: string;
  readonly transfer: TransferIdentity;
  /** Once, whatever the outcome, when nothing touches the file any more. */
  readonly onEnd: (end: ReceiverEnd) => void;
}

export type ReceiverEnd =
  /** It has its final name. */
  | { readonly kind: 'published'; readonly file: string }
  /** Broken off: the file stays under its temporary name. */
  | { readonly kind: 'suspended' }
  /** Of no use, and removed. */
  | { readonly kind: 'failed'; readonly error: Error };

export class FileReceiver implements CheckpointReceiver {
  position: number;
  private crc: number;
  private busy = false;
  private state: 'open' | 'finishing' | 'ended' = 'open';
  private suspended = false;
  private unwanted = false;

  constructor(
    private readonly parts: ReceiverParts,
    private readonly file: OpenFile,
    prefix: WholePrefix,
  ) {
    this.position = prefix.bytes;
    this.crc = prefix.crc;
  }

  write(offset: number, bytes: Uint8Array, done: Done): void {
    assert(!this.busy, 'checkpoint chunk while one is being written');
    const refusal = this.whyRefused(offset, bytes.length);
    if (refusal) {
      this.parts.timers.soon(() => done(refusal));
      return;
    }
    const copy = bytes.slice();
    this.position += copy.length;
    this.crc = this.parts.crc32(copy, this.crc);
    this.busy = true;
    this.file.write(offset, copy, (error) => {
      this.busy = false;
      if (this.suspended) this.close(error);
      done(error ?? (this.suspended ? aborted() : null));
    });
  }

  finish(
    done: (error: Error | null, pointer: CheckpointPointer | null, meta: CheckpointMeta | null) => void,
  ): void {
    assert(!this.busy, 'checkpoint finished while a chunk is being written');
    assert(this.state === 'open', `checkpoint receiver is ${this.state}`);
    this.state = 'finishing';
    const fail = (error: Error): void => {
      this.drop(error);
      done(error, null, null);
    };
    this.verify((error, facts) => {
      if (error || !facts) return fail(error ?? new StorageError('DAMAGED_CHECKPOINT', 'no facts'));
      const { meta } = facts;
      const file = checkpointName(meta.index, meta.term);
      this.file.close((closeError) => {
        if (closeError) return fail(closeError);
        publish(this.parts.files, { ...this.parts, file }, (publishError) => {
          if (publishError) return fail(publishError);
          this.state = 'ended';
          this.parts.onEnd({ kind: 'published', file });
          done(null, { index: meta.index, term: meta.term, file }, meta);
        });
      });
    });
  }

  suspend(): void {
    if (this.state !== 'open' || this.suspended) return; // complete, and being judged: that goes on
    this.suspended = true;
    if (!this.busy) this.close(null); // else once the write under way has ended
  }

  discard(): void {
    this.unwanted = true;
    this.suspend();
  }

  private whyRefused(offset: number, length: number): StorageError | null {
    const refuse = (what: string): StorageError => new StorageError('BAD_TRANSFER', what);
    if (this.state !== 'open' || this.suspended) return aborted();
    if (offset !== this.position) return refuse(`chunk at ${offset}, expected one at ${this.position}`);
    const { bytes } = this.parts.transfer;
    if (offset + length > bytes) return refuse(`chunk to ${offset + length}, announced were ${bytes} bytes`);
    return null;
  }

  private verify(done: (error: Error | null, facts: CheckpointFacts | null) => void): void {
    const { bytes, crc, group, index, term } = this.parts.transfer;
    if (this.position !== bytes || this.crc !== crc) {
      const what = `received ${this.position} of ${bytes} bytes, CRC ${this.crc} of ${crc}`;
      this.parts.timers.soon(() => done(new StorageError('BAD_TRANSFER', what), null));
      return;
    }
    this.file.sync((syncError) => {
      if (syncError) return done(syncError, null);
      scanCheckpoint(this.file, this.parts, null, (error, facts) => {
        if (error || !facts) return done(error, null);
        const { meta } = facts;
        if (meta.group === group && meta.index === index && meta.term === term) return done(null, facts);
        const what =
          `checkpoint of group ${meta.group} at ${meta.index}/${meta.term}, ` +
          `announced was group ${group} at ${index}/${term}`;
        done(new StorageError('BAD_TRANSFER', what), null);
      });
    });
  }

  private close(error: Error | null): void {
    if (error !== null || this.unwanted) return this.drop(error ?? aborted());
    this.state = 'ended';
    this.file.close(() => this.parts.onEnd({ kind: 'suspended' }));
  }

  /** Throws the file away. Errors of that are no news: `prune` removes leftovers. */
  private drop(error: Error): void {
    this.state = 'ended';
    const { files, folder, temporary, onEnd } = this.parts;
    this.file.close(() => files.remove(`${folder}/${temporary}`, () => onEnd({ kind: 'failed', error })));
  }
}

function aborted(): StorageError {
  return new StorageError('ABORTED', 'the checkpoint transfer was broken off');
}
