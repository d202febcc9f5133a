/** Goal: E7 in the core: nobody is elected while a leader may rely on its lease, and what voids one does so at once. */
import { expect, test } from 'vitest';
import type { LeaseOptions, Raft, RaftOptions } from '../../../src/raft/index.js';
import {
  acknowledge,
  makeConfiguration,
  makeFollower,
  makeLeader,
  makeMessage,
  sent,
  settle,
} from '../../support/raft-builders.js';
import { RaftCluster } from '../../support/raft-cluster.js';

const IDS = [1, 2, 3];
const LEASE: LeaseOptions = { promiseMs: 1000, holdMs: 900, startedAtMs: 0 };
const OPTIONS: Partial<RaftOptions> = { checkQuorum: true, lease: LEASE };

function makeLessor(options: Partial<RaftOptions> = OPTIONS, ids = IDS): Raft {
  const raft = makeLeader(ids, [], options);
  acknowledge(raft, 2);
  settle(raft);
  return raft;
}

/** A heartbeat is due: its round leaves. Returns the round's number. */
function beat(raft: Raft): number {
  for (let i = 0; i < 2; i++) raft.tick(true);
  const round = sent(raft).find((message) => message.type === 'read_round');
  if (round?.type !== 'read_round') throw new Error('a heartbeat without a round');
  return round.round;
}

function promiseFrom(raft: Raft, from: number, round: number): void {
  raft.step(makeMessage('read_round_response', { from, round, promised: true }));
}

test('E7 a lease lasts from when the round was opened that a quorum answered, not from the answer', () => {
  const raft = makeLessor();
  raft.noteTime(100);
  const round = beat(raft);
  expect(raft.leaseUntilMs).toBe(0);
  raft.noteTime(700);
  promiseFrom(raft, 3, round);
  expect(raft.leaseUntilMs).toBe(1000);
});

test('E7 without leases there is never one: every read asks a quorum', () => {
  const raft = makeLessor({ checkQuorum: true });
  raft.readIndex(1);
  settle(raft);
  promiseFrom(raft, 2, 1);
  expect(raft.leaseUntilMs).toBe(0);
});

test('E7 an answer without a promise confirms reads and no lease: that voter has leases off', () => {
  const raft = makeLessor();
  raft.readIndex(5);
  settle(raft);
  raft.step(makeMessage('read_round_response', { round: 1 }));
  expect(settle(raft).flatMap((ready) => ready.reads)).toMatchObject([{ kind: 'confirmed', context: 5 }]);
  expect(raft.leaseUntilMs).toBe(0);
});

test('E7 of five voters two promises are needed', () => {
  const raft = makeLeader([1, 2, 3, 4, 5], [], OPTIONS);
  for (const id of [2, 3]) acknowledge(raft, id);
  settle(raft);
  const round = beat(raft);
  promiseFrom(raft, 4, round);
  expect(raft.leaseUntilMs).toBe(0);
  promiseFrom(raft, 5, round);
  expect(raft.leaseUntilMs).toBe(900);
});

test('E7 an older round that is answered late does not shorten what a newer one gave', () => {
  const raft = makeLessor();
  const first = beat(raft);
  raft.noteTime(200);
  const second = beat(raft);
  promiseFrom(raft, 2, second);
  promiseFrom(raft, 3, first);
  expect(raft.leaseUntilMs).toBe(1100);
});

test('E7 losing the leadership ends the lease, and the next leadership does not find it', () => {
  const raft = makeLessor();
  promiseFrom(raft, 2, beat(raft));
  raft.step(makeMessage('append_response', { term: 4, reject: true }));
  expect(raft.leaseUntilMs).toBe(0);
});

test('E7 once a successor was told to campaign there is no lease in this term, whatever is answered later', () => {
  const raft = makeLessor();
  acknowledge(raft, 3);
  const before = beat(raft);
  promiseFrom(raft, 2, before);
  expect(raft.leaseUntilMs).toBe(900);
  expect(raft.transferLeader(3)).toBe(true);
  expect(raft.leaseUntilMs).toBe(0);
  // The transfer comes to nothing; its order may still arrive.
  for (let i = 0; i < 12; i++) {
    raft.step(makeMessage('heartbeat_response', { from: 2 }));
    raft.tick(true);
  }
  expect(raft.status().transferTarget).toBe(0);
  settle(raft);
  promiseFrom(raft, 2, beat(raft));
  expect([raft.role, raft.leaseUntilMs]).toEqual(['leader', 0]);
});

