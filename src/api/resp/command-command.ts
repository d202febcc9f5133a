/** COMMAND: what this server serves, for clients that ask before they send. */
import type { ByteWriter } from '../../base/index.js';
import type { CommandContext } from './command-context.js';
import { SYNTAX_ERROR, type CommandSpec } from './command-spec.js';
import {
  writeArray,
  writeBulk,
  writeBulkText,
  writeInt,
  writeMap,
  writeNull,
  writeSet,
  writeSimple,
  type RespVersion,
} from './reply-writer.js';
import { Outcome, Shape } from './result-encoder.js';
import { fitsArity, runSubcommand, type Subcommand } from './subcommands.js';

function runCommand(c: CommandContext): void {
  if (c.args.count > 1) return runSubcommand(c, 'command', SERVED, UNSERVED);
  const { rows } = c.server.commands;
  const w = c.beginReply();
  writeArray(w, rows.length);
  for (const row of rows) writeInfo(w, c.version, row);
  c.endReply(Outcome.ok);
}

function runCount(c: CommandContext): void {
  writeInt(c.beginReply(), c.server.commands.rows.length);
  c.endReply(Outcome.ok);
}

function runList(c: CommandContext): void {
  if (c.args.count > 2) return c.replyError(SYNTAX_ERROR);
  const { rows } = c.server.commands;
  const w = c.beginReply();
  writeArray(w, rows.length);
  for (const row of rows) writeBulkText(w, row.name);
  c.endReply(Outcome.ok);
}

function runInfo(c: CommandContext): void {
  const { args } = c;
  const { rows } = c.server.commands;
  const w = c.beginReply();
  writeArray(w, args.count === 2 ? rows.length : args.count - 2);
  if (args.count === 2) for (const row of rows) writeInfo(w, c.version, row);
  for (let i = 2; i < args.count; i++) {
    const row = findRow(c, i);
    if (row) writeInfo(w, c.version, row);
    else writeNull(w, c.version);
  }
  c.endReply(Outcome.ok);
}

function runDocs(c: CommandContext): void {
  const rows: CommandSpec[] = [];
  if (c.args.count === 2) rows.push(...c.server.commands.rows);
  for (let i = 2; i < c.args.count; i++) {
    const row = findRow(c, i);
    if (row) rows.push(row);
  }
  const w = c.beginReply();
  writeMap(w, c.version, rows.length);
  for (const row of rows) {
    writeBulkText(w, row.name);
    writeMap(w, c.version, 4);
    writeBulkText(w, 'summary');
    writeBulkText(w, row.summary);
    writeBulkText(w, 'since');
    writeBulkText(w, row.since);
    writeBulkText(w, 'group');
    writeBulkText(w, row.group);
    writeBulkText(w, 'complexity');
    writeBulkText(w, row.complexity);
  }
  c.endReply(Outcome.ok);
}

function runGetKeys(c: CommandContext): void {
  const { args } = c;
  const row = findRow(c, 2);
  if (!row) return c.replyError('ERR Invalid command specified');
  const [first, last, step] = row.keys;
  if (first === 0) return c.replyError('ERR The command has no key arguments');
  if (!fitsArity(row.arity, args.count - 2)) {
    return c.replyError('ERR Invalid number of arguments specified for command');
  }
  const lastAt = last < 0 ? args.count + last : 2 + last;
  const w = c.beginReply();
  writeArray(w, Math.floor((lastAt - (2 + first)) / step) + 1);
  for (let i = 2 + first; i <= lastAt; i += step) writeBulk(w, args.bytes, args.start(i), args.end(i));
  c.endReply(Outcome.ok);
}

function findRow(c: CommandContext, index: number): CommandSpec | undefined {
  const { args, server } = c;
  return server.commands.rows[server.commands.find(args.bytes, args.start(index), args.end(index))];
}

/** Name, arity, flags, keys, categories; no hints, key specifications or subcommands. */
function writeInfo(w: ByteWriter, version: RespVersion, row: CommandSpec): void {
  writeArray(w, 10);
  writeBulkText(w, row.name);
  writeInt(w, row.arity);
  writeSet(w, version, row.flags.length);
  for (const flag of row.flags) writeSimple(w, flag);
  for (const position of row.keys) writeInt(w, position);
  const categories = categoriesOf(row);
  writeSet(w, version, categories.length);
  for (const category of categories) writeSimple(w, category);
  writeArray(w, 0);
  writeArray(w, 0);
  writeArray(w, 0);
}

function categoriesOf(row: CommandSpec): string[] {
  const categories: string[] = [];
  if (row.flags.includes('readonly')) categories.push('@read');
  if (row.flags.includes('write')) categories.push('@write');
  if (row.group === 'string') categories.push('@string');
  else if (row.group === 'connection') categories.push('@connection');
  else if (row.group === 'generic') categories.push('@keyspace');
  categories.push(row.flags.includes('fast') ? '@fast' : '@slow');
  return categories;
}

const SERVED: readonly Subcommand[] = [
  { name: 'count', arity: 2, run: runCount },
  { name: 'docs', arity: -2, run: runDocs },
  { name: 'getkeys', arity: -4, run: runGetKeys },
  { name: 'info', arity: -2, run: runInfo },
  { name: 'list', arity: -2, run: runList },
];
const UNSERVED = ['getkeysandflags', 'help'];

export const COMMAND_COMMAND: CommandSpec = {
  name: 'command',
  arity: -1,
  flags: ['loading', 'stale'],
  keys: [0, 0, 0],
  group: 'server',
  since: '2.8.13',
  complexity: 'O(N) for N commands',
  summary: 'Get facts about the commands served here',
  shape: Shape.plain,
  cache: 'none',
  run: runCommand,
};
