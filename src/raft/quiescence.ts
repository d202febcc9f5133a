/**
 * Quiescence: an idle group stops its clock (docs/decisions/0006-quiescence.md).
 *
 *              still for `quiesceTicks`            all agreed, or are gone
 *   awake ----------------------------> offering ------------------------> asleep     (leader)
 *     ^  anything happens                  |                                  |
 *     +------------------------------------+----------------------------------+
 *   awake -- offer that fits its log --> asleep -- a word of the leader that is no offer --> awake     (follower)
 *
 * Asleep, ticks do nothing. Invariants: whoever sleeps leads, or follows a known leader; a leader sleeps only while
 * every member either agreed in this still time, or is gone as the host sees it; an agreement binds nobody: waking is
 * always right, and costs a few heartbeats.
 */
import type { ReplicaId } from '../base/index.js';
import type { Progress } from './progress.js';
import { quorumVote } from './quorum.js';
import { restartElectionTimer } from './roles.js';
import type { MessageOf, RaftState } from './state.js';
import type { Message } from './types.js';

/** Whether the host knows that this follower can't answer; its return wakes the group. */
export type IsGone = (id: ReplicaId) => boolean;

/** A follower that answered nothing in so many looks of CheckQuorum holds nobody awake: it will call when it is back. */
const MUTE_ROUNDS = 20;

/** Once a tick, by a host that has nothing left to do for this group. A tick left out begins the still time anew. */
export function tryQuiesce(state: RaftState, isGone: IsGone): void {
  const { quiescence, options, log } = state;
  if (options.quiesceTicks === 0 || quiescence.asleep || !isStill(state)) return;
  if (quiescence.lastTick !== state.ticks - 1 || quiescence.lastIndex !== log.lastIndex) {
    quiescence.stillTicks = 0;
    for (const follower of state.followers) follower.agreed = false;
  }
  quiescence.lastTick = state.ticks;
  quiescence.lastIndex = log.lastIndex;
  quiescence.stillTicks++;
  if (quiescence.stillTicks < options.quiesceTicks) return;
  // A round that is due for a lease alone would wake, behind the offer, who just agreed.
  state.reads.cancelRetry();
  if (isAgreed(state, isGone)) fallAsleep(state);
  else quiescence.offering = true;
}

/** Nothing is on its way, here or to anybody. */
function isStill(state: RaftState): boolean {
  const { log } = state;
  const { lastIndex } = log;
  return (
    state.leaderReady &&
    log.commit === lastIndex &&
    log.persisted === lastIndex &&
    log.applied === lastIndex &&
    state.applyFetch === null &&
    state.reads.waiting === 0 &&
    state.transferTarget === 0 &&
    state.configuration.outgoing.length === 0 &&
    state.isVoter
  );
}

function isAgreed(state: RaftState, isGone: IsGone): boolean {
  for (const follower of state.followers) {
    if (hasAgreed(state, follower)) continue;
    // A suspect one waits for its successor, and says so as long as it is asked.
    if (follower.suspect && !isGone(follower.id)) return false;
    if (follower.silentRounds < MUTE_ROUNDS && !isGone(follower.id)) return false;
  }
  // A leader that can't reach a quorum must find that out, not sleep over it.
  const isHere = (id: ReplicaId): boolean => {
    if (id === state.id) return true;
    const follower = state.follower(id);
    return follower !== null && hasAgreed(state, follower) && !isGone(id);
  };
  return quorumVote(state.configuration, isHere) === 'won';
}

function hasAgreed(state: RaftState, follower: Progress): boolean {
  return follower.agreed && follower.state === 'replicate' && follower.match === state.log.lastIndex;
}

function fallAsleep(state: RaftState): void {
  state.quiescence.asleep = true;
  state.quiescence.offering = false;
  // Nobody renews a lease now, and the clock by which it is judged stands still.
  state.lease?.void();
  // What this tick was about to send would wake those who just agreed.
  state.heartbeatDue = false;
  state.replicationDue = false;
  for (const follower of state.followers) if (follower.agreed) follower.recentlyActive = true;
}

/** Whether a heartbeat to this follower offers to quiesce. */
export function isOffer(state: RaftState, follower: Progress): boolean {
  return state.quiescence.offering && follower.match === state.log.lastIndex;
}

/** The follower's side of an offer: whether it sleeps from now on. Its log is this leader's, if it ends in its term. */
export function answerOffer(state: RaftState, message: MessageOf<'heartbeat'>): boolean {
  const { log, quiescence } = state;
  quiescence.asleep =
    message.quiesce &&
    state.options.quiesceTicks > 0 &&
    state.isMember &&
    state.pendingSnapshot === null &&
    log.lastIndex === message.commit &&
    log.applied === message.commit &&
    log.lastTerm === state.term;
  return quiescence.asleep;
}

/** `isLeaderLost`: the host knows that nobody leads any more, so there is no leader's word to wait for. */
export function wake(state: RaftState, isLeaderLost: boolean): void {
  const { quiescence } = state;
  if (!quiescence.asleep) return;
  quiescence.asleep = false;
  quiescence.stillTicks = 0;
  restartElectionTimer(state);
  if (state.role === 'leader') {
    state.heartbeatElapsed = 0;
    state.heartbeatDue = true;
    state.replicationDue = true;
    for (const follower of state.followers) {
      follower.agreed = false;
      follower.recentlyActive = false;
    }
  } else if (isLeaderLost) {
    // It was not heard for a whole election time-out: stickiness is over, and what is left of the drawn time-out is
    // what keeps the campaigns apart.
    state.electionElapsed = state.options.electionTicks;
  }
}

/** A message reached a sleeper: most wake it. */
export function rouse(state: RaftState, message: Message): void {
  if (state.role === 'leader' ? isLateAgreement(state, message) : !isWakingFollower(state, message)) return;
  wake(state, false);
}

/** The last words of followers that sleep by now. */
function isLateAgreement(state: RaftState, message: Message): boolean {
  if (message.term !== state.term) return false;
  return (
    message.type === 'read_round_response' || (message.type === 'heartbeat_response' && message.quiesced)
  );
}

/**
 * A follower leaves candidates to its leader, who hears them too, and old leaders to their own discovery. What is not
 * a leader's word and must be admitted all the same (a higher term) wakes it in `becomeFollower`.
 */
function isWakingFollower(state: RaftState, message: Message): boolean {
  if (message.term < state.term) return false;
  switch (message.type) {
    case 'append':
    case 'read_round':
    case 'snapshot':
    case 'timeout_now':
      return true;
    case 'heartbeat':
      return !message.quiesce;
    case 'vote':
      return message.transfer;
    case 'append_response':
    case 'heartbeat_response':
    case 'read_round_response':
    case 'vote_response':
    case 'removed':
    case 'suspect':
    case 'read_request':
    case 'read_answer':
      return false;
  }
}
