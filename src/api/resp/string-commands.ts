/** Commands on values: GET, SET, MGET, MSET and the counters. */
import {
  beginSet,
  encodeIncrBy,
  encodeKeyCommand,
  ExpiryKind,
  Op,
  putKey,
  putValue,
  SetFlag,
} from '../../kv/index.js';
import { slotOfKey } from '../../topology/index.js';
import type { CommandContext } from './command-context.js';
import {
  checkKey,
  checkValue,
  isWord,
  NOT_AN_INTEGER,
  SYNTAX_ERROR,
  wrongArityText,
  type CommandSpec,
} from './command-spec.js';
import { invalidExpireText } from './error-table.js';
import { Join } from './gather.js';
import { parseInt64, parseInteger } from './integers.js';
import { EXPIRY_MS_MAX } from './limits.js';
import { runByShard } from './many-keys.js';
import { Shape } from './result-encoder.js';

const INT64_MIN = -(1n << 63n);

function runGet(c: CommandContext): void {
  if (!checkKey(c, 1)) return;
  const { bytes } = c.args;
  const start = c.args.start(1);
  const end = c.args.end(1);
  encodeKeyCommand(c.server.scratch, Op.get, bytes, start, end);
  c.submit(slotOfKey(bytes, start, end), 1);
}

/** How SET was asked to expire: the unit, and from when. */
const Expire = { none: 0, ex: 1, px: 2, exat: 3, pxat: 4 } as const;

function runSet(c: CommandContext): void {
  if (!checkKey(c, 1) || !checkValue(c, 2)) return;
  const { args } = c;
  let flags = 0;
  let expire: number = Expire.none;
  let timeAt = 0;
  for (let i = 3; i < args.count; i++) {
    const unit = expireOption(c, i);
    if (unit !== Expire.none) {
      // The same unit twice is fine in Redis, and the last counts; two different ones are not.
      const clash = (expire !== Expire.none && expire !== unit) || (flags & SetFlag.keepTtl) !== 0;
      if (clash || i + 1 >= args.count) return c.replyError(SYNTAX_ERROR);
      expire = unit;
      timeAt = ++i;
      continue;
    }
    const flag = setOption(c, i);
    const clash =
      flag === 0 ||
      (flag === SetFlag.ifAbsent && (flags & SetFlag.ifPresent) !== 0) ||
      (flag === SetFlag.ifPresent && (flags & SetFlag.ifAbsent) !== 0) ||
      (flag === SetFlag.keepTtl && expire !== Expire.none);
    if (clash) return c.replyError(SYNTAX_ERROR);
    flags |= flag;
  }

  let expiryMs = 0;
  if (expire !== Expire.none) {
    expiryMs = parseInteger(args.bytes, args.start(timeAt), args.end(timeAt));
    if (Number.isNaN(expiryMs)) return c.replyError(NOT_AN_INTEGER);
    if (expire === Expire.ex || expire === Expire.exat) expiryMs *= 1000;
    if (expiryMs <= 0 || expiryMs > EXPIRY_MS_MAX) return c.replyError(invalidExpireText('set'));
  }
  const kind =
    expire === Expire.none
      ? ExpiryKind.none
      : expire === Expire.ex || expire === Expire.px
        ? ExpiryKind.relative
        : ExpiryKind.absolute;
  const w = c.server.scratch;
  beginSet(w, flags, kind, expiryMs);
  putKey(w, args.bytes, args.start(1), args.end(1));
  putValue(w, args.bytes, args.start(2), args.end(2));
  c.submit(slotOfKey(args.bytes, args.start(1), args.end(1)), 1);
}

function expireOption(c: CommandContext, index: number): number {
  if (isWord(c.args, index, 'ex')) return Expire.ex;
  if (isWord(c.args, index, 'px')) return Expire.px;
  if (isWord(c.args, index, 'exat')) return Expire.exat;
  if (isWord(c.args, index, 'pxat')) return Expire.pxat;
  return Expire.none;
}

/** The flag that argument `index` stands for, 0 for none. */
function setOption(c: CommandContext, index: number): number {
  if (isWord(c.args, index, 'nx')) return SetFlag.ifAbsent;
  if (isWord(c.args, index, 'xx')) return SetFlag.ifPresent;
  if (isWord(c.args, index, 'get')) return SetFlag.returnOld;
  if (isWord(c.args, index, 'keepttl')) return SetFlag.keepTtl;
  return 0;
}

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
  const { bytes } = c.args;
  const start = c.args.start(1);
  const end = c.args.end(1);
  encodeIncrBy(c.server.scratch, delta, bytes, start, end);
  c.submit(slotOfKey(bytes, start, end), 1);
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
    run: runGet,
  },
  {
    name: 'set',
    arity: -3,
    flags: ['write', 'denyoom'],
    keys: ONE_KEY,
    group: 'string',
    since: '1.0.0',
    complexity: 'O(1)',
    summary: 'Set the value of a key',
    shape: Shape.plain,
    cache: 'put',
    run: runSet,
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
];
