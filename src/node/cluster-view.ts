/**
 * What this node knows of the cluster: the newest state it has seen, as a shard map, and who leads what. A newer map
 * replaces an older one whole; a lower version is ignored.
 */
import { META_GROUP, type GroupId, type NodeId, type ReplicaId } from '../base/index.js';
import { membersOf, type MetaReplica, type MetaState } from '../meta/index.js';
import { LeaderHints, ShardMap } from '../topology/index.js';

export class ClusterView {
  readonly hints = new LeaderHints();
  private current: MetaState;
  private shardMap: ShardMap;
  private readonly nodesOf = new Map<GroupId, Map<ReplicaId, NodeId>>();

  constructor(
    state: MetaState,
    private readonly onChange: (state: MetaState) => void,
  ) {
    this.current = state;
    this.shardMap = toShardMap(state);
    this.index(state);
  }

  get state(): MetaState {
    return this.current;
  }

  get map(): ShardMap {
    return this.shardMap;
  }

  get version(): number {
    return this.current.mapVersion;
  }

  /** True when it was newer. */
  update(state: MetaState): boolean {
    if (state.mapVersion <= this.current.mapVersion || state.clusterId !== this.current.clusterId)
      return false;
    this.current = state;
    this.shardMap = toShardMap(state);
    this.index(state);
    this.onChange(state);
    return true;
  }

  /** 0 when unknown. */
  nodeOf(group: GroupId, replica: ReplicaId): NodeId {
    return this.nodesOf.get(group)?.get(replica) ?? 0;
  }

  replicasOf(group: GroupId): readonly MetaReplica[] {
    return membersOf(this.current, group)?.replicas ?? [];
  }

  /** Of the configuration of a group that group 0 knows; 0 for a group it doesn't. */
  configurationVersionOf(group: GroupId): number {
    return membersOf(this.current, group)?.configurationVersion ?? 0;
  }

  preferredLeader(group: GroupId): ReplicaId {
    return this.replicasOf(group).find(({ isLearner }) => !isLearner)?.replica ?? 0;
  }

  private index(state: MetaState): void {
    this.nodesOf.clear();
    const add = (group: GroupId, replicas: readonly MetaReplica[]): void => {
      this.nodesOf.set(group, new Map(replicas.map(({ replica, node }) => [replica, node])));
    };
    add(META_GROUP, state.metaGroup.replicas);
    for (const shard of state.shards) add(shard.id, shard.replicas);
  }
}

function toShardMap(state: MetaState): ShardMap {
  return new ShardMap(
    state.mapVersion,
    state.nodes,
    state.shards.map((shard) => ({
      id: shard.id,
      firstSlot: shard.firstSlot,
      lastSlot: shard.lastSlot,
      replicas: shard.replicas
        .filter(({ isLearner }) => !isLearner)
        .map(({ replica, node }) => ({ id: replica, node })),
    })),
  );
}
