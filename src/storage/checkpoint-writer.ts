/**
 * Writes one checkpoint file in slices: a chunk is taken from the source and compressed, then other work runs before the
 * next one, and the file's writes. The file has a temporary name until every byte is durable; the rename, made durable by
 * the folder's fsync, is what makes it a checkpoint. A crash before that leaves a leftover, never half a checkpoint.
 */
import { concatBytes, InvariantError } from '../base/index.js';
import { encodeCheckpointFooter, encodeCheckpointHeader, encodeFrameSection } from '../codec/index.js';
import type {
  Clock,
  Compressor,
  Crc32,
  Done,
  Files,
  OpenFile,
  SnapshotSource,
  Timers,
} from '../ports/index.js';
import type { CheckpointMeta } from './api.js';
import { toError } from './errors.js';
import { closeAfter, runSteps } from './whole-file.js';

export interface WriterTools {
  readonly files: Files;
  readonly crc32: Crc32;
  readonly compressor: Compressor;
  readonly clock: Clock;
  readonly timers: Timers;
  /** Plain bytes of one frame, about. */
  readonly chunkBytes: number;
}

export interface CheckpointPlace {
  readonly folder: string;
  readonly temporary: string;
  readonly file: string;
}

/** `bytes` is the size of the file. On an error the temporary file is removed, as far as the disk lets us. */
export function writeCheckpoint(
  tools: WriterTools,
  place: CheckpointPlace,
  meta: CheckpointMeta,
  source: SnapshotSource,
  done: (error: Error | null, bytes: number) => void,
): void {
  const { files } = tools;
  const temporary = `${place.folder}/${place.temporary}`;
  files.open(temporary, 'create', (error, file) => {
    if (error || !file) return done(error, 0);
    const body = new BodyWriter(tools, file, source, (bodyError) =>
      closeAfter(file, bodyError, (failure) => {
        if (failure) return files.remove(temporary, () => done(failure, 0));
        publish(files, place, (publishError) => done(publishError, body.position));
      }),
    );
    body.run(meta);
  });
}

/** Gives a durable temporary file its name, durably. */
export function publish(files: Files, place: CheckpointPlace, done: Done): void {
  const { folder, temporary, file } = place;
  runSteps(
    [
      (next) => files.rename(`${folder}/${temporary}`, `${folder}/${file}`, next),
      (next) => files.syncFolder(folder, next),
    ],
    done,
  );
}

/** As much of the file as is made between two other events of the loop, and what tells how far behind we are. */
const SLICE_MS_MAX = 4;
const SLICE_FRAMES_MAX = 4;
/** Of a source that is pressed: so writes, which make what presses it, get less of the loop than it does. */
const PRESSED_MS_MAX = 8;
const PRESSED_FRAMES_MAX = 16;
/** A million items of 150 bytes in two and a half seconds. Slower than that, a slice takes more than one frame. */
const BYTES_PER_SECOND = 64 * 1024 * 1024;

/**
 * Makes frames while the last ones are being written. One frame a slice at least; more of them, within `SLICE_MS_MAX`,
 * when slices come so rarely that the rate would not be kept: then the loop is busy, and a checkpoint that takes long
 * pins more of what is overwritten meanwhile.
 */
class BodyWriter {
  position = 0;
  private crc = 0;
  private frames = 0;
  private plainBytes = 0;
  private beganMs = 0;
  /** What was made and is not handed to the file yet. */
  private ready: Uint8Array | null = null;
  private isWriting = false;
  private isSliceDue = false;
  private isOver = false;
  private failure: Error | null = null;

  constructor(
    private readonly tools: WriterTools,
    private readonly file: OpenFile,
    private readonly source: SnapshotSource,
    private readonly done: Done,
  ) {}

  run(meta: CheckpointMeta): void {
    this.beganMs = this.tools.clock.monoMs();
    this.ready = encodeCheckpointHeader(meta, this.tools.crc32);
    this.next();
  }

  /** Whatever can be done now: hand over what is ready, have more made, or end. */
  private next(): void {
    if (this.isWriting) return this.makeMore();
    const bytes = this.ready;
    if (bytes !== null) {
      this.ready = null;
      this.isWriting = true;
      this.write(bytes, (error) => {
        this.isWriting = false;
        this.failure ??= error;
        if (this.failure !== null) this.done(this.failure);
        else this.next();
      });
      this.makeMore();
    } else if (this.isOver) this.finish();
    else this.makeMore();
  }

  private makeMore(): void {
    if (this.isOver || this.isSliceDue || this.ready !== null) return;
    this.isSliceDue = true;
    this.tools.timers.soon(() => {
      this.isSliceDue = false;
      if (this.failure !== null) return;
      try {
        this.ready = this.takeSlice();
      } catch (thrown) {
        if (thrown instanceof InvariantError) throw thrown;
        this.failure = toError(thrown);
        // The file is closed by whoever is told, so not while something is being written to it.
        if (!this.isWriting) this.done(this.failure);
        return;
      }
      this.next();
    });
  }

  private takeSlice(): Uint8Array | null {
    const { clock } = this.tools;
    const sinceMs = clock.monoMs();
    const parts: Uint8Array[] = [];
    const isPressed = this.source.isPressed === true;
    const msMax = isPressed ? PRESSED_MS_MAX : SLICE_MS_MAX;
    for (let left = isPressed ? PRESSED_FRAMES_MAX : SLICE_FRAMES_MAX; left > 0; left--) {
      const plain = this.source.next(this.tools.chunkBytes);
      if (plain === null) {
        this.isOver = true;
        break;
      }
      this.putFrame(plain, parts);
      const nowMs = clock.monoMs();
      const isBehind = this.plainBytes < ((nowMs - this.beganMs) * BYTES_PER_SECOND) / 1000;
      if (!(isBehind || isPressed) || nowMs - sinceMs >= msMax) break;
    }
    return parts.length === 0 ? null : concatBytes(parts);
  }

  private putFrame(plain: Uint8Array, into: Uint8Array[]): void {
    const packed = this.tools.compressor.compress(plain);
    into.push(encodeFrameSection(this.frames, packed, plain, this.tools.crc32), packed);
    this.frames++;
    this.plainBytes += plain.length;
  }

  private finish(): void {
    const footer = encodeCheckpointFooter(this.frames, this.plainBytes, this.crc, this.tools.crc32);
    runSteps([(next) => this.write(footer, next), (next) => this.file.sync(next)], this.done);
  }

  private write(bytes: Uint8Array, done: Done): void {
    const at = this.position;
    this.position += bytes.length;
    this.crc = this.tools.crc32(bytes, this.crc);
    this.file.write(at, bytes, done);
  }
}
