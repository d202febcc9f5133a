/**
 * What the client knows of the cluster: which shard owns a slot, who leads a shard, where nodes are.
 *
 * Invariants: a map of a lower version never replaces a higher one; a leader of a lower term never replaces one of a
 * higher. Both only route: any node serves any key, so what is out of date costs a hop.
 */
import { SLOT_COUNT } from '../base/index.js';
import type { GroupId, MapVersion, NodeId, Slot, Term } from '../base/index.js';
import type { MapMessage, MapShardMessage } from '../codec/cache/index.js';

/** For slots that nobody owns, and while no map is known. */
export const NO_SHARD: GroupId = -1;

interface KnownLeader {
  node: NodeId;
  term: Term;
}

export type MapChange = 'none' | 'leaders' | 'slots';

export class RouteTable {
  version: MapVersion = 0;
  clusterId = '';
  private readonly shardBySlot = new Int32Array(SLOT_COUNT).fill(NO_SHARD);
  private readonly addresses = new Map<NodeId, string>();
  private readonly leaders = new Map<GroupId, KnownLeader>();
  private readonly replicas = new Map<GroupId, readonly NodeId[]>();

  get isKnown(): boolean {
    return this.clusterId !== '';
  }

  /**
   * Takes a map; says what changed: nothing, leaders and addresses, or the shard of some slot. One of another cluster
   * is not for this client: the caller asks `isOfThisCluster` before.
   */
  apply(map: MapMessage): MapChange {
    if (this.isKnown && map.version < this.version) return 'none';
    const isNewer = !this.isKnown || map.version > this.version;
    this.clusterId = map.clusterId;
    this.version = map.version;
    if (isNewer) {
      this.addresses.clear();
      for (const node of map.nodes) if (node.grpc !== '') this.addresses.set(node.id, node.grpc);
      this.replicas.clear();
      for (const { id, nodes } of map.shards) this.replicas.set(id, nodes);
    }
    let change: MapChange = isNewer && this.assignSlots(map.shards) ? 'slots' : 'none';
    for (const { id, term, leader } of map.shards) {
      if (this.noteLeader(id, term, leader) && change === 'none') change = 'leaders';
    }
    return isNewer && change === 'none' ? 'leaders' : change;
  }

  isOfThisCluster(map: MapMessage): boolean {
    return !this.isKnown || map.clusterId === this.clusterId;
  }

  shardOf(slot: Slot): GroupId {
    return this.shardBySlot[slot] as number;
  }

  /** gRPC address of the shard's leader; empty when unknown. */
  leaderAddress(shard: GroupId): string {
    const leader = this.leaders.get(shard);
    return leader === undefined ? '' : this.addressOf(leader.node);
  }

  /** gRPC addresses of the nodes with a replica of the shard, its leader's last. */
  replicaAddresses(shard: GroupId): string[] {
    const leader = this.leaderAddress(shard);
    const all = (this.replicas.get(shard) ?? []).map((node) => this.addressOf(node));
    const others = all.filter((address) => address !== '' && address !== leader);
    return leader === '' ? others : [...others, leader];
  }

  addressOf(node: NodeId): string {
    return this.addresses.get(node) ?? '';
  }

  /** Addresses of all nodes, in the order of the map. */
  nodeAddresses(): string[] {
    return [...this.addresses.values()];
  }

  /** A leader seen in a term; node 0: that term's leader is not known. Returns whether anything changed. */
  noteLeader(shard: GroupId, term: Term, node: NodeId): boolean {
    const known = this.leaders.get(shard);
    if (known === undefined) {
      if (node === 0 || this.leaders.size >= SLOT_COUNT) return false;
      this.leaders.set(shard, { node, term });
      return true;
    }
    const isNewer = term > known.term || (term === known.term && known.node === 0 && node !== 0);
    if (!isNewer) return false;
    const isChange = known.node !== node;
    known.term = term;
    known.node = node;
    return isChange;
  }

  /**
   * The node at `address` said that it does not lead the shard, and who does (0: it doesn't know). Such a word has no
   * term, so it counts only against the node that it came from.
   */
  noteRefusal(shard: GroupId, address: string, leader: NodeId): void {
    const known = this.leaders.get(shard);
    if (known === undefined) {
      if (leader !== 0) this.leaders.set(shard, { node: leader, term: 0 });
    } else if (this.addressOf(known.node) === address && leader !== known.node) {
      known.node = leader;
    }
  }

  private assignSlots(shards: readonly MapShardMessage[]): boolean {
    const assigned = new Int32Array(SLOT_COUNT).fill(NO_SHARD);
    for (const { id, firstSlot, lastSlot } of shards) assigned.fill(id, firstSlot, lastSlot + 1);
    let isChanged = false;
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      if (assigned[slot] === this.shardBySlot[slot]) continue;
      this.shardBySlot[slot] = assigned[slot] as number;
      isChanged = true;
    }
    return isChanged;
  }
}
