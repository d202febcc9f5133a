/** Goal: E8 in the core: a replica that does not lead gets a read index from its leader, and only one that holds. */
import { expect, test } from 'vitest';
import type { Message, Raft, RaftOptions, ReadOutcome } from '../../../src/raft/index.js';
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

function makeLed(options: Partial<RaftOptions> = {}): Raft {
  const raft = makeFollower(IDS, [], options);
  raft.step(makeMessage('heartbeat', { from: 3 }));
  settle(raft);
  return raft;
}

/** The request that leaves for the read with this context. */
function ask(raft: Raft, context: number): Extract<Message, { type: 'read_request' }> {
  expect(raft.readIndex(context, true)).toEqual({ kind: 'accepted' });
  const request = sent(raft).find((message) => message.type === 'read_request');
  if (request?.type !== 'read_request') throw new Error('nothing was asked');
  return request;
}

test('E8 a follower asks its leader, and the answer is the read’s index', () => {
  const raft = makeLed();
  const request = ask(raft, 7);
  expect(request).toMatchObject({ to: 3, term: 1 });
  raft.step(makeMessage('read_answer', { from: 3, context: request.context, index: 12, ok: true }));
  expect(outcomes(raft)).toEqual([{ kind: 'confirmed', context: 7, index: 12 }]);
});

test('E8 a learner asks and is answered as well', () => {
  const configuration = makeConfiguration([2, 3], { learners: [1] });
  const raft = makeFollower([], [], {}, { configuration });
  raft.step(makeMessage('heartbeat', { from: 3 }));
  settle(raft);
  const { context } = ask(raft, 4);
  raft.step(makeMessage('read_answer', { from: 3, context, index: 2, ok: true }));
  expect(outcomes(raft)).toEqual([{ kind: 'confirmed', context: 4, index: 2 }]);
});

test('E8 the leader answers after a round that began behind the question, at its commit index', () => {
  const raft = makeLeader(IDS);
  raft.step(makeMessage('read_request', { from: 3, context: 99 }));
  // E1 for the others' reads, too: nothing before an entry of the own term is committed.
  expect(sent(raft).filter((message) => message.type !== 'append')).toEqual([]);
  acknowledge(raft, 2);
  const rounds = sent(raft).filter((message) => message.type === 'read_round');
  expect(rounds.map((message) => message.to)).toEqual([2, 3]);
  raft.step(makeMessage('read_round_response', { from: 2, round: 1 }));
  expect(sent(raft)).toMatchObject([{ type: 'read_answer', to: 3, context: 99, index: 1, ok: true }]);
});

test('E2 questions of others count in the leader’s bound, and past it are refused', () => {
  const raft = makeLeader(IDS, [], { pendingReadsMax: 3 });
  for (let context = 0; context < 5; context++) raft.step(makeMessage('read_request', { from: 3, context }));
  const answers = sent(raft).filter((message) => message.type === 'read_answer');
  expect(answers).toMatchObject([
    { context: 3, ok: false },
    { context: 4, ok: false },
  ]);
  const asker = makeLed();
  const { context } = ask(asker, 1);
  asker.step(makeMessage('read_answer', { from: 3, context, index: 0, ok: false }));
  expect(outcomes(asker)).toEqual([{ kind: 'aborted', context: 1, leader: 3 }]);
});

test('E3 an answer comes once, and only to the attempt that asked for it', () => {
  const raft = makeLed();
  const first = ask(raft, 1);
  const answer = makeMessage('read_answer', { from: 3, context: first.context, index: 5, ok: true });
  raft.step(answer);
  expect(outcomes(raft)).toHaveLength(1);
  // The same read again, and the old answer again: an index from before it was asked.
  const second = ask(raft, 1);
  expect(second.context).not.toBe(first.context);
  raft.step(answer);
  expect(outcomes(raft)).toEqual([]);
});

test('E3 an answer to a question of an earlier life finds nobody', () => {
  let draws = 0;
  const random = (limit: number): number => ++draws % limit;
  const before = ask(makeLed({ random }), 1);
  const after = ask(makeLed({ random }), 1);
  expect(after.context).not.toBe(before.context);
});

test('E6 E8 questions end with the leader they went to: another term, another leader, none', () => {
  const events: [string, (raft: Raft) => void, number][] = [
    ['a new leader', (raft) => raft.step(makeMessage('heartbeat', { from: 2, term: 2 })), 2],
    ['a higher term', (raft) => raft.step(makeMessage('vote', { from: 2, term: 5 })), 0],
    ['a campaign', (raft) => raft.campaign(), 0],
  ];
  for (const [, happen, leader] of events) {
    const raft = makeLed();
    const { context } = ask(raft, 1);
    happen(raft);
    expect(outcomes(raft)).toEqual([{ kind: 'aborted', context: 1, leader }]);
    raft.step(makeMessage('read_answer', { from: 3, context, index: 9, ok: true }));
    expect(outcomes(raft)).toEqual([]);
  }
});

test('a question that is lost ends after an election time-out, though the leader is heard', () => {
  const raft = makeLed();
  ask(raft, 1);
  for (let tick = 0; tick < 9; tick++) {
    raft.tick(true);
    raft.step(makeMessage('heartbeat', { from: 3 }));
  }
  expect(outcomes(raft)).toEqual([]);
  raft.tick(true);
  expect(outcomes(raft)).toEqual([{ kind: 'aborted', context: 1, leader: 0 }]);
});

test('nobody is asked without a leader, by one that is suspect, or past the limit', () => {
  expect(makeFollower(IDS).readIndex(1, true)).toMatchObject({ reason: 'not_leader', leader: 0 });
  expect(makeLed({ suspect: true }).readIndex(1, true)).toMatchObject({ reason: 'not_leader' });
  const raft = makeLed({ pendingReadsMax: 2 });
  raft.readIndex(1, true);
  raft.readIndex(2, true);
  expect(raft.readIndex(3, true)).toEqual({ kind: 'dropped', reason: 'overloaded', leader: 3 });
});

test('a leader that is asked by its own node opens a round as ever', () => {
  const raft = makeLeader(IDS);
  acknowledge(raft, 2);
  settle(raft);
  raft.readIndex(1, true);
  settle(raft);
  raft.step(makeMessage('read_round_response', { from: 2, round: 1 }));
  expect(outcomes(raft)).toEqual([{ kind: 'confirmed', context: 1, index: 1 }]);
});
