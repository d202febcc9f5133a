/** The passing of time. With `decide` false it is only counted: what would be decided waits for the next tick. */
import { tickApplyFetch } from './apply.js';
import { canCampaign, startElection } from './election.js';
import { quorumVote } from './quorum.js';
import { maybeLeaveJoint } from './reconfiguration.js';
import { becomeFollower, restartElectionTimer } from './roles.js';
import type { RaftState } from './state.js';
import { tickTransfer } from './transfer.js';

export function handleTick(state: RaftState, decide: boolean): void {
  if (state.quiescence.asleep) return;
  state.quiescence.offering = false;
  state.ticks++;
  state.electionElapsed++;
  if (state.role === 'leader') tickLeader(state, decide);
  else if (decide) tickOther(state);
  tickApplyFetch(state);
  state.requests.expire(state.ticks, state.outbox.reads);
}

function tickOther(state: RaftState): void {
  if (state.options.suspect) {
    if (state.electionElapsed >= state.electionTimeout) callForSuccessor(state);
    return;
  }
  if (state.isSoleVoter) {
    // At once, since nobody else could lead; and only once, since the vote waits for nothing but the own disk.
    if (state.role === 'follower') startElection(state, false);
    return;
  }
  if (state.electionElapsed >= state.electionTimeout && canCampaign(state)) startElection(state, false);
}

/** Nobody speaks to it: the group may be asleep, and nobody would wake it for a replica that never campaigns. */
function callForSuccessor(state: RaftState): void {
  restartElectionTimer(state);
  const { id: from, configuration } = state;
  // Without a term: it is no claim, and is to depose nobody.
  for (const to of state.peers) {
    state.outbox.messages.push({
      type: 'suspect',
      from,
      to,
      term: 0,
      configurationVersion: configuration.version,
    });
  }
}

function tickLeader(state: RaftState, decide: boolean): void {
  if (decide && state.electionElapsed >= state.options.electionTicks) {
    state.electionElapsed = 0;
    if (state.options.checkQuorum && !hearsQuorum(state)) {
      becomeFollower(state, state.term, 0);
      return;
    }
  }
  tickTransfer(state);
  maybeLeaveJoint(state);
  state.heartbeatElapsed++;
  if (state.heartbeatElapsed < state.options.heartbeatTicks) return;
  state.heartbeatElapsed = 0;
  state.heartbeatDue = true;
  // A lease is renewed by the rounds of heartbeats; but behind an offer to sleep a round would wake who just agreed.
  state.reads.requestRetry(state.lease !== null && !state.quiescence.offering);
}

/** CheckQuorum (Raft thesis, section 6.2): whether a quorum was heard since the last look. */
function hearsQuorum(state: RaftState): boolean {
  const result = quorumVote(state.configuration, state.activeOf);
  for (const follower of state.followers) {
    follower.silentRounds = follower.recentlyActive ? 0 : follower.silentRounds + 1;
    follower.recentlyActive = false;
  }
  return result === 'won';
}
