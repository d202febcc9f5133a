/** ReadIndex (Raft thesis, section 6.4): a read waits until a quorum confirms that its leader still led when it came. */
import { isVoter } from './membership.js';
import { quorumNumber } from './quorum.js';
import { hearLeader } from './roles.js';
import type { MessageOf, RaftState } from './state.js';
import type { ReadResult } from './types.js';

const ACCEPTED: ReadResult = { kind: 'accepted' };

export function requestRead(state: RaftState, context: number): ReadResult {
  if (state.role !== 'leader') return { kind: 'dropped', reason: 'not_leader', leader: state.leader };
  if (state.reads.waiting >= state.options.pendingReadsMax) {
    return { kind: 'dropped', reason: 'overloaded', leader: state.leader };
  }
  state.reads.add(context);
  return ACCEPTED;
}

/**
 * Before an entry of the own term is committed a leader does not know the commit index, and reads wait: it has all
 * that is committed, but can't tell how far that goes.
 */
export function isRoundDue(state: RaftState): boolean {
  return state.reads.wantsRound && state.leaderReady;
}

export function startRound(state: RaftState): void {
  const round = state.reads.open(state.log.commit);
  for (const follower of state.followers) {
    if (!isVoter(state.configuration, follower.id)) continue;
    state.outbox.messages.push({
      type: 'read_round',
      from: state.id,
      to: follower.id,
      term: state.term,
      configurationVersion: state.configuration.version,
      round,
    });
  }
  // A sole voter needs nobody else.
  confirmRounds(state);
}

function confirmRounds(state: RaftState): void {
  state.reads.confirmUpTo(quorumNumber(state.configuration, state.roundOf), state.outbox.reads);
}

/** Only reached when the terms are equal: a lower one was answered as stale, a higher one was taken first. */
export function handleReadRound(state: RaftState, message: MessageOf<'read_round'>): void {
  hearLeader(state, message.from);
  if (state.options.suspect || !state.isMember) return;
  state.outbox.messages.push({
    type: 'read_round_response',
    from: state.id,
    to: message.from,
    term: state.term,
    configurationVersion: state.configuration.version,
    round: message.round,
  });
}

export function handleReadRoundResponse(state: RaftState, message: MessageOf<'read_round_response'>): void {
  const follower = state.follower(message.from);
  if (follower === null || message.round > state.reads.lastRound) return;
  follower.recentlyActive = true;
  if (message.round <= follower.roundAnswered) return;
  follower.roundAnswered = message.round;
  confirmRounds(state);
}
