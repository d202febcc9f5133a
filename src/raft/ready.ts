/** Building a Ready: everything that came up since the last one, moved out and numbered. */
import { assert } from '../base/index.js';
import { isApplyDue, takeCommitted } from './apply.js';
import { isRoundDue, startRound } from './reads.js';
import { broadcastHeartbeat, replicate } from './replication.js';
import type { RaftState } from './state.js';
import type { HardState, Message, Ready, RoleChange } from './types.js';

/** Shared by all Readys without the kind of thing in question. Never written to: Readys are read-only. */
const NOTHING: readonly never[] = [];

/** A few comparisons: the host asks per group and event. A commit index that moved alone is not worth a Ready. */
export function hasReady(state: RaftState): boolean {
  return (
    state.replicationDue ||
    state.heartbeatDue ||
    state.log.handed < state.log.lastIndex ||
    !state.outbox.isEmpty ||
    isApplyDue(state) ||
    isVoteChanged(state) ||
    isRoleChanged(state) ||
    isRoundDue(state) ||
    state.pendingSnapshot !== null
  );
}

export function takeReady(state: RaftState): Ready {
  assert(hasReady(state), 'ready() without anything to do');
  // No offer to sleep goes ahead of a round, which would wake again.
  if (isRoundDue(state)) state.quiescence.offering = false;
  if (state.heartbeatDue) broadcastHeartbeat(state);
  if (isRoundDue(state)) startRound(state);
  if (state.replicationDue) replicate(state);
  const committed = takeCommitted(state);
  const roleChange = takeRoleChange(state);

  const snapshot = state.pendingSnapshot;
  state.pendingSnapshot = null;
  const entries = state.log.takeUnhanded();
  const mustPersist = entries.length > 0 || snapshot !== null || isVoteChanged(state);
  const hardState = takeHardState(state);
  const number = ++state.readyNumber;
  if (mustPersist) state.log.ledger.add(number, state.log.handed, state.term, state.vote);

  const { outbox } = state;
  const messages = outbox.messages;
  const messagesAfterPersist = outbox.messagesAfterPersist;
  const { reads, fetches, snapshotsWanted } = outbox;
  if (messages.length > 0) outbox.messages = [];
  if (messagesAfterPersist.length > 0) outbox.messagesAfterPersist = [];
  if (reads.length > 0) outbox.reads = [];
  if (fetches.length > 0) outbox.fetches = [];
  if (snapshotsWanted.length > 0) outbox.snapshotsWanted = [];
  state.tracing?.ready(number, messages, messagesAfterPersist, entries.length > 0);
  const { removedFromVersion } = outbox;
  outbox.removedFromVersion = 0;
  return {
    number,
    mustPersist,
    hardState,
    entries,
    snapshot,
    messages: orNothing<Message>(messages),
    messagesAfterPersist: orNothing<Message>(messagesAfterPersist),
    committed,
    reads: orNothing(reads),
    fetches: orNothing(fetches),
    snapshotsWanted: orNothing(snapshotsWanted),
    removedFromVersion,
    roleChange,
  };
}

/** An empty list stays with the outbox, which fills it later; the Ready must not see that. */
function orNothing<T>(list: readonly T[]): readonly T[] {
  return list.length > 0 ? list : NOTHING;
}

/** Term or vote moved: a promise that has to be durable. The commit index is not; it goes along when it can. */
function isVoteChanged(state: RaftState): boolean {
  return state.term !== state.handedHardState.term || state.vote !== state.handedHardState.vote;
}

function takeHardState(state: RaftState): HardState | null {
  if (!isVoteChanged(state) && state.log.commit === state.handedHardState.commit) return null;
  state.handedHardState = { term: state.term, vote: state.vote, commit: state.log.commit };
  return state.handedHardState;
}

function isRoleChanged(state: RaftState): boolean {
  const { role, term, leader } = state.handedRole;
  return role !== state.role || term !== state.term || leader !== state.leader;
}

function takeRoleChange(state: RaftState): RoleChange | null {
  if (!isRoleChanged(state)) return null;
  state.handedRole = { role: state.role, term: state.term, leader: state.leader };
  return state.handedRole;
}
