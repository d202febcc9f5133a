/** Commands on keys, whatever their values: life, expiry, type. Those on all keys are in keyspace-commands.ts. */
import { encodeExpire, ExpireFlag, ExpiryKind, Op } from '../../kv/index.js';
import type { CommandContext } from './command-context.js';
import { checkKey, isWord, NOT_AN_INTEGER, textOf, type CommandSpec } from './command-spec.js';
import { invalidExpireText } from './error-table.js';
import { Join } from './gather.js';
import { parseInteger } from './integers.js';
import { EXPIRY_MS_MAX } from './limits.js';
import { runByShard } from './many-keys.js';
import { runKeyCommand, submitForKey } from './one-key.js';
import { Shape } from './result-encoder.js';

/** `from`: what the time in argument 2 counts from, ExpiryKind.relative (now) or .absolute (the epoch). */
function runExpire(c: CommandContext, unitMs: number, from: number, name: string): void {
  if (!checkKey(c, 1)) return;
  const flags = expireFlags(c);
  if (flags < 0) return;
  const { args } = c;
  const time = parseInteger(args.bytes, args.start(2), args.end(2));
  if (Number.isNaN(time)) return c.replyError(NOT_AN_INTEGER);
  const expiryMs = time * unitMs;
  if (Math.abs(expiryMs) > EXPIRY_MS_MAX) return c.replyError(invalidExpireText(name));
  // A time gone by deletes the key. Being before every other expiry, the epoch stands for all of them.
  const kind = expiryMs < 0 ? ExpiryKind.absolute : from;
  const timeMs = Math.max(0, expiryMs);
  encodeExpire(c.server.scratch, flags, kind, timeMs, args.bytes, args.start(1), args.end(1));
  submitForKey(c);
}

/** The options behind the time; -1, and the error replied, when they don't fit together. */
function expireFlags(c: CommandContext): number {
  let flags = 0;
  for (let i = 3; i < c.args.count; i++) {
    if (isWord(c.args, i, 'nx')) flags |= ExpireFlag.ifNone;
    else if (isWord(c.args, i, 'xx')) flags |= ExpireFlag.ifSome;
    else if (isWord(c.args, i, 'gt')) flags |= ExpireFlag.ifGreater;
    else if (isWord(c.args, i, 'lt')) flags |= ExpireFlag.ifLess;
    else {
      c.replyErrorBytes(`ERR Unsupported option ${textOf(c.args, i)}`);
      return -1;
    }
  }
  const greater = (flags & ExpireFlag.ifGreater) !== 0;
  const less = (flags & ExpireFlag.ifLess) !== 0;
  if ((flags & ExpireFlag.ifNone) !== 0 && flags !== ExpireFlag.ifNone) {
    c.replyError('ERR NX and XX, GT or LT options at the same time are not compatible');
    return -1;
  }
  if (greater && less) {
    c.replyError('ERR GT and LT options at the same time are not compatible');
    return -1;
  }
  return flags;
}

const GENERIC = {
  keys: [1, 1, 1],
  group: 'generic',
  since: '1.0.0',
  complexity: 'O(1)',
  shape: Shape.plain,
  cache: 'none',
} as const;
const MANY = { ...GENERIC, keys: [1, -1, 1], complexity: 'O(N) for N keys' } as const;
const READ = ['readonly', 'fast'] as const;
const WRITE = ['write', 'fast'] as const;

export const KEY_COMMANDS: readonly CommandSpec[] = [
  {
    ...MANY,
    name: 'del',
    arity: -2,
    flags: ['write'],
    summary: 'Delete keys; atomic among keys of one shard',
    cache: 'delete',
    run: (c) => runByShard(c, Op.del, 1, Join.sum),
  },
  {
    ...MANY,
    name: 'unlink',
    arity: -2,
    flags: WRITE,
    since: '4.0.0',
    summary: 'Delete keys; the same as DEL',
    cache: 'delete',
    run: (c) => runByShard(c, Op.del, 1, Join.sum),
  },
  {
    ...MANY,
    name: 'exists',
    arity: -2,
    flags: READ,
    summary: 'Count the keys that exist',
    run: (c) => runByShard(c, Op.exists, 1, Join.sum),
  },
  {
    ...MANY,
    name: 'touch',
    arity: -2,
    flags: READ,
    since: '3.2.1',
    summary: 'Count the keys that exist; the same as EXISTS',
    run: (c) => runByShard(c, Op.exists, 1, Join.sum),
  },
  {
    ...GENERIC,
    name: 'expire',
    arity: -3,
    flags: WRITE,
    summary: 'Set the time to live of a key in seconds',
    run: (c) => runExpire(c, 1000, ExpiryKind.relative, 'expire'),
  },
  {
    ...GENERIC,
    name: 'pexpire',
    arity: -3,
    flags: WRITE,
    since: '2.6.0',
    summary: 'Set the time to live of a key in milliseconds',
    run: (c) => runExpire(c, 1, ExpiryKind.relative, 'pexpire'),
  },
  {
    ...GENERIC,
    name: 'expireat',
    arity: -3,
    flags: WRITE,
    since: '1.2.0',
    summary: 'Set the time a key expires at, in seconds since 1970',
    run: (c) => runExpire(c, 1000, ExpiryKind.absolute, 'expireat'),
  },
  {
    ...GENERIC,
    name: 'pexpireat',
    arity: -3,
    flags: WRITE,
    since: '2.6.0',
    summary: 'Set the time a key expires at, in milliseconds since 1970',
    run: (c) => runExpire(c, 1, ExpiryKind.absolute, 'pexpireat'),
  },
  {
    ...GENERIC,
    name: 'expiretime',
    arity: 2,
    flags: READ,
    since: '7.0.0',
    summary: 'Get the time a key expires at, in seconds since 1970',
    shape: Shape.seconds,
    run: (c) => runKeyCommand(c, Op.expireTime),
  },
  {
    ...GENERIC,
    name: 'pexpiretime',
    arity: 2,
    flags: READ,
    since: '7.0.0',
    summary: 'Get the time a key expires at, in milliseconds since 1970',
    run: (c) => runKeyCommand(c, Op.expireTime),
  },
  {
    ...GENERIC,
    name: 'ttl',
    arity: 2,
    flags: READ,
    summary: 'Get the time to live of a key in seconds',
    shape: Shape.seconds,
    run: (c) => runKeyCommand(c, Op.ttl),
  },
  {
    ...GENERIC,
    name: 'pttl',
    arity: 2,
    flags: READ,
    since: '2.6.0',
    summary: 'Get the time to live of a key in milliseconds',
    run: (c) => runKeyCommand(c, Op.ttl),
  },
  {
    ...GENERIC,
    name: 'persist',
    arity: 2,
    flags: WRITE,
    since: '2.2.0',
    summary: 'Take the expiry from a key',
    run: (c) => runKeyCommand(c, Op.persist),
  },
  {
    ...GENERIC,
    name: 'type',
    arity: 2,
    flags: READ,
    summary: 'Get the type of the value of a key',
    run: (c) => runKeyCommand(c, Op.type),
  },
];
