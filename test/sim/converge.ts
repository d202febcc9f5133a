/**
 * Liveness: after everything is repaired, the cluster must come together. Every group has one leader, of which all its
 * nodes know, and all its replicas stand at one applied index with one state hash, with nothing left uncommitted.
 *
 * Machines that were left out for good are not asked, and replicas that damage made suspect have no part in it: a
 * majority is left in every group, and has to do.
 */
import { must } from '../../src/base/index.js';
import type { ReplicaStatus } from '../../src/node/api.js';
import type { SimCluster } from './world/cluster.js';

/** What is still missing, in words; null when the cluster has converged. */
export function whatIsMissing(cluster: SimCluster): string | null {
  const groups = new Map<number, ReplicaStatus[]>();
  let silentCount = 0;
  for (const machine of cluster.machines) {
    if (machine.isLeftOut) {
      silentCount++;
      continue;
    }
    const status = cluster.status(machine);
    if (status === null) return `${machine.name} is down`;
    if (!status.ready) return `${machine.name} is not ready: ${status.missing.join(', ')}`;
    const isSilent = machine.isDamaged && status.replicas.some((replica) => replica.suspect !== null);
    if (isSilent) silentCount++;
    for (const replica of status.replicas) {
      if (replica.suspect !== null && machine.isDamaged) continue;
      const list = groups.get(replica.group);
      if (list) list.push(replica);
      else groups.set(replica.group, [replica]);
    }
  }
  const { shards, replicas } = cluster.options;
  for (let group = 0; group <= shards; group++) {
    const missing = missingInGroup(groups.get(group) ?? [], group === 0 ? null : replicas, silentCount);
    if (missing !== null) return `group ${group}: ${missing}`;
  }
  return null;
}

function missingInGroup(
  replicas: readonly ReplicaStatus[],
  expected: number | null,
  silentCount: number,
): string | null {
  if (replicas.length === 0) return 'no replica';
  const isCountRight =
    expected === null || (replicas.length <= expected && replicas.length >= expected - silentCount);
  if (!isCountRight) return `${replicas.length} replicas, not ${expected}`;
  const leaders = replicas.filter((r) => r.role === 'leader');
  if (leaders.length !== 1) return `${leaders.length} leaders`;
  const leader = must(leaders[0], 'leader');
  if (leader.commit !== leader.lastIndex) return `commit ${leader.commit} of ${leader.lastIndex}`;
  for (const replica of replicas) {
    if (replica.suspect !== null) return `replica ${replica.replica} is suspect: ${replica.suspect}`;
    if (replica.applied !== leader.applied) return `applied ${leader.applied} and ${replica.applied}`;
    if (replica.hash !== leader.hash) return `state ${leader.hash} and ${replica.hash} at ${leader.applied}`;
    if (replica.term !== leader.term) return `terms ${leader.term} and ${replica.term}`;
    if (replica.leaderNode !== leader.leaderNode) return `leaders ${leader.leaderNode} and ${replica.leaderNode}`;
  }
  return null;
}
