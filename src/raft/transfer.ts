/**
 * Handing leadership over (Raft thesis, section 3.10). Proposals go on until the target is nearly level with the leader's
 * log; from there they are refused, so that it gets level, is told to campaign, and nothing is appended behind it. A
 * target that never gets near costs no pause.
 */
import type { ReplicaId } from '../base/index.js';
import type { Progress } from './progress.js';
import { wake } from './quiescence.js';
import type { RaftState } from './state.js';

/** A target that lacks at most this many entries gets them in one message or two. */
const NEAR_ENTRIES = 16;

/** A second wish replaces the first. */
export function startTransfer(state: RaftState, to: ReplicaId): boolean {
  if (state.role !== 'leader' || to === state.id || !state.configuration.voters.includes(to)) return false;
  const target = state.follower(to);
  if (target === null) return false;
  if (state.transferTarget === to) return true;
  wake(state, false);
  state.transferTarget = to;
  state.transferElapsed = 0;
  state.handingOver = false;
  state.replicationDue = true;
  maybeHandOver(state, target);
  return true;
}

/** Tells the target to campaign once it holds everything; again with each answer, since the order may get lost. */
export function maybeHandOver(state: RaftState, follower: Progress): void {
  if (follower.id !== state.transferTarget) return;
  if (!state.handingOver) state.handingOver = isNear(state, follower);
  if (follower.match !== state.log.lastIndex) return;
  state.lease?.bar(state.term);
  const { id: from, term, configuration } = state;
  const configurationVersion = configuration.version;
  state.outbox.messages.push({ type: 'timeout_now', from, to: follower.id, term, configurationVersion });
}

function isNear(state: RaftState, follower: Progress): boolean {
  if (follower.match === state.log.lastIndex) return true;
  return follower.state === 'replicate' && state.log.lastIndex - follower.match <= NEAR_ENTRIES;
}

/** The target had its time; the leader goes on. */
export function tickTransfer(state: RaftState): void {
  if (state.transferTarget === 0) return;
  state.transferElapsed++;
  if (state.transferElapsed >= state.options.electionTicks) state.endTransfer();
}
