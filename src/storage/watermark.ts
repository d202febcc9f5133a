/**
 * The watermark: a small file outside the ordered store that says which batch was the last whose fsync returned.
 * LevelDB may lose the end of its own log without an error (docs/formats.md); the watermark is the witness.
 *
 * Invariants:
 *  - it is written only after the batch's fsync returned, so it is never ahead of what the disk has: power loss
 *    alone, on any number of nodes, makes nobody suspect;
 *  - it is behind by one batch or by 20 ms plus its own write, whichever is more. Loss of batches of this last stretch
 *    is not noticed;
 *  - it is fsynced twice a second, not with each write: they would hold up the log's. A process that dies leaves
 *    its writes with the operating system; only what goes wrong together with the power is noticed up to there;
 *  - two slots: all writes go to the one, until an fsync; then to the other. A torn write leaves what was fsynced last.
 * It is never on the way of an acknowledgement: nobody waits for it but `settle`.
 */
import { assert, type BatchNumber, type MonoMs } from '../base/index.js';
import { decodeWatermarkSlot, encodeWatermarkSlot, WATERMARK_SLOT_STRIDE } from '../codec/index.js';
import type { CancelTimer, Clock, Crc32, Done, Files, OpenFile, Timers } from '../ports/index.js';
import { runSteps, type Step } from './whole-file.js';

/** How often the watermark is written at most, and how often that is made durable. */
const INTERVAL_MS = 20;
const SYNC_INTERVAL_MS = 500;
const SLOTS = 2;

/** What the file says: `absent` without a file, `damaged` when no slot is whole. */
export type WatermarkFound =
  | { readonly kind: 'absent' }
  | { readonly kind: 'damaged' }
  | { readonly kind: 'batch'; readonly batch: BatchNumber; readonly slot: number };

export interface WatermarkDeps {
  readonly folder: string;
  readonly files: Files;
  readonly crc32: Crc32;
  readonly clock: Clock;
  readonly timers: Timers;
}

export function watermarkPath(folder: string): string {
  return `${folder}/WATERMARK`;
}

export function readWatermark(
  deps: WatermarkDeps,
  done: (error: Error | null, found: WatermarkFound) => void,
): void {
  deps.files.readAll(watermarkPath(deps.folder), (error, bytes) => {
    if (error || bytes === null) return done(error, { kind: 'absent' });
    let found: WatermarkFound = { kind: 'damaged' };
    for (let slot = 0; slot < SLOTS; slot++) {
      const batch = decodeWatermarkSlot(bytes, slot * WATERMARK_SLOT_STRIDE, deps.crc32);
      if (batch === null) continue;
      if (found.kind !== 'batch' || batch > found.batch) found = { kind: 'batch', batch, slot };
    }
    done(null, found);
  });
}

export class Watermark {
  /** The last batch whose fsync returned: what the file shall say. */
  private latest: BatchNumber = 0;
  /** What the file says as far as the operating system knows, and what it says for certain. Never above `latest`. */
  private written: BatchNumber = 0;
  private synced: BatchNumber = 0;
  private writing = false;
  private wroteAt: MonoMs = -INTERVAL_MS;
  private syncedAt: MonoMs = -SYNC_INTERVAL_MS;
  private cancelTimer: CancelTimer | null = null;
  private timerAt: MonoMs = 0;
  private settled: Done | null = null;
  /** The first error of a write; final. */
  failure: Error | null = null;

  private constructor(
    private readonly deps: WatermarkDeps,
    private readonly file: OpenFile,
    private slot: number,
  ) {}

  /** Opens the file for writing; a file that told nothing gets both slots, with `batch`. */
  static open(
    deps: WatermarkDeps,
    found: WatermarkFound,
    batch: BatchNumber,
    done: (error: Error | null, watermark: Watermark | null) => void,
  ): void {
    deps.files.open(watermarkPath(deps.folder), 'update', (error, file) => {
      if (error || !file) return done(error, null);
      const isTold = found.kind === 'batch';
      const first = isTold ? found.batch : batch;
      const bytes = encodeWatermarkSlot(first, deps.crc32);
      const fill: Step[] = [
        (next) => file.write(0, bytes, next),
        (next) => file.write(WATERMARK_SLOT_STRIDE, bytes, next),
      ];
      // A file that tells may still be one that only the operating system knows, when its writer was killed.
      const makeDurable: Step[] = [
        (next) => file.sync(next),
        (next) => deps.files.syncFolder(deps.folder, next),
      ];
      runSteps(isTold ? makeDurable : [...fill, ...makeDurable], (stepError) => {
        if (stepError) return file.close(() => done(stepError, null));
        const watermark = new Watermark(deps, file, isTold ? 1 - found.slot : 0);
        watermark.latest = watermark.written = watermark.synced = first;
        done(null, watermark);
      });
    });
  }

  /** The batch is durable. */
  move(batch: BatchNumber): void {
    assert(batch >= this.latest, `watermark goes back from ${this.latest} to ${batch}`);
    this.latest = batch;
    if (!this.writing && !this.failure) this.goOn();
  }

  /** Calls back once the file says what is durable, for certain. */
  settle(done: Done): void {
    assert(this.settled === null, 'watermark is being settled already');
    this.settled = done;
    if (!this.writing) this.goOn();
  }

  close(done: Done): void {
    this.stopTimer();
    this.file.close(done);
  }

  private goOn(): void {
    const { settled } = this;
    if (settled && (this.failure || this.latest === this.synced)) {
      this.settled = null;
      this.stopTimer();
      // Never from inside the call of `settle`.
      this.deps.timers.soon(() => settled(this.failure));
      return;
    }
    if (this.failure) return;
    if (settled) this.writeNow();
    else if (this.latest !== this.written) this.writeAt(this.wroteAt + INTERVAL_MS);
    else if (this.latest !== this.synced) this.writeAt(this.syncedAt + SYNC_INTERVAL_MS);
  }

  private writeAt(atMs: MonoMs): void {
    const waitMs = atMs - this.deps.clock.monoMs();
    if (waitMs <= 0) {
      this.writeNow();
    } else if (!this.cancelTimer || atMs < this.timerAt) {
      this.stopTimer();
      this.timerAt = atMs;
      this.cancelTimer = this.deps.timers.after(waitMs, this.onTimer);
    }
  }

  private stopTimer(): void {
    this.cancelTimer?.();
    this.cancelTimer = null;
  }

  private readonly onTimer = (): void => {
    this.cancelTimer = null;
    if (!this.writing) this.writeNow();
  };

  private writeNow(): void {
    this.stopTimer();
    const batch = this.latest;
    const nowMs = this.deps.clock.monoMs();
    const isSyncDue = this.settled !== null || nowMs >= this.syncedAt + SYNC_INTERVAL_MS;
    const steps: Step[] = [];
    if (batch !== this.written) {
      const bytes = encodeWatermarkSlot(batch, this.deps.crc32);
      steps.push((next) => this.file.write(this.slot * WATERMARK_SLOT_STRIDE, bytes, next));
      this.wroteAt = nowMs;
    }
    if (isSyncDue) {
      steps.push((next) => this.file.sync(next));
      this.syncedAt = nowMs;
    }
    this.writing = true;
    runSteps(steps, (error) => {
      this.writing = false;
      if (error) this.failure = error;
      else {
        this.written = batch;
        if (isSyncDue) {
          this.synced = batch;
          this.slot = 1 - this.slot;
        }
      }
      this.goOn();
    });
  }
}
