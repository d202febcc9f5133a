/** Questions about a configuration. Members: voters, outgoing voters and learners. */
import { assert } from '../base/index.js';
import type { NodeId, ReplicaId } from '../base/index.js';
import type { Configuration } from './types.js';

/** What a fresh replica starts with, until its leader's log or snapshot reaches it. */
export const NO_CONFIGURATION: Configuration = {
  version: 0,
  highestId: 0,
  voters: [],
  outgoing: [],
  learners: [],
  learnersNext: [],
  autoLeave: false,
  homes: [],
};

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

/** All members, each once, in a fixed order. */
export function membersOf(configuration: Configuration): ReplicaId[] {
  const { voters, outgoing, learners } = configuration;
  return [...new Set([...voters, ...outgoing, ...learners])].sort((a, b) => a - b);
}

/** All members but `self`. */
export function peersOf(configuration: Configuration, self: ReplicaId): ReplicaId[] {
  return membersOf(configuration).filter((id) => id !== self);
}

/** Where a member lives; 0 for a stranger. */
export function homeOf(configuration: Configuration, id: ReplicaId): NodeId {
  for (const home of configuration.homes) if (home.replica === id) return home.node;
  return 0;
}

export function checkConfiguration(configuration: Configuration): void {
  const { voters, outgoing, learners, learnersNext } = configuration;
  for (const ids of [voters, outgoing, learners, learnersNext]) {
    assert(new Set(ids).size === ids.length, `configuration names a replica twice: ${ids.join(' ')}`);
    for (const id of ids) assert(Number.isSafeInteger(id) && id > 0, `replica id ${id} in a configuration`);
  }
  for (const id of learners) assert(!isVoter(configuration, id), `replica ${id} is learner and voter`);
  for (const id of learnersNext) assert(outgoing.includes(id), `replica ${id} steps back from nothing`);
  for (const id of [...voters, ...outgoing, ...learners]) {
    assert(id <= configuration.highestId, `replica ${id} above the highest id ${configuration.highestId}`);
  }
}
