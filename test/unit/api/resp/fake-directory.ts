/** A cluster's directory in a test's hands: nodes with both kinds of listeners, and leaders as the test says. */
import type { ClusterDirectory } from '../../../../src/api/gateway-port.js';
import type { NodeAddresses } from '../../../../src/base/index.js';
import { EMPTY_SHARD_MAP, ShardMap, slotRanges, type SlotRange } from '../../../../src/topology/index.js';

/** Nodes 1 to 3, shards 1 to `shardCount`; shard n is led by node ((n - 1) mod 3) + 1 in term 10 + n. */
export class FakeDirectory implements ClusterDirectory {
  mapKnown = true;
  readonly leaders = new Map<number, number>();
  readonly addresses = new Map<number, NodeAddresses>();
  /** Of shards 1, 2, …: a test may give other ones. */
  ranges: readonly SlotRange[];

  constructor(
    shardCount = 4,
    readonly nodeId = 3,
  ) {
    this.ranges = slotRanges(shardCount);
    for (let shard = 1; shard <= shardCount; shard++) this.leaders.set(shard, ((shard - 1) % 3) + 1);
    for (const node of [1, 2, 3]) {
      this.addresses.set(node, {
        grpc: `10.0.0.${node}:7600`,
        peer: `10.0.0.${node}:7650`,
        resp: `10.0.0.${node}:7379`,
        respMoved: `10.0.0.${node}:7479`,
        http: `10.0.0.${node}:7700`,
      });
    }
  }

  /** Shards with a replica on this node that may answer reads. */
  readonly replicasHere = new Set<number>();

  servesAnyReads(shard: number): boolean {
    return this.replicasHere.has(shard);
  }

  clusterId(): string {
    return 'cluster-a';
  }

  map(): ShardMap {
    if (!this.mapKnown) return EMPTY_SHARD_MAP;
    return new ShardMap(
      7,
      [...this.addresses].map(([id, addresses]) => ({ id, addresses, instanceId: `i${id}`, state: 'up' })),
      this.ranges.map((range, i) => ({
        id: i + 1,
        ...range,
        replicas: [...this.addresses.keys()].map((node) => ({ id: node, node })),
      })),
    );
  }

  leaderOf(shard: number): number {
    return this.leaders.get(shard) ?? 0;
  }

  leaderTermOf(shard: number): number {
    return this.leaderOf(shard) === 0 ? 0 : 10 + shard;
  }

  onChange(_listener: () => void): void {
    // Nothing here changes by itself.
  }

  /** A node without a listener of one kind. */
  setAddresses(node: number, changed: Partial<NodeAddresses>): void {
    const before = this.addresses.get(node);
    if (before === undefined) throw new Error(`no node ${node}`);
    this.addresses.set(node, { ...before, ...changed });
  }
}
