/**
 * The watermark: a small file outside the ordered store that says which batch was the last whose fsync returned.
 * LevelDB may lose the end of its own log without an error (docs/formats.md); the watermark is the witness.
 *
 * Invariants:
 *  - it is written only after the batch's fsync returned, so it is never ahead of what the disk has: power loss
 *    alone, on any number of nodes, makes nobody suspect;
 *  - it is behind by one batch or by 20 ms plus its own write and fsync, whichever is more. Loss of batches of this
 *    last stretch by anything but power loss is not noticed;
 *  - two slots, written in turn: a torn write leaves the other.
 * It is never on the way of an acknowledgement: nobody waits for it but `settle`.
 */
import { assert, type BatchNumber, type MonoMs } from '../base/index.js';
import { decodeWatermarkSlot, encodeWatermarkSlot, WATERMARK_SLOT_STRIDE } from '../codec/index.js';
import type { CancelTimer, Clock, Crc32, Done, Files, OpenFile, Timers } from '../ports/index.js';
import { runSteps, type Step } from './whole-file.js';

/** How often the watermark is written at most: 50 small fsyncs a second cost under 1 % of a disk. */
const INTERVAL_MS = 20;
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
  /** What the file says for certain. Never above `latest`. */
  private written: BatchNumber = 0;
  private writing = false;
  private wroteAt: MonoMs = -INTERVAL_MS;
  private cancelTimer: CancelTimer | null = null;
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
        watermark.latest = watermark.written = first;
        done(null, watermark);
      });
    });
  }

  /** The batch is durable. */
  move(batch: BatchNumber): void {
    assert(batch >= this.latest, `watermark goes back from ${this.latest} to ${batch}`);
    this.latest = batch;
    if (this.writing || this.cancelTimer || this.failure) return;
    const waitMs = this.wroteAt + INTERVAL_MS - this.deps.clock.monoMs();
    if (waitMs <= 0) this.writeNow();
    else this.cancelTimer = this.deps.timers.after(waitMs, this.onTimer);
  }

  /** Calls back once the file says what is durable. */
  settle(done: Done): void {
    assert(this.settled === null, 'watermark is being settled already');
    this.settled = done;
    this.cancelTimer?.();
    this.cancelTimer = null;
    if (!this.writing) this.goOn();
  }

  close(done: Done): void {
    this.cancelTimer?.();
    this.file.close(done);
  }

  private readonly onTimer = (): void => {
    this.cancelTimer = null;
    if (!this.writing) this.writeNow();
  };

  private writeNow(): void {
    if (this.latest === this.written) return;
    const batch = this.latest;
    this.writing = true;
    this.wroteAt = this.deps.clock.monoMs();
    const bytes = encodeWatermarkSlot(batch, this.deps.crc32);
    const offset = this.slot * WATERMARK_SLOT_STRIDE;
    runSteps([(next) => this.file.write(offset, bytes, next), (next) => this.file.sync(next)], (error) => {
      this.writing = false;
      this.slot = 1 - this.slot;
      if (error) this.failure = error;
      else this.written = batch;
      this.goOn();
    });
  }

  private goOn(): void {
    const { settled } = this;
    if (settled && (this.failure || this.latest === this.written)) {
      this.settled = null;
      // Never from inside the call of `settle`.
      this.deps.timers.soon(() => settled(this.failure));
      return;
    }
    if (this.failure || this.latest === this.written) return;
    if (settled) this.writeNow();
    else this.move(this.latest);
  }
}
