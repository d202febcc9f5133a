/**
 * How a committed configuration takes effect at a replica: first its record is made durable, then it is in force
 * (docs/decisions/0005-membership.md). Applying stops meanwhile: one fsync, at a rare moment.
 */
import type { LogIndex, NodeId, ReplicaId } from '../base/index.js';
import { homeOf, type Configuration, type Entry } from '../raft/index.js';
import type { Replica } from './replica.js';
import type { ReplicaHost } from './replica-host.js';

/** Nodes of replicas that no configuration told of: a newcomer's leader, mostly. */
const LEARNT_MAX = 16;

export class ConfigurationSteps {
  private savingIndex: LogIndex = 0;
  private savedIndex: LogIndex = 0;
  /** The configuration that was in force before: its members may still have something to say, or to be told. */
  private former: Configuration | null = null;
  private readonly learnt = new Map<ReplicaId, NodeId>();

  constructor(
    private readonly replica: Replica,
    private readonly host: ReplicaHost,
  ) {}

  /** Where a replica lives; 0 when this one never heard of it. */
  homeOf(id: ReplicaId): NodeId {
    const home = homeOf(this.replica.raft.configuration, id);
    if (home !== 0) return home;
    if (this.former !== null) {
      const before = homeOf(this.former, id);
      if (before !== 0) return before;
    }
    return this.learnt.get(id) ?? 0;
  }

  /** A replica outside the configuration spoke from this node. */
  learn(id: ReplicaId, node: NodeId): void {
    if (this.learnt.size >= LEARNT_MAX && !this.learnt.has(id)) this.learnt.clear();
    this.learnt.set(id, node);
  }

  /** Whether the entry may be applied now; if not, the replica is woken when it may. */
  isReady(entry: Entry): boolean {
    if (entry.index === this.savedIndex) return true;
    if (entry.index === this.savingIndex) return false;
    const { replica, host } = this;
    const target = replica.raft.targetOf(entry);
    if (target === null) return true;
    this.savingIndex = entry.index;
    host.store.saveConfiguration(replica.group, entry.index, target);
    host.whenDurable(() => {
      this.savedIndex = entry.index;
      host.markDirty(replica);
    });
    return false;
  }

  apply(entry: Entry): void {
    const { replica, host } = this;
    const target = replica.raft.targetOf(entry);
    if (target === null) return;
    this.former = replica.raft.configuration;
    replica.raft.applyConfiguration(target);
    this.learnt.clear();
    host.onConfiguration(replica);
  }
}
