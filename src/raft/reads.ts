/**
 * ReadIndex (Raft thesis, section 6.4): a read waits until a quorum confirms that its leader still led when it came.
 * A replica that does not lead asks its leader, for which the question is one more read.
 */
import type { LogIndex } from '../base/index.js';
import { isVoter } from './membership.js';
import { wake } from './quiescence.js';
import { quorumNumber } from './quorum.js';
import type { RemoteRead } from './read-rounds.js';
import { hearLeader } from './roles.js';
import type { MessageOf, RaftState } from './state.js';
import type { ReadResult } from './types.js';

const ACCEPTED: ReadResult = { kind: 'accepted' };

export function requestRead(state: RaftState, context: number, viaLeader: boolean): ReadResult {
  if (state.role !== 'leader') return viaLeader ? askLeader(state, context) : notLeader(state);
  if (state.reads.waiting >= state.options.pendingReadsMax) {
    return { kind: 'dropped', reason: 'overloaded', leader: state.leader };
  }
  wake(state, false);
  state.reads.add(context);
  return ACCEPTED;
}

function notLeader(state: RaftState): ReadResult {
  return { kind: 'dropped', reason: 'not_leader', leader: state.leader };
}

function askLeader(state: RaftState, context: number): ReadResult {
  const { leader, requests } = state;
  if (leader === 0 || !state.isMember || state.options.suspect) return notLeader(state);
  if (requests.count >= state.options.pendingReadsMax)
    return { kind: 'dropped', reason: 'overloaded', leader };
  // The request is repeated by ticks, which a sleeper doesn't get.
  wake(state, false);
  const { id: from, term, configuration } = state;
  state.outbox.messages.push({
    type: 'read_request',
    from,
    to: leader,
    term,
    configurationVersion: configuration.version,
    context: requests.add(context, state.ticks),
  });
  return ACCEPTED;
}

export function handleReadRequest(state: RaftState, message: MessageOf<'read_request'>): void {
  const { from, context } = message;
  const follower = state.follower(from);
  if (follower === null) return;
  follower.recentlyActive = true;
  if (state.reads.waiting < state.options.pendingReadsMax) state.reads.addRemote({ from, context });
  else answerRemote(state, { from, context }, 0, false);
}

function answerRemote(state: RaftState, read: RemoteRead, index: LogIndex, ok: boolean): void {
  const { from: to, context } = read;
  state.outbox.messages.push({
    type: 'read_answer',
    from: state.id,
    to,
    term: state.term,
    configurationVersion: state.configuration.version,
    context,
    index,
    ok,
  });
}

export function handleReadAnswer(state: RaftState, message: MessageOf<'read_answer'>): void {
  hearLeader(state, message.from);
  const context = state.requests.take(message.context);
  if (context === null) return;
  state.outbox.reads.push(
    message.ok
      ? { kind: 'confirmed', context, index: message.index }
      : { kind: 'aborted', context, leader: state.leader },
  );
}

/**
 * Before an entry of the own term is committed a leader does not know the commit index, and reads wait: it has all
 * that is committed, but can't tell how far that goes.
 */
export function isRoundDue(state: RaftState): boolean {
  return state.reads.wantsRound && state.leaderReady;
}

export function startRound(state: RaftState): void {
  // It wakes whoever agreed to sleep.
  for (const follower of state.followers) follower.agreed = false;
  const round = state.reads.open(state.log.commit);
  state.lease?.open(round, state.term);
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
  const { configuration, reads, lease } = state;
  reads.confirmUpTo(quorumNumber(configuration, state.roundOf), state.outbox.reads);
  for (const { read, index } of reads.answers) answerRemote(state, read, index, true);
  reads.answers.length = 0;
  lease?.confirm(quorumNumber(configuration, state.promisedOf));
}

/** Only reached when the terms are equal: a lower one was answered as stale, a higher one was taken first. */
export function handleReadRound(state: RaftState, message: MessageOf<'read_round'>): void {
  hearLeader(state, message.from);
  if (state.options.suspect || !state.isMember) return;
  state.lease?.promise();
  state.outbox.messages.push({
    type: 'read_round_response',
    from: state.id,
    to: message.from,
    term: state.term,
    configurationVersion: state.configuration.version,
    round: message.round,
    promised: state.lease !== null,
  });
}

export function handleReadRoundResponse(state: RaftState, message: MessageOf<'read_round_response'>): void {
  const follower = state.follower(message.from);
  if (follower === null || message.round > state.reads.lastRound) return;
  follower.recentlyActive = true;
  if (message.promised && message.round > follower.roundPromised) follower.roundPromised = message.round;
  if (message.round <= follower.roundAnswered) return;
  follower.roundAnswered = message.round;
  confirmRounds(state);
}
