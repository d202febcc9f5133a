/**
 * Client bytes to commands, incrementally. The arguments of a command are positions into the bytes as they came;
 * nothing is copied unless a command is spread over several chunks.
 *
 *   bytes:   [ done ... | base: command being read ... | position: next byte to look at ... | filled )
 *
 * Invariants. The outcome depends on the bytes alone, never on how they were cut into chunks. Work per byte is
 * constant however small the chunks (a half-read command is resumed, not begun again). Memory grows with the bytes
 * that came, never with a declared length. After an error the parser is finished: the connection closes.
 */
import { assert, ByteWriter } from '../../base/index.js';
import { splitInline, type WordSink } from './inline.js';
import { parseInteger } from './integers.js';
import { ARGUMENTS_MAX, BULK_BYTES_FLOOR, IDLE_BUFFER_BYTES_MAX, LINE_BYTES_MAX } from './limits.js';

export const Parsed = { command: 0, more: 1, error: 2 } as const;
export type Parsed = (typeof Parsed)[keyof typeof Parsed];

export interface ParserLimits {
  readonly valueBytesMax: number;
  readonly commandBytesMax: number;
}

/** The arguments of one command; argument 0 is its name. Valid until the parser gets bytes or is asked for the next. */
export interface Arguments {
  readonly bytes: Uint8Array;
  readonly count: number;
  start(index: number): number;
  end(index: number): number;
}

const CR = 13;
const LF = 10;
const DOLLAR = 36;
const STAR = 42;
const POSITIONS_INITIAL = 32;
/** Positions above this many are given back after the command. */
const POSITIONS_KEPT_MAX = 2048;
const NO_BYTES = new Uint8Array(0);

export class RespParser implements Arguments, WordSink {
  /** Where the positions of the current command point into. */
  bytes: Uint8Array = NO_BYTES;
  count = 0;
  /** Without the leading '-'; set when `next` returned `error`. */
  error = '';

  private buffer: Uint8Array = NO_BYTES;
  /** Whether `buffer` is ours to write into: a chunk is not. */
  private owned = false;
  /** Start of the command being read. Positions are relative to it, so that moving the rest costs one copy. */
  private base = 0;
  private position = 0;
  private filled = 0;
  /** Added to a position: `base`, or 0 for an inline command. */
  private origin = 0;
  private positions = new Int32Array(POSITIONS_INITIAL);
  /** Arguments still to come; 0 between commands. */
  private missing = 0;
  /** Length of the bulk being read, -1 before its header is complete. */
  private bulkLength = -1;
  /** Bytes of this command's arguments, declared so far. */
  private commandBytes = 0;
  /** Up to here the line being read holds no terminator: a long line is searched once. */
  private searched = 0;
  private inline: ByteWriter | null = null;
  private readonly bulkBytesMax: number;

  constructor(private readonly limits: ParserLimits) {
    this.bulkBytesMax = Math.max(limits.valueBytesMax, BULK_BYTES_FLOOR);
  }

  /** Bytes that came and were not yet taken as commands. */
  get buffered(): number {
    return this.filled - this.base;
  }

  start(index: number): number {
    return this.origin + (this.positions[2 * index] as number);
  }

  end(index: number): number {
    return this.origin + (this.positions[2 * index + 1] as number);
  }

  /** Takes a chunk; it must not change afterwards. */
  push(chunk: Uint8Array): void {
    if (this.missing === 0) this.base = this.position;
    const rest = this.filled - this.base;
    if (rest === 0) {
      this.buffer = chunk;
      this.owned = false;
      this.base = this.position = this.searched = 0;
      this.filled = chunk.length;
      return;
    }
    if (!this.owned || this.filled + chunk.length > this.buffer.length) this.makeRoom(rest, chunk.length);
    this.buffer.set(chunk, this.filled);
    this.filled += chunk.length;
  }

  /** Reads on. `command`: the arguments stand in this object. Empty commands are passed over, as Redis does. */
  next(): Parsed {
    if (this.error !== '') return Parsed.error;
    const parsed = this.readCommand();
    if (parsed === Parsed.more) {
      if (this.base === this.filled) this.dropConsumed();
      else this.keepRest();
    }
    return parsed;
  }

  private readCommand(): Parsed {
    for (;;) {
      if (this.missing === 0) {
        this.beginCommand();
        if (this.position >= this.filled) return Parsed.more;
        const begun = this.buffer[this.position] === STAR ? this.readCount() : this.readInline();
        if (begun !== Parsed.command) return begun;
        if (this.missing === 0) {
          if (this.count > 0) return Parsed.command; // inline
          continue;
        }
      }
      const read = this.readArguments();
      if (read === Parsed.command) {
        this.bytes = this.buffer;
        this.origin = this.base;
      }
      return read;
    }
  }

  /** Gives everything back; for a closed connection. */
  release(): void {
    this.buffer = this.bytes = NO_BYTES;
    this.base = this.position = this.filled = 0;
    this.missing = this.count = 0;
    this.positions = new Int32Array(0);
    this.inline = null;
  }

  word(start: number, end: number): void {
    this.addArgument(start, end);
  }

  private beginCommand(): void {
    this.base = this.position;
    if (this.searched < this.base) this.searched = this.base;
    this.count = 0;
    this.commandBytes = 0;
    if (this.positions.length > POSITIONS_KEPT_MAX) this.positions = new Int32Array(POSITIONS_INITIAL);
  }

