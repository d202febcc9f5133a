/** Goal: majorities are right, single and joint. Method: many random cases against slow, obvious twins. */
import { expect, test } from 'vitest';
import { Prng } from '../../src/base/index.js';
import { quorumNumber, quorumVote } from '../../src/raft/quorum.js';
import { makeConfiguration } from '../support/raft-builders.js';

const CASES = 20_000;

function isMajority(count: number, of: number): boolean {
  return count * 2 > of;
}

/** The greatest candidate that enough voters of each half have reached. */
function dumbNumber(voters: number[], outgoing: number[], numbers: ReadonlyMap<number, number>): number {
  let best = 0;
  for (const candidate of numbers.values()) {
    const reached = (ids: number[]): boolean =>
      isMajority(ids.filter((id) => (numbers.get(id) ?? 0) >= candidate).length, ids.length);
    if (reached(voters) && (outgoing.length === 0 || reached(outgoing))) best = Math.max(best, candidate);
  }
  return best;
}

/** Won if it stays won when all others refuse; lost if it is not won when all others grant. */
function dumbVote(voters: number[], outgoing: number[], votes: ReadonlyMap<number, boolean>): string {
  const wins = (others: boolean): boolean => {
    const half = (ids: number[]): boolean =>
      isMajority(ids.filter((id) => votes.get(id) ?? others).length, ids.length);
    return half(voters) && (outgoing.length === 0 || half(outgoing));
  };
  if (wins(false)) return 'won';
  return wins(true) ? 'pending' : 'lost';
}

test('the quorum decides as its dumb twin does', () => {
  const prng = new Prng(20);
  for (let i = 0; i < CASES; i++) {
    const ids = prng.shuffle([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    const voters = ids.slice(0, prng.between(1, 7));
    const outgoing = prng.chance(0.5) ? [] : prng.shuffle([...ids]).slice(0, prng.between(1, 7));
    const configuration = makeConfiguration(voters, { outgoing });
    const numbers = new Map<number, number>();
    const votes = new Map<number, boolean>();
    for (const id of ids) {
      if (prng.chance(0.8)) numbers.set(id, prng.below(6));
      if (prng.chance(0.7)) votes.set(id, prng.chance(0.6));
    }
    expect(quorumNumber(configuration, (id) => numbers.get(id) ?? 0)).toBe(
      dumbNumber(voters, outgoing, numbers),
    );
    expect(quorumVote(configuration, (id) => votes.get(id))).toBe(dumbVote(voters, outgoing, votes));
  }
});
