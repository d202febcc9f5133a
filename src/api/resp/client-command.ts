/** CLIENT: what a client says of itself, and who is connected. */
import type { CommandContext } from './command-context.js';
import { isWord, SYNTAX_ERROR, textOf, type CommandSpec } from './command-spec.js';
import { replySetName } from './connection-commands.js';
import { writeBulkText, writeInt, writeNull, writeVerbatim } from './reply-writer.js';
import { Outcome, Shape } from './result-encoder.js';
import { runSubcommand, type Subcommand } from './subcommands.js';

function runId(c: CommandContext): void {
  writeInt(c.beginReply(), c.id);
  c.endReply(Outcome.ok);
}

function runGetName(c: CommandContext): void {
  const w = c.beginReply();
  if (c.name === '') writeNull(w, c.version);
  else writeBulkText(w, c.name);
  c.endReply(Outcome.ok);
}

/** Libraries send name and version after connecting; nothing here depends on them. */
function runSetInfo(c: CommandContext): void {
  if (isWord(c.args, 2, 'lib-name') || isWord(c.args, 2, 'lib-ver')) return c.replyOk();
  c.replyErrorBytes(`ERR Unrecognized option '${textOf(c.args, 2)}'`);
}

function runNoEvict(c: CommandContext): void {
  if (isWord(c.args, 2, 'on') || isWord(c.args, 2, 'off')) return c.replyOk();
  c.replyError(SYNTAX_ERROR);
}

function runList(c: CommandContext): void {
  if (c.args.count > 2) return c.replyError(SYNTAX_ERROR);
  let text = '';
  for (const client of c.server.clients()) {
    const ageSeconds = Math.max(0, Math.floor((c.nowMs - client.sinceMs) / 1000));
    text +=
      `id=${client.id} addr=${client.remoteAddress} name=${client.name} age=${ageSeconds} db=0 ` +
      `pending=${client.pendingCount} omem=${client.unsentBytes} resp=${client.version}\n`;
  }
  writeVerbatim(c.beginReply(), c.version, text);
  c.endReply(Outcome.ok);
}

const SERVED: readonly Subcommand[] = [
  { name: 'id', arity: 2, run: runId },
  { name: 'getname', arity: 2, run: runGetName },
  { name: 'setname', arity: 3, run: (c) => replySetName(c, 2) },
  { name: 'setinfo', arity: 4, run: runSetInfo },
  { name: 'no-evict', arity: 3, run: runNoEvict },
  { name: 'list', arity: -2, run: runList },
];
const UNSERVED = [
  'caching',
  'getredir',
  'help',
  'info',
  'kill',
  'no-touch',
  'pause',
  'reply',
  'tracking',
  'trackinginfo',
  'unblock',
  'unpause',
];

export const CLIENT_COMMAND: CommandSpec = {
  name: 'client',
  arity: -2,
  flags: ['noscript', 'loading', 'stale'],
  keys: [0, 0, 0],
  group: 'connection',
  since: '2.4.0',
  complexity: 'O(1); O(N) for LIST with N connections',
  summary: 'Name this connection, or list all',
  shape: Shape.plain,
  cache: 'none',
  run: (c) => runSubcommand(c, 'client', SERVED, UNSERVED),
};
