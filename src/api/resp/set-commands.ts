/** SET and the older commands that it took over (SETNX, SETEX, PSETEX, GETSET), and GETEX with the same options. */
import { beginSet, encodeGetEx, ExpiryKind, Op, putKey, putValue, SetFlag } from '../../kv/index.js';
import type { CommandContext } from './command-context.js';
import { checkKey, checkValue, isWord, SYNTAX_ERROR, type CommandSpec } from './command-spec.js';
import { ExpireOption, expireOptionAt, expiryKindOf, readExpiryMs } from './expire-option.js';
import { runKeyCommand, submitForKey } from './one-key.js';
import { Shape } from './result-encoder.js';

/** Sends a `set` of the key in argument 1 to the value in argument `valueAt`. */
function submitSet(
  c: CommandContext,
  flags: number,
  expiryKind: number,
  expiryMs: number,
  valueAt: number,
): void {
  const { args } = c;
  const w = c.server.scratch;
  beginSet(w, flags, expiryKind, expiryMs);
  putKey(w, args.bytes, args.start(1), args.end(1));
  putValue(w, args.bytes, args.start(valueAt), args.end(valueAt));
  submitForKey(c);
}

function runSet(c: CommandContext): void {
  if (!checkKey(c, 1) || !checkValue(c, 2)) return;
  const { args } = c;
  let flags = 0;
  let expire: ExpireOption = ExpireOption.none;
  let timeAt = 0;
  for (let i = 3; i < args.count; i++) {
    const unit = expireOptionAt(args, i);
    if (unit !== ExpireOption.none) {
      // The same unit twice is fine in Redis, and the last counts; two different ones are not.
      const clash = (expire !== ExpireOption.none && expire !== unit) || (flags & SetFlag.keepTtl) !== 0;
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
      (flag === SetFlag.keepTtl && expire !== ExpireOption.none);
    if (clash) return c.replyError(SYNTAX_ERROR);
    flags |= flag;
  }

  const expiryMs = expire === ExpireOption.none ? 0 : readExpiryMs(c, timeAt, expire, 'set');
  if (expiryMs === 0 && expire !== ExpireOption.none) return;
  submitSet(c, flags, expiryKindOf(expire), expiryMs, 2);
}

/** The flag that argument `index` stands for, 0 for none. */
function setOption(c: CommandContext, index: number): number {
  if (isWord(c.args, index, 'nx')) return SetFlag.ifAbsent;
  if (isWord(c.args, index, 'xx')) return SetFlag.ifPresent;
  if (isWord(c.args, index, 'get')) return SetFlag.returnOld;
  if (isWord(c.args, index, 'keepttl')) return SetFlag.keepTtl;
  return 0;
}

function runSetWithFlags(c: CommandContext, flags: number): void {
  if (!checkKey(c, 1) || !checkValue(c, 2)) return;
  submitSet(c, flags, ExpiryKind.none, 0, 2);
}

/** Key, time, value. */
function runSetWithTime(c: CommandContext, unit: ExpireOption, name: string): void {
  if (!checkKey(c, 1) || !checkValue(c, 3)) return;
  const expiryMs = readExpiryMs(c, 2, unit, name);
  if (expiryMs > 0) submitSet(c, 0, expiryKindOf(unit), expiryMs, 3);
}

/** Without an option it only reads, so that it goes the cheap way of reads. */
function runGetex(c: CommandContext): void {
  if (!checkKey(c, 1)) return;
  const { args } = c;
  let expire: ExpireOption = ExpireOption.none;
  let timeAt = 0;
  let persist = false;
  for (let i = 2; i < args.count; i++) {
    const unit = expireOptionAt(args, i);
    if (unit === ExpireOption.none) {
      if (!isWord(args, i, 'persist') || expire !== ExpireOption.none) return c.replyError(SYNTAX_ERROR);
      persist = true;
      continue;
    }
    const clash = persist || (expire !== ExpireOption.none && expire !== unit);
    if (clash || i + 1 >= args.count) return c.replyError(SYNTAX_ERROR);
    expire = unit;
    timeAt = ++i;
  }
  if (expire === ExpireOption.none && !persist) return runKeyCommand(c, Op.get);

  const expiryMs = expire === ExpireOption.none ? 0 : readExpiryMs(c, timeAt, expire, 'getex');
  if (expiryMs === 0 && expire !== ExpireOption.none) return;
  const kind = expiryKindOf(expire);
  encodeGetEx(c.server.scratch, kind, expiryMs, persist, args.bytes, args.start(1), args.end(1));
  submitForKey(c);
}

const STRING = {
  keys: [1, 1, 1],
  group: 'string',
  since: '1.0.0',
  complexity: 'O(1)',
  shape: Shape.plain,
  cache: 'put',
} as const;
const WRITE = ['write', 'denyoom'] as const;
const FAST_WRITE = ['write', 'denyoom', 'fast'] as const;

export const SET_COMMANDS: readonly CommandSpec[] = [
  {
    ...STRING,
    name: 'set',
    arity: -3,
    flags: WRITE,
    summary: 'Set the value of a key',
    run: runSet,
  },
  {
    ...STRING,
    name: 'setnx',
    arity: 3,
    flags: FAST_WRITE,
    summary: 'Set the value of a key unless it is there',
    shape: Shape.flag,
    run: (c) => runSetWithFlags(c, SetFlag.ifAbsent),
  },
  {
    ...STRING,
    name: 'setex',
    arity: 4,
    flags: WRITE,
    since: '2.0.0',
    summary: 'Set the value of a key, and its time to live in seconds',
    run: (c) => runSetWithTime(c, ExpireOption.ex, 'setex'),
  },
  {
    ...STRING,
    name: 'psetex',
    arity: 4,
    flags: WRITE,
    since: '2.6.0',
    summary: 'Set the value of a key, and its time to live in milliseconds',
    run: (c) => runSetWithTime(c, ExpireOption.px, 'psetex'),
  },
  {
    ...STRING,
    name: 'getset',
    arity: 3,
    flags: FAST_WRITE,
    summary: 'Set the value of a key, and get the one before',
    run: (c) => runSetWithFlags(c, SetFlag.returnOld),
  },
  {
    ...STRING,
    name: 'getex',
    arity: -2,
    flags: ['write', 'fast'],
    since: '6.2.0',
    summary: 'Get the value of a key, and set or take its expiry',
    cache: 'get',
    run: runGetex,
  },
];
