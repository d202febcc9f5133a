/**
 * Where a message goes: first by its term, then by a table of role and message type. A new message type does not
 * compile until every role says what it does with it.
 */
import { assert } from '../base/index.js';
import { handleAppendResponse, handleHeartbeatResponse } from './acks.js';
import { handleAppend, handleHeartbeat } from './append.js';
import { handleTimeoutNow, handleVote, handleVoteResponse, isSticky } from './election.js';
import { isMember } from './membership.js';
import { handleReadRound, handleReadRoundResponse } from './reads.js';
import { becomeFollower } from './roles.js';
import { handleSnapshot } from './snapshot.js';
import type { MessageOf, RaftState } from './state.js';
import type { Message, MessageType, Role } from './types.js';

type Handlers = { readonly [T in MessageType]: (state: RaftState, message: MessageOf<T>) => void };

function ignore(): void {
  // Late or not meant for this role.
}

/** Whoever follows, or gives way at the first word of a leader of its term. */
const LED: Pick<Handlers, 'append' | 'heartbeat' | 'read_round' | 'snapshot'> = {
  append: handleAppend,
  heartbeat: handleHeartbeat,
  read_round: handleReadRound,
  snapshot: handleSnapshot,
};

const CAMPAIGNING: Handlers = {
  ...LED,
  vote: handleVote,
  vote_response: handleVoteResponse,
  append_response: ignore,
  heartbeat_response: ignore,
  read_round_response: ignore,
  timeout_now: ignore,
};

const TABLE: Readonly<Record<Role, Handlers>> = {
  follower: {
    ...LED,
    vote: handleVote,
    vote_response: ignore,
    append_response: ignore,
    heartbeat_response: ignore,
    read_round_response: ignore,
    timeout_now: handleTimeoutNow,
  },
  precandidate: CAMPAIGNING,
  candidate: CAMPAIGNING,
  leader: {
    // A leader's message in a leader's own term: the handlers fail on it (`hearLeader`), as they should.
    ...LED,
    vote: handleVote,
    vote_response: ignore,
    append_response: handleAppendResponse,
    heartbeat_response: handleHeartbeatResponse,
    read_round_response: handleReadRoundResponse,
    timeout_now: ignore,
  },
};

export function stepMessage(state: RaftState, message: Message): void {
  if (!isForUs(state, message)) return;
  if (!Number.isSafeInteger(message.term)) assert(false, `message of term ${message.term}`);
  if (message.term <= state.term) state.tracing?.received(message);
  if (message.term > state.term) {
    if (!admitHigherTerm(state, message)) return;
  } else if (message.term < state.term) {
    answerStale(state, message);
    return;
  }
  // The table's row and the message's type agree; the compiler can't follow a lookup by a union.
  const handle = TABLE[state.role][message.type] as (state: RaftState, message: Message) => void;
  handle(state, message);
}

/** A stranger is not heard, and neither is a message for an earlier replica at this address. */
function isForUs(state: RaftState, message: Message): boolean {
  if (message.to !== state.id || message.from === state.id) return false;
  if (isMember(state.configuration, message.from)) return true;
  // A fresh learner knows of nobody until the first snapshot or configuration reaches it.
  return state.configuration.voters.length === 0 && isFromLeader(message);
}

function isFromLeader(message: Message): boolean {
  switch (message.type) {
    case 'append':
    case 'heartbeat':
    case 'read_round':
    case 'snapshot':
    case 'timeout_now':
      return true;
    case 'append_response':
    case 'heartbeat_response':
    case 'vote':
    case 'vote_response':
    case 'read_round_response':
      return false;
  }
}

/** Raft paper, section 5.1: a higher term is taken over. Returns whether the message is then looked at. */
function admitHigherTerm(state: RaftState, message: Message): boolean {
  if (message.type === 'vote') {
    // The thesis, section 4.2.3: a candidate must not disturb a group that hears its leader.
    if (!message.transfer && isSticky(state)) return false;
    // A prevote is a question, and a granted one an echo: neither is a term that anybody is in.
    if (message.pre) return true;
  } else if (message.type === 'vote_response' && message.pre && message.granted) {
    return true;
  }
  state.tracing?.received(message);
  becomeFollower(state, message.term, isFromLeader(message) ? message.from : 0);
  return true;
}

/**
 * An old leader, or a candidate that is behind, is told the term. With PreVote nobody else would tell it: a replica
 * whose term got ahead of its group's (it once campaigned on an order, say) would ignore the leader for ever, and
 * the leader it.
 */
function answerStale(state: RaftState, message: Message): void {
  if (state.options.suspect) return;
  const { id, term } = state;
  const to = message.from;
  switch (message.type) {
    case 'append':
    case 'heartbeat':
    case 'read_round':
    case 'snapshot':
      state.outbox.messages.push({
        type: 'append_response',
        from: id,
        to,
        term,
        index: 0,
        reject: true,
        hintIndex: 0,
        hintTerm: 0,
      });
      return;
    case 'vote':
      state.outbox.messages.push({
        type: 'vote_response',
        from: id,
        to,
        term,
        pre: message.pre,
        granted: false,
      });
      return;
    case 'append_response':
    case 'heartbeat_response':
    case 'vote_response':
    case 'read_round_response':
    case 'timeout_now':
      return;
  }
}
