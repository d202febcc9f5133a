/** The core's part of quiescence (docs/decisions/0006): who falls asleep, what a sleeper refuses, what wakes it. */
import { expect, test } from 'vitest';
import { encodeUtf8 } from '../../../src/base/index.js';
import type { Message, Raft } from '../../../src/raft/index.js';
import {
  makeConfiguration,
  makeEntries,
  makeFollower,
  makeMessage,
  sent,
} from '../../support/raft-builders.js';
import { RaftCluster } from '../../support/raft-cluster.js';

const IDS = [1, 2, 3];
const ELECTION_TICKS = 10;
const QUIESCE_TICKS = 4;
const OPTIONS = {
  quiesceTicks: QUIESCE_TICKS,
  electionTicks: ELECTION_TICKS,
  preVote: true,
  checkQuorum: true,
  eagerCommitNews: false,
};

/** Ticks as a host gives them: with nothing left to do on its side. */
function run(cluster: RaftCluster, ticks: number, gone: readonly number[] = []): void {
  for (let i = 0; i < ticks; i++) {
    for (const { raft } of cluster.replicas.values()) {
      raft?.tick(true);
      raft?.quiesce((id) => gone.includes(id));
    }
    cluster.settle();
  }
}

/** Replica 1 leads and everybody is up to date. */
function makeLed(voters = IDS): RaftCluster {
  const cluster = new RaftCluster(makeConfiguration(voters), () => OPTIONS);
  cluster.raft(1).campaign();
  cluster.settle();
  expect(cluster.raft(1).leaderReady).toBe(true);
  return cluster;
}

function makeAsleep(voters = IDS): RaftCluster {
  const cluster = makeLed(voters);
  run(cluster, 20);
  expect(asleep(cluster)).toEqual(voters);
  return cluster;
}

function asleep(cluster: RaftCluster): number[] {
  return cluster.ids().filter((id) => cluster.at(id).raft?.quiesced === true);
}

function types(messages: readonly Message[]): string[] {
  return messages.map((message) => message.type);
}

test('a group without work falls asleep, and neither ticks nor says anything from then on', () => {
  const cluster = makeAsleep();
  const before = cluster.ids().map((id) => cluster.raft(id).status());
  for (let i = 0; i < 200; i++) {
    for (const id of IDS) {
      cluster.raft(id).tick(true);
      cluster.raft(id).quiesce(() => false);
      expect(cluster.raft(id).hasReady()).toBe(false);
    }
  }
  expect(cluster.ids().map((id) => cluster.raft(id).status())).toEqual(before);
});

test('a group of one falls asleep, too', () => {
  expect(asleep(makeAsleep([1]))).toEqual([1]);
});

test('with quiesceTicks 0 nobody offers, and nobody takes an offer', () => {
  const cluster = new RaftCluster(makeConfiguration(IDS), (id) => ({
    ...OPTIONS,
    quiesceTicks: id === 2 ? 0 : QUIESCE_TICKS,
  }));
  cluster.raft(1).campaign();
  cluster.settle();
  run(cluster, 100);
  expect(asleep(cluster)).not.toContain(1);
  cluster.raft(1).transferLeader(2);
  cluster.settle();
  expect(cluster.raft(2).role).toBe('leader');
  run(cluster, 100);
  expect(asleep(cluster)).toEqual([]);
});

test('a host with work of its own keeps its group awake: a tick left out begins the still time anew', () => {
  const cluster = makeLed();
  for (let i = 0; i < 100; i++) {
    for (const id of IDS) {
      cluster.raft(id).tick(true);
      if (i % QUIESCE_TICKS !== 0) cluster.raft(id).quiesce(() => false);
    }
    cluster.settle();
  }
  expect(asleep(cluster)).toEqual([]);
});

test('lost offers and lost answers are made up for by the next heartbeat', () => {
  const cluster = makeLed();
  for (let i = 0; i < 60 && asleep(cluster).length < 3; i++) {
    for (const id of IDS) {
      cluster.raft(id).tick(true);
      cluster.raft(id).quiesce(() => false);
      while (cluster.raft(id).hasReady()) cluster.take(id);
    }
    // Of two heartbeats, one round is lost on its way there or back.
    if (i % 4 === 1) cluster.network = cluster.network.filter((message) => message.type !== 'heartbeat');
    for (const message of cluster.network.splice(0)) cluster.deliver(message);
    for (const id of IDS) while (cluster.raft(id).hasReady()) cluster.take(id);
    if (i % 8 === 3) cluster.network = [];
    cluster.settle();
  }
  expect(asleep(cluster)).toEqual(IDS);
});

