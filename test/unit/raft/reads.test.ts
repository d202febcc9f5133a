import { expect, test } from 'vitest';
import type { Raft, ReadOutcome } from '../../../src/raft/index.js';
import {
  acknowledge,
  makeConfiguration,
  makeFollower,
  makeLeader,
  makeMessage,
  sent,
  settle,
} from '../../support/raft-builders.js';

const IDS = [1, 2, 3];

function outcomes(raft: Raft): ReadOutcome[] {
  return settle(raft).flatMap((ready) => ready.reads);
}

function makeReadyLeader(options = {}): Raft {
  const raft = makeLeader(IDS, [], options);
  acknowledge(raft, 2);
  settle(raft);
  return raft;
}

test('E1 before an entry of its own term is committed a leader asks nobody and answers nothing', () => {
  const raft = makeLeader();
  raft.readIndex(1);
  expect([raft.leaderReady, raft.hasReady()]).toEqual([false, false]);
  acknowledge(raft, 3);
  expect(raft.leaderReady).toBe(true);
  expect(sent(raft).filter((message) => message.type === 'read_round').length).toBe(2);
  raft.step(makeMessage('read_round_response', { from: 3, round: 1 }));
  expect(outcomes(raft)).toEqual([{ kind: 'confirmed', context: 1, index: 1 }]);
});

test('E2 reads that wait are bounded: past the limit they are refused, and memory stays flat', () => {
  const raft = makeLeader(IDS, [], { pendingReadsMax: 10 });
  const results = Array.from({ length: 100_000 }, (_, context) => raft.readIndex(context).kind);
  expect(results.filter((kind) => kind === 'accepted').length).toBe(10);
  raft.step(makeMessage('heartbeat', { term: 2, from: 3 }));
  const aborted = outcomes(raft);
  expect(aborted.length).toBe(10);
  expect(aborted[0]).toEqual({ kind: 'aborted', context: 0, leader: 3 });
});

test('E3 a late answer to an old round does not confirm a read that came after it', () => {
  const raft = makeReadyLeader();
  raft.readIndex(7);
  settle(raft);
  raft.step(makeMessage('read_round_response', { round: 1 }));
  expect(outcomes(raft).length).toBe(1);
  // The same context again: a new round, and the old answer again, from both.
  raft.readIndex(7);
  settle(raft);
  for (const from of [2, 3]) raft.step(makeMessage('read_round_response', { from, round: 1 }));
  expect(outcomes(raft)).toEqual([]);
  raft.step(makeMessage('read_round_response', { from: 3, round: 2 }));
  expect(outcomes(raft)).toEqual([{ kind: 'confirmed', context: 7, index: 1 }]);
});

test('E3 an answer of another term, or to a round that never was, confirms nothing', () => {
  const raft = makeReadyLeader();
  raft.readIndex(1);
  settle(raft);
  raft.step(makeMessage('read_round_response', { term: 0, round: 1 }));
  raft.step(makeMessage('read_round_response', { round: 99 }));
  expect(outcomes(raft)).toEqual([]);
});

test('the answer to a later round confirms all earlier ones', () => {
  const raft = makeReadyLeader();
  for (const context of [1, 2, 3]) {
    raft.readIndex(context);
    settle(raft);
  }
  raft.step(makeMessage('read_round_response', { round: 3 }));
  expect(outcomes(raft).map((outcome) => outcome.context)).toEqual([1, 2, 3]);
});

test('all reads of a turn share one round', () => {
  const raft = makeReadyLeader();
  for (let context = 0; context < 100; context++) raft.readIndex(context);
  expect(raft.ready().messages.length).toBe(2);
});

test('a lost round is made good with the next heartbeat, under a number of its own', () => {
  const raft = makeReadyLeader();
  raft.readIndex(1);
  settle(raft);
  for (let i = 0; i < 2; i++) raft.tick(true);
  const rounds = sent(raft).filter((message) => message.type === 'read_round');
  expect(rounds).toMatchObject([{ round: 2 }, { round: 2 }]);
  raft.step(makeMessage('read_round_response', { round: 2 }));
  expect(outcomes(raft)).toMatchObject([{ kind: 'confirmed', context: 1 }]);
});

test('rounds on their way are bounded, and answers that take long still come through', () => {
  const raft = makeReadyLeader();
  let context = 0;
  for (let turn = 0; turn < 400; turn++) {
    raft.readIndex(context++);
    raft.tick(true);
    settle(raft);
  }
  const rounds = raft.status();
  expect(rounds.role).toBe('leader');
  raft.step(makeMessage('read_round_response', { round: 200 }));
  const confirmed = outcomes(raft).map((outcome) => outcome.context);
  expect(confirmed.length).toBeGreaterThan(0);
  expect(confirmed).toEqual(confirmed.map((_, i) => i));
});

