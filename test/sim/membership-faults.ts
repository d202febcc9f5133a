/**
 * Changes of members under load: learners come, take the places of voters, one or several in one joint change, and
 * members leave. One step a fault, on whatever the group's leader has in force, so that steps meet crashes, partitions
 * and each other. Voters never get fewer than the cluster's replicas: a disk that loses data must stay a minority.
 */
import type { NodeId, Prng, ReplicaId } from '../../src/base/index.js';
import type { Configuration, MembershipChange } from '../../src/raft/index.js';
import type { FaultWorld } from './faults.js';

const LEARNERS_MAX = 2;

export function changeMembers({ cluster }: FaultWorld, prng: Prng): void {
  const leading = cluster.machines.flatMap((machine) =>
    (cluster.status(machine)?.replicas ?? [])
      .filter(({ role }) => role === 'leader')
      .map(({ configuration }) => ({ machine, configuration })),
  );
  if (leading.length === 0) return;
  const { machine, configuration } = prng.pick(leading);
  const raft = machine.rafts.find((core) => core.configuration === configuration);
  const homes = new Set(configuration.homes.map(({ node }) => node));
  const spare = cluster.machines.filter((m) => !m.isLeftOut && !homes.has(m.nodeId)).map((m) => m.nodeId);
  const change = drawChange(configuration, spare, cluster.options.replicas, prng);
  // A refusal is an answer, too: the group is joint, a learner is behind, the leader has just changed.
  // Past its host, which would not notice that a sleeping core woke.
  if (change !== null && raft?.quiesced === false) raft.proposeChange(change);
}

/** null: nothing may be changed as things stand. */
export function drawChange(
  configuration: Configuration,
  spareNodes: readonly NodeId[],
  votersMin: number,
  prng: Prng,
): MembershipChange | null {
  const { version: expectedVersion, voters, learners, highestId } = configuration;
  const some = (ids: readonly ReplicaId[], count: number): ReplicaId[] =>
    prng.shuffle([...ids]).slice(0, count);
  const changes: MembershipChange[] = [];
  if (spareNodes.length > 0 && learners.length < LEARNERS_MAX) {
    const nodes = prng.shuffle([...spareNodes]).slice(0, prng.between(1, LEARNERS_MAX - learners.length));
    const addLearners = nodes.map((node, i) => ({ replica: highestId + 1 + i, node }));
    changes.push({ expectedVersion, addLearners });
  }
  if (learners.length > 0) {
    const count = prng.between(1, Math.min(learners.length, voters.length));
    const leaving = prng.chance(0.7) ? 'remove' : 'demote';
    const exchange = { expectedVersion, promote: some(learners, count), [leaving]: some(voters, count) };
    // The usual change of a member, and the one that joint consensus is for.
    changes.push(exchange, exchange, { expectedVersion, remove: some(learners, 1) });
    if (voters.length <= votersMin) changes.push({ expectedVersion, promote: some(learners, 1) });
  }
  if (voters.length > votersMin) changes.push({ expectedVersion, remove: some(voters, 1) });
  return changes.length === 0 ? null : prng.pick(changes);
}
