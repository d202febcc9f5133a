/**
 * Births and removals of this node's replicas (docs/decisions/0005-membership.md).
 *
 *   birth     a leader speaks to a replica of ours that isn't here, above the tombstone -> create it, empty
 *   removal   a group, or the replica's own log, says that it is no member -> ask group 0, linearizably
 *             -> it knows a configuration as new without the replica -> tombstone, then the data goes
 *   report    a group led here has another configuration than group 0 knows -> tell it, once a majority has it
 *
 * Invariants: at most one replica of a group on a node; nothing is deleted that group 0 did not confirm, but for a
 * suspect replica whose successor was already born by the group's own log.
 */
import { META_GROUP, type GroupId, type MonoMs, type ReplicaId } from '../base/index.js';
import type { Replica } from '../group/index.js';
import type { Host } from '../host/index.js';
import { membersOf, type GroupMembers, type MetaState } from '../meta/index.js';
import type { Clock, Logger } from '../ports/index.js';
import { NO_CONFIGURATION, type Configuration, type Message } from '../raft/index.js';
import type { CheckpointStore, LogStore, RecoveredGroup } from '../storage/index.js';
import { freshGroup } from './recovery.js';

/** Between two questions, or reports, about one group. */
const AGAIN_MS = 1000;

export interface LifecycleDeps {
  readonly host: Host;
  readonly store: LogStore;
  readonly checkpoints: CheckpointStore;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Of a group's configuration, as this node's copy of group 0's state has it. */
  readonly knownVersionOf: (group: GroupId) => number;
  /** Reports to group 0 and gives the state after it, null when that failed. A version of 0 only asks. */
  readonly report: (group: GroupId, members: GroupMembers, done: (state: MetaState | null) => void) => void;
  /** Makes a running replica of what was created. */
  readonly recover: (recovered: RecoveredGroup, done: () => void) => void;
}

/** A replica that may have been removed. */
interface Doubt {
  readonly replica: ReplicaId;
  /** The configuration in which it is said to be no member. */
  version: number;
  nextAskMs: MonoMs;
}

export class Lifecycle {
  private readonly doubts = new Map<GroupId, Doubt>();
  /** Groups led here whose configuration group 0 does not know yet, and when it may be told again. */
  private readonly unreported = new Map<GroupId, MonoMs>();
  /** Groups of which a replica is being created or deleted. */
  private readonly busy = new Set<GroupId>();

  constructor(private readonly deps: LifecycleDeps) {}

  /** A message for a replica that is not here. */
  onUnknownReplica(group: GroupId, message: Message): void {
    if (message.type !== 'append' && message.type !== 'heartbeat') return;
    const { host, store } = this.deps;
    const { to, configurationVersion } = message;
    if (this.busy.has(group) || to <= store.tombstoneOf(group)) return;
    const old = host.replica(group);
    if (old === null) this.create(group, to);
    else if (old.suspect === null) {
      if (to > old.id) this.onRemoved(old, configurationVersion);
    } else if (old.id !== 0 && isHeir(old.configuration, old.id, to)) {
      this.deps.logger.warn('suspect replica gives way', { group, replica: old.id, successor: to });
      this.discard(group, () => this.create(group, to));
    }
  }

  /** It is said, or known, that the replica is no member from this version of the configuration on. */
  onRemoved(replica: Replica, version: number): void {
    const doubt = this.doubts.get(replica.group);
    if (doubt?.replica === replica.id) doubt.version = Math.max(doubt.version, version);
    else this.doubts.set(replica.group, { replica: replica.id, version, nextAskMs: 0 });
  }

  /**
   * Group 0's state moved, or the node has just started: a learner that was removed while it was down speaks to nobody,
   * so nobody tells it.
   */
  onMap(state: MetaState): void {
    this.compare(META_GROUP, state.metaGroup);
    for (const shard of state.shards) this.compare(shard.id, shard);
  }

  private compare(group: GroupId, { configurationVersion, highestId, replicas }: GroupMembers): void {
    const replica = this.deps.host.replica(group);
    if (replica === null || replica.id > highestId) return;
    if (configurationVersion <= replica.configuration.version) return;
    if (!replicas.some(({ replica: id }) => id === replica.id)) this.onRemoved(replica, configurationVersion);
  }

  /** Another configuration is in force at a replica here, or it came to lead. */
  onConfiguration(replica: Replica): void {
    if (replica.raft.role === 'leader') this.unreported.set(replica.group, 0);
  }

