/**
 * Reads a checkpoint file from end to end and checks all of it: header, each frame's packed bytes before they are
 * decompressed and its plain bytes after, counts, the CRC of the whole file, and that nothing follows. One frame a
 * slice: other work runs in between. Memory is bounded by one frame.
 */
import { InvariantError, UnknownSnapshotFormat, UnknownVersionError } from '../base/index.js';
import {
  decodeCheckpointHeader,
  decodeFrameOrFooter,
  FOOTER_SECTION_BYTES,
  FRAME_SECTION_BYTES,
  HEADER_SECTION_BYTES_MAX,
  isFooter,
  isFrameWhole,
  MalformedFrame,
  readSectionHead,
  SECTION_HEAD_BYTES,
  UnknownCheckpointVersion,
  type CheckpointFooter,
  type FrameSection,
} from '../codec/index.js';
import type { Compressor, Crc32, OpenFile, Timers } from '../ports/index.js';
import type { CheckpointMeta } from './api.js';
import { StorageError, toError } from './errors.js';

export interface ScanTools {
  readonly crc32: Crc32;
  readonly compressor: Compressor;
  readonly timers: Timers;
}

export interface CheckpointFacts {
  readonly meta: CheckpointMeta;
  readonly bytes: number;
  /** CRC-32 of the whole file. */
  readonly crc: number;
  readonly plainBytes: number;
}

type Scanned = (error: Error | null, facts: CheckpointFacts | null) => void;

/** `onChunk` gets the plain chunks in order; what it throws ends the scan. The file stays open. */
export function scanCheckpoint(
  file: OpenFile,
  tools: ScanTools,
  onChunk: ((plain: Uint8Array) => void) | null,
  done: Scanned,
): void {
  file.size((error, bytes) => {
    if (error) done(error, null);
    else if (bytes === 0) done(new StorageError('EMPTY_CHECKPOINT', 'checkpoint file: no bytes'), null);
    else new CheckpointScan(file, bytes, tools, onChunk, done).begin();
  });
}

class CheckpointScan {
  private position = 0;
  /** CRC of all bytes before `position`. */
  private crc = 0;
  private frames = 0;
  private plainBytes = 0;
  private meta: CheckpointMeta | null = null;

  constructor(
    private readonly file: OpenFile,
    private readonly fileBytes: number,
    private readonly tools: ScanTools,
    private readonly onChunk: ((plain: Uint8Array) => void) | null,
    private readonly done: Scanned,
  ) {}

  begin(): void {
    this.guard(() => this.header());
  }

  private header(): void {
    this.read(SECTION_HEAD_BYTES, (head) => {
      const length = readSectionHead(head);
      if (length > HEADER_SECTION_BYTES_MAX) throw damaged(`header of ${length} bytes`);
      this.read(length, (body) => {
        this.meta = decodeCheckpointHeader(body, this.tools.crc32);
        this.nextSection();
      });
    });
  }

  private nextSection(): void {
    this.read(SECTION_HEAD_BYTES, (head) => {
      const before = this.crc;
      const length = readSectionHead(head);
      if (length > FRAME_SECTION_BYTES) throw damaged(`section of ${length} bytes`);
      this.read(length, (body) => {
        const section = decodeFrameOrFooter(body);
        if (isFooter(section)) this.end(section, before, body);
        else this.frame(section, body);
      });
    });
  }

  private frame(section: FrameSection, body: Uint8Array): void {
    const { crc32, compressor } = this.tools;
    if (section.number !== this.frames) throw damaged(`frame ${section.number} where ${this.frames} belongs`);
    this.read(section.packedBytes, (packed) => {
      if (!isFrameWhole(body, packed, section.crc, crc32))
        throw damaged(`frame ${section.number}: wrong CRC`);
      const plain = compressor.decompress(packed, section.plainBytes);
      if (plain.length !== section.plainBytes || crc32(plain) !== section.plainCrc) {
        throw damaged(`frame ${section.number}: wrong plain bytes`);
      }
      this.frames++;
      this.plainBytes += plain.length;
      this.onChunk?.(plain);
      this.tools.timers.soon(() => this.guard(() => this.nextSection()));
    });
  }

