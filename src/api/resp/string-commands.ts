/** Commands on whole values: reading and deleting them, many at a time, and counting. SET is in set-commands.ts. */
import { encodeIncrBy, encodeIncrByFloat, Op } from '../../kv/index.js';
import type { CommandContext } from './command-context.js';
import { checkKey, checkValue, NOT_AN_INTEGER, wrongArityText, type CommandSpec } from './command-spec.js';
import { Join } from './gather.js';
import { parseInt64 } from './integers.js';
import { runByShard } from './many-keys.js';
import { runKeyCommand, submitForKey } from './one-key.js';
import { Shape } from './result-encoder.js';

const INT64_MIN = -(1n << 63n);
/** Beyond any number's text (kv/decimal.ts). */
const AMOUNT_BYTES_MAX = 1024;
const NOT_A_FLOAT = 'ERR value is not a valid float';

function runMget(c: CommandContext): void {
  runByShard(c, Op.mget, 1, Join.array);
}

function runMset(c: CommandContext): void {
  if (c.args.count % 2 === 0) return c.replyError(wrongArityText('mset'));
  for (let i = 2; i < c.args.count; i += 2) if (!checkValue(c, i)) return;
  runByShard(c, Op.mset, 2, Join.ok);
}

function incrementBy(c: CommandContext, delta: bigint): void {
  if (!checkKey(c, 1)) return;
  const { args } = c;
  encodeIncrBy(c.server.scratch, delta, args.bytes, args.start(1), args.end(1));
  submitForKey(c);
}

function runIncrby(c: CommandContext): void {
  const delta = parseInt64(c.args.bytes, c.args.start(2), c.args.end(2));
  if (delta === null) return c.replyError(NOT_AN_INTEGER);
  incrementBy(c, delta);
}

function runDecrby(c: CommandContext): void {
  const delta = parseInt64(c.args.bytes, c.args.start(2), c.args.end(2));
  if (delta === null) return c.replyError(NOT_AN_INTEGER);
  if (delta === INT64_MIN) return c.replyError('ERR decrement would overflow');
  incrementBy(c, -delta);
}

/** Whether the amount is a number, the state machine says: it alone knows what it adds. */
function runIncrbyfloat(c: CommandContext): void {
  if (!checkKey(c, 1)) return;
  const { args } = c;
  if (args.end(2) - args.start(2) > AMOUNT_BYTES_MAX) return c.replyError(NOT_A_FLOAT);
  encodeIncrByFloat(
    c.server.scratch,
    args.bytes,
    args.start(1),
    args.end(1),
    args.bytes,
    args.start(2),
    args.end(2),
  );
  submitForKey(c);
}

const ONE_KEY = [1, 1, 1] as const;
const COUNTER = {
  flags: ['write', 'denyoom', 'fast'],
  keys: ONE_KEY,
  group: 'string',
  since: '1.0.0',
  complexity: 'O(1)',
  shape: Shape.plain,
  cache: 'none',
} as const;

export const STRING_COMMANDS: readonly CommandSpec[] = [
  {
    name: 'get',
    arity: 2,
    flags: ['readonly', 'fast'],
    keys: ONE_KEY,
    group: 'string',
    since: '1.0.0',
    complexity: 'O(1)',
    summary: 'Get the value of a key',
    shape: Shape.plain,
    cache: 'get',
    run: (c) => runKeyCommand(c, Op.get),
  },
  {
    name: 'getdel',
    arity: 2,
    flags: ['write', 'fast'],
    keys: ONE_KEY,
    group: 'string',
    since: '6.2.0',
    complexity: 'O(1)',
    summary: 'Get the value of a key, and delete it',
    shape: Shape.plain,
    cache: 'get',
    run: (c) => runKeyCommand(c, Op.getDel),
  },
  {
    name: 'mget',
    arity: -2,
    flags: ['readonly', 'fast'],
    keys: [1, -1, 1],
    group: 'string',
    since: '1.0.0',
    complexity: 'O(N) for N keys',
    summary: 'Get the values of several keys; keys of one shard are read at one moment',
    shape: Shape.plain,
    cache: 'get',
    run: runMget,
  },
  {
    name: 'mset',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: [1, -1, 2],
    group: 'string',
    since: '1.0.1',
    complexity: 'O(N) for N keys',
    summary: 'Set several keys; atomic among keys of one shard',
    shape: Shape.plain,
    cache: 'put',
    run: runMset,
  },
  { ...COUNTER, name: 'incr', arity: 2, summary: 'Add one to a number', run: (c) => incrementBy(c, 1n) },
  { ...COUNTER, name: 'decr', arity: 2, summary: 'Take one from a number', run: (c) => incrementBy(c, -1n) },
  { ...COUNTER, name: 'incrby', arity: 3, summary: 'Add to a number', run: runIncrby },
  { ...COUNTER, name: 'decrby', arity: 3, summary: 'Take from a number', run: runDecrby },
  {
    ...COUNTER,
    name: 'incrbyfloat',
    arity: 3,
    since: '2.6.0',
    summary: 'Add to a decimal number',
    run: runIncrbyfloat,
  },
];