  poll(nowMs: MonoMs): void {
    for (const [group, doubt] of this.doubts) this.askAbout(group, doubt, nowMs);
    for (const [group, dueMs] of this.unreported) if (dueMs <= nowMs) this.reportGroup(group, nowMs);
  }

  // ---- births ----------------------------------------------------------------------------------------------------

  private create(group: GroupId, replica: ReplicaId): void {
    const { store, logger, recover } = this.deps;
    this.busy.add(group);
    logger.info('replica created', { group, replica });
    // What it acknowledges later is in later batches: nobody hears of it before this is durable.
    store.createGroup(group, replica, NO_CONFIGURATION);
    recover(freshGroup(group, replica, NO_CONFIGURATION), () => this.busy.delete(group));
  }

  /** Its files go before the successor may receive one of its own. */
  private discard(group: GroupId, then: () => void): void {
    this.busy.add(group);
    this.deps.host.removeReplica(group);
    this.deleteFiles(group, then);
  }

  private deleteFiles(group: GroupId, then: () => void): void {
    const { checkpoints, logger } = this.deps;
    checkpoints.prune(group, [], (error) => {
      if (error !== null) logger.warn('deleting checkpoints failed', { group, error: String(error) });
      this.busy.delete(group);
      then();
    });
  }

  // ---- removals --------------------------------------------------------------------------------------------------

  private askAbout(group: GroupId, doubt: Doubt, nowMs: MonoMs): void {
    if (nowMs < doubt.nextAskMs || this.busy.has(group)) return;
    if (this.deps.host.replica(group)?.id !== doubt.replica) {
      this.doubts.delete(group);
      return;
    }
    doubt.nextAskMs = nowMs + AGAIN_MS;
    this.deps.report(group, { configurationVersion: 0, highestId: 0, replicas: [] }, (state) => {
      if (state === null || this.doubts.get(group) !== doubt) return;
      const known = membersOf(state, group);
      if (known !== null && confirmsRemoval(known, doubt)) this.destroy(group, doubt.replica);
    });
  }

  private destroy(group: GroupId, replica: ReplicaId): void {
    const { host, store, logger } = this.deps;
    if (this.busy.has(group) || host.replica(group)?.id !== replica) return;
    this.doubts.delete(group);
    logger.info('replica removed', { group, replica });
    store.removeGroup(group);
    this.busy.add(group);
    host.removeReplica(group);
    // Files go after the tombstone: before that they are what a restart would look for.
    host.whenDurable(() => this.deleteFiles(group, () => undefined));
  }

  // ---- reports ---------------------------------------------------------------------------------------------------

  private reportGroup(group: GroupId, nowMs: MonoMs): void {
    const replica = this.deps.host.replica(group);
    const configuration = replica?.configuration;
    if (
      replica === null ||
      configuration === undefined ||
      replica.raft.role !== 'leader' ||
      configuration.version <= this.deps.knownVersionOf(group)
    ) {
      this.unreported.delete(group);
      return;
    }
    this.unreported.set(group, nowMs + AGAIN_MS);
    if (!isKnownToMajority(replica, configuration)) return;
    this.deps.report(group, asMembers(configuration), () => undefined);
  }
}

/**
 * Whether the replica of this id may take the place of a suspect one: it is newer than all that this one knows, or a member
 * on its node by its own log. An id that is known and no member any more was removed: nobody is born by a late word to it.
 */
function isHeir({ highestId, homes }: Configuration, old: ReplicaId, heir: ReplicaId): boolean {
  if (heir <= old) return false;
  if (heir > highestId) return true;
  const node = homes.find(({ replica }) => replica === old)?.node;
  return homes.some((home) => home.replica === heir && home.node === node);
}

function confirmsRemoval(known: GroupMembers, doubt: Doubt): boolean {
  return (
    known.configurationVersion >= doubt.version &&
    known.highestId >= doubt.replica &&
    !known.replicas.some(({ replica }) => replica === doubt.replica)
  );
}

/** Who is dropped may delete its data once this is reported: from here on the others must do without it. */
function isKnownToMajority(replica: Replica, configuration: Configuration): boolean {
  const { followers } = replica.raft.status();
  const { version, voters } = configuration;
  const count = voters.filter(
    (id) => id === replica.id || followers.some((f) => f.id === id && f.configurationVersion >= version),
  ).length;
  return count > voters.length / 2;
}

function asMembers({ version, highestId, homes, voters, outgoing }: Configuration): GroupMembers {
  return {
    configurationVersion: version,
    highestId,
    replicas: homes.map(({ replica, node }) => ({
      replica,
      node,
      isLearner: !voters.includes(replica) && !outgoing.includes(replica),
    })),
  };
}
