/**
 * CLUSTER, and what clients of Redis Cluster say besides: READONLY, READWRITE, ASKING. Shapes and texts are those of
 * Redis 7.0; the nodes told are those with a listener like the one asked through (cluster-picture.ts).
 */
import { SLOT_COUNT } from '../../base/index.js';
import { slotOfKey } from '../../topology/index.js';
import {
  drawCluster,
  clusterNodeId,
  isWhole,
  type ClusterPicture,
  type ListedNode,
} from './cluster-picture.js';
import { SlotCount } from './cluster-count.js';
import { SLOT_DOWN_TEXT } from './cluster-redirect.js';
import type { CommandContext } from './command-context.js';
import { NOT_AN_INTEGER, type CommandSpec } from './command-spec.js';
import { parseInteger } from './integers.js';
import { writeArray, writeBulkText, writeInt, writeMap, writeSimple, writeVerbatim } from './reply-writer.js';
import { Outcome, Shape } from './result-encoder.js';
import { runSubcommand, type Subcommand } from './subcommands.js';

const HELP = [
  'CLUSTER <subcommand> [<arg> [value] [opt] ...]. Subcommands are:',
  'COUNTKEYSINSLOT <slot>',
  '    Return the number of keys in <slot>.',
  'INFO',
  '    Return information about the cluster.',
  'KEYSLOT <key>',
  '    Return the hash slot for <key>.',
  'MYID',
  '    Return the node id.',
  'NODES',
  '    Return cluster configuration seen by node. Output format:',
  '    <id> <ip:port> <flags> <master> <pings> <pongs> <epoch> <link> <slot> ...',
  'SLOTS',
  '    Return information about slots range mappings. Each range is made of:',
  '    start, end, master and replicas IP addresses, ports and ids',
  'SHARDS',
  '    Return information about slot range mappings and the nodes associated with them.',
  'HELP',
  '    Prints this help.',
];

function draw(c: CommandContext): ClusterPicture {
  return drawCluster(c.server.directory, c.server.routing);
}

function runSlots(c: CommandContext): void {
  const { ranges } = draw(c);
  const w = c.beginReply();
  writeArray(w, ranges.length);
  for (const { firstSlot, lastSlot, node } of ranges) {
    writeArray(w, 3);
    writeInt(w, firstSlot);
    writeInt(w, lastSlot);
    writeArray(w, 4);
    writeBulkText(w, node.host);
    writeInt(w, node.port);
    writeBulkText(w, node.id);
    writeMap(w, c.version, 0);
  }
  c.endReply(Outcome.ok);
}

function runShards(c: CommandContext): void {
  const { nodes } = draw(c);
  const w = c.beginReply();
  writeArray(w, nodes.length);
  for (const node of nodes) {
    writeMap(w, c.version, 2);
    writeBulkText(w, 'slots');
    writeArray(w, 2 * node.ranges.length);
    for (const { firstSlot, lastSlot } of node.ranges) {
      writeInt(w, firstSlot);
      writeInt(w, lastSlot);
    }
    writeBulkText(w, 'nodes');
    writeArray(w, 1);
    writeMap(w, c.version, 7);
    writeBulkText(w, 'id');
    writeBulkText(w, node.id);
    writeBulkText(w, 'port');
    writeInt(w, node.port);
    writeBulkText(w, 'ip');
    writeBulkText(w, node.host);
    writeBulkText(w, 'endpoint');
    writeBulkText(w, node.host);
    writeBulkText(w, 'role');
    writeBulkText(w, 'master');
    writeBulkText(w, 'replication-offset');
    writeInt(w, 0);
    writeBulkText(w, 'health');
    writeBulkText(w, 'online');
  }
  c.endReply(Outcome.ok);
}

function runNodes(c: CommandContext): void {
  const text = draw(c).nodes.map(nodeLine).join('');
  writeVerbatim(c.beginReply(), c.version, text);
  c.endReply(Outcome.ok);
}

function nodeLine(node: ListedNode): string {
  const flags = node.isSelf ? 'myself,master' : 'master';
  const slots = node.ranges.map(({ firstSlot, lastSlot }) =>
    firstSlot === lastSlot ? ` ${firstSlot}` : ` ${firstSlot}-${lastSlot}`,
  );
  const address = `${node.host}:${node.port}@${node.busPort}`;
  return `${node.id} ${address} ${flags} - 0 0 ${node.epoch} connected${slots.join('')}\n`;
}

