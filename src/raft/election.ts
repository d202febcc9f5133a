/** Campaigns and votes: Raft paper, section 5.2 and 5.4.1; thesis, sections 4.2.3 (stickiness) and 9.6 (PreVote). */
import type { ReplicaId } from '../base/index.js';
import { isVoter } from './membership.js';
import { quorumVote } from './quorum.js';
import { becomeCandidate, becomeFollower, becomeLeader, becomePrecandidate } from './roles.js';
import type { MessageOf, RaftState } from './state.js';

/**
 * Only with everything applied that is known to be committed: it may be a configuration, and then the one in force is
 * not the one to count votes by.
 */
export function canCampaign(state: RaftState): boolean {
  if (!state.isVoter || state.options.suspect || state.pendingSnapshot !== null) return false;
  return state.log.applied >= state.log.commit;
}

/** `transfer`: on the leader's order, so without a prevote and in spite of stickiness. */
export function startElection(state: RaftState, transfer: boolean): void {
  if (state.role === 'leader' || !canCampaign(state)) return;
  // A leader may rely on this replica's patience; one that orders the campaign does so no more.
  if (!transfer && state.lease?.isPromised === true) return;
  // Asking nobody else, a sole voter has nothing to learn from a prevote.
  if (state.options.preVote && !transfer && !state.isSoleVoter) startPrevote(state);
  else startVote(state, transfer);
}

function startPrevote(state: RaftState): void {
  becomePrecandidate(state);
  requestVotes(state, true, false);
  // A prevote promises nothing, so there is nothing to make durable first.
  recordVote(state, state.id, true);
}

function startVote(state: RaftState, transfer: boolean): void {
  becomeCandidate(state);
  requestVotes(state, false, transfer);
}

function requestVotes(state: RaftState, pre: boolean, transfer: boolean): void {
  const { lastIndex, lastTerm } = state.log;
  const term = pre ? state.term + 1 : state.term;
  for (const to of state.peers) {
    if (!isVoter(state.configuration, to)) continue;
    state.outbox.messages.push({
      type: 'vote',
      from: state.id,
      to,
      term,
      configurationVersion: state.configuration.version,
      lastIndex,
      lastTerm,
      pre,
      transfer,
    });
  }
}

/** Counts an answer, its own included, and acts when the election is decided. */
export function recordVote(state: RaftState, id: ReplicaId, granted: boolean): void {
  if (!state.votes.has(id)) state.votes.set(id, granted);
  const result = quorumVote(state.configuration, state.voteOf);
  if (result === 'pending') return;
  if (result === 'lost') becomeFollower(state, state.term, 0);
  else if (state.role === 'precandidate') startVote(state, false);
  else becomeLeader(state);
}

/** Whether a (pre)vote request of a higher term is not even looked at, because the group has a live leader. */
export function isSticky(state: RaftState): boolean {
  if (!state.options.checkQuorum) return false;
  if (state.role === 'leader' || state.lease?.isPromised === true) return true;
  return state.leader !== 0 && state.electionElapsed < state.options.electionTicks;
}

export function handleVote(state: RaftState, message: MessageOf<'vote'>): void {
  if (state.options.suspect) return;
  const { from, pre } = message;
  const isFree =
    state.vote === from ||
    (state.vote === 0 && state.leader === 0) ||
    // Only asked whether it would vote in a later term, where it has not voted.
    (pre && message.term > state.term);
  // Also in a term that this replica came to otherwise than by this request: a promise is not bound to a term.
  const isBound = !message.transfer && state.lease?.isPromised === true;
  const granted = isFree && !isBound && state.log.isUpToDate(message.lastIndex, message.lastTerm);
  // A granted prevote echoes the term asked for, so that the precandidate can tell it from an old one; everything
  // else tells the own term, so that one who is behind learns of it.
  const term = granted && pre ? message.term : state.term;
  const response = {
    type: 'vote_response',
    from: state.id,
    to: from,
    term,
    configurationVersion: state.configuration.version,
    pre,
    granted,
    commit: state.log.commit,
    commitTerm: state.log.termAt(state.log.commit),
  } as const;
  if (!granted || pre) {
    state.outbox.messages.push(response);
    return;
  }
  state.vote = from;
  state.electionElapsed = 0;
  state.outbox.messagesAfterPersist.push(response);
}

/** Whatever becomes of the vote, whoever gave it, and when: what is committed stays so. */
export function learnCommit(state: RaftState, message: MessageOf<'vote_response'>): void {
  if (state.options.suspect || !state.log.matches(message.commit, message.commitTerm)) return;
  state.log.commitTo(message.commit);
}

/** For precandidates and candidates. */
export function handleVoteResponse(state: RaftState, message: MessageOf<'vote_response'>): void {
  if (message.pre !== (state.role === 'precandidate')) return;
  const expectedTerm = message.pre && message.granted ? state.term + 1 : state.term;
  if (message.term !== expectedTerm) return;
  recordVote(state, message.from, message.granted);
}

/** Leadership is handed to this replica. */
export function handleTimeoutNow(state: RaftState): void {
  state.campaignOrdered = true;
  maybeObeyOrder(state);
}

/** Asked when something was applied: the order may have come before that. */
export function maybeObeyOrder(state: RaftState): void {
  if (state.campaignOrdered) startElection(state, true);
}
