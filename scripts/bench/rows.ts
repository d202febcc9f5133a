/**
 * What can be measured: one row per system, load and shape (clients x commands that each keeps open). Pure data.
 *
 * A turn is one start of a system on the otherwise idle machine; all rows of a turn use that start. Rows marked `once`
 * are about Quorate alone and are taken in the first round only.
 */

export const TURNS = [
  'etcd',
  'cluster',
  'redis',
  'single',
  'bare',
  'idle',
  'idle3',
  'transfer',
  'failover',
] as const;
export type Turn = (typeof TURNS)[number];

export type Load = 'writes' | 'reads' | 'mix' | 'other';

export interface Row {
  readonly id: string;
  readonly system: string;
  readonly turn: Turn;
  readonly load: Load;
  readonly clients: number;
  /** Commands that a client has open at once. */
  readonly pipeline: number;
  /** Part of `--quick`. */
  readonly quick: boolean;
  readonly once: boolean;
}

/** The system's part of a row's id, and who talks to whom there. */
export const SYSTEMS: Readonly<Record<string, string>> = {
  etcd: 'etcd, 3 members, clients spread over the members',
  redis: 'Redis, one process, AOF with fsync always',
  bare: "a bare RESP server in Node: a Map, no disk, no peers (what the protocol's work alone costs)",
  map: 'Quorate, 3 nodes, redis-benchmark --cluster (one slot for each node: 3 shards of 16 work)',
  spread: 'Quorate, 3 nodes, own generator with the slot map, keys over all 16 shards',
  node: 'Quorate, 3 nodes, all clients at one node, which forwards two thirds of the keys',
  grpc: 'Quorate, 3 nodes, unary gRPC calls, clients spread over the nodes',
  sdk: 'Quorate, 3 nodes, the SDK: gRPC streams with the shard map',
  paced: 'Quorate, 3 nodes, as `spread`, at a steady half of the top rate',
  single: 'Quorate, one node, one replica, fsync',
  idle: 'Quorate, 1,000 shards without load: one node, then three; and how soon all are led again after a kill -9',
  transfer:
    'Quorate, 3 nodes, 64 clients: the longest pause of a writer while its leader is moved to and fro',
  failover: 'Quorate, 3 nodes, kill -9 of each in turn under load',
};

const CLIENTS = [1, 64, 256];
const PIPELINES = [1, 16];

function row(
  system: string,
  turn: Turn,
  load: Load,
  clients: number,
  pipeline: number,
  more: Partial<Row> = {},
): Row {
  const id = `${system}.${load}.${clients}x${pipeline}`;
  return { id, system, turn, load, clients, pipeline, quick: false, once: false, ...more };
}

function grid(system: string, turn: Turn, clients: readonly number[], pipelines: readonly number[]): Row[] {
  return (['writes', 'reads'] as const).flatMap((load) =>
    pipelines.flatMap((pipeline) =>
      clients.map((count) =>
        row(system, turn, load, count, pipeline, { quick: isQuick(system, count, pipeline) }),
      ),
    ),
  );
}

function isQuick(system: string, clients: number, pipeline: number): boolean {
  if (clients !== 64) return false;
  return system === 'etcd' || system === 'map' || (system === 'node' && pipeline === 1);
}

const QUICK = { quick: true };

export const ROWS: readonly Row[] = [
  ...grid('etcd', 'etcd', CLIENTS, [1]),
  ...grid('map', 'cluster', CLIENTS, PIPELINES),
  ...grid('spread', 'cluster', [64], PIPELINES),
  ...grid('node', 'cluster', CLIENTS, PIPELINES),
  ...grid('grpc', 'cluster', CLIENTS, [1]),
  row('sdk', 'cluster', 'mix', 1, 1),
  row('sdk', 'cluster', 'mix', 64, 1),
  row('sdk', 'cluster', 'mix', 64, 16, QUICK),
  row('sdk', 'cluster', 'mix', 256, 16),
  row('paced', 'cluster', 'writes', 64, 16),
  row('paced', 'cluster', 'reads', 64, 16),
  row('redis', 'redis', 'writes', 50, 1),
  row('redis', 'redis', 'writes', 50, 16, QUICK),
  row('single', 'single', 'writes', 50, 1),
  row('single', 'single', 'writes', 50, 16, QUICK),
  row('bare', 'bare', 'reads', 64, 1, QUICK),
  row('bare', 'bare', 'reads', 64, 16),
  { ...row('idle', 'idle', 'other', 0, 0), id: 'idle.1000-shards', once: true },
  { ...row('idle', 'idle3', 'other', 0, 0), id: 'idle.3x1000', once: true },
  // Last of its turn: a node is gone then.
  { ...row('idle', 'idle3', 'other', 0, 0), id: 'idle.node-killed', once: true },
  { ...row('transfer', 'transfer', 'other', 64, 1), id: 'transfer.leader-moved' },
  { ...row('failover', 'failover', 'other', 0, 0), id: 'failover.leader-killed', once: true },
];

/** The shape part of a row's id. */
export function shapeOf(row: Row): string {
  return row.id.split('.').at(-1) ?? '';
}

export type Selection =
  { readonly ok: true; readonly rows: readonly Row[] } | { readonly ok: false; readonly problem: string };

/**
 * Rows that `--only` asks for. Words name systems, loads, shapes or whole rows; words of one kind add up, kinds narrow
 * each other: `map,etcd,writes` is the writes of both. Without words, all rows.
 */
export function selectRows(all: readonly Row[], words: readonly string[]): Selection {
  const known = {
    id: new Set(all.map((row) => row.id)),
    system: new Set(all.map((row) => row.system)),
    load: new Set<string>(all.map((row) => row.load)),
    shape: new Set(all.map(shapeOf)),
  };
  const asked = {
    id: new Set<string>(),
    system: new Set<string>(),
    load: new Set<string>(),
    shape: new Set<string>(),
  };
  for (const word of words) {
    const kind = (['id', 'system', 'load', 'shape'] as const).find((name) => known[name].has(word));
    if (kind === undefined) {
      const systems = [...known.system].join(', ');
      return { ok: false, problem: `--only ${word}: no such row; systems are ${systems}; see --list` };
    }
    asked[kind].add(word);
  }
  const has = (set: ReadonlySet<string>, word: string): boolean => set.size === 0 || set.has(word);
  const rows = all.filter(
    (row) =>
      asked.id.has(row.id) ||
      ((asked.id.size === 0 || asked.system.size + asked.load.size + asked.shape.size > 0) &&
        has(asked.system, row.system) &&
        has(asked.load, row.load) &&
        has(asked.shape, shapeOf(row))),
  );
  if (rows.length === 0)
    return { ok: false, problem: `--only ${words.join(',')}: no row is all of that; see --list` };
  return { ok: true, rows };
}

/** The order of things in a round: rotated, so that nobody is always first or always after the same one. */
export function rotate<T>(items: readonly T[], round: number): T[] {
  const by = items.length === 0 ? 0 : round % items.length;
  return [...items.slice(by), ...items.slice(0, by)];
}