test('E6 E21 a leader that hears of a higher term aborts what waits, naming who leads if it is known', () => {
  const raft = makeReadyLeader();
  raft.readIndex(1);
  settle(raft);
  raft.readIndex(2);
  raft.step(makeMessage('append_response', { term: 4, reject: true }));
  expect(outcomes(raft)).toEqual([
    { kind: 'aborted', context: 1, leader: 0 },
    { kind: 'aborted', context: 2, leader: 0 },
  ]);
  // Late answers to the old rounds find nobody waiting.
  for (const from of [2, 3]) raft.step(makeMessage('read_round_response', { from, term: 4, round: 1 }));
  expect(outcomes(raft)).toEqual([]);
});

test('E108 a peer of a higher term does not confirm: it tells its term', () => {
  const raft = makeFollower(IDS, [], {}, { hardState: { term: 5, vote: 0, commit: 0 } });
  raft.step(makeMessage('read_round', { term: 4, round: 3 }));
  expect(sent(raft)).toMatchObject([{ type: 'append_response', term: 5, reject: true }]);
  raft.step(makeMessage('read_round', { term: 5, round: 4 }));
  expect(sent(raft)).toMatchObject([{ type: 'read_round_response', term: 5, round: 4 }]);
});

test('a follower refuses and says who leads', () => {
  const raft = makeFollower();
  raft.step(makeMessage('heartbeat', { from: 3 }));
  expect(raft.readIndex(1)).toEqual({ kind: 'dropped', reason: 'not_leader', leader: 3 });
});

test('E4 a sole voter confirms at once, after its first own commit', () => {
  const raft = makeFollower([1]);
  raft.campaign();
  raft.onPersisted(raft.ready().number);
  raft.readIndex(1);
  const opening = raft.ready();
  expect(opening.reads).toEqual([]);
  raft.onPersisted(opening.number);
  expect(raft.ready().reads).toEqual([{ kind: 'confirmed', context: 1, index: 1 }]);
});

const JOINT = makeConfiguration([1, 4, 5], { version: 2, outgoing: [1, 2, 3], autoLeave: true });

test('E9 a round that was opened under other members is void: those of now are asked, of both majorities', () => {
  const raft = makeReadyLeader();
  raft.readIndex(1);
  expect(sent(raft)).toMatchObject([{ type: 'read_round', round: 1 }, { round: 1 }]);
  raft.applyConfiguration(JOINT);
  const rounds = sent(raft).filter((message) => message.type === 'read_round');
  expect(rounds.map(({ to, round }) => [to, round])).toEqual([
    [2, 2],
    [3, 2],
    [4, 2],
    [5, 2],
  ]);
  // What the old majority says of the old round counts no more, nor does its word alone for the new one.
  for (const from of [2, 3]) raft.step(makeMessage('read_round_response', { from, round: 1 }));
  raft.step(makeMessage('read_round_response', { from: 2, round: 2 }));
  expect(outcomes(raft)).toEqual([]);
  raft.step(makeMessage('read_round_response', { from: 4, round: 2 }));
  expect(outcomes(raft)).toEqual([{ kind: 'confirmed', context: 1, index: 1 }]);
});

test('E9 reads at a leader that leaves the group end in an error, also those that others asked for', () => {
  const raft = makeReadyLeader();
  raft.readIndex(1);
  settle(raft);
  raft.readIndex(2);
  raft.step(makeMessage('read_request', { from: 3, context: 77 }));
  raft.applyConfiguration(makeConfiguration([2, 3], { version: 2, highestId: 3 }));
  expect(raft.role).toBe('follower');
  const readys = settle(raft);
  expect(readys.flatMap((ready) => ready.reads)).toEqual([
    { kind: 'aborted', context: 1, leader: 0 },
    { kind: 'aborted', context: 2, leader: 0 },
  ]);
  expect(readys.flatMap((ready) => ready.messages).map(({ type }) => type)).not.toContain('read_answer');
});

test('E9 E7 a lease ends with the configuration that gave it', () => {
  const raft = makeReadyLeader({
    checkQuorum: true,
    lease: { promiseMs: 1000, holdMs: 900, startedAtMs: 0 },
  });
  for (let i = 0; i < 2; i++) raft.tick(true);
  settle(raft);
  raft.step(makeMessage('read_round_response', { round: 1, promised: true }));
  expect(raft.leaseUntilMs).toBe(900);
  raft.applyConfiguration(JOINT);
  expect(raft.leaseUntilMs).toBe(0);
  raft.step(makeMessage('read_round_response', { from: 3, round: 1, promised: true }));
  expect(raft.leaseUntilMs).toBe(0);
});
