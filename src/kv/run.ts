/**
 * What one command runs with: the state, where its operands are read from and where its result goes. One such object
 * serves all commands of a shard.
 */
import { ByteReader, ByteWriter } from '../base/index.js';
import { INT64_TEXT_BYTES_MAX } from './int64.js';
import { Tag } from './result.js';
import type { ShardState } from './state.js';

export class Run {
  readonly reader = new ByteReader(new Uint8Array(0));
  out = new ByteWriter();
  /** The time at which liveness is judged besides the applied timestamp; equal to it inside `apply`. */
  nowMs = 0;
  /** Where INCR prints its sum. */
  readonly digits = new Uint8Array(INT64_TEXT_BYTES_MAX);

  constructor(
    public state: ShardState,
    readonly valueBytesMax: number,
  ) {}

  /** Finds the key `[start, end)` of the command's bytes; see `ShardState.find`. */
  find(start: number, end: number): boolean {
    return this.state.find(this.reader.buffer, start, end, this.nowMs);
  }

  putOk(): void {
    this.out.u8(Tag.ok);
  }

  putNil(): void {
    this.out.u8(Tag.nil);
  }
}
