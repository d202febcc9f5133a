/**
 * What group 0 knows: the cluster, its nodes, its shards. The only truth about them (ARCHITECTURE section 11), but
 * for a group's members, which the group's own applied configuration says.
 *
 * Encoded: u8 layout (5) | clusterId | u32 clusterVersion | u64 mapVersion | u32 nextNodeId | u32 replicas | nodes | shards
 * | meta group | settings and shares (memory.ts).
 */
import {
  ByteReader,
  ByteWriter,
  type GroupId,
  type MapVersion,
  type NodeId,
  type ReplicaId,
  type VersionRange,
} from '../base/index.js';
import type { NodeAddresses } from '../base/index.js';
import { decodeMemory, encodeMemory, type MemoryState } from './memory.js';

export type NodeState = 'joining' | 'up' | 'draining' | 'removed';
const NODE_STATES: readonly NodeState[] = ['joining', 'up', 'draining', 'removed'];

export interface MetaNode {
  readonly id: NodeId;
  readonly instanceId: string;
  readonly addresses: NodeAddresses;
  readonly state: NodeState;
  /** Cluster versions that its build knows, as it reported at its last start. */
  readonly versions: VersionRange;
}

export interface MetaReplica {
  readonly replica: ReplicaId;
  readonly node: NodeId;
  /** Holds a copy, and neither votes nor leads. */
  readonly isLearner: boolean;
}

/** Group 0's copy of a group's configuration, as its leader reported it. */
export interface GroupMembers {
  /** Grows with every change; a report with a lower one changes nothing. */
  readonly configurationVersion: number;
  /** The highest replica id that the group ever had. */
  readonly highestId: ReplicaId;
  readonly replicas: readonly MetaReplica[];
}

export interface MetaShard extends GroupMembers {
  readonly id: GroupId;
  readonly firstSlot: number;
  readonly lastSlot: number;
  /** The cluster version at which its log began; it never changes. */
  readonly born: number;
}

export interface MetaState extends MemoryState {
  readonly clusterId: string;
  /** What may stand in logs, snapshots and frames: see base/cluster-version.ts. It never goes back. */
  readonly clusterVersion: number;
  /** Version of the shard map: grows with every change of nodes or shards. */
  readonly mapVersion: MapVersion;
  readonly nextNodeId: NodeId;
  /** Replicas a shard is to have. */
  readonly replicas: number;
  readonly nodes: readonly MetaNode[];
  readonly shards: readonly MetaShard[];
  /** Members of group 0. */
  readonly metaGroup: GroupMembers;
}

export const EMPTY_META: MetaState = {
  clusterId: '',
  clusterVersion: 0,
  mapVersion: 0,
  nextNodeId: 1,
  replicas: 0,
  nodes: [],
  shards: [],
  metaGroup: { configurationVersion: 0, highestId: 0, replicas: [] },
  settings: [],
  shares: [],
};

const LAYOUT = 5;
/** Bounds what a malformed count can make us allocate. */
const COUNT_MAX = 65_536;

export function encodeMetaState(state: MetaState): Uint8Array {
  const w = new ByteWriter(1024);
  w.u8(LAYOUT);
  w.string16(state.clusterId);
  w.u32(state.clusterVersion);
  w.u64(state.mapVersion);
  w.u32(state.nextNodeId);
  w.u32(state.replicas);
  w.u32(state.nodes.length);
  for (const node of state.nodes) {
    w.u32(node.id);
    w.string16(node.instanceId);
    encodeAddresses(w, node.addresses);
    w.u8(NODE_STATES.indexOf(node.state));
    encodeVersions(w, node.versions);
  }
  w.u32(state.shards.length);
  for (const shard of state.shards) {
    w.u32(shard.id);
    w.u16(shard.firstSlot);
    w.u16(shard.lastSlot);
    w.u32(shard.born);
    encodeMembers(w, shard);
  }
  encodeMembers(w, state.metaGroup);
  encodeMemory(w, state);
  return w.take();
}

