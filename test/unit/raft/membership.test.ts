/** Changes of members: what is refused, what is entered, and what a change means for leaders, reads and newcomers. */
import { expect, test } from 'vitest';
import { isJoint, NO_CONFIGURATION, type Configuration, type Raft } from '../../../src/raft/index.js';
import { isJoint as joint, leaveJoint, planChange } from '../../../src/raft/change.js';
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
/** From now on replica 3 is made anew as one whose disk lost something. */
let isLost = false;

function planned(current: Configuration, change: Omit<Parameters<typeof planChange>[1], 'expectedVersion'>) {
  const result = planChange(current, { expectedVersion: current.version, ...change });
  if (!result.ok) throw new Error(result.problem);
  return result.configuration;
}

test('one voter that comes or goes needs no joint configuration, an exchange does', () => {
  const current = makeConfiguration(IDS, { learners: [4, 5] });
  expect(isJoint(planned(current, { promote: [4] }))).toBe(false);
  expect(isJoint(planned(current, { remove: [3] }))).toBe(false);
  expect(isJoint(planned(current, { demote: [3] }))).toBe(false);
  expect(isJoint(planned(current, { addLearners: [{ replica: 6, node: 6 }], remove: [4, 5] }))).toBe(false);
  expect(isJoint(planned(current, { promote: [4], remove: [3] }))).toBe(true);
  expect(isJoint(planned(current, { promote: [4, 5] }))).toBe(true);
});

test('several members are exchanged at once; who steps back votes until the joint configuration is left', () => {
  const current = makeConfiguration(IDS, { learners: [4, 5] });
  const entered = planned(current, { promote: [4, 5], demote: [2], remove: [3] });
  expect(entered).toMatchObject({
    version: 2,
    voters: [1, 4, 5],
    outgoing: IDS,
    learners: [],
    learnersNext: [2],
    autoLeave: true,
    homes: [1, 2, 3, 4, 5].map((id) => ({ replica: id, node: id })),
  });
  const left = leaveJoint(entered);
  expect(joint(left)).toBe(false);
  expect(left).toMatchObject({
    version: 3,
    voters: [1, 4, 5],
    learners: [2],
    learnersNext: [],
    highestId: 5,
  });
  expect(left.homes.map(({ replica }) => replica)).toEqual([1, 2, 4, 5]);
});

test('E42 an id that the group ever had is refused for a newcomer', () => {
  const current = makeConfiguration([1, 2], { highestId: 7 });
  const change = { expectedVersion: 1, addLearners: [{ replica: 7, node: 3 }] };
  expect(planChange(current, change)).toEqual({
    ok: false,
    problem: 'replica id 7 was used: a new one is above 7',
  });
});

test('E46 a learner that never answered does not become a voter, so the quorum is not lost', () => {
  const cluster = new RaftCluster(makeConfiguration([1, 2], { learners: [3] }));
  cluster.isolate(3);
  const leader = cluster.raft(1);
  leader.campaign();
  cluster.settle();
  expect(leader.proposeChange({ expectedVersion: 1, promote: [3] })).toMatchObject({
    kind: 'refused',
    reason: 'learner_behind',
  });
  expect(leader.proposeChange({ expectedVersion: 1, addLearners: [{ replica: 4, node: 4 }] }).kind).toBe(
    'appended',
  );
  cluster.settle();
  expect([leader.configuration.learners, leader.commit === leader.lastIndex]).toEqual([[3, 4], true]);
});

test('E43 a learner that is far behind, or is being sent the state, is not promoted; caught up, it is', () => {
  const cluster = new RaftCluster(makeConfiguration([1], { learners: [2] }), () => ({ promotionLagMax: 2 }));
  const leader = cluster.raft(1);
  leader.campaign();
  cluster.settle();
  cluster.isolate(2);
  for (let i = 0; i < 5; i++) leader.propose(new Uint8Array(1));
  const promote = { expectedVersion: 1, promote: [2] };
  expect(leader.proposeChange(promote)).toMatchObject({ reason: 'learner_behind' });
  cluster.settle();
  cluster.compact(1, 4);
  cluster.heal();
  cluster.run(4);
  expect(leader.status().followers[0]?.state).toBe('snapshot');
  expect(leader.proposeChange(promote)).toMatchObject({ reason: 'learner_behind' });
  cluster.deliver(cluster.snapshotMessage(1, 2));
  leader.onSnapshotSent(2, cluster.at(1).applied.length, true);
  cluster.run(4);
  expect(leader.proposeChange(promote).kind).toBe('appended');
  cluster.run(4);
  expect(cluster.raft(2).configuration.voters).toEqual([1, 2]);
});

test('E44 a snapshot with an older configuration than the one in force changes the state, and not the configuration', () => {
  const inForce = makeConfiguration([1, 2, 3, 4], { version: 6 });
  const raft = makeFollower(IDS, [], {}, { configuration: inForce });
  const snapshot = { index: 9, term: 1, configuration: makeConfiguration(IDS, { version: 3 }) };
  raft.step(makeMessage('snapshot', { snapshot }));
  expect(raft.ready().snapshot?.index).toBe(9);
  expect(raft.configuration).toBe(inForce);
});

test('E112 a newcomer is not removed by configurations from before its time', () => {
  const raft = makeFollower(IDS, [], { id: 9 }, { configuration: NO_CONFIGURATION });
  const snapshot = { index: 9, term: 1, configuration: makeConfiguration(IDS, { version: 3 }) };
  raft.step(makeMessage('snapshot', { to: 9, snapshot }));
  const ready = raft.ready();
  expect([ready.snapshot?.index, ready.removedFromVersion]).toEqual([9, 0]);
});

