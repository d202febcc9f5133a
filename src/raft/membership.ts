/** Questions about a configuration. Members: voters, outgoing voters and learners. */
import { assert } from '../base/index.js';
import type { ReplicaId } from '../base/index.js';
import type { Configuration } from './types.js';

export function isVoter(configuration: Configuration, id: ReplicaId): boolean {
  return configuration.voters.includes(id) || configuration.outgoing.includes(id);
}

export function isMember(configuration: Configuration, id: ReplicaId): boolean {
  return isVoter(configuration, id) || configuration.learners.includes(id);
}

/** Whether `id` decides alone. */
export function isSoleVoter(configuration: Configuration, id: ReplicaId): boolean {
  const { voters, outgoing } = configuration;
  if (voters.length !== 1 || voters[0] !== id) return false;
  return outgoing.length === 0 || (outgoing.length === 1 && outgoing[0] === id);
}

/** All members but `self`, each once, in a fixed order. */
export function peersOf(configuration: Configuration, self: ReplicaId): ReplicaId[] {
  const peers = new Set([...configuration.voters, ...configuration.outgoing, ...configuration.learners]);
  peers.delete(self);
  return [...peers].sort((a, b) => a - b);
}

export function checkConfiguration(configuration: Configuration): void {
  const { voters, outgoing, learners, learnersNext } = configuration;
  for (const ids of [voters, outgoing, learners, learnersNext]) {
    assert(new Set(ids).size === ids.length, `configuration names a replica twice: ${ids.join(' ')}`);
    for (const id of ids) assert(Number.isSafeInteger(id) && id > 0, `replica id ${id} in a configuration`);
  }
  for (const id of learners) assert(!isVoter(configuration, id), `replica ${id} is learner and voter`);
}
