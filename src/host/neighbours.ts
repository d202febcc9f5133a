/**
 * The nodes that share a group with this one: those that it sends heartbeats to. Read off the replicas' configurations
 * when replicas or the map changed, and once a second besides, since a configuration changes without telling.
 */
import type { GroupId, MonoMs, NodeId } from '../base/index.js';
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
      for (const { node } of replica.configuration.homes) found.add(node);
    }
    found.delete(this.self);
    found.delete(0);
    this.nodes = [...found].sort((a, b) => a - b);
    return this.nodes;
  }
}

export function hasMemberOn(replica: Replica, node: NodeId): boolean {
  return replica.configuration.homes.some((home) => home.node === node);
}
