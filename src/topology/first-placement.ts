/**
 * Where a new cluster's shards go: the ring's order, bent so that replicas and first leaders are spread evenly.
 *
 * Invariants: each shard gets distinct nodes; without domain labels the replica counts of two nodes differ by at most
 * one, and so do their counts of first leaders. With at least as many domains as replicas no shard has two replicas
 * in one domain, and the counts are as even as that allows.
 */
import { assert, must, type GroupId, type NodeId } from '../base/index.js';
import { buildRing, domainOf, ringOrder, spreadOverDomains, type Ring, type RingNode } from './ring.js';

/**
 * For shard 1, 2, … `shardCount` (at index 0, 1, …) its nodes, the preferred leader first. With fewer nodes than
 * `replicas` every node gets a replica of every shard.
 */
export function planFirstPlacement(
  nodes: readonly RingNode[],
  shardCount: number,
  replicas: number,
): NodeId[][] {
  assert(nodes.length > 0, 'placement needs a node');
  assert(shardCount >= 1 && replicas >= 1, `placement of ${shardCount} shards with ${replicas} replicas`);
  const perShard = Math.min(replicas, nodes.length);
  const ring = buildRing(nodes);
  const placement = new ReplicaQuotas(ring, shardCount, perShard).place();
  return balanceLeaders(placement);
}

/**
 * Deals replicas out under a quota per node. While `left` shards are to be placed, no domain may have more than
 * `left` replicas to come (a shard takes one of it at most): one that has exactly `left` is taken now, or it never
 * could be. Since quotas add up to `left * perShard`, at most `perShard` domains are in that state, and at least
 * `perShard` have something left: the dealing never gets stuck.
 */
class ReplicaQuotas {
  private readonly nodeLeft = new Map<NodeId, number>();
  private readonly domainLeft = new Map<string, number>();
  /** With fewer domains than replicas a label can only be a wish: each node is then a domain of its own here. */
  private readonly labelsBind: boolean;

  constructor(
    private readonly ring: Ring,
    private readonly shardCount: number,
    private readonly perShard: number,
  ) {
    this.labelsBind = new Set(ring.nodes.map(domainOf)).size >= perShard;
    this.deal();
  }

  place(): NodeId[][] {
    const placement: NodeId[][] = [];
    for (let shard: GroupId = 1; shard <= this.shardCount; shard++) placement.push(this.placeShard(shard));
    return placement;
  }

  /** Quotas: one more to each node in turn, past those whose domain is full, until all replicas are dealt. */
  private deal(): void {
    for (const node of this.ring.nodes) {
      this.nodeLeft.set(node.id, 0);
      this.domainLeft.set(this.unitOf(node), 0);
    }
    let undealt = this.shardCount * this.perShard;
    while (undealt > 0) {
      for (const node of this.ring.nodes) {
        if (undealt === 0 || this.leftOfUnit(node) === this.shardCount) continue;
        this.add(node, 1);
        undealt--;
      }
    }
  }

  private placeShard(shard: GroupId): NodeId[] {
    const left = this.shardCount - shard + 1;
    const order = ringOrder(this.ring, shard);
    const wished = this.labelsBind ? order : spreadOverDomains(order, order.length);
    const taken = new Map<string, RingNode>();
    const take = (onlyForced: boolean): void => {
      for (const node of wished) {
        if (taken.size === this.perShard) return;
        const unit = this.unitOf(node);
        const forced = this.leftOfUnit(node) === left;
        if (taken.has(unit) || (onlyForced && !forced) || !this.nodeLeft.get(node.id)) continue;
        taken.set(unit, node);
      }
    };
    take(true);
    take(false);
    assert(taken.size === this.perShard, `shard ${shard} found ${taken.size} of ${this.perShard} nodes`);
    for (const node of taken.values()) this.add(node, -1);
    return wished.filter((node) => taken.get(this.unitOf(node)) === node).map((node) => node.id);
  }

  private unitOf(node: RingNode): string {
    return this.labelsBind ? domainOf(node) : String(node.id);
  }

  private leftOfUnit(node: RingNode): number {
    return must(this.domainLeft.get(this.unitOf(node)), 'domain quota');
  }

  private add(node: RingNode, count: number): void {
    this.nodeLeft.set(node.id, must(this.nodeLeft.get(node.id), 'node quota') + count);
    this.domainLeft.set(this.unitOf(node), this.leftOfUnit(node) + count);
  }
}

/**
 * Puts a leader in front of each list so that leaders are spread as evenly as the lists allow: a first choice of the
 * least loaded node, then, while some node leads at least two more than another that it can reach by handing shards
 * along, one hand-over along that path. Without such a path the spread is the best there is.
 */
function balanceLeaders(placement: readonly (readonly NodeId[])[]): NodeId[][] {
  const load = new Map<NodeId, number>();
  for (const nodes of placement) for (const node of nodes) load.set(node, 0);
  const leaders = placement.map((nodes) => {
    let best = must(nodes[0], 'replica');
    for (const node of nodes) if (loadOf(load, node) < loadOf(load, best)) best = node;
    load.set(best, loadOf(load, best) + 1);
    return best;
  });
  while (handOver(placement, leaders, load));
  return placement.map((nodes, i) => {
    const leader = must(leaders[i], 'leader');
    return [leader, ...nodes.filter((node) => node !== leader)];
  });
}

/** One improvement, from the busiest node that can make one; false when there is none. */
function handOver(
  placement: readonly (readonly NodeId[])[],
  leaders: NodeId[],
  load: Map<NodeId, number>,
): boolean {
  const busiestFirst = [...load.keys()].sort((a, b) => loadOf(load, b) - loadOf(load, a) || a - b);
  const least = loadOf(load, must(busiestFirst.at(-1), 'node'));
  const shardsLedBy = new Map<NodeId, number[]>();
  for (const [shard, leader] of leaders.entries()) {
    const list = shardsLedBy.get(leader);
    if (list) list.push(shard);
    else shardsLedBy.set(leader, [shard]);
  }
  for (const from of busiestFirst) {
    if (loadOf(load, from) < least + 2) return false;
    // Breadth first: `via` tells over which shard a node was reached.
    const via = new Map<NodeId, number>([[from, -1]]);
    const queue: NodeId[] = [from];
    for (const node of queue) {
      if (loadOf(load, node) <= loadOf(load, from) - 2) {
        let at = node;
        while (at !== from) {
          const shard = must(via.get(at), 'path');
          const previous = must(leaders[shard], 'leader');
          leaders[shard] = at;
          at = previous;
        }
        load.set(from, loadOf(load, from) - 1);
        load.set(node, loadOf(load, node) + 1);
        return true;
      }
      for (const shard of shardsLedBy.get(node) ?? []) {
        for (const next of must(placement[shard], 'placement')) {
          if (via.has(next)) continue;
          via.set(next, shard);
          queue.push(next);
        }
      }
    }
  }
  return false;
}

function loadOf(load: ReadonlyMap<NodeId, number>, node: NodeId): number {
  return must(load.get(node), 'load');
}
