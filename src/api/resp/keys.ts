/**
 * KEYS: every key that matches, of a few shards at a time. Unlike in Redis it does not hold up the commands of others,
 * but the reply has to fit into memory, so that it is bounded; SCAN is not.
 */
import { assert, ByteWriter } from '../../base/index.js';
import type { ShardRange } from '../gateway-port.js';
import type { CommandContext } from './command-context.js';
import { KeyPages } from './key-pages.js';
import { KEYS_BYTES_MAX, KEYS_COUNT_MAX, KEYS_LANES_MAX } from './limits.js';
import { writeArray, writeBulk } from './reply-writer.js';
import { Outcome } from './result-encoder.js';
import { checkPattern, patternOf } from './scan.js';

const TOO_MANY = 'ERR KEYS found more than one reply may hold; use SCAN';

export function runKeys(c: CommandContext): void {
  if (!checkPattern(c, 1)) return;
  const shards = c.server.shardsOfKeyspace();
  if (shards.length > 0) return c.iterate(new Keys(shards, patternOf(c.args, 1)));
  if (c.server.gateway.shards().length === 0) return c.replyFailure('SHARD_LEADER_UNKNOWN');
  writeArray(c.beginReply(), 0);
  c.endReply(Outcome.ok);
}

class Keys extends KeyPages {
  private found = new ByteWriter(1024);
  private foundCount = 0;
  /** Shards given to lanes so far. */
  private begun = 0;

  constructor(
    private readonly shards: readonly ShardRange[],
    pattern: Uint8Array | null,
  ) {
    super(Math.min(shards.length, KEYS_LANES_MAX), pattern);
    for (let lane = 0; lane < this.laneCount; lane++) this.beginShard(lane);
  }

  get keptBytes(): number {
    return this.found.length;
  }

  protected takeKey(bytes: Uint8Array, start: number, end: number, bytesMax: number): boolean {
    writeBulk(this.found, bytes, start, end);
    this.foundCount++;
    const fits = this.foundCount <= KEYS_COUNT_MAX && this.found.length <= Math.min(KEYS_BYTES_MAX, bytesMax);
    return fits || this.refuse(TOO_MANY);
  }

  protected onPage(): boolean {
    return true;
  }

  protected onShardEnd(lane: number): boolean {
    return this.beginShard(lane);
  }

  private beginShard(lane: number): boolean {
    if (this.begun === this.shards.length) return false;
    const shard = this.shards[this.begun++];
    assert(shard, 'a shard beyond the last one');
    this.moveTo(lane, shard.firstSlot, 0);
    return true;
  }

  protected writeReply(w: ByteWriter): void {
    writeArray(w, this.foundCount);
    w.bytes(this.found.buffer, 0, this.found.length);
  }

  protected drop(): void {
    this.found = new ByteWriter(16);
  }
}
