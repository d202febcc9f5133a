/**
 * RANDOMKEY: a shard drawn at random, a place among its keys drawn at random; then the other shards in turn, until one
 * has a key. Not every key is equally likely: one behind a wide gap between hashes is likelier, and so is one of a
 * shard with few keys.
 */
import { assert, copyBytes, type ByteReader, type ByteWriter, type Slot } from '../../base/index.js';
import { encodeRandomKey, Tag } from '../../kv/index.js';
import type { ShardRange } from '../gateway-port.js';
import type { CommandContext } from './command-context.js';
import { Iteration } from './iteration.js';
import { writeBulk, writeNull, type RespVersion } from './reply-writer.js';
import { Outcome } from './result-encoder.js';

export function runRandomKey(c: CommandContext): void {
  const shards = c.server.shardsOfKeyspace();
  const { entropy, gateway } = c.server;
  if (shards.length > 0) {
    return c.iterate(new RandomKey(shards, entropy.below(shards.length), entropy.u32()));
  }
  if (gateway.shards().length === 0) return c.replyFailure('SHARD_LEADER_UNKNOWN');
  writeNull(c.beginReply(), c.version);
  c.endReply(Outcome.ok);
}

class RandomKey extends Iteration {
  private key: Uint8Array | null = null;
  private asked = 0;

  constructor(
    private readonly shards: readonly ShardRange[],
    private readonly first: number,
    private readonly atHash: number,
  ) {
    super(1);
  }

  get keptBytes(): number {
    return this.key?.length ?? 0;
  }

  encodeNext(_lane: number, w: ByteWriter): Slot {
    encodeRandomKey(w, this.atHash);
    const shard = this.shards[(this.first + this.asked++) % this.shards.length];
    assert(shard, 'a random key of no shard');
    return shard.firstSlot;
  }

  protected takeAnswer(_lane: number, reader: ByteReader): boolean {
    const tag = reader.u8();
    if (tag === Tag.nil) return this.asked < this.shards.length;
    assert(tag === Tag.bytes, `a random key with tag ${tag}`);
    const length = reader.u32();
    const start = reader.position;
    reader.skip(length);
    this.key = copyBytes(reader.buffer, start, start + length);
    return false;
  }

  protected takeRefusal(_lane: number, error: number): boolean {
    return this.refuseAs(error);
  }

  protected writeReply(w: ByteWriter, version: RespVersion): void {
    if (this.key === null) writeNull(w, version);
    else writeBulk(w, this.key, 0, this.key.length);
  }

  protected drop(): void {
    this.key = null;
  }
}
