/**
 * Every setting by its dotted name, what kind of text it is given as, and the one line `--help` says about it.
 *
 * The names come from the schema's type, so a setting added there doesn't compile until it is described here. The
 * flag (`raft.tickMs` is `--raft-tick-ms`) and the environment variable (`QUORATE_RAFT_TICK_MS`) follow from the name.
 */
import type { NodeSettings } from './schema.js';

type LeafNames<T, Prefix extends string> = {
  [K in keyof T & string]: T[K] extends readonly unknown[]
    ? `${Prefix}${K}`
    : T[K] extends object
      ? LeafNames<T[K], `${Prefix}${K}.`>
      : `${Prefix}${K}`;
}[keyof T & string];

export type SettingName = LeafNames<NodeSettings, ''>;
/** `listeners`: several, separated by blanks; the flag may be repeated instead. */
export type SettingKind = 'text' | 'integer' | 'number' | 'boolean' | 'list' | 'listeners';

export interface SettingDescription {
  readonly kind: SettingKind;
  readonly help: string;
  /** Shown as the flag's argument in `--help`. */
  readonly argument: string;
  /** Everyday settings stand first in `--help`, the others under "Tuning". */
  readonly everyday: boolean;
}

function everyday(kind: SettingKind, argument: string, help: string): SettingDescription {
  return { kind, argument, help, everyday: true };
}

function tuning(kind: SettingKind, argument: string, help: string): SettingDescription {
  return { kind, argument, help, everyday: false };
}

export const SETTINGS: Readonly<Record<SettingName, SettingDescription>> = {
  data: everyday('text', 'DIR', 'data directory; holds identity, settings and all data'),
  grpc: everyday('text', 'HOST:PORT', 'gRPC of clients and administrators'),
  peer: everyday('text', 'HOST:PORT', 'links between nodes (default: the gRPC port + 50)'),
  resp: everyday(
    'listeners',
    'LISTENER',
    "Redis' protocol: HOST:PORT, and behind it ,routing=moved to redirect as Redis Cluster does and " +
      ',advertise=HOST:PORT for what others are told; may be repeated (default: the gRPC port - 221)',
  ),
  http: everyday('text', 'HOST:PORT', '/healthz, /readyz, /metrics (default: the gRPC port + 100)'),
  advertiseHost: everyday('text', 'HOST', 'host that others are told (default: the listening host)'),
  join: everyday('list', 'HOST:PORT,…', 'gRPC addresses of nodes to ask for a cluster'),
  single: everyday('boolean', 'true|false', 'found a cluster of one node without an init'),
  shards: everyday('integer', 'COUNT', 'with --single: number of shards'),
  insecure: everyday('boolean', 'true|false', 'allow listening beyond this machine without authentication'),
  reads: everyday(
    'text',
    'WAY',
    'quorum, or lease: reads that rely on the speed of clocks (on all nodes alike)',
  ),
  logLevel: everyday('text', 'LEVEL', 'debug, info, warn or error'),
  'raft.tickMs': tuning('integer', 'MS', "length of a tick, Raft's unit of time"),
  'raft.electionTicks': tuning('integer', 'TICKS', 'ticks without a leader before an election'),
  'raft.heartbeatTicks': tuning('integer', 'TICKS', 'ticks between heartbeats'),
  'raft.preVote': tuning('boolean', 'true|false', 'ask before raising the term'),
  'raft.diskStallMs': tuning('integer', 'MS', 'longest log write before leaderships are given up'),
  'raft.clockDriftRatio': tuning(
    'number',
    'RATIO',
    'how far the speeds of two clocks may differ, for leases',
  ),
  'raft.quiesce': tuning('boolean', 'true|false', 'idle groups send no heartbeats of their own'),
  'log.sync': tuning('boolean', 'true|false', 'false is UNSAFE: acknowledged writes die with the power'),
  'log.checkpointBytes': tuning('integer', 'BYTES', 'log bytes of a group after which a checkpoint is due'),
  'log.checkpointEntries': tuning('integer', 'COUNT', 'log entries of a group after which one is due'),
  'log.bytesMax': tuning('integer', 'BYTES', 'log of a group kept besides for slow snapshot receivers'),
  'snapshot.bytesPerSecondMax': tuning(
    'integer',
    'BYTES',
    'bytes a second of checkpoints to other nodes, and as many from them',
  ),
  'memory.max': everyday(
    'text',
    'SIZE',
    'memory of the tables here, such as 512mb or 2gb; 0: no limit (default: half of the machine)',
  ),
  'memory.maxItems': everyday('integer', 'COUNT', 'items of the tables here; 0: no limit'),
  'feed.bytesMax': tuning('integer', 'BYTES', "memory of each shard's change feed; 0: none is kept"),
  'feed.eventsMax': tuning('integer', 'COUNT', "changes that each shard's feed keeps"),
  'disk.reserveRatio': tuning('number', 'RATIO', 'free share of the disk below which writes are refused'),
  'disk.reserveBytes': tuning('integer', 'BYTES', 'free bytes below which writes are refused'),
  'disk.ballastBytes': tuning('integer', 'BYTES', 'size of the file given up when the disk is full'),
  'limits.valueBytesMax': tuning('integer', 'BYTES', 'largest value'),
  'limits.commandBytesMax': tuning('integer', 'BYTES', 'all arguments of one command'),
  'limits.connectionsMax': tuning('integer', 'COUNT', 'client connections'),
  'limits.outputBytesMax': tuning('integer', 'BYTES', 'replies a client may leave unread'),
  'limits.outputSoftBytesMax': tuning(
    'integer',
    'BYTES',
    'replies a client may leave unread for ten seconds',
  ),
  'limits.inflightBytesMax': tuning('integer', 'BYTES', 'commands a node holds unanswered'),
  'limits.requestTimeoutMs': tuning('integer', 'MS', 'time limit of a request'),
  'limits.grpcConnectionsMax': tuning('integer', 'COUNT', 'gRPC connections, of nodes and tools included'),
  'limits.grpcStreamsMax': tuning('integer', 'COUNT', 'open calls of one gRPC connection'),
  'limits.grpcMessageBytesMax': tuning('integer', 'BYTES', 'largest gRPC message, after decompression'),
};

export const SETTING_NAMES: readonly SettingName[] = Object.keys(SETTINGS) as SettingName[];

export function isSettingName(name: string): name is SettingName {
  return Object.hasOwn(SETTINGS, name);
}

/** `raft.tickMs` -> `raft-tick-ms`. */
function kebab(name: SettingName): string {
  return name.replaceAll('.', '-').replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}

/** The flag without its dashes: `raft.tickMs` is given as `--raft-tick-ms`. */
export function flagOf(name: SettingName): string {
  return kebab(name);
}

export function environmentVariableOf(name: SettingName): string {
  return `QUORATE_${kebab(name).replaceAll('-', '_').toUpperCase()}`;
}
