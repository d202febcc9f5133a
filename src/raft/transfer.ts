/** Handing leadership over (Raft thesis, section 3.10). */
import type { ReplicaId } from '../base/index.js';
import type { Progress } from './progress.js';
import type { RaftState } from './state.js';

/** While it runs proposals are refused, so that the target can catch up; a second wish replaces the first. */
export function startTransfer(state: RaftState, to: ReplicaId): boolean {
  if (state.role !== 'leader' || to === state.id || !state.configuration.voters.includes(to)) return false;
  const target = state.follower(to);
  if (target === null) return false;
  if (state.transferTarget === to) return true;
  state.transferTarget = to;
  state.transferElapsed = 0;
  state.replicationDue = true;
  maybeHandOver(state, target);
  return true;
}

/** Tells the target to campaign once it holds everything; again with each answer, since the order may get lost. */
export function maybeHandOver(state: RaftState, follower: Progress): void {
  if (follower.id !== state.transferTarget || follower.match !== state.log.lastIndex) return;
  const { id: from, term, configuration } = state;
  const configurationVersion = configuration.version;
  state.outbox.messages.push({ type: 'timeout_now', from, to: follower.id, term, configurationVersion });
}

/** The target had its time; the leader goes on. */
export function tickTransfer(state: RaftState): void {
  if (state.transferTarget === 0) return;
  state.transferElapsed++;
  if (state.transferElapsed >= state.options.electionTicks) state.transferTarget = 0;
}
