/**
 * Where a message goes: first by its term, then by a table of role and message type. A new message type does not
 * compile until every role says what it does with it.
 */
import { handleAppendResponse, handleHeartbeatResponse, handleSuspect } from './acks.js';
import { impossibilityOf, isFromLeader, isHeard, type StepVerdict } from './admission.js';
import { handleAppend, handleHeartbeat } from './append.js';
import { handleTimeoutNow, handleVote, handleVoteResponse, isSticky, learnCommit } from './election.js';
import { handleReadAnswer, handleReadRequest, handleReadRound, handleReadRoundResponse } from './reads.js';
import { rouse } from './quiescence.js';
import { becomeFollower } from './roles.js';
import { handleSnapshot } from './snapshot.js';
import type { MessageOf, RaftState } from './state.js';
import type { Message, MessageType, Role } from './types.js';

type Handlers = { readonly [T in MessageType]: (state: RaftState, message: MessageOf<T>) => void };

function ignore(): void {
  // Late or not meant for this role.
}

/** Whoever follows, or gives way at the first word of a leader of its term. */
const LED: Pick<Handlers, 'append' | 'heartbeat' | 'read_round' | 'read_answer' | 'snapshot'> = {
  append: handleAppend,
  heartbeat: handleHeartbeat,
  read_round: handleReadRound,
  read_answer: handleReadAnswer,
  snapshot: handleSnapshot,
};

const CAMPAIGNING: Handlers = {
  ...LED,
  vote: handleVote,
  vote_response: handleVoteResponse,
  append_response: ignore,
  heartbeat_response: ignore,
  read_round_response: ignore,
  read_request: ignore,
  timeout_now: ignore,
  removed: handleRemoved,
  suspect: ignore,
};

const TABLE: Readonly<Record<Role, Handlers>> = {
  follower: {
    ...LED,
    vote: handleVote,
    vote_response: ignore,
    append_response: ignore,
    heartbeat_response: ignore,
    read_round_response: ignore,
    read_request: ignore,
    timeout_now: handleTimeoutNow,
    removed: handleRemoved,
    suspect: ignore,
  },
  precandidate: CAMPAIGNING,
  candidate: CAMPAIGNING,
  leader: {
    // A leader's message in a leader's own term was found impossible before it comes here.
    ...LED,
    vote: handleVote,
    vote_response: ignore,
    append_response: handleAppendResponse,
    heartbeat_response: handleHeartbeatResponse,
    read_round_response: handleReadRoundResponse,
    read_request: handleReadRequest,
    timeout_now: ignore,
    removed: handleRemoved,
    suspect: handleSuspect,
  },
};

export function stepMessage(state: RaftState, message: Message): StepVerdict {
  if (!isHeard(state, message)) return 'stranger';
  if (impossibilityOf(state, message) !== null) return 'malformed';
  if (message.type === 'removed') {
    handleRemoved(state, message);
    return 'taken';
  }
  if (state.quiescence.asleep) rouse(state, message);
  if (message.term <= state.term) state.tracing?.received(message);
  if (message.type === 'vote_response') learnCommit(state, message);
  if (message.term > state.term) {
    if (!admitHigherTerm(state, message)) return 'taken';
  } else if (message.term < state.term) {
    answerStale(state, message);
    return 'taken';
  }
  state.follower(message.from)?.hear(message.configurationVersion);
  // The table's row and the message's type agree; the compiler can't follow a lookup by a union.
  const handle = TABLE[state.role][message.type] as (state: RaftState, message: Message) => void;
  handle(state, message);
  return 'taken';
}

/** A hint, no more: the host finds out whether it is true. */
function handleRemoved(state: RaftState, message: MessageOf<'removed'>): void {
  const { configurationVersion } = message;
  if (configurationVersion <= state.configuration.version) return;
  state.outbox.removedFromVersion = Math.max(state.outbox.removedFromVersion, configurationVersion);
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
  const configurationVersion = state.configuration.version;
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
        configurationVersion,
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
        configurationVersion,
        pre: message.pre,
        granted: false,
        commit: state.log.commit,
        commitTerm: state.log.termAt(state.log.commit),
      });
      return;
    case 'append_response':
    case 'heartbeat_response':
    case 'vote_response':
    case 'read_round_response':
    case 'read_request':
    case 'read_answer':
    case 'timeout_now':
    case 'removed':
    case 'suspect':
      return;
  }
}
