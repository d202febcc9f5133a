/**
 * The consistent-hash ring: every node owns 256 points (times its weight) of a circle of 2^32 positions; a shard
 * starts at its own position and meets the nodes in the order of their points. A node more or less moves only about
 * its own share. Pure: the same nodes give the same ring, whatever order they are listed in.
 *
 * The ring proposes; what group 0 committed is the truth. So the hash below may change between versions of the
 * program without moving anything that was placed.
 */
import { assert, type GroupId, type NodeId } from '../base/index.js';

/** Points of a node of weight 1. Enough that shares of equal nodes differ by some per cent only. */
export const VIRTUAL_NODES = 256;

export interface RingNode {
  readonly id: NodeId;
  /** Share relative to other nodes; 1 when absent. */
  readonly weight?: number;
  /** What fails together (a machine, a rack). Absent or empty: the node is a domain of its own. */
  readonly domain?: string;
}

export interface Ring {
  /** Ascending by id. */
  readonly nodes: readonly RingNode[];
  /** Points, ascending. */
  readonly positions: Uint32Array;
  /** Index into `nodes` of each point's owner. */
  readonly owners: Uint32Array;
}

/** Room for a node's index beside a 32-bit position in one exact double. */
const NODE_INDEX_LIMIT = 2 ** 20;

export function buildRing(nodes: readonly RingNode[]): Ring {
  assert(nodes.length < NODE_INDEX_LIMIT, `ring of ${nodes.length} nodes`);
  const sorted = [...nodes].sort((a, b) => a.id - b.id);
  const points: number[] = [];
  for (const [index, node] of sorted.entries()) {
    assert(index === 0 || node.id !== sorted[index - 1]?.id, `node ${node.id} is twice in the ring`);
    const count = Math.max(1, Math.round(VIRTUAL_NODES * (node.weight ?? 1)));
    for (let i = 0; i < count; i++) points.push(hashPair(node.id, i) * NODE_INDEX_LIMIT + index);
  }
  const packed = Float64Array.from(points).sort();
  const positions = new Uint32Array(packed.length);
  const owners = new Uint32Array(packed.length);
  for (let i = 0; i < packed.length; i++) {
    const point = packed[i] as number;
    positions[i] = Math.floor(point / NODE_INDEX_LIMIT);
    owners[i] = point % NODE_INDEX_LIMIT;
  }
  return { nodes: sorted, positions, owners };
}

/** All nodes in the order in which the shard meets them on the ring. */
export function ringOrder(ring: Ring, shard: GroupId): RingNode[] {
  const order: RingNode[] = [];
  const seen = new Uint8Array(ring.nodes.length);
  const start = firstPointFrom(ring.positions, hashPair(0, shard));
  for (let step = 0; step < ring.owners.length && order.length < ring.nodes.length; step++) {
    const owner = ring.owners[(start + step) % ring.owners.length] as number;
    if (seen[owner]) continue;
    seen[owner] = 1;
    order.push(ring.nodes[owner] as RingNode);
  }
  return order;
}

/**
 * The nodes for a shard's replicas, in ring order, never two of one domain while other domains are left. Fewer than
 * `count` only when there are fewer nodes.
 */
export function placeReplicas(ring: Ring, shard: GroupId, count: number): NodeId[] {
  return spreadOverDomains(ringOrder(ring, shard), count).map((node) => node.id);
}

/** The first `count` of `order`, those of domains not yet used before all others. */
export function spreadOverDomains(order: readonly RingNode[], count: number): RingNode[] {
  const used = new Set<string>();
  const first: RingNode[] = [];
  const rest: RingNode[] = [];
  for (const node of order) {
    const domain = domainOf(node);
    if (used.has(domain)) rest.push(node);
    else first.push(node);
    used.add(domain);
  }
  return [...first, ...rest].slice(0, count);
}

/** Key of the node's failure domain; unlabelled nodes get one each, which no label can equal. */
export function domainOf(node: RingNode): string {
  return node.domain ? `label:${node.domain}` : `node:${node.id}`;
}

/** Index of the first point at or after `position`; past the last the circle begins again. */
function firstPointFrom(positions: Uint32Array, position: number): number {
  let low = 0;
  let high = positions.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((positions[middle] as number) < position) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Two integers mixed into 32 bits; node ids begin at 1, so that pairs with a 0 in front are the shards'. */
function hashPair(a: number, b: number): number {
  let h = Math.imul(a, 0x9e3779b1) ^ Math.imul(b + 1, 0x85ebca77);
  h = Math.imul(h ^ (h >>> 16), 0x21f0aaad);
  h = Math.imul(h ^ (h >>> 15), 0x735a2d97);
  h ^= h >>> 15;
  h = Math.imul(h + a, 0xc2b2ae3d);
  h = Math.imul(h ^ (h >>> 16), 0x21f0aaad);
  return (h ^ (h >>> 15)) >>> 0;
}
