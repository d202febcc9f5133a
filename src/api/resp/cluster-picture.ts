/**
 * The cluster as CLUSTER tells it through one listener: nodes that have a listener of the same routing, each the master
 * of the slots it leads. Made for one reply, from what this node knows at that moment.
 *
 * Slots whose leader is unknown, or has no such listener, belong to no node here.
 */
import { SLOT_COUNT, type NodeId } from '../../base/index.js';
import { splitAddress, type RespRouting } from '../../settings/index.js';
import type { SlotRange } from '../../topology/index.js';
import type { ClusterDirectory } from '../gateway-port.js';
import { respAddressOf } from './cluster-redirect.js';

export interface ListedNode {
  readonly nodeId: NodeId;
  /** 40 hex digits, the same for ever. */
  readonly id: string;
  readonly isSelf: boolean;
  readonly host: string;
  readonly port: number;
  /** Of the links between nodes: what Redis calls the bus. */
  readonly busPort: number;
  /** The highest term that it leads a shard in; 0 when it leads none. */
  readonly epoch: number;
  /** In the order of slots, neighbours merged. */
  readonly ranges: readonly SlotRange[];
}

export interface OwnedRange extends SlotRange {
  readonly node: ListedNode;
}

export interface ClusterPicture {
  /** By node id; nodes that lead nothing are among them. */
  readonly nodes: readonly ListedNode[];
  /** All ranges in the order of slots. */
  readonly ranges: readonly OwnedRange[];
  /** Slots that some shard owns. */
  readonly slotsAssigned: number;
  /** Slots that one of the nodes leads. */
  readonly slotsOk: number;
}

export function drawCluster(directory: ClusterDirectory, routing: RespRouting): ClusterPicture {
  const map = directory.map();
  const nodes = new Map<NodeId, ListedNode & { ranges: SlotRange[]; epoch: number }>();
  for (const { id, addresses, state } of [...map.nodes].sort((a, b) => a.id - b.id)) {
    const address = state === 'removed' ? null : respAddressOf(directory, id, routing);
    if (address === null) continue;
    nodes.set(id, {
      nodeId: id,
      id: clusterNodeId(directory.clusterId(), id),
      isSelf: id === directory.nodeId,
      ...address,
      busPort: splitAddress(addresses.peer).port,
      epoch: 0,
      ranges: [],
    });
  }
  const ranges: OwnedRange[] = [];
  let slotsAssigned = 0;
  let slotsOk = 0;
  for (const shard of [...map.shards].sort((a, b) => a.firstSlot - b.firstSlot)) {
    const slots = shard.lastSlot - shard.firstSlot + 1;
    slotsAssigned += slots;
    const node = nodes.get(directory.leaderOf(shard.id));
    if (node === undefined) continue;
    slotsOk += slots;
    node.epoch = Math.max(node.epoch, directory.leaderTermOf(shard.id));
    const last = ranges.at(-1);
    const joins = last?.node === node && last.lastSlot + 1 === shard.firstSlot;
    const firstSlot = joins ? last.firstSlot : shard.firstSlot;
    if (joins) {
      ranges.pop();
      node.ranges.pop();
    }
    ranges.push({ firstSlot, lastSlot: shard.lastSlot, node });
    node.ranges.push({ firstSlot, lastSlot: shard.lastSlot });
  }
  return { nodes: [...nodes.values()], ranges, slotsAssigned, slotsOk };
}

export function isWhole(picture: ClusterPicture): boolean {
  return picture.slotsOk === SLOT_COUNT;
}

const LANES = 4;

/**
 * The id under which Redis' clients know a node: 40 hex digits from cluster id and node id. The last eight are the
 * node id itself, so that no two nodes of a cluster share one; the others tell clusters apart.
 */
export function clusterNodeId(clusterId: string, nodeId: NodeId): string {
  let id = '';
  for (let lane = 1; lane <= LANES; lane++) {
    let h = Math.imul(0x9e3779b1, lane) ^ nodeId;
    for (let i = 0; i < clusterId.length; i++) {
      h = Math.imul(h ^ clusterId.charCodeAt(i), 0x01000193);
      h ^= h >>> 15;
    }
    h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
    h ^= h >>> 13;
    id += hex32(h);
  }
  return id + hex32(nodeId);
}

function hex32(value: number): string {
  return (value >>> 0).toString(16).padStart(8, '0');
}