  /** `*COUNT\r\n` */
  private readCount(): Parsed {
    const cr = this.findLineEnd(CR, 'too big mbulk count string');
    if (cr < 0) return this.error === '' ? Parsed.more : Parsed.error;
    const count = parseInteger(this.buffer, this.base + 1, cr);
    if (!(count <= ARGUMENTS_MAX)) return this.fail('invalid multibulk length');
    this.position = cr + 2;
    this.missing = Math.max(0, count);
    this.bulkLength = -1;
    return Parsed.command;
  }

  private readArguments(): Parsed {
    while (this.missing > 0) {
      if (this.bulkLength < 0) {
        const header = this.readBulkLength();
        if (header !== Parsed.command) return header;
      }
      // As in Redis, the two bytes behind a bulk are passed over unseen.
      if (this.filled - this.position < this.bulkLength + 2) return Parsed.more;
      const start = this.position - this.base;
      this.addArgument(start, start + this.bulkLength);
      this.position += this.bulkLength + 2;
      this.bulkLength = -1;
      this.missing--;
    }
    return Parsed.command;
  }

  /** `$LENGTH\r\n` */
  private readBulkLength(): Parsed {
    if (this.searched < this.position) this.searched = this.position;
    const cr = this.findLineEnd(CR, 'too big bulk count string');
    if (cr < 0) return this.error === '' ? Parsed.more : Parsed.error;
    const kind = this.buffer[this.position] as number;
    if (kind !== DOLLAR) {
      const shown = kind === CR || kind === LF ? ' ' : String.fromCharCode(kind);
      return this.fail(`expected '$', got '${shown}'`);
    }
    const length = parseInteger(this.buffer, this.position + 1, cr);
    if (!(length >= 0 && length <= this.bulkBytesMax)) return this.fail('invalid bulk length');
    this.commandBytes += length;
    if (this.commandBytes > this.limits.commandBytesMax) {
      return this.fail(`command is longer than ${this.limits.commandBytesMax} bytes`);
    }
    this.position = cr + 2;
    this.bulkLength = length;
    return Parsed.command;
  }

  private readInline(): Parsed {
    const lf = this.findLineEnd(LF, 'too big inline request');
    if (lf < 0) return this.error === '' ? Parsed.more : Parsed.error;
    this.inline ??= new ByteWriter(256);
    this.inline.reset();
    const lineEnd = lf > this.base && this.buffer[lf - 1] === CR ? lf - 1 : lf;
    if (!splitInline(this.buffer, this.base, lineEnd, this.inline, this)) {
      return this.fail('unbalanced quotes in request');
    }
    this.position = lf + 1;
    this.bytes = this.inline.buffer;
    this.origin = 0;
    return Parsed.command;
  }

  /**
   * Where the line at `position` ends, or -1 while it is incomplete or (then `error` is set) too long. The limit
   * counts whether or not the end is there already, so that chunks don't matter. A CR counts once one more byte
   * is there: Redis passes over the pair without looking at the second.
   */
  private findLineEnd(terminator: number, tooLong: string): number {
    const buffer = this.buffer;
    const limit = Math.min(this.filled, this.position + LINE_BYTES_MAX + 1);
    let i = this.searched;
    while (i < limit && buffer[i] !== terminator) i++;
    this.searched = i;
    if (i < limit) return terminator === CR && i + 1 >= this.filled ? -1 : i;
    if (limit - this.position > LINE_BYTES_MAX) this.fail(tooLong);
    return -1;
  }

  private addArgument(start: number, end: number): void {
    const at = 2 * this.count++;
    if (at + 2 > this.positions.length) {
      const grown = new Int32Array(this.positions.length * 2);
      grown.set(this.positions);
      this.positions = grown;
    }
    this.positions[at] = start;
    this.positions[at + 1] = end;
  }

  private fail(what: string): Parsed {
    assert(this.error === '', `a second protocol error: ${what}`);
    this.error = `ERR Protocol error: ${what}`;
    return Parsed.error;
  }

  /** Everything was taken: forget the chunk, and a buffer that grew large. */
  private dropConsumed(): void {
    if (!this.owned || this.buffer.length > IDLE_BUFFER_BYTES_MAX) {
      this.buffer = NO_BYTES;
      this.owned = false;
    }
    this.base = this.position = this.searched = this.filled = 0;
    if (this.inline && this.inline.buffer.length > IDLE_BUFFER_BYTES_MAX) this.inline = null;
  }

  /**
   * Copies a short rest out of a long chunk, which would otherwise stay in memory for as long as a slow client
   * likes. At most once for each chunk.
   */
  private keepRest(): void {
    const rest = this.filled - this.base;
    if (this.owned || rest > this.buffer.length / 2) return;
    this.moveTo(new Uint8Array(roundUp(rest)), rest);
  }

  /** Moves the unfinished command to the front of a buffer of ours with room for `more` bytes. */
  private makeRoom(rest: number, more: number): void {
    const fits = this.owned && rest + more <= this.buffer.length;
    this.moveTo(fits ? this.buffer : new Uint8Array(roundUp(rest + more)), rest);
  }

  private moveTo(target: Uint8Array, rest: number): void {
    if (target === this.buffer) target.copyWithin(0, this.base, this.filled);
    else target.set(this.buffer.subarray(this.base, this.filled));
    this.buffer = target;
    this.owned = true;
    this.position -= this.base;
    this.searched -= this.base;
    this.base = 0;
    this.filled = rest;
  }
}

/** Powers of two, so that a command that comes in crumbs is copied a logarithmic number of times. */
function roundUp(bytes: number): number {
  let capacity = 256;
  while (capacity < bytes) capacity *= 2;
  return capacity;
}
