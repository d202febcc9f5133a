/**
 * The nodes that share a group with this one: those that it sends heartbeats to. Read off the replicas' configurations
 * when replicas or the map changed, and once a second besides, since a configuration changes without telling.
 */
import type { GroupId, MonoMs, NodeId, ReplicaId } from '../base/index.js';
import type { Replica } from '../group/index.js';

const REFRESH_MS = 1000;

export class Neighbours {
  private nodes: NodeId[] = [];
  private count = -1;
  private mapVersion = -1;
  private readAtMs: MonoMs = 0;

  constructor(
    private readonly self: NodeId,
    private readonly replicas: ReadonlyMap<GroupId, Replica>,
    private readonly nodeOf: (group: GroupId, replica: ReplicaId) => NodeId,
  ) {}

  list(mapVersion: number, nowMs: MonoMs): readonly NodeId[] {
    const isFresh =
      this.count === this.replicas.size &&
      this.mapVersion === mapVersion &&
      nowMs - this.readAtMs < REFRESH_MS;
    if (isFresh) return this.nodes;
    this.count = this.replicas.size;
    this.mapVersion = mapVersion;
    this.readAtMs = nowMs;
    const found = new Set<NodeId>();
    for (const replica of this.replicas.values()) {
      forEachMemberNode(replica, this.nodeOf, (node) => found.add(node));
    }
    found.delete(this.self);
    found.delete(0);
    this.nodes = [...found].sort((a, b) => a - b);
    return this.nodes;
  }
}

export function hasMemberOn(
  replica: Replica,
  node: NodeId,
  nodeOf: (group: GroupId, replica: ReplicaId) => NodeId,
): boolean {
  let found = false;
  forEachMemberNode(replica, nodeOf, (each) => {
    found ||= each === node;
  });
  return found;
}

function forEachMemberNode(
  replica: Replica,
  nodeOf: (group: GroupId, replica: ReplicaId) => NodeId,
  visit: (node: NodeId) => void,
): void {
  const { voters, outgoing, learners } = replica.configuration;
  for (const ids of [voters, outgoing, learners]) for (const id of ids) visit(nodeOf(replica.group, id));
}
