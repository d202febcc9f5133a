import { expect, test } from 'vitest';
import { LeaderBalance } from '../../../src/coordinator/index.js';
import type { TestNode } from '../../support/loop-hosts.js';
import { TestHosts } from '../../support/loop-hosts.js';

function balanced(hosts: TestHosts, preferred: (group: number) => number): void {
  const all = hosts.nodes.map((node) => new LeaderBalance(node.host, preferred));
  const poll = (): void => {
    for (const [i, balance] of all.entries()) balance.poll((hosts.nodes[i] as TestNode).clock.monoMs());
    hosts.world.timers.after(250, poll);
  };
  poll();
}

test('leaderships come back to the preferred replicas, one after the other', () => {
  const hosts = new TestHosts(3);
  for (let group = 1; group <= 6; group++) hosts.addGroup(group);
  hosts.start();
  for (let group = 1; group <= 6; group++) hosts.leader(group);
  const preferred = (group: number): number => (group % 3) + 1;
  balanced(hosts, preferred);
  hosts.world.until(
    () => [1, 2, 3, 4, 5, 6].every((group) => hosts.node(preferred(group)).replica(group).serves),
    'every preferred replica leads',
    60_000,
  );
  const terms = (): number[] => [1, 2, 3, 4, 5, 6].map((group) => hosts.node(1).replica(group).raft.term);
  const before = terms();
  hosts.world.run(10_000);
  expect(terms()).toEqual(before);
});

test('a preferred replica that is away gets nothing', () => {
  const hosts = new TestHosts(3);
  hosts.addGroup(1);
  hosts.start();
  const leader = hosts.leader(1);
  const away = (leader.id % 3) + 1;
  hosts.peers.isolate(away);
  balanced(hosts, () => away);
  const { term } = leader.replica(1).raft;
  hosts.world.run(10_000);
  expect(hosts.leader(1).id).toBe(leader.id);
  expect(leader.replica(1).raft.term).toBe(term);
});

test('a preferred replica that does not take it is asked more and more rarely: each time writes wait', () => {
  const hosts = new TestHosts(3);
  hosts.addGroup(1);
  hosts.start();
  const leader = hosts.leader(1);
  const preferred = (leader.id % 3) + 1;
  const { raft } = hosts.node(preferred).replica(1);
  const step = raft.step.bind(raft);
  let asked = 0;
  raft.step = (message) => {
    if (message.type !== 'timeout_now') return step(message);
    asked++;
    return 'taken';
  };
  balanced(hosts, () => preferred);
  hosts.world.run(25_000);
  const first = asked;
  expect(first).toBeGreaterThan(0);
  hosts.world.run(75_000);
  expect(asked).toBeLessThan(2 * first);
  expect(hosts.leader(1).id).toBe(leader.id);
});

test('a young leadership is left alone', () => {
  const hosts = new TestHosts(3);
  hosts.addGroup(1);
  hosts.start();
  const leader = hosts.leader(1);
  balanced(hosts, () => (leader.id % 3) + 1);
  hosts.world.run(2000);
  expect(leader.replica(1).serves).toBe(true);
});

test('E63 a node that is short of disk hands its leaderships to whoever is close behind', () => {
  const hosts = new TestHosts(3);
  for (let group = 1; group <= 3; group++) hosts.addGroup(group);
  hosts.start();
  for (let group = 1; group <= 3; group++) hosts.leader(group);
  hosts.world.run(1000);
  const short = hosts.leader(1);
  const others = hosts.nodes.filter((node) => node !== short);
  new LeaderBalance(short.host, () => short.id).giveUpLeaderships();
  hosts.world.until(
    () => [1, 2, 3].every((group) => others.some((node) => node.replica(group).serves)),
    'others lead every group',
    5000,
  );
});
