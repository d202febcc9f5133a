import { expect, test } from 'vitest';
import { Prng } from '../../../src/base/index.js';
import { createRaft, NO_CONFIGURATION } from '../../../src/raft/index.js';
import type { Raft } from '../../../src/raft/index.js';
import {
  makeCandidate,
  makeConfiguration,
  makeEntries,
  makeFollower,
  makeInitial,
  makeLeader,
  makeMessage,
  makeOptions,
  sent,
  settle,
} from '../../support/raft-builders.js';
import { RaftCluster } from '../../support/raft-cluster.js';

const IDS = [1, 2, 3];
const GUARDED = { preVote: true, checkQuorum: true };

function grants(raft: Raft): number[] {
  return sent(raft)
    .filter((message) => message.type === 'vote_response' && message.granted)
    .map((message) => message.to);
}

test('E13 a vote leaves only when it is durable; lost in a crash, it was given to nobody', () => {
  const cluster = new RaftCluster(makeConfiguration(IDS));
  cluster.at(3).slow = true;
  cluster.raft(3).step(makeMessage('vote', { from: 1, to: 3 }));
  const ready = cluster.take(3);
  expect(ready.mustPersist).toBe(true);
  expect(ready.messages).toEqual([]);
  expect(cluster.network).toEqual([]);
  cluster.crash(3);
  cluster.at(3).start();
  cluster.raft(3).step(makeMessage('vote', { from: 2, to: 3 }));
  cluster.take(3);
  cluster.persist(3);
  expect(cluster.network).toMatchObject([{ to: 2, granted: true }]);
});

test('E13 a durable vote is remembered by the next life', () => {
  const raft = makeFollower(IDS, [], {}, { hardState: { term: 4, vote: 3, commit: 0 } });
  raft.step(makeMessage('vote', { from: 2, term: 4 }));
  expect(grants(raft)).toEqual([]);
  raft.step(makeMessage('vote', { from: 3, term: 4 }));
  expect(grants(raft)).toEqual([3]);
});

test('E14 a restart begins in the term on disk', () => {
  const raft = makeFollower(IDS, makeEntries([1]), {}, { hardState: { term: 9, vote: 0, commit: 1 } });
  expect([raft.term, raft.role, raft.commit]).toEqual([9, 'follower', 1]);
});

test('E18 an own vote that becomes durable after the election was lost elects nobody', () => {
  const raft = makeFollower();
  raft.campaign();
  const first = raft.ready();
  raft.step(makeMessage('append', { term: 1 }));
  raft.onPersisted(first.number);
  expect([raft.role, raft.leader]).toEqual(['follower', 2]);
});

test('E18 an own vote of an older campaign does not count in the next', () => {
  const raft = makeFollower([1]);
  const pair = makeFollower([1, 2]);
  for (const one of [raft, pair]) one.campaign();
  const old = pair.ready();
  pair.campaign();
  const next = pair.ready();
  pair.step(makeMessage('vote_response', { term: 2 }));
  pair.onPersisted(old.number);
  expect([pair.role, pair.term]).toEqual(['candidate', 2]);
  pair.onPersisted(next.number);
  expect(pair.role).toBe('leader');
});

test('E15 PreVote: a replica that hears nobody keeps its term, however long', () => {
  const raft = makeFollower(IDS, [], GUARDED);
  for (let i = 0; i < 1000; i++) raft.tick(true);
  expect([raft.role, raft.term]).toEqual(['precandidate', 0]);
});

test('a prevote changes nothing at the voter, and a majority of them starts the real vote', () => {
  const voter = makeFollower(IDS, [], GUARDED);
  voter.step(makeMessage('vote', { term: 1, pre: true }));
  voter.step(makeMessage('vote', { from: 3, term: 1, pre: true }));
  expect([voter.term, voter.status().vote]).toEqual([0, 0]);
  expect(grants(voter)).toEqual([2, 3]);

  const raft = makeFollower(IDS, [], GUARDED);
  raft.campaign();
  settle(raft);
  // A grant for another term is an old one.
  raft.step(makeMessage('vote_response', { pre: true, term: 2 }));
  expect(raft.role).toBe('precandidate');
  raft.step(makeMessage('vote_response', { pre: true, term: 1 }));
  expect([raft.role, raft.term]).toEqual(['candidate', 1]);
});

