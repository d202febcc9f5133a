import { expect, test } from 'vitest';
import { encodeUtf8 } from '../../../src/base/index.js';
import type { Raft } from '../../../src/raft/index.js';
import {
  acknowledge,
  makeConfiguration,
  makeLeader,
  makeMessage,
  sent,
  settle,
} from '../../support/raft-builders.js';
import { RaftCluster } from '../../support/raft-cluster.js';

const IDS = [1, 2, 3];

function makeSettledLeader(): Raft {
  const raft = makeLeader(IDS, [], { checkQuorum: true });
  for (const id of [2, 3]) acknowledge(raft, id);
  settle(raft);
  return raft;
}

function orders(raft: Raft): number[] {
  return sent(raft)
    .filter((message) => message.type === 'timeout_now')
    .map((message) => message.to);
}

test('E20 a target that holds everything is told at once; one that lags is told when it has caught up', () => {
  const raft = makeSettledLeader();
  expect(raft.transferLeader(2)).toBe(true);
  expect(orders(raft)).toEqual([2]);

  const busy = makeSettledLeader();
  busy.propose(encodeUtf8('x'));
  expect(busy.transferLeader(2)).toBe(true);
  expect(orders(busy)).toEqual([]);
  acknowledge(busy, 3);
  expect(orders(busy)).toEqual([]);
  acknowledge(busy, 2);
  expect(orders(busy)).toEqual([2]);
});

test('E20 an order that got lost is given again', () => {
  const raft = makeSettledLeader();
  raft.transferLeader(2);
  settle(raft);
  raft.step(makeMessage('heartbeat_response'));
  expect(orders(raft)).toEqual([2]);
});

test('E20 proposals are refused while it runs; it ends by itself after an election time-out', () => {
  const raft = makeSettledLeader();
  raft.transferLeader(3);
  for (let i = 0; i < 9; i++) raft.tick(true);
  expect(raft.propose(encodeUtf8('x'))).toEqual({ kind: 'dropped', reason: 'transferring', leader: 1 });
  raft.step(makeMessage('heartbeat_response'));
  raft.tick(true);
  expect(raft.propose(encodeUtf8('x')).kind).toBe('appended');
});

test('E20 a target far behind costs no pause: proposals go on until it is near', () => {
  const raft = makeSettledLeader();
  for (let i = 0; i < 40; i++) raft.propose(encodeUtf8(`v${i}`));
  settle(raft);
  raft.transferLeader(2);
  expect(raft.handingOver).toBe(false);
  expect(raft.propose(encodeUtf8('meanwhile')).kind).toBe('appended');
  settle(raft);
  raft.step(makeMessage('append_response', { from: 2, index: raft.lastIndex - 17 }));
  expect(raft.handingOver).toBe(false);
  raft.step(makeMessage('append_response', { from: 2, index: raft.lastIndex - 16 }));
  expect(raft.handingOver).toBe(true);
  expect(raft.propose(encodeUtf8('x'))).toEqual({ kind: 'dropped', reason: 'transferring', leader: 1 });
  expect(orders(raft)).toEqual([]);
  acknowledge(raft, 2);
  expect(orders(raft)).toEqual([2]);
});

test('E20 a second wish for the same target does not prolong it', () => {
  const raft = makeSettledLeader();
  raft.transferLeader(3);
  for (let i = 0; i < 9; i++) raft.tick(true);
  expect(raft.transferLeader(3)).toBe(true);
  raft.tick(true);
  expect(raft.status().transferTarget).toBe(0);
});

test('E20 a transfer with proposals in flight loses none of them, in spite of PreVote and stickiness', () => {
  const cluster = new RaftCluster(makeConfiguration(IDS), () => ({ preVote: true, checkQuorum: true }));
  cluster.raft(1).campaign();
  cluster.settle();
  for (let i = 0; i < 5; i++) cluster.raft(1).propose(encodeUtf8(`v${i}`));
  cluster.raft(1).transferLeader(3);
  cluster.settle();
  expect(cluster.leader()?.id).toBe(3);
  expect(cluster.at(1).applied.length).toBe(cluster.raft(3).lastIndex);
  expect(cluster.at(3).applied.filter((entry) => entry.data.length > 0).length).toBe(5);
});

test('E20 a late order to a replica that follows somebody else by now is stale', () => {
  const cluster = new RaftCluster(makeConfiguration(IDS));
  cluster.raft(1).campaign();
  cluster.settle();
  cluster.raft(2).campaign();
  cluster.settle();
  cluster.raft(3).step(makeMessage('timeout_now', { from: 1, to: 3, term: 1 }));
  cluster.settle();
  expect(cluster.leader()?.id).toBe(2);
});
