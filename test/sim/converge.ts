/**
 * Liveness: after everything is repaired, the cluster must come together. Every group has one leader, and all its
 * replicas stand at one applied index with one state hash; and left alone, every group falls asleep.
 */
import { must } from '../../src/base/index.js';
import type { ReplicaStatus } from '../../src/node/api.js';
import type { SimCluster } from './world/cluster.js';

/** What is still missing, in words; null when the cluster has converged. */
export function whatIsMissing(cluster: SimCluster): string | null {
  const groups = new Map<number, ReplicaStatus[]>();
  for (const machine of cluster.machines) {
    const status = cluster.status(machine);
    if (status === null) return `${machine.name} is down`;
    if (!status.ready) return `${machine.name} is not ready: ${status.missing.join(', ')}`;
    for (const replica of status.replicas) {
      const list = groups.get(replica.group);
      if (list) list.push(replica);
      else groups.set(replica.group, [replica]);
    }
  }
  for (let group = 0; group <= cluster.options.shards; group++) {
    const missing = missingInGroup(groups.get(group) ?? [], group === 0 ? null : cluster.options.replicas);
    if (missing !== null) return `group ${group}: ${missing}`;
  }
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

function missingInGroup(replicas: readonly ReplicaStatus[], expected: number | null): string | null {
  if (replicas.length === 0) return 'no replica';
  if (expected !== null && replicas.length !== expected)
    return `${replicas.length} replicas, not ${expected}`;
  const leaders = replicas.filter((r) => r.role === 'leader').length;
  if (leaders !== 1) return `${leaders} leaders`;
  const first = must(replicas[0], 'replica');
  for (const replica of replicas) {
    if (replica.suspect !== null) return `replica ${replica.replica} is suspect: ${replica.suspect}`;
    if (replica.applied !== first.applied) return `applied ${first.applied} and ${replica.applied}`;
    if (replica.hash !== first.hash) return `state ${first.hash} and ${replica.hash} at ${first.applied}`;
    if (replica.term !== first.term) return `terms ${first.term} and ${replica.term}`;
  }
  return null;
}
