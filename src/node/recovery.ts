/**
 * From what the log store recovered to running replicas: load the newest checkpoint that is whole, build the core on
 * the log behind it. A replica whose state can't be rebuilt from its own disk is suspect: it runs, so that its node
 * says so, but never votes or acknowledges.
 */
import { META_GROUP, unknownVersionIn, type GroupId, type ReplicaId } from '../base/index.js';
import { configurationEntries } from '../codec/index.js';
import { Replica, type CheckpointLimits, type Machine } from '../group/index.js';
import type { Host } from '../host/index.js';
import type { Entropy, Logger } from '../ports/index.js';
import type { Configuration, createRaft, LeaseOptions, RaftOptions } from '../raft/index.js';
import { memoryPlan, tailBytesMax, type NodeSettings } from '../settings/index.js';
import type { CheckpointPointer, CheckpointStore, RecoveredGroup } from '../storage/index.js';

export interface RecoveryDeps {
  readonly host: Host;
  readonly checkpoints: CheckpointStore;
  readonly createRaft: typeof createRaft;
  readonly machineOf: (group: GroupId) => Machine;
  readonly entropy: Entropy;
  readonly logger: Logger;
  readonly settings: NodeSettings;
  /** Replicas that this node may come to have, group 0's too. */
  readonly groupsHere: number;
}

/** What recovery would find of a replica that was just created. */
export function freshGroup(group: GroupId, replica: ReplicaId, configuration: Configuration): RecoveredGroup {
  return {
    group,
    replica,
    hardState: { term: 0, vote: 0, commit: 0 },
    configuration,
    configurationIndex: 0,
    truncatedIndex: 0,
    truncatedTerm: 0,
    lastIndex: 0,
    termRuns: [],
    checkpoints: [],
    suspect: null,
    logBytes: 0,
  };
}

/** Loads one group and hands its replica to the host. */
export function recoverGroup(deps: RecoveryDeps, recovered: RecoveredGroup, done: () => void): void {
  loadNewest(deps, recovered, recovered.checkpoints, (machine, loaded, broken, bytes) => {
    for (const pointer of broken) deps.host.store.dropCheckpoint(recovered.group, pointer.file);
    const stateLost = loaded === null && recovered.truncatedIndex > 0;
    const suspect =
      recovered.suspect ?? (stateLost ? 'no checkpoint could be loaded and the log before it is gone' : null);
    if (suspect !== null) {
      deps.logger.error('replica is suspect: it will not vote or acknowledge', {
        group: recovered.group,
        suspect,
      });
    }
    const replica = buildReplica(deps, recovered, machine, loaded, suspect, stateLost);
    const pointers = recovered.checkpoints.filter((pointer) => !broken.includes(pointer));
    replica.policy.restore(pointers, bytes);
    deps.host.addReplica(replica);
    done();
  });
}

function loadNewest(
  deps: RecoveryDeps,
  recovered: RecoveredGroup,
  pointers: readonly CheckpointPointer[],
  done: (
    machine: Machine,
    loaded: CheckpointPointer | null,
    broken: readonly CheckpointPointer[],
    bytes: number,
  ) => void,
): void {
  const broken: CheckpointPointer[] = [];
  const attempt = (i: number): void => {
    const pointer = pointers[i];
    // A machine of its own for each attempt: what a wrong file left in one must not meet the log.
    const machine = deps.machineOf(recovered.group);
    if (pointer === undefined) {
      done(machine, null, broken, 0);
      return;
    }
    deps.checkpoints.load(recovered.group, pointer, machine.loader(), (error, meta, bytes) => {
      if (error === null && meta !== null && meta.stateHash === machine.stateHash()) {
        done(machine, pointer, broken, bytes);
        return;
      }
      machine.close?.();
      const unknown = unknownVersionIn(error);
      if (unknown !== null) {
        // Nothing is broken: a newer build wrote it.
        deps.host.fatal(
          'refused',
          `checkpoint ${pointer.file} of group ${recovered.group}: ${unknown.message}`,
          unknown,
        );
        return;
      }
      deps.logger.error('checkpoint is broken, falling back', {
        group: recovered.group,
        file: pointer.file,
        code: error !== null && 'code' in error ? String(error.code) : 'OTHER_STATE',
        error: String(error ?? 'the state differs from the one that was written'),
      });
      broken.push(pointer);
      attempt(i + 1);
    });
  };
  attempt(0);
}