test('a follower takes an offer only if its log ends there, in the leader’s term, all applied', () => {
  const offer = (commit: number): Message => makeMessage('heartbeat', { term: 2, commit, quiesce: true });
  const answer = (raft: Raft, commit: number): boolean => {
    raft.step(offer(commit));
    const response = sent(raft).find((message) => message.type === 'heartbeat_response');
    return response?.type === 'heartbeat_response' && response.quiesced;
  };
  const follower = (terms: readonly number[], applied: number): Raft =>
    makeFollower(IDS, makeEntries(terms), OPTIONS, {
      hardState: { term: 2, vote: 2, commit: applied },
      appliedIndex: applied,
    });

  const whole = follower([1, 2], 2);
  expect(answer(whole, 2)).toBe(true);
  expect(whole.quiesced).toBe(true);
  expect(answer(follower([1, 2], 1), 2)).toBe(false);
  expect(answer(follower([1, 2, 2], 2), 2)).toBe(false);
  expect(answer(follower([1], 1), 1)).toBe(false);
  // Another leader's entries: that the index agrees says nothing.
  expect(answer(follower([1, 1], 2), 2)).toBe(false);
});

test('a follower that is gone does not hold the others back; one that is there and lags does', () => {
  const cluster = makeLed();
  cluster.isolate(3);
  cluster.raft(1).propose(encodeUtf8('x'));
  cluster.settle();
  run(cluster, 30);
  expect(cluster.raft(1).quiesced).toBe(false);
  run(cluster, 30, [3]);
  expect(asleep(cluster)).toEqual([1, 2]);
});

test('a follower that says nothing for twenty election time-outs holds nobody awake', () => {
  const cluster = makeLed();
  cluster.at(3).crash();
  run(cluster, 19 * ELECTION_TICKS);
  expect(cluster.raft(1).quiesced).toBe(false);
  run(cluster, 4 * ELECTION_TICKS);
  expect(asleep(cluster)).toEqual([1, 2]);
});

test('a leader that reaches no quorum steps down instead of falling asleep', () => {
  const cluster = makeLed();
  cluster.isolate(1);
  run(cluster, 3 * ELECTION_TICKS, [2, 3]);
  expect(cluster.raft(1).quiesced).toBe(false);
  expect(cluster.raft(1).role).not.toBe('leader');
});

test.each([
  ['a proposal', (raft: Raft): unknown => raft.propose(encodeUtf8('x'))],
  ['a read', (raft: Raft): unknown => raft.readIndex(7)],
  ['a transfer', (raft: Raft): unknown => raft.transferLeader(2)],
  ['its host', (raft: Raft): unknown => raft.wake(false)],
])('%s wakes the leader, and the leader wakes the others', (_what, act) => {
  const cluster = makeAsleep();
  const { term } = cluster.raft(1);
  act(cluster.raft(1));
  expect(cluster.raft(1).quiesced).toBe(false);
  cluster.settle();
  expect(asleep(cluster)).toEqual([]);
  run(cluster, 40);
  expect(asleep(cluster)).toEqual(IDS);
  expect(cluster.raft(2).term - term).toBe(cluster.raft(1).role === 'leader' ? 0 : 1);
});

test('a write and a read of a sleeping group are done in one round trip', () => {
  const cluster = makeAsleep();
  const { commit } = cluster.raft(1);
  cluster.raft(1).propose(encodeUtf8('x'));
  cluster.raft(1).readIndex(7);
  cluster.settle();
  expect(cluster.raft(1).commit).toBe(commit + 1);
  expect(cluster.at(1).reads).toEqual([{ kind: 'confirmed', context: 7, index: commit }]);
});

