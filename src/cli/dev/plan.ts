/** What a local cluster looks like: which node has which ports and which folder. Pure. */
import path from 'node:path';

/** What each node listens for. `resp` forwards; `moved` redirects as Redis Cluster does. */
export const DEV_LISTENERS = ['grpc', 'peer', 'resp', 'moved', 'http'] as const;
export type DevListener = (typeof DEV_LISTENERS)[number];

/** Fixed for the life of the data directory. */
export interface ClusterShape {
  readonly nodes: number;
  readonly shards: number;
  readonly replicas: number;
}

export interface DevOptions {
  /** What the command line asked for; what it left open comes from the directory, or from the defaults. */
  readonly asked: Partial<ClusterShape>;
  readonly basePorts: Readonly<Record<DevListener, number>>;
  readonly data: string;
  readonly fresh: boolean;
}

export interface PlannedNode {
  readonly number: number;
  readonly addresses: Readonly<Record<DevListener, string>>;
  readonly ports: Readonly<Record<DevListener, number>>;
  readonly folder: string;
  readonly logFile: string;
}

export const DEV_HOST = '127.0.0.1';
const DEFAULT_NODES = 3;
const DEFAULT_SHARDS = 16;
const DEFAULT_REPLICAS = 3;

export type ShapeResult =
  | { readonly ok: true; readonly shape: ClusterShape }
  | { readonly ok: false; readonly kind: 'usage' | 'refused'; readonly problem: string };

/** The shape to run: what is stored, if that isn't contradicted; else what was asked; else the defaults. */
export function decideShape(
  asked: Partial<ClusterShape>,
  stored: ClusterShape | null,
  data: string,
): ShapeResult {
  if (stored) {
    for (const key of ['nodes', 'shards', 'replicas'] as const) {
      if (asked[key] !== undefined && asked[key] !== stored[key]) {
        const problem =
          `${data} holds a cluster with --nodes ${stored.nodes} --shards ${stored.shards} --replicas ${stored.replicas}, ` +
          `which --${key} ${asked[key]} does not fit; leave it out, name another directory with --data, ` +
          'or wipe this one with --fresh';
        return { ok: false, kind: 'refused', problem };
      }
    }
    return { ok: true, shape: stored };
  }
  const nodes = asked.nodes ?? DEFAULT_NODES;
  const replicas = asked.replicas ?? Math.min(DEFAULT_REPLICAS, nodes);
  if (replicas > nodes) {
    return {
      ok: false,
      kind: 'usage',
      problem: `--replicas ${replicas} needs at least as many --nodes, not ${nodes}`,
    };
  }
  return { ok: true, shape: { nodes, shards: asked.shards ?? DEFAULT_SHARDS, replicas } };
}

export function planNodes(options: DevOptions, nodeCount: number): PlannedNode[] {
  return Array.from({ length: nodeCount }, (_, i) => {
    const ports = Object.fromEntries(
      DEV_LISTENERS.map((name) => [name, options.basePorts[name] + i]),
    ) as Record<DevListener, number>;
    const addresses = Object.fromEntries(
      DEV_LISTENERS.map((name) => [name, `${DEV_HOST}:${ports[name]}`]),
    ) as Record<DevListener, string>;
    const folder = path.join(options.data, `n${i + 1}`);
    return { number: i + 1, addresses, ports, folder, logFile: `${folder}.log` };
  });
}

/** Two listeners on one port, or a port that doesn't exist; null when all is well. */
export function checkPorts(nodes: readonly PlannedNode[]): string | null {
  const owners = new Map<number, string>();
  for (const node of nodes) {
    for (const listener of DEV_LISTENERS) {
      const port = node.ports[listener];
      const owner = `${listener} of node ${node.number}`;
      if (port > 65535) return `port ${port} (${owner}) does not exist; choose a lower --base-${listener}`;
      const other = owners.get(port);
      if (other !== undefined) {
        return `port ${port} is wanted by ${other} and by ${owner}; choose another --base-${listener}`;
      }
      owners.set(port, owner);
    }
  }
  return null;
}