test('E7 a voter that promised elects nobody for so long, and campaigns no more than it votes', () => {
  const raft = makeFollower(IDS, [], OPTIONS);
  raft.noteTime(50);
  raft.step(makeMessage('read_round', { from: 2 }));
  expect(sent(raft)).toMatchObject([{ type: 'read_round_response', promised: true }]);
  // Its own ticks run fast: they don't count.
  for (let i = 0; i < 100; i++) raft.tick(true);
  expect([raft.role, raft.term]).toEqual(['follower', 1]);
  raft.noteTime(1049);
  raft.step(makeMessage('vote', { from: 3, term: 2, lastIndex: 9, lastTerm: 1 }));
  raft.campaign();
  expect([raft.term, sent(raft)]).toEqual([1, []]);
  raft.noteTime(1050);
  raft.step(makeMessage('vote', { from: 3, term: 2, lastIndex: 9, lastTerm: 1 }));
  expect(sent(raft)).toMatchObject([{ type: 'vote_response', term: 2, granted: true }]);
});

test('E7 a replica with a past keeps the promise that it may have given before it stopped', () => {
  const started = { ...OPTIONS, lease: { ...LEASE, startedAtMs: 5000 } };
  const raft = makeFollower(IDS, [], started, { hardState: { term: 3, vote: 2, commit: 0 } });
  raft.noteTime(5999);
  raft.step(makeMessage('vote', { from: 3, term: 4, lastIndex: 9, lastTerm: 1 }));
  expect([raft.term, sent(raft)]).toEqual([3, []]);
  raft.noteTime(6000);
  raft.step(makeMessage('vote', { from: 3, term: 4, lastIndex: 9, lastTerm: 1 }));
  expect(sent(raft)).toMatchObject([{ type: 'vote_response', granted: true }]);
  // One that was in no term yet has promised nothing.
  const newborn = makeFollower(IDS, [], started);
  newborn.step(makeMessage('vote', { from: 3, term: 1 }));
  expect(sent(newborn)).toMatchObject([{ type: 'vote_response', granted: true }]);
});

test('E7 E20 a campaign on the leader’s order is not held back by promises', () => {
  const raft = makeFollower(IDS, [], OPTIONS);
  raft.step(makeMessage('read_round', { from: 2 }));
  settle(raft);
  raft.step(makeMessage('timeout_now', { from: 2 }));
  expect([raft.role, raft.term]).toEqual(['candidate', 2]);
  const voter = makeFollower(IDS, [], OPTIONS);
  voter.step(makeMessage('read_round', { from: 2 }));
  settle(voter);
  voter.step(makeMessage('vote', { from: 3, term: 2, transfer: true }));
  expect(sent(voter)).toMatchObject([{ type: 'vote_response', granted: true }]);
});

test('a sole voter leases from itself, and waits after a restart as long as it may have promised to', () => {
  const raft = makeFollower([1], [], OPTIONS, { hardState: { term: 3, vote: 1, commit: 0 } });
  raft.tick(true);
  expect(raft.role).toBe('follower');
  raft.noteTime(1000);
  raft.tick(true);
  settle(raft);
  expect(raft.leaderReady).toBe(true);
  for (let i = 0; i < 2; i++) raft.tick(true);
  settle(raft);
  expect(raft.leaseUntilMs).toBe(1900);
});

test('E7 a promise holds in a term that the voter came to by other news, too', () => {
  const voter = makeFollower([1, 2, 3, 4, 5], [], OPTIONS);
  voter.noteTime(5000);
  voter.step(makeMessage('read_round', { from: 2, term: 1 }));
  settle(voter);
  // A late answer to an own prevote of before raises the term; the candidate of that term comes behind it.
  voter.step(makeMessage('vote_response', { from: 4, term: 2, pre: true, granted: false }));
  voter.step(makeMessage('vote', { from: 3, term: 2, lastIndex: 10, lastTerm: 1 }));
  expect(sent(voter)).toMatchObject([{ type: 'vote_response', to: 3, granted: false }]);
  voter.noteTime(7000);
  voter.step(makeMessage('vote', { from: 3, term: 2, lastIndex: 10, lastTerm: 1 }));
  expect(sent(voter)).toMatchObject([{ type: 'vote_response', to: 3, granted: true }]);
});

test('E7 a voter that is left alone by a change keeps its promise to the leader that does not know yet', () => {
  const cluster = new RaftCluster(makeConfiguration([1, 2]), () => OPTIONS);
  const leader = cluster.raft(2);
  leader.campaign();
  cluster.settle();
  for (const id of [1, 2]) cluster.raft(id).noteTime(5000);
  cluster.run(2);
  const untilMs = leader.leaseUntilMs;
  expect(untilMs).toBeGreaterThan(5000);
  // Its last word to replica 1 is that the change is committed; it applies the change itself much later.
  const change = makeConfiguration([1], { version: 2, highestId: 2 });
  const alone = cluster.raft(1);
  alone.applyConfiguration(change);
  alone.noteTime(untilMs - 1);
  for (let i = 0; i < 30; i++) alone.tick(true);
  expect(alone.role).toBe('follower');
});