function runInfo(c: CommandContext): void {
  const picture = draw(c);
  const { nodes, slotsAssigned, slotsOk } = picture;
  const rows: readonly (readonly [string, string | number])[] = [
    ['cluster_state', isWhole(picture) ? 'ok' : 'fail'],
    ['cluster_slots_assigned', slotsAssigned],
    ['cluster_slots_ok', slotsOk],
    ['cluster_slots_pfail', 0],
    ['cluster_slots_fail', slotsAssigned - slotsOk],
    ['cluster_known_nodes', nodes.length],
    ['cluster_size', nodes.filter((node) => node.ranges.length > 0).length],
    ['cluster_current_epoch', nodes.reduce((epoch, node) => Math.max(epoch, node.epoch), 0)],
    ['cluster_my_epoch', nodes.find((node) => node.isSelf)?.epoch ?? 0],
    ['cluster_stats_messages_sent', 0],
    ['cluster_stats_messages_received', 0],
    ['total_cluster_links_buffer_limit_exceeded', 0],
  ];
  writeVerbatim(c.beginReply(), c.version, rows.map(([name, value]) => `${name}:${value}\r\n`).join(''));
  c.endReply(Outcome.ok);
}

function runMyId(c: CommandContext): void {
  const { directory } = c.server;
  writeBulkText(c.beginReply(), clusterNodeId(directory.clusterId(), directory.nodeId));
  c.endReply(Outcome.ok);
}

function runKeySlot(c: CommandContext): void {
  const { args } = c;
  writeInt(c.beginReply(), slotOfKey(args.bytes, args.start(2), args.end(2)));
  c.endReply(Outcome.ok);
}

function runCountKeysInSlot(c: CommandContext): void {
  const { args, server } = c;
  const slot = parseInteger(args.bytes, args.start(2), args.end(2));
  if (Number.isNaN(slot)) return c.replyError(NOT_AN_INTEGER);
  if (slot < 0 || slot >= SLOT_COUNT) return c.replyError('ERR Invalid slot');
  if (server.gateway.shardOf(slot) < 0) return c.replyError(SLOT_DOWN_TEXT);
  c.iterate(new SlotCount(slot));
}

function runHelp(c: CommandContext): void {
  const w = c.beginReply();
  writeArray(w, HELP.length);
  for (const line of HELP) writeSimple(w, line);
  c.endReply(Outcome.ok);
}

const SERVED: readonly Subcommand[] = [
  { name: 'slots', arity: 2, run: runSlots },
  { name: 'shards', arity: 2, run: runShards },
  { name: 'nodes', arity: 2, run: runNodes },
  { name: 'info', arity: 2, run: runInfo },
  { name: 'myid', arity: 2, run: runMyId },
  { name: 'keyslot', arity: 3, run: runKeySlot },
  { name: 'countkeysinslot', arity: 3, run: runCountKeysInSlot },
  { name: 'help', arity: 2, run: runHelp },
];
/** Redis changes its cluster with these; here that is the administrators' API's work. */
const UNSERVED = [
  'addslots',
  'addslotsrange',
  'bumpepoch',
  'count-failure-reports',
  'delslots',
  'delslotsrange',
  'failover',
  'flushslots',
  'forget',
  'getkeysinslot',
  'links',
  'meet',
  'replicas',
  'replicate',
  'reset',
  'saveconfig',
  'set-config-epoch',
  'setslot',
  'slaves',
];

const LOCAL = { keys: [0, 0, 0], shape: Shape.plain, cache: 'none', since: '3.0.0' } as const;
const ROUTING = {
  ...LOCAL,
  arity: 1,
  flags: ['loading', 'stale', 'fast'],
  group: 'cluster',
  complexity: 'O(1)',
  run: (c: CommandContext) => c.replyOk(),
} as const;

/** Has no effect through a `forward` listener, which passes every command to the leader. */
function runReadOnly(c: CommandContext, readOnly: boolean): void {
  c.readOnly = readOnly;
  c.replyOk();
}

export const CLUSTER_COMMANDS: readonly CommandSpec[] = [
  {
    ...LOCAL,
    name: 'cluster',
    arity: -2,
    flags: ['stale'],
    group: 'cluster',
    complexity: 'O(S) for S shards; COUNTKEYSINSLOT: O(N) for the N keys of the shard',
    summary: 'Ask which node leads which slots',
    run: (c) => runSubcommand(c, 'cluster', SERVED, UNSERVED),
  },
  {
    ...ROUTING,
    name: 'readonly',
    summary: 'Let this node answer reads of the slots that it has a replica of',
    run: (c) => runReadOnly(c, true),
  },
  {
    ...ROUTING,
    name: 'readwrite',
    summary: 'Be redirected to leaders for reads again',
    run: (c) => runReadOnly(c, false),
  },
  // No slot is ever given away in pieces.
  { ...ROUTING, name: 'asking', flags: ['fast'], summary: 'Accepted; no slot is ever between two nodes' },
];