test('a sleeping follower refuses votes and prevotes; the leader that hears a candidate wakes and calls it back', () => {
  const cluster = makeAsleep();
  const { term, lastIndex } = cluster.raft(2);
  for (const pre of [true, false]) {
    cluster
      .raft(2)
      .step(makeMessage('vote', { from: 3, to: 2, term: term + 1, lastIndex, lastTerm: term, pre }));
    expect(cluster.raft(2).hasReady()).toBe(false);
    expect(cluster.raft(2).quiesced).toBe(true);
  }
  // Replica 3 lost its sleep, and hears of nobody.
  cluster.raft(3).wake(false);
  while (cluster.raft(3).role === 'follower') cluster.raft(3).tick(true);
  cluster.settle();
  expect(cluster.raft(1).quiesced).toBe(false);
  expect(cluster.raft(3).role).toBe('follower');
  expect(cluster.raft(3).leader).toBe(1);
  run(cluster, 20);
  expect(asleep(cluster)).toEqual(IDS);
  expect(cluster.raft(1).term).toBe(term);
});

test('E111 followers that learn that their leader is gone campaign within one election time-out', () => {
  const cluster = makeAsleep();
  cluster.at(1).crash();
  for (const id of [2, 3]) cluster.raft(id).wake(true);
  run(cluster, ELECTION_TICKS, [1]);
  expect(cluster.leader()?.leaderReady).toBe(true);
  run(cluster, 20, [1]);
  expect(asleep(cluster)).toEqual([2, 3]);
});

test('a follower that merely wakes gives its leader a whole election time-out', () => {
  const cluster = makeAsleep();
  cluster.raft(2).wake(false);
  for (let i = 0; i < ELECTION_TICKS - 1; i++) cluster.raft(2).tick(true);
  expect(cluster.raft(2).role).toBe('follower');
});

test('CheckQuorum begins anew at waking: not before, and with nothing of what was heard then', () => {
  const cluster = makeAsleep();
  run(cluster, 1000);
  cluster.isolate(1);
  cluster.raft(1).wake(false);
  cluster.settle();
  for (let i = 0; i < ELECTION_TICKS - 1; i++) cluster.raft(1).tick(true);
  expect(cluster.raft(1).role).toBe('leader');
  cluster.raft(1).tick(true);
  expect(cluster.raft(1).role).toBe('follower');
});

test('late agreements don’t wake a leader, any other answer does', () => {
  const cluster = makeAsleep();
  const { term } = cluster.raft(1);
  const response = (quiesced: boolean): Message =>
    makeMessage('heartbeat_response', { from: 2, to: 1, term, quiesced });
  cluster.raft(1).step(response(true));
  expect(cluster.raft(1).quiesced).toBe(true);
  expect(cluster.raft(1).hasReady()).toBe(false);
  cluster.raft(1).step(response(false));
  expect(cluster.raft(1).quiesced).toBe(false);
  expect(types(sent(cluster.raft(1)))).toContain('heartbeat');
});

test('a higher term ends the sleep of whoever must admit it', () => {
  for (const id of [1, 2]) {
    const cluster = makeAsleep();
    const { term } = cluster.raft(id);
    cluster.raft(id).step(makeMessage('append_response', { from: 3, to: id, term: term + 5 }));
    expect(cluster.raft(id).quiesced).toBe(false);
    expect(cluster.raft(id).role).toBe('follower');
    expect(cluster.raft(id).leader).toBe(0);
  }
});

test('a new leader’s word wakes a follower of the old one, and its offer puts it to sleep again', () => {
  const cluster = makeAsleep();
  const raft = cluster.raft(3);
  const { commit, lastIndex } = raft;
  const term = raft.term + 1;
  raft.step(makeMessage('heartbeat', { from: 2, to: 3, term, commit }));
  expect(raft.quiesced).toBe(false);
  expect(raft.leader).toBe(2);
  // It has nothing of the new leader's term yet.
  raft.step(makeMessage('heartbeat', { from: 2, to: 3, term, commit, quiesce: true }));
  expect(raft.quiesced).toBe(false);
  const entries = [{ index: lastIndex + 1, term, kind: 2 as const, data: new Uint8Array(0) }];
  raft.step(
    makeMessage('append', {
      from: 2,
      to: 3,
      term,
      prevIndex: lastIndex,
      prevTerm: term - 1,
      commit: lastIndex + 1,
      entries,
    }),
  );
  cluster.settle();
  raft.step(makeMessage('heartbeat', { from: 2, to: 3, term, commit: lastIndex + 1, quiesce: true }));
  expect(raft.quiesced).toBe(true);
});
