/**
 * Liveness: after everything is repaired, the cluster must come together. Every group has one leader, of which all its
 * nodes know, and a configuration that is not joint; exactly its members are there, each on the node where it is at
 * home, at one applied index with one state hash, with nothing left uncommitted. Replicas that damage made suspect have
 * been replaced, and those that were removed are gone. Of machines that were left out for good nothing is asked. Left
 * alone, every group falls asleep.
 */
import { must } from '../../src/base/index.js';
import type { ReplicaStatus } from '../../src/node/api.js';
import type { Machine, SimCluster } from './world/cluster.js';

interface Found {
  readonly machine: Machine;
  readonly replica: ReplicaStatus;
}

/** What is still missing, in words; null when the cluster has converged. */
export function whatIsMissing(cluster: SimCluster): string | null {
  const groups = new Map<number, Found[]>();
  for (const machine of cluster.machines) {
    if (machine.isLeftOut) continue;
    const status = cluster.status(machine);
    if (status === null) return `${machine.name} is down`;
    if (!status.ready) return `${machine.name} is not ready: ${status.missing.join(', ')}`;
    for (const replica of status.replicas) {
      const list = groups.get(replica.group);
      if (list) list.push({ machine, replica });
      else groups.set(replica.group, [{ machine, replica }]);
    }
  }
  for (let group = 0; group <= cluster.options.shards; group++) {
    const missing = missingInGroup(cluster, groups.get(group) ?? [], group === 0);
    if (missing !== null) return `group ${group}: ${missing}`;
  }
  return null;
}

function missingInGroup(cluster: SimCluster, found: readonly Found[], isMeta: boolean): string | null {
  const suspect = found.find(({ replica }) => replica.suspect !== null)?.replica;
  if (suspect) return `replica ${suspect.replica} is suspect: ${suspect.suspect}`;
  const leaders = found.filter(({ replica }) => replica.role === 'leader');
  if (leaders.length !== 1) return `${leaders.length} leaders of ${found.length} replicas`;
  const leader = must(leaders[0], 'leader').replica;
  if (leader.commit !== leader.lastIndex) return `commit ${leader.commit} of ${leader.lastIndex}`;
  const { configuration } = leader;
  if (configuration.outgoing.length > 0) return 'the configuration is joint';
  if (!isMeta && configuration.voters.length < cluster.options.replicas)
    return `${configuration.voters.length} voters`;
  for (const { replica, node } of configuration.homes) {
    const machine = cluster.ofNode(node);
    if (machine?.isLeftOut === true) continue;
    if (!found.some((f) => f.machine === machine && f.replica.replica === replica))
      return `replica ${replica} is not on node ${node}`;
  }
  for (const { machine, replica } of found) {
    const isAtHome = configuration.homes.some(
      (home) => home.replica === replica.replica && home.node === machine.nodeId,
    );
    if (!isAtHome) return `replica ${replica.replica} on ${machine.name} is no member`;
    const problem = differenceOf(leader, replica);
    if (problem !== null) return problem;
  }
  return null;
}

function differenceOf(leader: ReplicaStatus, replica: ReplicaStatus): string | null {
  if (replica.applied !== leader.applied) return `applied ${leader.applied} and ${replica.applied}`;
  if (replica.hash !== leader.hash) return `state ${leader.hash} and ${replica.hash} at ${leader.applied}`;
  if (replica.term !== leader.term) return `terms ${leader.term} and ${replica.term}`;
  if (replica.leaderNode !== leader.leaderNode)
    return `leaders on nodes ${leader.leaderNode} and ${replica.leaderNode}`;
  if (replica.configuration.version !== leader.configuration.version)
    return `configurations ${leader.configuration.version} and ${replica.configuration.version}`;
  return null;
}

/** Which groups are still awake, in words; null when all sleep on every machine. */
export function whatIsAwake(cluster: SimCluster): string | null {
  for (const machine of cluster.machines) {
    const awake = cluster.status(machine)?.replicas.filter((replica) => !replica.quiesced) ?? [];
    if (awake.length > 0) {
      const groups = awake.map((replica) => `${replica.group} (${replica.role})`);
      return `${machine.name} is idle and awake for groups ${groups.join(', ')}`;
    }
  }
  return null;
}
