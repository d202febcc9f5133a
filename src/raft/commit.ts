/** Advancing the commit index by counting (Raft paper, sections 5.3 and 5.4.2). */
import { quorumNumber } from './quorum.js';
import type { RaftState } from './state.js';

/**
 * Commits what a quorum holds durably, this replica included once its own write is done. Only an entry of the
 * leader's own term commits by counting; earlier ones commit with it (figure 8 shows why).
 */
export function maybeCommit(state: RaftState): boolean {
  const { log } = state;
  const index = quorumNumber(state.configuration, state.matchOf);
  if (index <= log.commit || log.termAt(index) !== state.term) return false;
  log.commitTo(index);
  state.tracing?.tell({ name: 'Commit' });
  if (state.options.eagerCommitNews) state.replicationDue = true;
  return true;
}
