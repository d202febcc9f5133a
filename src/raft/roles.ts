/**
 * Taking a role. Every change of role, term or leader goes through here.
 *
 *              time-out              majority of prevotes             majority of votes
 *   follower -----------> precandidate ----------------> candidate -----------------> leader
 *       ^                      |                             |                           |
 *       +----------------------+-----------------------------+---------------------------+
 *           a leader of this term, a higher term, a lost election; a leader that hears no quorum
 */
import { EMPTY_BYTES, assert } from '../base/index.js';
import type { ReplicaId, Term } from '../base/index.js';
import { Progress } from './progress.js';
import type { RaftState } from './state.js';
import { EntryKind } from './types.js';

/** `leader` 0: unknown. */
export function becomeFollower(state: RaftState, term: Term, leader: ReplicaId): void {
  assert(term >= state.term, `term ${state.term} cannot fall to ${term}`);
  const wasFollower = state.role === 'follower';
  if (term > state.term || leader !== state.leader) state.requests.abort(leader, state.outbox.reads);
  const isNews = term > state.term || (!wasFollower && state.role !== 'precandidate');
  if (term > state.term) {
    assert(Number.isSafeInteger(term), `term ${term}`);
    state.term = term;
    state.vote = 0;
    state.campaignOrdered = false;
  }
  const wasLeader = state.role === 'leader';
  state.role = 'follower';
  state.leader = leader;
  if (leader === 0) state.quiescence.asleep = false; // nobody left to sleep under
  if (wasLeader) leaveLeadership(state);
  state.votes.clear();
  // A bare higher term is no reason to wait longer: the paper resets the timer for a leader or a vote alone, and a
  // candidate that can't win must not hold back one that can.
  if (!wasFollower || leader !== 0) restartElectionTimer(state);
  if (isNews) state.tracing?.tell({ name: 'BecomeFollower' });
}

export function becomePrecandidate(state: RaftState): void {
  assert(state.role !== 'leader', 'a leader does not campaign');
  state.role = 'precandidate';
  state.requests.abort(0, state.outbox.reads);
  state.leader = 0;
  state.votes.clear();
  restartElectionTimer(state);
}

export function becomeCandidate(state: RaftState): void {
  assert(state.role !== 'leader', 'a leader does not campaign');
  assert(Number.isSafeInteger(state.term + 1), `term ${state.term} is the last one`);
  state.role = 'candidate';
  state.requests.abort(0, state.outbox.reads);
  state.leader = 0;
  state.term++;
  state.campaignOrdered = false;
  // Counted only once it is durable (persistence.ts): a crash must not let this replica vote twice in the term.
  state.vote = state.id;
  state.votes.clear();
  restartElectionTimer(state);
  state.tracing?.tell({ name: 'BecomeCandidate' });
}

export function becomeLeader(state: RaftState): void {
  assert(state.role === 'candidate', `a ${state.role} cannot become leader`);
  assert(state.leader === 0, `replica ${state.leader} leads term ${state.term} already`);
  const { log } = state;
  state.role = 'leader';
  state.leader = state.id;
  state.votes.clear();
  restartElectionTimer(state);
  state.heartbeatElapsed = 0;
  const next = log.lastIndex + 1;
  state.followers = state.peers.map((id) => new Progress(id, next, state.options));
  state.tracing?.tell({ name: 'BecomeLeader' });
  // Raft paper, section 8: earlier terms' entries commit with the first entry of this one.
  state.termStart = next;
  state.changeIndex = log.lastIndex;
  log.append({ index: next, term: state.term, kind: EntryKind.empty, data: EMPTY_BYTES });
  state.tracing?.tell({ name: 'Replicate' });
  state.replicationDue = true;
}

export function restartElectionTimer(state: RaftState): void {
  state.electionElapsed = 0;
  state.drawElectionTimeout();
}

/** A message of this term's leader arrived. */
export function hearLeader(state: RaftState, leader: ReplicaId): void {
  // Two leaders of a term can't be: such a message was dropped as impossible.
  assert(state.role !== 'leader', `replicas ${state.id} and ${leader} both lead term ${state.term}`);
  if (state.role !== 'follower' || state.leader === 0) {
    becomeFollower(state, state.term, leader);
    return;
  }
  assert(state.leader === leader, `replicas ${state.leader} and ${leader} both lead term ${state.term}`);
  state.electionElapsed = 0;
}

function leaveLeadership(state: RaftState): void {
  state.followers = [];
  state.replicationDue = false;
  state.heartbeatDue = false;
  state.endTransfer();
  state.reads.abort(state.leader, state.outbox.reads);
  state.lease?.void();
}
