/** Commands about the node: INFO, CONFIG GET and TIME. */
import type { CommandContext, InfoSection } from './command-context.js';
import { textOf, type CommandSpec } from './command-spec.js';
import { REDIS_VERSION } from './connection-commands.js';
import { matchesGlob } from './glob.js';
import { writeArray, writeBulkText, writeMap, writeVerbatim } from './reply-writer.js';
import { Outcome, Shape } from './result-encoder.js';
import { runSubcommand, type Subcommand } from './subcommands.js';

const SECONDS_A_DAY = 86_400;
/** Words that ask for every section. */
const ALL_SECTIONS: ReadonlySet<string> = new Set(['default', 'all', 'everything']);

function runInfo(c: CommandContext): void {
  const wanted = new Set<string>();
  for (let i = 1; i < c.args.count; i++) wanted.add(textOf(c.args, i).toLowerCase());
  let all = wanted.size === 0;
  for (const word of ALL_SECTIONS) all ||= wanted.has(word);
  const texts: string[] = [];
  for (const section of infoSections(c)) {
    if (!all && !wanted.has(section.name.toLowerCase())) continue;
    const lines = section.rows.map(([key, value]) => `${key}:${value}\r\n`);
    texts.push(`# ${section.name}\r\n${lines.join('')}`);
  }
  writeVerbatim(c.beginReply(), c.version, texts.join('\r\n'));
  c.endReply(Outcome.ok);
}

/** The front end's own rows first, those of the node behind them, then the node's other sections. */
function infoSections(c: CommandContext): InfoSection[] {
  const facts = c.server.info();
  const own: InfoSection[] = [
    {
      name: 'Server',
      rows: [
        ['redis_version', REDIS_VERSION],
        ['redis_mode', c.server.routing === 'moved' ? 'cluster' : 'standalone'],
        ['quorate_version', facts.version],
        ['quorate_node_id', facts.nodeId],
        ['quorate_cluster_id', facts.clusterId],
        ['uptime_in_seconds', Math.floor(facts.uptimeSeconds)],
        ['uptime_in_days', Math.floor(facts.uptimeSeconds / SECONDS_A_DAY)],
      ],
    },
    { name: 'Clients', rows: [['connected_clients', c.server.clientCount]] },
    // To a plain client every node is the one and only: it takes any command and passes it on.
    { name: 'Replication', rows: [['role', 'master']] },
    { name: 'Cluster', rows: [['cluster_enabled', c.server.routing === 'moved' ? 1 : 0]] },
  ];
  const merged = own.map((section) => {
    const more = facts.sections.find((s) => s.name.toLowerCase() === section.name.toLowerCase());
    return { name: section.name, rows: [...section.rows, ...(more?.rows ?? [])] };
  });
  const names = new Set(own.map((section) => section.name.toLowerCase()));
  return [...merged, ...facts.sections.filter((section) => !names.has(section.name.toLowerCase()))];
}

function runConfigGet(c: CommandContext): void {
  const patterns: string[] = [];
  for (let i = 2; i < c.args.count; i++) patterns.push(textOf(c.args, i));
  const rows = c.server.config().filter(([name]) => patterns.some((pattern) => matchesGlob(pattern, name)));
  const w = c.beginReply();
  writeMap(w, c.version, rows.length);
  for (const [name, value] of rows) {
    writeBulkText(w, name);
    writeBulkText(w, value);
  }
  c.endReply(Outcome.ok);
}

/** By this node's wall clock, in seconds and the microseconds beyond them. Nothing in the cluster depends on it. */
function runTime(c: CommandContext): void {
  const wallMs = c.server.clock.wallMs();
  const seconds = Math.floor(wallMs / 1000);
  const w = c.beginReply();
  writeArray(w, 2);
  writeBulkText(w, String(seconds));
  writeBulkText(w, String(Math.floor((wallMs - seconds * 1000) * 1000)));
  c.endReply(Outcome.ok);
}

/** Settings of a node are its operator's, and those of the cluster go through group 0: this says where. */
function runConfigSet(c: CommandContext): void {
  const setting = CLUSTER_SETTING_OF[textOf(c.args, 2).toLowerCase()];
  c.replyError(
    setting === undefined
      ? 'ERR CONFIG SET is not served: settings of a node are flags of "quorate server"'
      : `ERR CONFIG SET is not served: use "quorate config set ${setting} VALUE", for the whole cluster`,
  );
}

const CLUSTER_SETTING_OF: Readonly<Record<string, string>> = {
  maxmemory: 'memory.max',
  'maxmemory-policy': 'eviction.policy',
};

const CONFIG_SERVED: readonly Subcommand[] = [
  { name: 'get', arity: -3, run: runConfigGet },
  { name: 'set', arity: -4, run: runConfigSet },
];
const CONFIG_UNSERVED = ['help', 'resetstat', 'rewrite'];

const SERVER = {
  keys: [0, 0, 0],
  group: 'server',
  shape: Shape.plain,
  cache: 'none',
} as const;

export const SERVER_COMMANDS: readonly CommandSpec[] = [
  {
    ...SERVER,
    name: 'info',
    arity: -1,
    flags: ['loading', 'stale'],
    since: '1.0.0',
    complexity: 'O(1)',
    summary: 'Get figures and facts of this node',
    run: runInfo,
  },
  {
    ...SERVER,
    name: 'time',
    arity: 1,
    flags: ['loading', 'stale', 'fast'],
    since: '2.6.0',
    complexity: 'O(1)',
    summary: "Get the time of this node's clock",
    run: runTime,
  },
  {
    ...SERVER,
    name: 'config',
    arity: -2,
    flags: ['admin', 'noscript', 'loading', 'stale'],
    since: '2.0.0',
    complexity: 'O(N) for N settings',
    summary: 'Get settings of this node',
    run: (c) => runSubcommand(c, 'config', CONFIG_SERVED, CONFIG_UNSERVED),
  },
];
