/**
 * A checkpoint file held open while it is sent to another replica. Opening reads its header and its footer: they
 * tell the meta data and the CRC of the whole file without a pass over it. The receiver checks every byte.
 */
import { assert } from '../base/index.js';
import {
  decodeCheckpointHeader,
  decodeFrameOrFooter,
  FOOTER_SECTION_BYTES,
  HEADER_SECTION_BYTES_MAX,
  isFooter,
  readSectionHead,
  SECTION_HEAD_BYTES,
} from '../codec/index.js';
import type { Crc32, Files, OpenFile } from '../ports/index.js';
import type { CheckpointMeta, CheckpointStream } from './api.js';
import { StorageError, toError } from './errors.js';

interface StreamTools {
  readonly files: Files;
  readonly crc32: Crc32;
}

/** `onRelease` is called once: when the stream is released, or when it could not be opened. */
export function openCheckpointStream(
  tools: StreamTools,
  path: string,
  onRelease: () => void,
  done: (error: Error | null, stream: CheckpointStream | null) => void,
): void {
  tools.files.open(path, 'read', (openError, file) => {
    if (openError || !file) {
      onRelease();
      return done(openError, null);
    }
    const fail = (error: Error): void => {
      onRelease();
      file.close(() => done(error, null));
    };
    readEnds(file, tools.crc32, (error, ends) => {
      if (error || !ends) fail(error ?? damaged('no ends'));
      else done(null, new FileStream(file, ends, onRelease));
    });
  });
}

interface Ends {
  readonly bytes: number;
  readonly crc: number;
  readonly meta: CheckpointMeta;
}

function readEnds(
  file: OpenFile,
  crc32: Crc32,
  done: (error: Error | null, ends: Ends | null) => void,
): void {
  file.size((sizeError, bytes) => {
    if (sizeError) return done(sizeError, null);
    if (bytes < FOOTER_SECTION_BYTES) return done(damaged(`no more than ${bytes} bytes`), null);
    file.read(0, Math.min(bytes, HEADER_SECTION_BYTES_MAX), (headError, head) => {
      if (headError) return done(headError, null);
      file.read(bytes - FOOTER_SECTION_BYTES, FOOTER_SECTION_BYTES, (footError, foot) => {
        if (footError) return done(footError, null);
        let ends: Ends;
        try {
          ends = { bytes, meta: headerOf(head, crc32), crc: fileCrcOf(foot, crc32) };
        } catch (thrown) {
          return done(damaged(toError(thrown).message), null);
        }
        done(null, ends);
      });
    });
  });
}

function headerOf(head: Uint8Array, crc32: Crc32): CheckpointMeta {
  const length = readSectionHead(head);
  return decodeCheckpointHeader(head.subarray(SECTION_HEAD_BYTES, SECTION_HEAD_BYTES + length), crc32);
}

/** The footer's CRC covers everything before its own last four bytes: continued over those it is the file's. */
function fileCrcOf(foot: Uint8Array, crc32: Crc32): number {
  readSectionHead(foot);
  const footer = decodeFrameOrFooter(foot.subarray(SECTION_HEAD_BYTES));
  if (!isFooter(footer)) throw damaged('no footer at its end');
  return crc32(foot.subarray(foot.length - 4), footer.crc);
}

class FileStream implements CheckpointStream {
  readonly bytes: number;
  readonly crc: number;
  readonly meta: CheckpointMeta;
  private released = false;
  private reads = 0;

  constructor(
    private readonly file: OpenFile,
    ends: Ends,
    private readonly onRelease: () => void,
  ) {
    this.bytes = ends.bytes;
    this.crc = ends.crc;
    this.meta = ends.meta;
  }

  read(offset: number, length: number, done: (error: Error | null, bytes: Uint8Array) => void): void {
    assert(!this.released, 'read from a released checkpoint stream');
    this.reads++;
    this.file.read(offset, length, (error, bytes) => {
      this.reads--;
      this.maybeClose();
      done(error, bytes);
    });
  }

  release(): void {
    if (this.released) return;
    this.released = true;
    this.onRelease();
    this.maybeClose();
  }

  /** The descriptor must outlive the reads under way, or they would read another file's. */
  private maybeClose(): void {
    if (!this.released || this.reads > 0) return;
    this.file.close(() => undefined); // nothing was written through it
  }
}

function damaged(what: string): StorageError {
  return new StorageError('DAMAGED_CHECKPOINT', `checkpoint file: ${what}`);
}
