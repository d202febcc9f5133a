/** Commands on all keys: counting, walking through them, deleting every one. Which shards "all" covers, the server says. */
import { Op } from '../../kv/index.js';
import type { CommandContext } from './command-context.js';
import { isWord, SYNTAX_ERROR, type CommandSpec } from './command-spec.js';
import { Join } from './gather.js';
import { runKeys } from './keys.js';
import { runOnAllShards } from './many-keys.js';
import { runRandomKey } from './random-key.js';
import { Shape } from './result-encoder.js';
import { runScan } from './scan.js';

/** Deletes shard by shard; SYNC and ASYNC mean the same, as a reply always comes after the deletion. */
function runFlush(c: CommandContext): void {
  const { args } = c;
  const known = args.count === 1 || isWord(args, 1, 'async') || isWord(args, 1, 'sync');
  if (!known || args.count > 2) return c.replyError(SYNTAX_ERROR);
  runOnAllShards(c, Op.flush, Join.ok);
}

const KEYSPACE = {
  keys: [0, 0, 0],
  since: '1.0.0',
  complexity: 'O(S) for S shards',
  shape: Shape.plain,
  cache: 'none',
} as const;
const WALK = { ...KEYSPACE, group: 'generic', flags: ['readonly'] } as const;

export const KEYSPACE_COMMANDS: readonly CommandSpec[] = [
  {
    ...WALK,
    name: 'scan',
    arity: -2,
    since: '2.8.0',
    complexity: 'O(1) for each call, O(N) for all N keys',
    summary: 'Get some keys, and a cursor to go on with',
    run: runScan,
  },
  {
    ...WALK,
    name: 'keys',
    arity: 2,
    complexity: 'O(N) for all N keys',
    summary: 'Get all keys that match a pattern, up to a limit',
    run: runKeys,
  },
  {
    ...WALK,
    name: 'randomkey',
    arity: 1,
    complexity: 'O(S) for S shards, O(1) unless most are empty',
    summary: 'Get a key drawn at random',
    run: runRandomKey,
  },
  {
    ...KEYSPACE,
    name: 'dbsize',
    arity: 1,
    group: 'server',
    flags: ['readonly', 'fast'],
    summary: 'Count all keys',
    run: (c) => runOnAllShards(c, Op.dbsize, Join.sum),
  },
  {
    ...KEYSPACE,
    name: 'flushall',
    arity: -1,
    group: 'server',
    flags: ['write'],
    summary: 'Delete all keys, shard by shard',
    run: runFlush,
  },
  {
    ...KEYSPACE,
    name: 'flushdb',
    arity: -1,
    group: 'server',
    flags: ['write'],
    summary: 'Delete all keys, shard by shard; the same as FLUSHALL',
    run: runFlush,
  },
];
