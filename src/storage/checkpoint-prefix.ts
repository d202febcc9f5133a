/**
 * How much of a checkpoint file's beginning is whole: header and frames, each checked by its own CRC, up to the first
 * that is not. Behind that place a transfer goes on. The footer is left out, so that something is always still to come.
 * Nothing is decompressed: that is checked when the file is complete.
 */
import {
  decodeCheckpointHeader,
  decodeFrameOrFooter,
  FRAME_SECTION_BYTES,
  HEADER_SECTION_BYTES_MAX,
  isFooter,
  isFrameWhole,
  MalformedFrame,
  readSectionHead,
  SECTION_HEAD_BYTES,
} from '../codec/index.js';
import type { OpenFile } from '../ports/index.js';
import type { ScanTools } from './checkpoint-scan.js';

export interface WholePrefix {
  readonly bytes: number;
  /** CRC-32 of these bytes. */
  readonly crc: number;
}

/** The file stays open. Damage is no error here, only an end. */
export function scanPrefix(
  file: OpenFile,
  tools: ScanTools,
  done: (error: Error | null, prefix: WholePrefix) => void,
): void {
  file.size((error, bytes) => {
    if (error) done(error, { bytes: 0, crc: 0 });
    else new PrefixScan(file, bytes, tools, done).nextSection();
  });
}

class PrefixScan {
  /** Everything before is whole. */
  private whole: WholePrefix = { bytes: 0, crc: 0 };
  private frames = 0;
  private position = 0;
  private crc = 0;

  constructor(
    private readonly file: OpenFile,
    private readonly fileBytes: number,
    private readonly tools: ScanTools,
    private readonly done: (error: Error | null, prefix: WholePrefix) => void,
  ) {}

  nextSection(): void {
    this.read(SECTION_HEAD_BYTES, (head) => {
      const length = readSectionHead(head);
      const isHeader = this.whole.bytes === 0;
      if (length > (isHeader ? HEADER_SECTION_BYTES_MAX : FRAME_SECTION_BYTES)) return this.end();
      this.read(length, (body) => {
        if (isHeader) {
          decodeCheckpointHeader(body, this.tools.crc32);
          this.advance();
        } else this.frame(body);
      });
    });
  }

  private frame(body: Uint8Array): void {
    const section = decodeFrameOrFooter(body);
    if (isFooter(section) || section.number !== this.frames) return this.end();
    this.read(section.packedBytes, (packed) => {
      if (!isFrameWhole(body, packed, section.crc, this.tools.crc32)) return this.end();
      this.frames++;
      this.advance();
    });
  }

  /** The section that was just read is whole. Other work runs before the next one. */
  private advance(): void {
    this.whole = { bytes: this.position, crc: this.crc };
    this.tools.timers.soon(() => this.nextSection());
  }

  /** Reads exactly so many bytes, or ends; `use` may throw on what is malformed. */
  private read(length: number, use: (bytes: Uint8Array) => void): void {
    if (this.position + length > this.fileBytes) {
      this.tools.timers.soon(() => this.end());
      return;
    }
    this.file.read(this.position, length, (error, bytes) => {
      if (error) return this.done(error, { bytes: 0, crc: 0 });
      if (bytes.length !== length) return this.end();
      this.position += length;
      this.crc = this.tools.crc32(bytes, this.crc);
      try {
        use(bytes);
      } catch (thrown) {
        if (!(thrown instanceof MalformedFrame)) throw thrown;
        this.end();
      }
    });
  }

  private end(): void {
    this.done(null, this.whole);
  }
}
