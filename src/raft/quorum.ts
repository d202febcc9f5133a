/**
 * Majorities, single and joint, as pure functions of a configuration (Raft thesis, section 4.3: a joint decision
 * needs a majority of the old voters and one of the new). Learners never count.
 *
 * An empty set of voters decides nothing: it commits nothing and elects nobody. `outgoing` alone may be empty, and
 * then has no say.
 */
import type { ReplicaId } from '../base/index.js';
import type { Configuration } from './types.js';

export type VoteResult = 'won' | 'lost' | 'pending';
/** The number that counts for a voter: its match index, or the last read round it answered. */
export type NumberOf = (id: ReplicaId) => number;
/** A voter's answer; undefined while it has not answered. */
export type VoteOf = (id: ReplicaId) => boolean | undefined;

/** Reused: the core is synchronous, and a decision is made per acknowledgement. */
const scratch: number[] = [];

/** The greatest number that a majority of `ids` has reached. `ids` is not empty. */
function majorityNumber(ids: readonly ReplicaId[], numberOf: NumberOf): number {
  const count = ids.length;
  for (let i = 0; i < count; i++) {
    const number = numberOf(ids[i] as ReplicaId);
    // Insertion sort, ascending: groups have a handful of voters.
    let at = i;
    while (at > 0 && (scratch[at - 1] as number) > number) {
      scratch[at] = scratch[at - 1] as number;
      at--;
    }
    scratch[at] = number;
  }
  return scratch[(count - 1) >> 1] as number;
}

/** The greatest number that every needed majority has reached; 0 without voters. */
export function quorumNumber(configuration: Configuration, numberOf: NumberOf): number {
  if (configuration.voters.length === 0) return 0;
  const incoming = majorityNumber(configuration.voters, numberOf);
  if (configuration.outgoing.length === 0) return incoming;
  return Math.min(incoming, majorityNumber(configuration.outgoing, numberOf));
}

function majorityVote(ids: readonly ReplicaId[], voteOf: VoteOf): VoteResult {
  const needed = (ids.length >> 1) + 1;
  let granted = 0;
  let open = 0;
  for (let i = 0; i < ids.length; i++) {
    const vote = voteOf(ids[i] as ReplicaId);
    if (vote === undefined) open++;
    else if (vote) granted++;
  }
  if (granted >= needed) return 'won';
  return granted + open >= needed ? 'pending' : 'lost';
}

/** Whether an election is decided. Without voters it is lost. */
export function quorumVote(configuration: Configuration, voteOf: VoteOf): VoteResult {
  if (configuration.voters.length === 0) return 'lost';
  const incoming = majorityVote(configuration.voters, voteOf);
  if (configuration.outgoing.length === 0) return incoming;
  const outgoing = majorityVote(configuration.outgoing, voteOf);
  if (incoming === outgoing) return incoming;
  return incoming === 'lost' || outgoing === 'lost' ? 'lost' : 'pending';
}
