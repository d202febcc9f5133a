/**
 * The first state of a cluster: node ids, shards and their replicas, the members of group 0. A pure function of what
 * is known at founding, so that it can be tested without a cluster.
 */
import { assert, knowsVersion } from '../base/index.js';
import { firstMembers, type MetaNode, type MetaShard, type MetaState } from '../meta/index.js';
import type { Instance } from '../ports/index.js';
import { planFirstPlacement, slotRanges } from '../topology/index.js';

/** Group 0 runs on this many nodes when there are that many; on one node otherwise. */
const META_VOTERS = 3;

export interface GenesisOptions {
  readonly clusterId: string;
  readonly instances: readonly Instance[];
  readonly shards: number;
  readonly replicas: number;
}

/** Node ids are 1, 2, 3… in the order of the gRPC addresses: the same founding gives the same ids. */
export function planGenesis(options: GenesisOptions): MetaState {
  const instances = [...options.instances].sort((a, b) =>
    compareAddresses(a.addresses.grpc, b.addresses.grpc),
  );
  assert(instances.length > 0, 'a cluster is founded by at least one node');
  const clusterVersion = foundingVersion(instances);
  assert(clusterVersion > 0, 'the founding nodes know no cluster version in common');
  const nodes = instances.map((instance, i): MetaNode => ({
    id: i + 1,
    instanceId: instance.instanceId,
    addresses: instance.addresses,
    state: 'up',
    versions: instance.versions,
  }));
  const replicas = Math.min(options.replicas, nodes.length);
  const ranges = slotRanges(options.shards);
  const placement = planFirstPlacement(
    nodes.map((node) => ({ id: node.id })),
    ranges.length,
    replicas,
  );
  const shards = ranges.map((range, i): MetaShard => {
    const id = i + 1;
    const placed = placement[i];
    assert(placed !== undefined && placed.length === replicas, `shard ${id} was not placed`);
    return {
      id,
      firstSlot: range.firstSlot,
      lastSlot: range.lastSlot,
      born: clusterVersion,
      ...firstMembers(placed.map((node, r) => ({ replica: r + 1, node }))),
    };
  });
  const metaCount = nodes.length >= META_VOTERS ? META_VOTERS : 1;
  return {
    clusterId: options.clusterId,
    clusterVersion,
    mapVersion: 1,
    nextNodeId: nodes.length + 1,
    replicas: options.replicas,
    nodes,
    shards,
    metaGroup: firstMembers(nodes.slice(0, metaCount).map((node, r) => ({ replica: r + 1, node: node.id }))),
    settings: [],
    shares: [],
  };
}

/** The newest version that all of them know; 0 when there is none. */
export function foundingVersion(instances: readonly Instance[]): number {
  const newest = Math.min(...instances.map(({ versions }) => versions.max));
  return instances.every(({ versions }) => knowsVersion(versions, newest)) ? newest : 0;
}

/** By host, then by port as a number. */
export function compareAddresses(a: string, b: string): number {
  const [hostA, portA] = split(a);
  const [hostB, portB] = split(b);
  if (hostA !== hostB) return hostA < hostB ? -1 : 1;
  return portA - portB;
}

function split(address: string): [string, number] {
  const at = address.lastIndexOf(':');
  return [address.slice(0, at), Number(address.slice(at + 1))];
}
