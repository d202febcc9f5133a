/** Commands about the connection itself: PING, ECHO, HELLO, AUTH, SELECT, RESET, QUIT. */
import type { CommandContext } from './command-context.js';
import {
  isWord,
  NOT_AN_INTEGER,
  SYNTAX_ERROR,
  textOf,
  wrongArityText,
  type CommandSpec,
} from './command-spec.js';
import { parseInteger } from './integers.js';
import { writeArray, writeBulk, writeBulkText, writeInt, writeMap, writeSimple } from './reply-writer.js';
import { Outcome, Shape } from './result-encoder.js';

/** The Redis whose protocol and replies are spoken; what HELLO and INFO call the version. */
export const REDIS_VERSION = '7.0.15';

const NO_PASSWORD =
  'ERR AUTH <password> called without any password configured for the default user. ' +
  'Are you sure your configuration is correct?';
const BAD_NAME = 'ERR Client names cannot contain spaces, newlines or special characters.';
const INT32_MAX = 2 ** 31 - 1;
const INT32_MIN = -(2 ** 31);

function runPing(c: CommandContext): void {
  if (c.args.count > 2) return c.replyError(wrongArityText('ping'));
  if (c.args.count === 2) return runEcho(c);
  writeSimple(c.beginReply(), 'PONG');
  c.endReply(Outcome.ok);
}

function runEcho(c: CommandContext): void {
  writeBulk(c.beginReply(), c.args.bytes, c.args.start(1), c.args.end(1));
  c.endReply(Outcome.ok);
}

function runHello(c: CommandContext): void {
  const { args } = c;
  let version = c.version;
  let name: string | null = null;
  if (args.count > 1) {
    const asked = parseInteger(args.bytes, args.start(1), args.end(1));
    if (Number.isNaN(asked)) {
      return c.replyError('ERR Protocol version is not an integer or out of range');
    }
    if (asked !== 2 && asked !== 3) return c.replyError('NOPROTO unsupported protocol version');
    version = asked;
  }
  for (let i = 2; i < args.count; i++) {
    const more = args.count - 1 - i;
    // Saying yes to a password that is not checked would tell a user that there is one.
    if (isWord(args, i, 'auth') && more >= 2) return c.replyError(NO_PASSWORD);
    if (!isWord(args, i, 'setname') || more < 1) {
      return c.replyErrorBytes(`ERR Syntax error in HELLO option '${textOf(args, i)}'`);
    }
    if (!isClientName(c, ++i)) return c.replyError(BAD_NAME);
    name = textOf(args, i, Infinity);
  }
  if (name !== null) c.name = name;
  c.version = version;
  const w = c.beginReply();
  writeMap(w, version, 7);
  writeBulkText(w, 'server');
  writeBulkText(w, 'redis');
  writeBulkText(w, 'version');
  writeBulkText(w, REDIS_VERSION);
  writeBulkText(w, 'proto');
  writeInt(w, version);
  writeBulkText(w, 'id');
  writeInt(w, c.id);
  writeBulkText(w, 'mode');
  writeBulkText(w, c.server.routing === 'moved' ? 'cluster' : 'standalone');
  writeBulkText(w, 'role');
  writeBulkText(w, 'master');
  writeBulkText(w, 'modules');
  writeArray(w, 0);
  c.endReply(Outcome.ok);
}

/** Sets the client's name from argument `index`, and replies. */
export function replySetName(c: CommandContext, index: number): void {
  if (!isClientName(c, index)) return c.replyError(BAD_NAME);
  c.name = textOf(c.args, index, Infinity);
  c.replyOk();
}

/** Printable ASCII without blanks, so that CLIENT LIST stays one line of fields. */
function isClientName(c: CommandContext, index: number): boolean {
  const { args } = c;
  for (let i = args.start(index); i < args.end(index); i++) {
    const character = args.bytes[i] as number;
    if (character < 33 || character > 126) return false;
  }
  return true;
}

function runAuth(c: CommandContext): void {
  c.replyError(c.args.count > 3 ? SYNTAX_ERROR : NO_PASSWORD);
}

function runSelect(c: CommandContext): void {
  const database = parseInteger(c.args.bytes, c.args.start(1), c.args.end(1));
  if (Number.isNaN(database)) return c.replyError(NOT_AN_INTEGER);
  if (database < INT32_MIN || database > INT32_MAX) {
    return c.replyError(`ERR value is out of range, value must between ${INT32_MIN} and ${INT32_MAX}`);
  }
  if (database !== 0) return c.replyError('ERR DB index is out of range');
  c.replyOk();
}

/** Back to what a new connection is; commands that were sent before are still answered. */
function runReset(c: CommandContext): void {
  c.name = '';
  c.version = 2;
  c.readOnly = false;
  writeSimple(c.beginReply(), 'RESET');
  c.endReply(Outcome.ok);
}

function runQuit(c: CommandContext): void {
  c.replyOk();
  c.quit();
}

const LOCAL = {
  flags: ['noscript', 'loading', 'stale', 'fast'],
  keys: [0, 0, 0],
  group: 'connection',
  since: '1.0.0',
  complexity: 'O(1)',
  shape: Shape.plain,
  cache: 'none',
} as const;

export const CONNECTION_COMMANDS: readonly CommandSpec[] = [
  { ...LOCAL, name: 'ping', arity: -1, flags: ['fast'], summary: 'Ask for a sign of life', run: runPing },
  { ...LOCAL, name: 'echo', arity: 2, flags: ['fast'], summary: 'Get the argument back', run: runEcho },
  {
    ...LOCAL,
    name: 'hello',
    arity: -1,
    since: '6.0.0',
    summary: 'Choose the protocol version',
    run: runHello,
  },
  { ...LOCAL, name: 'auth', arity: -2, summary: 'Log in; there are no passwords yet', run: runAuth },
  { ...LOCAL, name: 'select', arity: 2, summary: 'Choose the database; there is only 0', run: runSelect },
  {
    ...LOCAL,
    name: 'reset',
    arity: 1,
    since: '6.2.0',
    summary: 'Take back name and protocol version',
    run: runReset,
  },
  { ...LOCAL, name: 'quit', arity: -1, summary: 'Close the connection', run: runQuit },
];