test('a learner is not counted: neither for a commit, nor for a vote, nor for a read', () => {
  const configuration = makeConfiguration(IDS, { learners: [4, 5] });
  const raft = makeFollower(IDS, [], {}, { configuration });
  raft.campaign();
  settle(raft);
  for (const from of [4, 5]) raft.step(makeMessage('vote_response', { from, term: 1 }));
  expect(raft.role).toBe('candidate');
  raft.step(makeMessage('vote_response', { from: 2, term: 1 }));
  settle(raft);
  for (const from of [4, 5]) acknowledge(raft, from);
  expect(raft.commit).toBe(0);
  acknowledge(raft, 2);
  settle(raft);
  raft.readIndex(1);
  settle(raft);
  const round = makeMessage('read_round_response', { from: 4, term: 1, round: 1 });
  raft.step(round);
  raft.step({ ...round, from: 5 });
  expect(settle(raft).flatMap((ready) => ready.reads)).toEqual([]);
  raft.step({ ...round, from: 2 });
  expect(settle(raft).flatMap((ready) => ready.reads)).toMatchObject([{ kind: 'confirmed', context: 1 }]);
});

test('nobody campaigns while something committed is not applied; an order to campaign waits for it', () => {
  const make = (): Raft => {
    const raft = makeFollower(IDS, [], {}, {});
    const entries = [{ index: 1, term: 1, kind: 0, data: new Uint8Array(1) } as const];
    raft.step(makeMessage('append', { commit: 1, entries }));
    const ready = raft.ready();
    raft.onPersisted(ready.number);
    expect([raft.commit, raft.status().applied]).toEqual([1, 0]);
    return raft;
  };
  const idle = make();
  idle.campaign();
  expect(idle.role).toBe('follower');
  const ordered = make();
  ordered.step(makeMessage('timeout_now'));
  expect(ordered.role).toBe('follower');
  ordered.ready();
  ordered.onApplied(1);
  expect(ordered.role).toBe('candidate');
});

test('a suspect follower is known to its leader by its word, and never counts', () => {
  const raft = makeLeader(IDS, [], { checkQuorum: true });
  raft.step(makeMessage('suspect', { from: 2, term: raft.term }));
  const status = raft.status().followers.find(({ id }) => id === 2);
  expect([status?.suspect, status?.recentlyActive]).toEqual([true, false]);
  expect(raft.proposeChange({ expectedVersion: 1, demote: [2] })).toMatchObject({ reason: 'not_ready' });
  expect(sent(raft)).toEqual([]);
});

test('E39 the leader may crash after any message of a joint change: whoever is elected ends it, or it never was', () => {
  const outcomes = new Set<string>();
  for (let delivered = 0; delivered <= 40; delivered++) {
    const cluster = new RaftCluster(makeConfiguration(IDS, { learners: [4, 5] }));
    const leader = cluster.raft(1);
    leader.campaign();
    cluster.settle();
    leader.proposeChange({ expectedVersion: 1, promote: [4, 5], remove: [1, 2] });
    // One message after the other; Readys are taken as they come.
    for (let i = 0; i < delivered; i++) {
      for (const id of cluster.ids()) while (cluster.raft(id).hasReady()) cluster.take(id);
      const message = cluster.network.shift();
      if (message === undefined) break;
      cluster.deliver(message);
    }
    cluster.crash(1);
    cluster.run(60);
    const next = cluster.leader();
    expect([delivered, next !== null && next.leaderReady]).toEqual([delivered, true]);
    const { configuration } = next as Raft;
    outcomes.add(configuration.voters.join());
    expect([delivered, isJoint(configuration)]).toEqual([delivered, false]);
    for (const id of configuration.voters) {
      if (id !== 1) expect(cluster.raft(id).configuration).toEqual(configuration);
    }
  }
  // Early crashes leave the group as it was, later ones the change done.
  expect([...outcomes].sort()).toEqual(['1,2,3', '3,4,5']);
});

test('E49 a change made on the wrong side of a partition never takes effect', () => {
  const cluster = new RaftCluster(makeConfiguration(IDS, { learners: [4] }));
  const old = cluster.raft(1);
  old.campaign();
  cluster.settle();
  cluster.isolate(1);
  expect(old.proposeChange({ expectedVersion: 1, remove: [2] }).kind).toBe('appended');
  cluster.run(4);
  cluster.raft(2).campaign();
  cluster.run(4);
  expect(cluster.raft(2).proposeChange({ expectedVersion: 1, promote: [4] }).kind).toBe('appended');
  cluster.run(4);
  expect([old.configuration.version, cluster.raft(2).configuration.voters]).toEqual([1, [1, 2, 3, 4]]);
  cluster.heal();
  cluster.run(20);
  for (const id of cluster.ids()) expect(cluster.raft(id).configuration.voters).toEqual([1, 2, 3, 4]);
});

test('E103 a suspect replica that nobody speaks to calls, and a leader that sleeps wakes and hears of it', () => {
  const cluster = new RaftCluster(makeConfiguration(IDS), (id) => ({
    quiesceTicks: 2,
    suspect: id === 3 && isLost,
  }));
  const leader = cluster.raft(1);
  leader.campaign();
  cluster.settle();
  for (let i = 0; i < 20 && !leader.quiesced; i++) {
    for (const id of IDS) cluster.raft(id).tick(true);
    leader.quiesce(() => false);
    cluster.settle();
  }
  expect(leader.quiesced).toBe(true);
  cluster.crash(3);
  isLost = true;
  cluster.create(3, cluster.at(3).disk);
  cluster.run(40);
  isLost = false;
  expect([leader.role, leader.term, leader.quiesced]).toEqual(['leader', 1, false]);
  expect(leader.status().followers.find(({ id }) => id === 3)?.suspect).toBe(true);
});
