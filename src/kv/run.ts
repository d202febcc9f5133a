/**
 * What one command runs with: the state, where its operands are read from and where its result goes. One such object
 * serves all commands of a shard.
 */
import { ByteReader, ByteWriter, EMPTY_BYTES, type LogIndex, type VersionRange } from '../base/index.js';
import { INT64_TEXT_BYTES_MAX } from './int64.js';
import { Tag } from './result.js';
import type { ShardState } from './state.js';

/** A shard keeps no more than this between commands; there may be thousands of shards. */
const ROOM_KEPT_MAX = 16 * 1024;

export class Run {
  readonly reader = new ByteReader(new Uint8Array(0));
  out = new ByteWriter();
  /** The time at which liveness is judged besides the applied timestamp; equal to it inside `apply`. */
  nowMs = 0;
  /** Of the entry that is being applied. */
  index: LogIndex = 0;
  /** Where INCR prints its sum. */
  readonly digits = new Uint8Array(INT64_TEXT_BYTES_MAX);
  /** The key that was named last, in the reader's buffer. */
  keyStart = 0;
  keyEnd = 0;

  private roomKept = EMPTY_BYTES;

  constructor(
    public state: ShardState,
    readonly valueBytesMax: number,
    /** Cluster versions that this build knows. */
    readonly versions: VersionRange,
  ) {}

  /** Finds the key `[start, end)` of the command's bytes; see `ShardState.find`. */
  find(start: number, end: number): boolean {
    this.nameKey(start, end);
    return this.state.find(this.reader.buffer, start, end, this.nowMs);
  }

  nameKey(start: number, end: number): void {
    this.keyStart = start;
    this.keyEnd = end;
  }

  /** Whether the key that was named last is there now. */
  findNamed(): boolean {
    return this.state.find(this.reader.buffer, this.keyStart, this.keyEnd, this.nowMs);
  }

  /** At least `count` bytes to put a new value together in, of any content; valid until the next call. */
  room(count: number): Uint8Array {
    if (count > ROOM_KEPT_MAX) return new Uint8Array(count);
    if (this.roomKept.length < count) this.roomKept = new Uint8Array(Math.min(2 * count, ROOM_KEPT_MAX));
    return this.roomKept;
  }

  putOk(): void {
    this.out.u8(Tag.ok);
  }

  putNil(): void {
    this.out.u8(Tag.nil);
  }
}
