/**
 * Changes of membership as pure functions of configurations (Raft thesis, chapter 4). A change is refused in words,
 * or gives the configuration to enter: a joint one when more than one voter comes or goes, else the final one.
 */
import type { ReplicaId } from '../base/index.js';
import { isMember, isVoter, membersOf } from './membership.js';
import type { Configuration, Home, MembershipChange } from './types.js';

export type Planned =
  | { readonly ok: true; readonly configuration: Configuration }
  | { readonly ok: false; readonly problem: string };

const REPLICA_ID_MAX = 0xffffffff;
const NONE: readonly never[] = [];

export function isJoint(configuration: Configuration): boolean {
  return configuration.outgoing.length > 0;
}

/** The configuration to enter. `current` is not joint. */
export function planChange(current: Configuration, change: MembershipChange): Planned {
  const { addLearners = NONE, promote = NONE, demote = NONE, remove = NONE } = change;
  const problem = problemOf(current, { addLearners, promote, demote, remove });
  if (problem !== null) return { ok: false, problem };
  const voters = current.voters
    .filter((id) => !demote.includes(id) && !remove.includes(id))
    .concat(promote)
    .sort(ascending);
  if (voters.length === 0) return { ok: false, problem: 'the group would be left without a voter' };
  const joining = promote.length;
  const leaving = current.voters.length - (voters.length - joining);
  const needsJoint = joining + leaving > 1;
  const learners = current.learners
    .filter((id) => !promote.includes(id) && !remove.includes(id))
    .concat(addLearners.map(({ replica }) => replica));
  const highestId = addLearners.reduce(
    (highest, { replica }) => Math.max(highest, replica),
    current.highestId,
  );
  const entered: Configuration = {
    version: current.version + 1,
    highestId,
    voters,
    // Who steps back is a voter of the outgoing majority until the joint configuration is left.
    outgoing: needsJoint ? current.voters : NONE,
    learners: (needsJoint ? learners : learners.concat(demote)).sort(ascending),
    learnersNext: needsJoint ? [...demote].sort(ascending) : NONE,
    autoLeave: needsJoint,
    homes: NONE,
  };
  return { ok: true, configuration: withHomes(entered, current.homes.concat(addLearners)) };
}

/** What follows on a joint configuration. */
export function leaveJoint(joint: Configuration): Configuration {
  const left: Configuration = {
    ...joint,
    version: joint.version + 1,
    outgoing: NONE,
    learners: joint.learners.concat(joint.learnersNext).sort(ascending),
    learnersNext: NONE,
    autoLeave: false,
  };
  return withHomes(left, joint.homes);
}

function problemOf(
  current: Configuration,
  change: Required<Omit<MembershipChange, 'expectedVersion'>>,
): string | null {
  if (isJoint(current)) return 'the group is joint: the change before is not finished';
  const { addLearners, promote, demote, remove } = change;
  const fresh = addLearners.map(({ replica }) => replica);
  const named = [...fresh, ...promote, ...demote, ...remove];
  if (named.length === 0) return 'the change names no replica';
  for (const id of named) {
    if (!Number.isInteger(id) || id < 1 || id > REPLICA_ID_MAX) return `${id} is no replica id`;
  }
  if (new Set(named).size < named.length) return 'the change names a replica twice';
  for (const id of fresh) {
    if (isMember(current, id)) return `replica ${id} is a member already`;
    if (id <= current.highestId) return `replica id ${id} was used: a new one is above ${current.highestId}`;
  }
  for (const id of promote) {
    if (isVoter(current, id)) return `replica ${id} is a voter already`;
    if (!current.learners.includes(id)) return `replica ${id} is no learner: a new member joins as one`;
  }
  for (const id of demote) if (!current.voters.includes(id)) return `replica ${id} is no voter`;
  for (const id of remove) if (!isMember(current, id)) return `replica ${id} is no member`;
  return null;
}

function withHomes(configuration: Configuration, homes: readonly Home[]): Configuration {
  const members = new Set<ReplicaId>(membersOf(configuration));
  const kept = homes.filter(({ replica }) => members.has(replica));
  return { ...configuration, homes: kept.sort((a, b) => a.replica - b.replica) };
}

function ascending(a: number, b: number): number {
  return a - b;
}