function buildReplica(
  deps: RecoveryDeps,
  recovered: RecoveredGroup,
  machine: Machine,
  loaded: CheckpointPointer | null,
  suspect: string | null,
  stateLost: boolean,
): Replica {
  // Without any state the log behind the truncation point can't be applied: stand at the point, and stay silent.
  const appliedIndex = loaded?.index ?? (stateLost ? recovered.truncatedIndex : 0);
  const raft = deps.createRaft(raftOptions(deps, recovered, suspect !== null), {
    hardState: {
      ...recovered.hardState,
      // What is committed would be applied: not to a state that is lost.
      commit: stateLost ? appliedIndex : Math.max(recovered.hardState.commit, appliedIndex),
    },
    configuration: recovered.configuration,
    configurationIndex: recovered.configurationIndex,
    truncatedIndex: recovered.truncatedIndex,
    truncatedTerm: recovered.truncatedTerm,
    lastIndex: recovered.lastIndex,
    termRuns: recovered.termRuns,
    appliedIndex,
  });
  return new Replica({
    group: recovered.group,
    id: recovered.replica,
    raft,
    machine,
    appliedIndex,
    suspect,
    checkpointLimits: checkpointLimits(deps.settings),
    usesLeases: usesLeases(deps, recovered.group),
    host: deps.host,
    logger: deps.logger.child({ group: recovered.group }),
  });
}

function checkpointLimits(settings: NodeSettings): CheckpointLimits {
  return {
    bytes: settings.log.checkpointBytes,
    entries: settings.log.checkpointEntries,
    logBytesMax: settings.log.bytesMax,
  };
}

/** Nobody reads group 0 by command. */
function usesLeases(deps: RecoveryDeps, group: GroupId): boolean {
  return deps.settings.reads === 'lease' && group !== META_GROUP;
}

/** What clocks that read whole milliseconds can be wrong by. */
const LEASE_MARGIN_MS = 2;

function leaseOptions(deps: RecoveryDeps): LeaseOptions {
  const { electionTicks, tickMs, clockDriftRatio } = deps.settings.raft;
  const promiseMs = electionTicks * tickMs;
  const holdMs = promiseMs * (1 - clockDriftRatio) - LEASE_MARGIN_MS;
  return { promiseMs, holdMs, startedAtMs: deps.host.clock.monoMs() };
}

const MIB = 1024 * 1024;
/** Election time-outs without work after which a group quiesces: longer than an election and what follows it. */
const QUIESCE_TIMEOUTS = 2;

function raftOptions(deps: RecoveryDeps, recovered: RecoveredGroup, suspect: boolean): RaftOptions {
  const { raft } = deps.settings;
  return {
    id: recovered.replica,
    electionTicks: raft.electionTicks,
    heartbeatTicks: raft.heartbeatTicks,
    inflightMessagesMax: 256,
    inflightBytesMax: 16 * MIB,
    appendBytesMax: MIB,
    uncommittedBytesMax: recovered.group === META_GROUP ? 4 * MIB : 64 * MIB,
    tailBytesMax: tailBytesMax(memoryPlan(deps.settings.memory.max), deps.groupsHere),
    committedBytesMax: MIB,
    pendingReadsMax: 65_536,
    eagerCommitNews: false,
    preVote: raft.preVote,
    checkQuorum: true,
    quiesceTicks: raft.quiesce ? QUIESCE_TIMEOUTS * raft.electionTicks : 0,
    suspect,
    lease: usesLeases(deps, recovered.group) ? leaseOptions(deps) : null,
    promotionLagMax: 1000,
    configurations: configurationEntries,
    random: (limit) => deps.entropy.below(limit),
  };
}
