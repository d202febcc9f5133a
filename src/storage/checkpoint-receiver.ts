/**
 * A checkpoint file that comes from another node. Chunks are appended under a temporary name; at the end the CRC of
 * what came must be the announced one, and the whole file passes the same checks as a load, before it gets its name.
 * A chunk that does not continue the last one is refused and changes nothing.
 */
import { assert, type GroupId, type LogIndex } from '../base/index.js';
import type { Done, Files, OpenFile } from '../ports/index.js';
import type { CheckpointMeta, CheckpointPointer, CheckpointReceiver } from './api.js';
import { checkpointName } from './checkpoint-files.js';
import { scanCheckpoint, type CheckpointFacts, type ScanTools } from './checkpoint-scan.js';
import { publish } from './checkpoint-writer.js';
import { StorageError } from './errors.js';

export interface ReceiverParts extends ScanTools {
  readonly files: Files;
  readonly folder: string;
  readonly temporary: string;
  readonly group: GroupId;
  readonly index: LogIndex;
  readonly totalBytes: number;
  readonly crc: number;
  /** Once, whatever the outcome: the temporary name is free; `published` is the file's final name, if it got one. */
  readonly onEnd: (published: string | null, error: Error | null) => void;
}

export class FileReceiver implements CheckpointReceiver {
  private position = 0;
  private crc = 0;
  private busy = false;
  private state: 'open' | 'finishing' | 'ended' = 'open';
  private aborted = false;

  constructor(
    private readonly parts: ReceiverParts,
    private readonly file: OpenFile,
  ) {}

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
      if (this.aborted) this.end(null, aborted());
      done(error ?? (this.aborted ? aborted() : null));
    });
  }

  finish(
    done: (error: Error | null, pointer: CheckpointPointer | null, meta: CheckpointMeta | null) => void,
  ): void {
    assert(!this.busy, 'checkpoint finished while a chunk is being written');
    assert(this.state === 'open', `checkpoint receiver is ${this.state}`);
    this.state = 'finishing';
    const fail = (error: Error): void => {
      this.end(null, error);
      done(error, null, null);
    };
    this.verify((error, facts) => {
      if (this.aborted) return fail(aborted());
      if (error || !facts) return fail(error ?? new StorageError('DAMAGED_CHECKPOINT', 'no facts'));
      const { meta } = facts;
      const file = checkpointName(meta.index, meta.term);
      this.file.close((closeError) => {
        if (closeError) return fail(closeError);
        publish(this.parts.files, { ...this.parts, file }, (publishError) => {
          if (publishError) return fail(publishError);
          this.state = 'ended';
          this.parts.onEnd(file, null);
          done(null, { index: meta.index, term: meta.term, file }, meta);
        });
      });
    });
  }

  abort(): void {
    if (this.state === 'ended' || this.aborted) return;
    this.aborted = true;
    // A write or a verification that is under way ends first, and then ends the receiver.
    if (!this.busy && this.state === 'open') this.end(null, aborted());
  }

  private whyRefused(offset: number, length: number): StorageError | null {
    const refuse = (what: string): StorageError => new StorageError('BAD_TRANSFER', what);
    if (this.state !== 'open' || this.aborted) return aborted();
    if (offset !== this.position) return refuse(`chunk at ${offset}, expected one at ${this.position}`);
    if (offset + length > this.parts.totalBytes) {
      return refuse(`chunk to ${offset + length}, announced were ${this.parts.totalBytes} bytes`);
    }
    return null;
  }

  private verify(done: (error: Error | null, facts: CheckpointFacts | null) => void): void {
    const { totalBytes, crc, group, index } = this.parts;
    if (this.position !== totalBytes || this.crc !== crc) {
      const what = `received ${this.position} of ${totalBytes} bytes, CRC ${this.crc} of ${crc}`;
      this.parts.timers.soon(() => done(new StorageError('BAD_TRANSFER', what), null));
      return;
    }
    this.file.sync((syncError) => {
      if (syncError) return done(syncError, null);
      scanCheckpoint(this.file, this.parts, null, (error, facts) => {
        if (error || !facts) return done(error, null);
        const { meta } = facts;
        if (meta.group === group && meta.index === index) return done(null, facts);
        const what = `checkpoint of group ${meta.group} at ${meta.index}, announced was group ${group} at ${index}`;
        done(new StorageError('BAD_TRANSFER', what), null);
      });
    });
  }

  /** Throws the temporary file away. Errors of that are no news: `prune` removes leftovers. */
  private end(published: string | null, error: Error): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    const { files, folder, temporary, onEnd } = this.parts;
    this.file.close(() => files.remove(`${folder}/${temporary}`, () => onEnd(published, error)));
  }
}

function aborted(): StorageError {
  return new StorageError('ABORTED', 'the checkpoint transfer was aborted');
}
