/** What a node says of itself: for `quorate status`, `/readyz` and the simulator. */
import type { NodeStatus, ReplicaStatus } from './api.js';
import type { Member } from './member.js';

export const WAITING_STATUS: NodeStatus = {
  nodeId: 0,
  clusterId: '',
  ready: false,
  missing: ['not a member of a cluster yet: run `quorate init`, or start with --join'],
  replicas: [],
  snapshotsInstalled: 0,
  checkpointsWritten: 0,
};

export function memberStatus(member: Member): NodeStatus {
  const replicas = [...member.host.all()];
  const missing = member.readiness.missing();
  return {
    nodeId: member.host.nodeId,
    clusterId: member.view.state.clusterId,
    ready: missing.length === 0,
    missing,
    replicas: replicas.map((replica): ReplicaStatus => ({
      group: replica.group,
      replica: replica.id,
      role: replica.raft.role,
      term: replica.raft.term,
      leaderNode: member.leaderOf(replica.group),
      commit: replica.raft.commit,
      applied: replica.appliedIndex,
      lastIndex: replica.raft.lastIndex,
      firstIndex: replica.raft.status().firstIndex,
      hash: replica.machine.stateHash(),
      suspect: replica.suspect,
      snapshotsOut: replica.policy.streams.status(),
      snapshotIn: member.host.receiving(replica.group),
      configuration: replica.configuration,
      quiesced: replica.raft.quiesced,
    })),
    snapshotsInstalled: replicas.reduce((sum, replica) => sum + replica.snapshotsInstalled, 0),
    checkpointsWritten: replicas.reduce((sum, replica) => sum + replica.policy.written, 0),
  };
}

/** The whole status for people and programs. */
export function statusJson(member: Member | null, status: NodeStatus): string {
  const state = member?.view.state;
  return JSON.stringify({
    ...status,
    mapVersion: state?.mapVersion ?? 0,
    nodes: (state?.nodes ?? []).map((node) => ({ id: node.id, state: node.state, ...node.addresses })),
    shards: (state?.shards ?? []).map((shard) => ({
      id: shard.id,
      slots: [shard.firstSlot, shard.lastSlot],
      leader: member?.leaderOf(shard.id) ?? 0,
      replicas: shard.replicas,
    })),
  });
}