  private end(footer: CheckpointFooter, crcBeforeBody: number, body: Uint8Array): void {
    if (this.position !== this.fileBytes) throw damaged('bytes behind the footer');
    if (footer.frames !== this.frames || footer.plainBytes !== this.plainBytes) {
      throw damaged(`footer counts ${footer.frames} frames, there are ${this.frames}`);
    }
    const crc = this.tools.crc32(body.subarray(0, body.length - 4), crcBeforeBody);
    if (crc !== footer.crc) throw damaged('wrong CRC of the file');
    const { meta, fileBytes, plainBytes } = this;
    if (!meta) throw damaged('no header');
    const facts = { meta, bytes: fileBytes, crc: this.crc, plainBytes };
    this.tools.timers.soon(() => this.done(null, facts)); // outside `guard`: the caller's failures are not ours
  }

  /** Reads exactly `length` bytes; `use` may throw. */
  private read(length: number, use: (bytes: Uint8Array) => void): void {
    if (this.position + length > this.fileBytes) throw truncated(this.fileBytes, this.position + length);
    this.file.read(this.position, length, (error, bytes) => {
      if (error) return this.done(error, null);
      this.guard(() => {
        if (bytes.length !== length) throw truncated(this.position + bytes.length, this.position + length);
        this.position += length;
        this.crc = this.tools.crc32(bytes, this.crc);
        use(bytes);
      });
    });
  }

  /** Turns what `run` throws into the outcome; a broken invariant is not an outcome and passes. */
  private guard(run: () => void): void {
    let failure: StorageError;
    try {
      return run();
    } catch (thrown) {
      if (thrown instanceof InvariantError) throw thrown;
      failure = asDamaged(thrown);
    }
    if (failure.code === 'TRUNCATED_CHECKPOINT') this.judgeEnd(failure);
    else this.done(failure, null);
  }

  /** Where the file ends with a footer nothing was cut off: a length in the middle lies. */
  private judgeEnd(failure: StorageError): void {
    const at = Math.max(0, this.fileBytes - FOOTER_SECTION_BYTES);
    this.file.read(at, FOOTER_SECTION_BYTES, (error, bytes) => {
      if (error) this.done(error, null);
      else this.done(endsWithFooter(bytes) ? damaged('a length leads behind its end') : failure, null);
    });
  }
}

function endsWithFooter(tail: Uint8Array): boolean {
  try {
    readSectionHead(tail);
    return isFooter(decodeFrameOrFooter(tail.subarray(SECTION_HEAD_BYTES)));
  } catch (thrown) {
    if (thrown instanceof MalformedFrame) return false;
    throw thrown;
  }
}

function damaged(what: string): StorageError {
  return new StorageError('DAMAGED_CHECKPOINT', `checkpoint file: ${what}`);
}

function truncated(endsAt: number, neededTo: number): StorageError {
  const what = `checkpoint file: ends at ${endsAt}, in the middle of what goes to ${neededTo}`;
  return new StorageError('TRUNCATED_CHECKPOINT', what);
}

/** Whatever a check or the loader threw, by the name of what is wrong with the file. */
export function asDamaged(thrown: unknown): StorageError {
  if (thrown instanceof StorageError) return thrown;
  const isUnknown = [UnknownCheckpointVersion, UnknownSnapshotFormat, UnknownVersionError].some(
    (kind) => thrown instanceof kind,
  );
  const code = isUnknown ? 'UNKNOWN_CHECKPOINT_VERSION' : 'DAMAGED_CHECKPOINT';
  return new StorageError(code, `checkpoint file: ${toError(thrown).message}`, { cause: thrown });
}
