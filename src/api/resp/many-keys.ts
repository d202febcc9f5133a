/**
 * Commands that name several keys: one command when one shard has them all, else a part for each shard. And those
 * that name none, and go to every shard.
 */
import type { Op } from '../../kv/index.js';
import { beginCommand, beginMany, putKey, putValue } from '../../kv/index.js';
import type { CommandContext } from './command-context.js';
import { checkKey } from './command-spec.js';
import { Join } from './gather.js';
import { writeInt } from './reply-writer.js';
import { Outcome } from './result-encoder.js';

/** Arguments from 1 on are keys, or with Op.mset keys and values in turn. */
export function runByShard(c: CommandContext, op: Op, step: 1 | 2, join: Join): void {
  const { args, server } = c;
  for (let i = 1; i < args.count; i += step) if (!checkKey(c, i)) return;
  const plan = server.splitter;
  plan.plan(server.gateway, args, 1, step);
  if (plan.partCount === 0) return c.replyFailure('SHARD_LEADER_UNKNOWN');
  if (plan.partCount === 1) {
    encodePart(c, op, step, 0);
    return c.submit(plan.slotOf(0), plan.keyCount);
  }
  const order = join === Join.array ? plan.takePartOfKey() : null;
  c.beginGather(join, plan.partCount, plan.keyCount, order);
  for (let part = 0; part < plan.partCount; part++) {
    server.scratch.reset();
    encodePart(c, op, step, part);
    c.submitPart(plan.slotOf(part));
  }
}

function encodePart(c: CommandContext, op: Op, step: 1 | 2, part: number): void {
  const { args, server } = c;
  const w = server.scratch;
  const plan = server.splitter;
  beginMany(w, op, plan.countOf(part));
  for (let key = plan.headOf(part); key >= 0; key = plan.nextOf(key)) {
    const at = 1 + key * step;
    putKey(w, args.bytes, args.start(at), args.end(at));
    if (step === 2) putValue(w, args.bytes, args.start(at + 1), args.end(at + 1));
  }
}

/** A command without operands, to every shard of the keyspace. */
export function runOnAllShards(c: CommandContext, op: Op, join: Join): void {
  const shards = c.server.shardsOfKeyspace();
  const only = shards[0];
  if (!only) return replyForNoShard(c, join);
  beginCommand(c.server.scratch, op);
  if (shards.length === 1) return c.submit(only.firstSlot, 0);
  c.beginGather(join, shards.length, 0, null);
  for (const shard of shards) c.submitPart(shard.firstSlot);
}

/** A keyspace without shards is an empty one, if the map is known. */
function replyForNoShard(c: CommandContext, join: Join): void {
  if (c.server.gateway.shards().length === 0) return c.replyFailure('SHARD_LEADER_UNKNOWN');
  if (join !== Join.sum) return c.replyOk();
  writeInt(c.beginReply(), 0);
  c.endReply(Outcome.ok);
}