test('a refused prevote of a later term brings the precandidate up to date', () => {
  const raft = makeFollower(IDS, [], GUARDED);
  raft.campaign();
  raft.step(makeMessage('vote_response', { pre: true, granted: false, term: 8 }));
  expect([raft.role, raft.term]).toEqual(['follower', 8]);
});

test('E16 a replica that hears its leader does not look at vote requests, except on a transfer', () => {
  for (const pre of [true, false]) {
    const raft = makeFollower(IDS, [], GUARDED);
    raft.step(makeMessage('heartbeat', { from: 2 }));
    settle(raft);
    raft.step(makeMessage('vote', { from: 3, term: 5, pre }));
    expect([raft.term, raft.leader, raft.hasReady()]).toEqual([1, 2, false]);
    // The base election time-out later the leader is given up.
    for (let i = 0; i < 10; i++) raft.tick(false);
    raft.step(makeMessage('vote', { from: 3, term: 5, pre }));
    expect(grants(raft)).toEqual([3]);
  }
  const raft = makeFollower(IDS, [], GUARDED);
  raft.step(makeMessage('heartbeat', { from: 2 }));
  raft.step(makeMessage('vote', { from: 3, term: 2, transfer: true }));
  expect(grants(raft)).toEqual([3]);
});

test('E16 a leader hears no vote request while a quorum hears it, and steps down when none does', () => {
  const raft = makeLeader(IDS, [], { checkQuorum: true });
  raft.step(makeMessage('vote', { from: 3, term: 5 }));
  expect([raft.role, raft.term]).toEqual(['leader', 1]);
  for (let round = 0; round < 5; round++) {
    raft.step(makeMessage('heartbeat_response', { term: 1 }));
    for (let i = 0; i < 10; i++) raft.tick(true);
    expect(raft.role).toBe('leader');
  }
  for (let i = 0; i < 10; i++) raft.tick(true);
  expect([raft.role, raft.term]).toEqual(['follower', 1]);
});

test('E17 equal timers at their least value: the loss of a leader is made good within a few time-outs', () => {
  for (let seed = 1; seed <= 100; seed++) {
    const prng = new Prng(seed);
    // The first draw of each is equal; what follows is random.
    const optionsOf = (): object => {
      let draws = 0;
      return { ...GUARDED, random: (limit: number) => (draws++ < 3 ? 0 : prng.below(limit)) };
    };
    const cluster = new RaftCluster(makeConfiguration(IDS), optionsOf);
    cluster.raft(1).campaign();
    cluster.settle();
    cluster.run(5);
    cluster.crash(1);
    let ticks = 0;
    for (; cluster.leader() === null && ticks < 200; ticks++) cluster.run(1);
    expect(ticks).toBeLessThan(100);
  }
});

test('E19 duelling candidates, also in even groups: elected in bounded time over 1,000 seeds', () => {
  for (let seed = 1; seed <= 1000; seed++) {
    const prng = new Prng(seed);
    const voters = [1, 2, 3, 4].slice(0, seed % 2 === 0 ? 2 : 4);
    const preVote = seed % 4 < 2;
    const optionsOf = (): object => ({
      preVote,
      checkQuorum: preVote,
      random: (limit: number) => prng.below(limit),
    });
    const cluster = new RaftCluster(makeConfiguration(voters), optionsOf);
    for (const id of voters) cluster.raft(id).campaign();
    let ticks = 0;
    for (; cluster.leader() === null && ticks < 1000; ticks++) cluster.run(1);
    expect(ticks).toBeLessThan(300);
  }
});

test('E19 a bare higher term does not make a follower wait longer: one that can win is not held back', () => {
  const raft = makeFollower(IDS, makeEntries([1, 1]));
  for (let i = 0; i < 9; i++) raft.tick(true);
  raft.step(makeMessage('vote', { term: 5 }));
  expect([raft.term, grants(raft)]).toEqual([5, []]);
  raft.tick(true);
  expect([raft.role, raft.term]).toEqual(['candidate', 6]);
});

test('E113 late ticks decide nothing until the sockets were polled', () => {
  const raft = makeFollower(IDS, [], GUARDED);
  raft.step(makeMessage('heartbeat'));
  settle(raft);
  for (let i = 0; i < 50; i++) raft.tick(false);
  expect([raft.role, raft.hasReady()]).toEqual(['follower', false]);
  raft.tick(true);
  expect(raft.role).toBe('precandidate');
});

