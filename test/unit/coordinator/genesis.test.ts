import { expect, test } from 'vitest';
import { SLOT_COUNT } from '../../../src/base/index.js';
import { compareAddresses, planGenesis } from '../../../src/coordinator/index.js';
import { makeInstance, makeState } from '../../support/loop-meta.js';

function counts(values: Iterable<number>): number[] {
  const map = new Map<number, number>();
  for (const value of values) map.set(value, (map.get(value) ?? 0) + 1);
  return [...map.values()];
}

test('node ids follow the addresses, whatever order the instances came in', () => {
  const instances = [makeInstance(10), makeInstance(2), makeInstance(1)];
  const plan = (list: typeof instances): ReturnType<typeof planGenesis> =>
    planGenesis({ clusterId: 'c', instances: list, shards: 8, replicas: 3 });
  const state = plan(instances);
  expect(state.nodes.map((node) => [node.id, node.addresses.grpc])).toEqual([
    [1, '127.0.0.1:7601'],
    [2, '127.0.0.1:7602'],
    [3, '127.0.0.1:7610'],
  ]);
  expect(plan([...instances].reverse())).toEqual(state);
});

test('ports are compared as numbers, hosts before ports', () => {
  expect(compareAddresses('a:900', 'a:1000')).toBeLessThan(0);
  expect(compareAddresses('b:1', 'a:2')).toBeGreaterThan(0);
  expect(compareAddresses('[::1]:80', '[::1]:80')).toBe(0);
});

test.each([1, 2, 3, 5])('with %i nodes slots, replicas and leaders are complete and even', (nodes) => {
  const state = makeState(nodes, 16, 3);
  expect(state.shards).toHaveLength(16);
  let next = 0;
  for (const shard of state.shards) {
    expect(shard.firstSlot).toBe(next);
    next = shard.lastSlot + 1;
    expect(shard.replicas.map((r) => r.replica)).toEqual(shard.replicas.map((_, i) => i + 1));
    expect(new Set(shard.replicas.map((r) => r.node)).size).toBe(Math.min(3, nodes));
  }
  expect(next).toBe(SLOT_COUNT);
  expect(state.shards.map((shard) => shard.id)).toEqual(Array.from({ length: 16 }, (_, i) => i + 1));
  const replicas = counts(state.shards.flatMap((shard) => shard.replicas.map((r) => r.node)));
  const leaders = counts(state.shards.map((shard) => shard.replicas[0]?.node ?? 0));
  for (const list of [replicas, leaders]) {
    expect(list).toHaveLength(nodes);
    expect(Math.max(...list) - Math.min(...list)).toBeLessThanOrEqual(1);
  }
});

test.each([
  [1, 1],
  [2, 1],
  [3, 3],
  [5, 3],
])('with %i nodes group 0 has %i voters', (nodes, voters) => {
  const metaReplicas = makeState(nodes).metaGroup.replicas;
  expect(metaReplicas).toHaveLength(voters);
  expect(new Set(metaReplicas.map((r) => r.node)).size).toBe(voters);
  expect(metaReplicas.map((r) => r.replica)).toEqual(metaReplicas.map((_, i) => i + 1));
});

test('the first map has version 1, and the next node the next id', () => {
  const state = makeState(3);
  expect(state).toMatchObject({ clusterId: 'cluster-a', mapVersion: 1, nextNodeId: 4, replicas: 3 });
  expect(state.nodes.every((node) => node.state === 'up')).toBe(true);
});

test('fewer nodes than replicas: the wish is remembered, what is there is used', () => {
  const state = makeState(2, 4, 3);
  expect(state.replicas).toBe(3);
  expect(state.shards.every((shard) => shard.replicas.length === 2)).toBe(true);
});

test('nobody founds a cluster of nobody', () => {
  expect(() => planGenesis({ clusterId: 'c', instances: [], shards: 1, replicas: 1 })).toThrow();
});
