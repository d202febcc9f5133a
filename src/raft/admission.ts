/**
 * Who is heard, and what can't be true. Bytes were checked before they came here; this is about sense: a message that
 * no correct peer sends is dropped before it has had any effect.
 */
import { isMember } from './membership.js';
import type { RaftState } from './state.js';
import type { Entry, Message } from './types.js';

/** 'stranger': not for this replica, or from nobody it should hear. 'malformed': impossible. */
export type StepVerdict = 'taken' | 'stranger' | 'malformed';

export function isFromLeader(message: Message): boolean {
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
    case 'removed':
    case 'suspect':
      return false;
  }
}

/** A replica from outside the configuration in force: is it ahead of us, behind us, or nobody? */
export function isHeard(state: RaftState, message: Message): boolean {
  if (message.to !== state.id || message.from === state.id) return false;
  const { configuration } = state;
  if (isMember(configuration, message.from)) return true;
  // So a fresh replica, which knows of nobody, hears all who know something: it may be a voter by now.
  if (message.configurationVersion > configuration.version) return true;
  // Only who once was a member was removed: an id above all that this replica heard of may belong to a newcomer.
  const wasMember = message.from <= configuration.highestId;
  const isBehind = message.configurationVersion < configuration.version;
  if (wasMember && isBehind && message.type !== 'removed') tellRemoved(state, message);
  return false;
}

function tellRemoved(state: RaftState, message: Message): void {
  state.outbox.messages.push({
    type: 'removed',
    from: state.id,
    to: message.from,
    term: 0,
    configurationVersion: state.configuration.version,
  });
}

/** Why no correct peer can have sent this; null when it may. */
export function impossibilityOf(state: RaftState, message: Message): string | null {
  const { term } = message;
  if (!isCount(term) || !isCount(message.configurationVersion)) return 'numbers out of range';
  if (isFromLeader(message) && term === state.term) {
    if (state.role === 'leader') return `replica ${message.from} claims the term that this one leads`;
    if (state.leader !== 0 && state.leader !== message.from)
      return `replica ${message.from} claims the term that replica ${state.leader} leads`;
  }
  switch (message.type) {
    case 'append':
      return impossibleEntries(message.prevIndex, message.prevTerm, term, message.entries, message.commit);
    case 'append_response':
      if (!isCount(message.index) || !isCount(message.hintIndex) || !isCount(message.hintTerm))
        return 'numbers out of range';
      if (message.reject) return message.hintIndex > message.index ? 'a hint behind what it is about' : null;
      return term === state.term && state.role === 'leader' && message.index > state.log.lastIndex
        ? `an acknowledgement of ${message.index}, the log ends at ${state.log.lastIndex}`
        : null;
    case 'heartbeat':
      if (!isCount(message.commit)) return 'numbers out of range';
      // A leader tells no more than what this replica acknowledged to it; a suspect one forgot some of that.
      return term >= state.term && message.commit > state.log.lastIndex && !state.options.suspect
        ? `a commit of ${message.commit} that was acknowledged, the log ends at ${state.log.lastIndex}`
        : null;
    case 'vote':
      return isCount(message.lastIndex) && isCount(message.lastTerm) && message.lastTerm <= term
        ? null
        : 'a candidate whose log is of a later term';
    case 'read_round':
    case 'read_round_response':
      return isCount(message.round) ? null : 'numbers out of range';
    case 'snapshot': {
      const { index, term: of, configuration } = message.snapshot;
      return isCount(index) && index > 0 && isCount(of) && of <= term && configuration.voters.length > 0
        ? null
        : 'a snapshot of nothing';
    }
    case 'vote_response':
      return isCount(message.commit) && isCount(message.commitTerm) ? null : 'numbers out of range';
    case 'heartbeat_response':
    case 'timeout_now':
    case 'removed':
    case 'suspect':
      return null;
  }
}

function impossibleEntries(
  prevIndex: number,
  prevTerm: number,
  term: number,
  entries: readonly Entry[],
  commit: number,
): string | null {
  if (!isCount(prevIndex) || !isCount(prevTerm) || !isCount(commit)) return 'numbers out of range';
  if (prevTerm > term) return `an append behind term ${prevTerm}`;
  let index = prevIndex;
  let last = prevTerm;
  for (let i = 0; i < entries.length; i++) {
    const entry = entries[i] as Entry;
    index++;
    if (entry.index !== index) return `entry ${entry.index} where ${index} was due`;
    if (!(entry.term >= last && entry.term <= term)) return `entry ${index} of term ${entry.term}`;
    last = entry.term;
  }
  return Number.isSafeInteger(index) ? null : 'numbers out of range';
}

function isCount(value: number): boolean {
  return Number.isSafeInteger(value) && value >= 0;
}