test('a learner neither campaigns nor counts, and answers when asked for its vote', () => {
  const initial = { ...makeInitial([]), configuration: makeConfiguration([2, 3], { learners: [1] }) };
  const raft = createRaft(makeOptions(1), initial);
  raft.campaign();
  for (let i = 0; i < 50; i++) raft.tick(true);
  raft.step(makeMessage('timeout_now'));
  expect([raft.role, raft.term]).toEqual(['follower', 1]);
  raft.step(makeMessage('vote', { term: 2 }));
  expect(grants(raft)).toEqual([2]);
});

test('E103 a suspect replica never campaigns, votes or acknowledges, and still follows terms', () => {
  const raft = makeFollower(IDS, makeEntries([1]), { suspect: true });
  raft.campaign();
  for (let i = 0; i < 50; i++) raft.tick(true);
  const snapshot = { index: 9, term: 3, configuration: makeConfiguration(IDS) };
  const messages = [
    makeMessage('vote', { term: 3 }),
    makeMessage('vote', { term: 4, pre: true }),
    makeMessage('append', { term: 3 }),
    makeMessage('append', { term: 3, prevIndex: 7, prevTerm: 3 }),
    makeMessage('heartbeat', { term: 3, commit: 1 }),
    makeMessage('read_round', { term: 3 }),
    makeMessage('snapshot', { term: 3, snapshot }),
    makeMessage('timeout_now', { term: 3 }),
    makeMessage('append', { term: 2 }),
    makeMessage('vote', { term: 2 }),
  ];
  for (const message of messages) raft.step(message);
  // It calls for a successor when nobody speaks to it, and in answer to a heartbeat; nothing that counts leaves it.
  expect(new Set(sent(raft).map(({ type }) => type))).toEqual(new Set(['suspect']));
  expect([raft.role, raft.term, raft.leader, raft.status().vote]).toEqual(['follower', 3, 2, 0]);
});

test('a suspect replica starts even from a log that lost its end and a hard state that lost its term', () => {
  const raft = makeFollower(
    IDS,
    makeEntries([4]),
    { suspect: true },
    { hardState: { term: 2, vote: 1, commit: 8 } },
  );
  expect([raft.term, raft.commit, raft.status().vote]).toEqual([4, 0, 0]);
});

test('the only voter leads at its first tick; without voters nobody ever leads', () => {
  const alone = makeFollower([1], [], GUARDED);
  alone.tick(true);
  settle(alone);
  expect([alone.role, alone.leaderReady, alone.commit]).toEqual(['leader', true, 1]);
  const none = createRaft(makeOptions(1), makeInitial([]));
  for (let i = 0; i < 50; i++) none.tick(true);
  none.campaign();
  expect([none.role, none.hasReady()]).toEqual(['follower', false]);
});

test('E23 a replica that knows no members yet hears whoever knows some: it may be a voter by now', () => {
  const raft = createRaft(makeOptions(1), { ...makeInitial([]), configuration: NO_CONFIGURATION });
  expect(raft.step(makeMessage('vote', { term: 3, configurationVersion: 0 }))).toBe('stranger');
  raft.step(makeMessage('vote', { term: 3 }));
  expect(sent(raft)).toMatchObject([{ type: 'vote_response', granted: true }]);
  raft.step(makeMessage('append', { term: 3, entries: makeEntries([3]) }));
  expect([raft.term, raft.leader, raft.lastIndex]).toEqual([3, 2, 1]);
});

test('a joint election needs both majorities', () => {
  const configuration = makeConfiguration([1, 2, 3], { outgoing: [1, 4, 5] });
  const raft = createRaft(makeOptions(1), { ...makeInitial([]), configuration });
  raft.campaign();
  expect(sent(raft).map((message) => message.to)).toEqual([2, 3, 4, 5]);
  raft.step(makeMessage('vote_response', { from: 2 }));
  raft.step(makeMessage('vote_response', { from: 3 }));
  expect(raft.role).toBe('candidate');
  raft.step(makeMessage('vote_response', { from: 5 }));
  expect(raft.role).toBe('leader');
});

test('a refused candidate gives up its campaign', () => {
  const raft = makeCandidate();
  for (const from of [2, 3]) raft.step(makeMessage('vote_response', { from, granted: false }));
  expect([raft.role, raft.term]).toEqual(['follower', 1]);
});
