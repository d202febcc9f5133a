/**
 * Who leads what and where nodes are, as this node knows it: for redirects, for CLUSTER, and for the maps that
 * clients are told. Put together from the cluster view, the leader hints and the replicas here, with nothing of its
 * own that could grow old.
 *
 * A replica here knows best, as long as it knows a leader; a hint of an earlier term than the replica's is not told.
 * This node counts as a leader only once its replica serves, so that nobody is sent to a node that has to refuse.
 */
import type { GroupId, NodeId, Term } from '../base/index.js';
import type { ClusterDirectory } from '../api/index.js';
import type { Host } from '../host/index.js';
import type { Timers } from '../ports/index.js';
import type { ShardMap } from '../topology/index.js';
import type { ClusterView } from './cluster-view.js';

/** How often a leadership that was won here is looked at until its replica serves. */
const SERVES_POLL_MS = 10;

export interface DirectoryDeps {
  readonly nodeId: NodeId;
  readonly host: Pick<Host, 'replica' | 'all'>;
  readonly view: Pick<ClusterView, 'map' | 'state' | 'hints'>;
  readonly timers: Timers;
}

export class Directory implements ClusterDirectory {
  private readonly listeners: (() => void)[] = [];
  private scheduled = false;
  private polling = false;
  private stopped = false;

  constructor(private readonly deps: DirectoryDeps) {}

  get nodeId(): NodeId {
    return this.deps.nodeId;
  }

  clusterId(): string {
    return this.deps.view.state.clusterId;
  }

  map(): ShardMap {
    return this.deps.view.map;
  }

  leaderOf(shard: GroupId): NodeId {
    const { host, view, nodeId } = this.deps;
    const replica = host.replica(shard);
    if (replica !== null) {
      if (replica.serves) return nodeId;
      const leader = replica.leaderNode;
      if (leader !== 0 && leader !== nodeId) return leader;
    }
    const hint = view.hints.get(shard);
    if (hint === null || hint.node === nodeId) return 0;
    return replica !== null && replica.raft.term > hint.term ? 0 : hint.node;
  }

  servesAnyReads(shard: GroupId): boolean {
    return this.deps.host.replica(shard)?.servesAnyReads === true;
  }

  leaderTermOf(shard: GroupId): Term {
    const leader = this.leaderOf(shard);
    if (leader === 0) return 0;
    const replica = this.deps.host.replica(shard);
    if (replica !== null && replica.leaderNode === leader) return replica.raft.term;
    return this.deps.view.hints.get(shard)?.term ?? 0;
  }

  /** Changes of one turn of the event loop are told once, in the next turn. */
  onChange(listener: () => void): void {
    this.listeners.push(listener);
  }

  /** The map, a hint or a role here may have changed. */
  changed(): void {
    if (this.stopped) return;
    this.pollUntilServing();
    if (this.scheduled || this.listeners.length === 0) return;
    this.scheduled = true;
    this.deps.timers.soon(() => {
      this.scheduled = false;
      if (this.stopped) return;
      for (const listener of this.listeners) listener();
    });
  }

  stop(): void {
    this.stopped = true;
  }

  /** Nothing tells when a new leader begins to serve; it takes a commit of its term, so a look now and then does. */
  private pollUntilServing(): void {
    if (this.polling || this.listeners.length === 0) return;
    const waiting: GroupId[] = [];
    for (const replica of this.deps.host.all()) {
      if (replica.raft.role === 'leader' && !replica.serves) waiting.push(replica.group);
    }
    if (waiting.length === 0) return;
    this.polling = true;
    this.deps.timers.after(SERVES_POLL_MS, () => {
      this.polling = false;
      if (this.stopped) return;
      if (waiting.some((group) => this.deps.host.replica(group)?.serves === true)) this.changed();
      else this.pollUntilServing();
    });
  }
}
