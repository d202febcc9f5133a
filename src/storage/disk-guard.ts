/**
 * Watches the free space of the data folder's disk, so that a node stops taking writes before the disk is full, and
 * keeps a ballast: a file of zeros that is given up when the disk is full all the same, so that truncation and a
 * restart have room to work in.
 *
 * `low` below max(reserveRatio of the disk, reserveBytes). The ballast is made only where its bytes, and as much
 * again, are free above the reserve: making it can't be what makes the disk low.
 */
import { assert, type MetricsRegistry } from '../base/index.js';
import type { CancelTimer, Done, Files, Logger, OpenFile, Timers } from '../ports/index.js';
import { closeAfter, runSteps } from './whole-file.js';

export type DiskState = 'ok' | 'low';

const POLL_MS = 1_000;
const BALLAST_CHUNK_BYTES = 1024 * 1024;

export interface DiskGuardDeps {
  readonly folder: string;
  readonly files: Files;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly reserveRatio: number;
  readonly reserveBytes: number;
  readonly ballastBytes: number;
}

export class DiskGuard {
  state: DiskState = 'ok';
  freeBytes = 0;
  totalBytes = 0;
  private cancelTimer: CancelTimer | null = null;
  private checking = false;
  private stopped = false;
  /** Set by `giveUpBallast`: it is not made again in this life. */
  private gaveUp = false;

  constructor(
    private readonly deps: DiskGuardDeps,
    private readonly onChange: (state: DiskState) => void,
  ) {
    deps.metrics.gaugeValue('disk_free_bytes', "Free bytes on the data folder's disk.", () => this.freeBytes);
  }

  /** First look, ballast, then a look every second. `done` once the state is known. */
  start(done: Done): void {
    this.check((error) => {
      if (error) return done(error);
      this.maybeMakeBallast(() => {
        if (!this.stopped) this.poll();
        done(null); // a ballast that could not be made is logged; the node runs without
      });
    });
  }

  /** Looks now. An error leaves the state as it was. */
  check(done: Done): void {
    this.deps.files.space(this.deps.folder, (error, freeBytes, totalBytes) => {
      if (this.stopped) return done(null);
      if (error) {
        this.deps.logger.warn('free disk space is unknown', { error: error.message });
        return done(error);
      }
      this.freeBytes = freeBytes;
      this.totalBytes = totalBytes;
      this.become(freeBytes < this.reserve() ? 'low' : 'ok');
      done(null);
    });
  }

  /** Whether so many bytes can be taken without touching the reserve; what is not known yet is no reason to refuse. */
  hasRoomFor(bytes: number): boolean {
    return this.totalBytes === 0 || this.freeBytes - bytes >= this.reserve();
  }

  /** Removes the ballast: room for what has to be written to get out of a full disk. */
  giveUpBallast(done: Done): void {
    this.gaveUp = true;
    const { files, folder } = this.deps;
    runSteps(
      [(next) => files.remove(this.ballastPath(), next), (next) => files.syncFolder(folder, next)],
      done,
    );
  }

  stop(): void {
    this.stopped = true;
    this.cancelTimer?.();
  }

  private reserve(): number {
    return Math.max(this.deps.reserveRatio * this.totalBytes, this.deps.reserveBytes);
  }

  private poll(): void {
    this.cancelTimer = this.deps.timers.after(POLL_MS, () => {
      assert(!this.checking, 'two looks at the disk at once');
      this.checking = true;
      this.check(() => {
        this.checking = false;
        if (!this.stopped) this.poll();
      });
    });
  }

  private become(state: DiskState): void {
    if (state === this.state) return;
    this.state = state;
    const facts = { state, freeBytes: this.freeBytes, reserveBytes: this.reserve() };
    if (state === 'low') this.deps.logger.error('disk is low', facts);
    else this.deps.logger.info('disk has room again', facts);
    this.onChange(state);
  }

  private ballastPath(): string {
    return `${this.deps.folder}/ballast`;
  }

  private maybeMakeBallast(done: () => void): void {
    const { files, ballastBytes, logger } = this.deps;
    if (ballastBytes === 0 || this.gaveUp) return done();
    files.open(this.ballastPath(), 'update', (openError, file) => {
      if (openError || !file) return done();
      file.size((sizeError, bytes) => {
        const isFull = !sizeError && bytes >= ballastBytes;
        const hasRoom = this.freeBytes >= this.reserve() + 2 * ballastBytes;
        if (isFull) return closeAfter(file, null, () => done());
        if (!hasRoom) return closeAfter(file, null, () => files.remove(this.ballastPath(), () => done()));
        this.fill(file, bytes, (error) => {
          if (!error) return done();
          logger.warn('no ballast file', { error: error.message });
          files.remove(this.ballastPath(), () => done());
        });
      });
    });
  }

  /** Zeros are written, not skipped over: a file with holes would hold no space. */
  private fill(file: OpenFile, from: number, done: Done): void {
    const zeros = new Uint8Array(Math.min(BALLAST_CHUNK_BYTES, this.deps.ballastBytes));
    const next = (position: number): void => {
      const left = this.deps.ballastBytes - position;
      if (left <= 0 || this.gaveUp) return file.sync((error) => closeAfter(file, error, done));
      file.write(position, zeros.subarray(0, Math.min(left, zeros.length)), (error) => {
        if (error) closeAfter(file, error, done);
        else next(position + zeros.length);
      });
    };
    next(from);
  }
}