export function decodeMetaState(bytes: Uint8Array): MetaState {
  const r = new ByteReader(bytes);
  const layout = r.u8();
  if (layout !== LAYOUT)
    throw new RangeError(`cluster state of layout ${layout}, this build reads ${LAYOUT}`);
  const clusterId = r.string16();
  const clusterVersion = r.u32();
  const mapVersion = r.u64();
  const nextNodeId = r.u32();
  const replicas = r.u32();
  const nodes = list(r, (): MetaNode => {
    const id = r.u32();
    const instanceId = r.string16();
    const addresses = decodeAddresses(r);
    const stateNumber = r.u8();
    const state = NODE_STATES[stateNumber];
    if (state === undefined) throw new RangeError(`meta state with a node in state ${stateNumber}`);
    return { id, instanceId, addresses, state, versions: decodeVersions(r) };
  });
  const shards = list(r, (): MetaShard => {
    const id = r.u32();
    const firstSlot = r.u16();
    const lastSlot = r.u16();
    const born = r.u32();
    return { id, firstSlot, lastSlot, born, ...decodeMembers(r) };
  });
  const metaGroup = decodeMembers(r);
  const { settings, shares } = decodeMemory(r);
  if (r.remaining > 0) throw new RangeError(`meta state with ${r.remaining} bytes left over`);
  return {
    clusterId,
    clusterVersion,
    mapVersion,
    nextNodeId,
    replicas,
    nodes,
    shards,
    metaGroup,
    settings,
    shares,
  };
}

export function encodeAddresses(w: ByteWriter, addresses: NodeAddresses): void {
  w.string16(addresses.grpc);
  w.string16(addresses.peer);
  w.string16(addresses.resp);
  w.string16(addresses.http);
  w.string16(addresses.respMoved);
}

export function decodeAddresses(r: ByteReader): NodeAddresses {
  const [grpc, peer, resp, http] = [r.string16(), r.string16(), r.string16(), r.string16()];
  return { grpc, peer, resp, respMoved: r.string16(), http };
}

export function encodeVersions(w: ByteWriter, versions: VersionRange): void {
  w.u32(versions.min);
  w.u32(versions.max);
}

export function decodeVersions(r: ByteReader): VersionRange {
  const versions = { min: r.u32(), max: r.u32() };
  if (versions.min > versions.max) throw new RangeError(`versions ${versions.min} to ${versions.max}`);
  return versions;
}

/** u64 configuration version | u32 highest id | u32 count | (u32 replica | u32 node | u8 is learner)… */
export function encodeMembers(w: ByteWriter, members: GroupMembers): void {
  w.u64(members.configurationVersion);
  w.u32(members.highestId);
  w.u32(members.replicas.length);
  for (const { replica, node, isLearner } of members.replicas) {
    w.u32(replica);
    w.u32(node);
    w.u8(isLearner ? 1 : 0);
  }
}

export function decodeMembers(r: ByteReader): GroupMembers {
  const configurationVersion = r.u64();
  const highestId = r.u32();
  const replicas = list(r, () => ({ replica: r.u32(), node: r.u32(), isLearner: r.u8() === 1 }));
  return { configurationVersion, highestId, replicas };
}

/** What a group is born with: voters only. */
export function firstMembers(
  homes: readonly { readonly replica: ReplicaId; readonly node: NodeId }[],
): GroupMembers {
  return {
    configurationVersion: 1,
    highestId: homes.reduce((highest, { replica }) => Math.max(highest, replica), 0),
    replicas: homes.map(({ replica, node }) => ({ replica, node, isLearner: false })),
  };
}

function list<T>(r: ByteReader, item: () => T): T[] {
  const count = r.u32();
  if (count > COUNT_MAX) throw new RangeError(`meta state with a list of ${count}`);
  const items: T[] = [];
  for (let i = 0; i < count; i++) items.push(item());
  return items;
}
