/**
 * Writes one checkpoint file in slices: a chunk is taken from the source, compressed and written, then other work
 * runs before the next one. The file has a temporary name until every byte is durable; the rename, made durable by
 * the folder's fsync, is what makes it a checkpoint. A crash before that leaves a leftover, never half a checkpoint.
 */
import { InvariantError } from '../base/index.js';
import { encodeCheckpointFooter, encodeCheckpointHeader, encodeFrameSection } from '../codec/index.js';
import type { Compressor, Crc32, Done, Files, OpenFile, SnapshotSource, Timers } from '../ports/index.js';
import type { CheckpointMeta } from './api.js';
import { toError } from './errors.js';
import { closeAfter, runSteps } from './whole-file.js';

export interface WriterTools {
  readonly files: Files;
  readonly crc32: Crc32;
  readonly compressor: Compressor;
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
    const body = new BodyWriter(tools, file, source);
    body.run(meta, (bodyError) =>
      closeAfter(file, bodyError, (failure) => {
        if (failure) return files.remove(temporary, () => done(failure, 0));
        publish(files, place, (publishError) => done(publishError, body.position));
      }),
    );
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

class BodyWriter {
  position = 0;
  private crc = 0;
  private frames = 0;
  private plainBytes = 0;

  constructor(
    private readonly tools: WriterTools,
    private readonly file: OpenFile,
    private readonly source: SnapshotSource,
  ) {}

  run(meta: CheckpointMeta, done: Done): void {
    this.write(encodeCheckpointHeader(meta, this.tools.crc32), (error) => {
      if (error) done(error);
      else this.nextFrame(done);
    });
  }

  private nextFrame(done: Done): void {
    this.tools.timers.soon(() => {
      let frame: { section: Uint8Array; packed: Uint8Array } | null;
      try {
        frame = this.takeFrame();
      } catch (thrown) {
        if (thrown instanceof InvariantError) throw thrown;
        return done(toError(thrown));
      }
      if (!frame) return this.finish(done);
      const { section, packed } = frame;
      this.write(section, (sectionError) => {
        if (sectionError) return done(sectionError);
        this.write(packed, (error) => {
          if (error) done(error);
          else this.nextFrame(done);
        });
      });
    });
  }

  private takeFrame(): { section: Uint8Array; packed: Uint8Array } | null {
    const plain = this.source.next(this.tools.chunkBytes);
    if (plain === null) return null;
    const packed = this.tools.compressor.compress(plain);
    const section = encodeFrameSection(this.frames, packed, plain, this.tools.crc32);
    this.frames++;
    this.plainBytes += plain.length;
    return { section, packed };
  }

  private finish(done: Done): void {
    const footer = encodeCheckpointFooter(this.frames, this.plainBytes, this.crc, this.tools.crc32);
    runSteps([(next) => this.write(footer, next), (next) => this.file.sync(next)], done);
  }

  private write(bytes: Uint8Array, done: Done): void {
    const at = this.position;
    this.position += bytes.length;
    this.crc = this.tools.crc32(bytes, this.crc);
    this.file.write(at, bytes, done);
  }
}
