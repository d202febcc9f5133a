/**
 * Goal: every role says what it does with every message. Method: a table that does not compile with a gap; each cell
 * is the role and term after the message, of the replica's own term 2, and what it sends at once or when persisted.
 */
import { expect, test } from 'vitest';
import type { Message, MessageType, Raft, Role } from '../../src/raft/index.js';
import {
  MESSAGE_TYPES,
  makeCandidate,
  makeEntries,
  makeFollower,
  makeLeader,
  makeMessage,
  sent,
  settle,
} from '../support/raft-builders.js';

const IDS = [1, 2, 3];

/** Each in term 2, with one entry of term 1 and the rest quiet. */
const MAKE: Readonly<Record<Role, () => Raft>> = {
  follower: () => {
    const raft = makeFollower(IDS, makeEntries([1]), {}, { hardState: { term: 2, vote: 3, commit: 0 } });
    return raft;
  },
  precandidate: () => {
    const raft = makeFollower(
      IDS,
      makeEntries([1]),
      { preVote: true },
      { hardState: { term: 2, vote: 3, commit: 0 } },
    );
    raft.campaign();
    settle(raft);
    return raft;
  },
  candidate: () => makeCandidate(IDS, makeEntries([1])),
  leader: () => makeLeader(IDS, makeEntries([1])),
};

const VOTE_NO = 'vote_response';
const LED = {
  append: 'follower: append_response',
  heartbeat: 'follower: heartbeat_response',
  read_round: 'follower: read_round_response',
  snapshot: 'follower: append_response',
};

/** A message of the replica's own term, from replica 2. */
const SAME_TERM: Readonly<Record<Role, Readonly<Record<MessageType, string>>>> = {
  follower: {
    ...LED,
    append_response: 'follower:',
    heartbeat_response: 'follower:',
    read_round_response: 'follower:',
    vote: `follower: ${VOTE_NO}`,
    vote_response: 'follower:',
    timeout_now: 'candidate: vote vote',
    removed: 'follower:',
    suspect: 'follower:',
  },
  precandidate: {
    ...LED,
    append_response: 'precandidate:',
    heartbeat_response: 'precandidate:',
    read_round_response: 'precandidate:',
    vote: `precandidate: ${VOTE_NO}`,
    vote_response: 'precandidate:',
    timeout_now: 'precandidate:',
    removed: 'precandidate:',
    suspect: 'precandidate:',
  },
  candidate: {
    ...LED,
    append_response: 'candidate:',
    heartbeat_response: 'candidate:',
    read_round_response: 'candidate:',
    vote: `candidate: ${VOTE_NO}`,
    vote_response: 'leader: append append',
    timeout_now: 'candidate:',
    removed: 'candidate:',
    suspect: 'candidate:',
  },
  leader: {
    // Two leaders of a term can't be: no effect.
    append: 'leader:',
    heartbeat: 'leader:',
    read_round: 'leader:',
    snapshot: 'leader:',
    // An accepted append of nothing: the probe's answer is still due.
    append_response: 'leader:',
    heartbeat_response: 'leader: append',
    read_round_response: 'leader:',
    vote: `leader: ${VOTE_NO}`,
    vote_response: 'leader:',
    timeout_now: 'leader:',
    removed: 'leader:',
    suspect: 'leader:',
  },
};

/** A message of an older term: leaders and candidates are told, answers are dropped, whoever hears it. */
const OLD_TERM: Readonly<Record<MessageType, string>> = {
  append: 'append_response',
  heartbeat: 'append_response',
  read_round: 'append_response',
  snapshot: 'append_response',
  vote: VOTE_NO,
  append_response: '',
  heartbeat_response: '',
  read_round_response: '',
  vote_response: '',
  timeout_now: '',
  removed: '',
  suspect: '',
};

function outcome(raft: Raft, message: Message): string {
  try {
    raft.step(message);
  } catch (error) {
    return (error as Error).name;
  }
  const { role } = raft;
  const types = [...new Set(sent(raft).map((one) => `${one.type}>${one.to}`))].map(
    (one) => one.split('>')[0],
  );
  return `${role}: ${types.join(' ')}`.trim();
}

for (const role of Object.keys(MAKE) as Role[]) {
  for (const type of MESSAGE_TYPES) {
    test(`${role} and a ${type} of its term`, () => {
      expect(outcome(MAKE[role](), makeMessage(type, { term: 2 }))).toBe(SAME_TERM[role][type]);
    });

    test(`${role} and a ${type} of an older term`, () => {
      const raft = MAKE[role]();
      const before = raft.status();
      expect(outcome(raft, makeMessage(type, { term: 1 }))).toBe(`${role}: ${OLD_TERM[type]}`.trim());
      expect(raft.status()).toEqual(before);
    });

    test(`${role} and a ${type} from a stranger or for somebody else`, () => {
      const raft = MAKE[role]();
      const before = raft.status();
      expect(outcome(raft, makeMessage(type, { term: 9, from: 8 }))).toBe(`${role}:`);
      expect(outcome(raft, makeMessage(type, { term: 9, to: 3 }))).toBe(`${role}:`);
      expect(raft.status()).toEqual(before);
    });
  }
}
