/** Commands on parts of a value: its length, a range of it, its end. */
import {
  beginAppend,
  beginSetRange,
  encodeGetRange,
  GROWN_VALUE_BYTES_MAX,
  Op,
  putKey,
  putValue,
} from '../../kv/index.js';
import type { CommandContext } from './command-context.js';
import { checkKey, checkValue, NOT_AN_INTEGER, type CommandSpec } from './command-spec.js';
import { STRING_TOO_LONG } from './error-table.js';
import { parseInt64, parseInteger } from './integers.js';
import { runKeyCommand, submitForKey } from './one-key.js';
import { Shape } from './result-encoder.js';

function runAppend(c: CommandContext): void {
  if (!checkKey(c, 1) || !checkValue(c, 2)) return;
  beginAppend(c.server.scratch);
  putKeyAndValue(c, 2);
  submitForKey(c);
}

/** Offsets may be any 64-bit number, and are exact: far ones must not come back as near ones. */
function runGetrange(c: CommandContext): void {
  if (!checkKey(c, 1)) return;
  const { args } = c;
  const first = parseInt64(args.bytes, args.start(2), args.end(2));
  const last = first === null ? null : parseInt64(args.bytes, args.start(3), args.end(3));
  if (first === null || last === null) return c.replyError(NOT_AN_INTEGER);
  encodeGetRange(c.server.scratch, first, last, args.bytes, args.start(1), args.end(1));
  submitForKey(c);
}

/** Without bytes nothing is set, at whatever offset: then it is a question for the length. */
function runSetrange(c: CommandContext): void {
  if (!checkKey(c, 1) || !checkValue(c, 3)) return;
  const { args, server } = c;
  const offset = parseInteger(args.bytes, args.start(2), args.end(2));
  if (Number.isNaN(offset)) return c.replyError(NOT_AN_INTEGER);
  if (offset < 0) return c.replyError('ERR offset is out of range');
  const length = args.end(3) - args.start(3);
  if (length === 0) return runKeyCommand(c, Op.strlen);
  const bytesMax = Math.min(server.valueBytesMax, GROWN_VALUE_BYTES_MAX);
  if (offset + length > bytesMax) return c.replyError(STRING_TOO_LONG);
  beginSetRange(server.scratch, offset);
  putKeyAndValue(c, 3);
  submitForKey(c);
}

function putKeyAndValue(c: CommandContext, valueAt: number): void {
  const { args } = c;
  const w = c.server.scratch;
  putKey(w, args.bytes, args.start(1), args.end(1));
  putValue(w, args.bytes, args.start(valueAt), args.end(valueAt));
}

const STRING = {
  keys: [1, 1, 1],
  group: 'string',
  complexity: 'O(N) for a value of N bytes',
  shape: Shape.plain,
  cache: 'none',
} as const;

export const RANGE_COMMANDS: readonly CommandSpec[] = [
  {
    ...STRING,
    name: 'append',
    arity: 3,
    flags: ['write', 'denyoom', 'fast'],
    since: '2.0.0',
    summary: 'Add to the end of a value',
    run: runAppend,
  },
  {
    ...STRING,
    name: 'strlen',
    arity: 2,
    flags: ['readonly', 'fast'],
    since: '2.2.0',
    complexity: 'O(1)',
    summary: 'Get the length of a value',
    run: (c) => runKeyCommand(c, Op.strlen),
  },
  {
    ...STRING,
    name: 'getrange',
    arity: 4,
    flags: ['readonly'],
    since: '2.4.0',
    summary: 'Get a part of a value',
    run: runGetrange,
  },
  {
    ...STRING,
    name: 'substr',
    arity: 4,
    flags: ['readonly'],
    since: '1.0.0',
    summary: 'Get a part of a value; the old name of GETRANGE',
    run: runGetrange,
  },
  {
    ...STRING,
    name: 'setrange',
    arity: 4,
    flags: ['write', 'denyoom'],
    since: '2.2.0',
    summary: 'Overwrite a part of a value',
    run: runSetrange,
  },
];
