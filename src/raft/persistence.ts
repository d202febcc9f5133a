/** What becomes true when a Ready is durable: own entries count, and so does an own vote. */
import { assert } from '../base/index.js';
import type { ReadyNumber } from '../base/index.js';
import { maybeCommit } from './commit.js';
import { recordVote } from './election.js';
import type { RaftState } from './state.js';

export function handlePersisted(state: RaftState, number: ReadyNumber): void {
  assert(number <= state.readyNumber, `Ready ${number} was never handed out (last ${state.readyNumber})`);
  const line = state.log.ledger.takeUpTo(number);
  if (line === null) return;
  state.tracing?.persisted(number);
  state.log.persistTo(line.lastIndex);
  // A vote of an older term, or one given to another candidate, elects nobody here.
  if (state.role === 'candidate' && line.term === state.term && line.vote === state.id) {
    recordVote(state, state.id, true);
  }
  if (state.role === 'leader') maybeCommit(state);
}
