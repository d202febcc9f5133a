import { expect, test } from 'vitest';
import { buildRing, placeReplicas, type RingNode } from '../../../src/topology/index.js';

const nodesUpTo = (count: number): RingNode[] => Array.from({ length: count }, (_, i) => ({ id: i + 1 }));

test('placement does not depend on the order in which nodes are listed', () => {
  const nodes = nodesUpTo(9);
  const a = buildRing(nodes);
  const b = buildRing([...nodes].reverse());
  for (let shard = 1; shard < 50; shard++) {
    expect(placeReplicas(a, shard, 3)).toEqual(placeReplicas(b, shard, 3));
  }
});

test('a shard gets distinct nodes, and no more than there are', () => {
  const ring = buildRing(nodesUpTo(3));
  expect(new Set(placeReplicas(ring, 1, 3)).size).toBe(3);
  expect(placeReplicas(ring, 1, 5)).toHaveLength(3);
  expect(placeReplicas(buildRing([]), 1, 3)).toEqual([]);
});

test('one more node takes about its share of the replicas and moves nothing between the others', () => {
  const shards = 2000;
  for (const count of [3, 5, 10, 20]) {
    const before = buildRing(nodesUpTo(count));
    const after = buildRing(nodesUpTo(count + 1));
    let moved = 0;
    for (let shard = 1; shard <= shards; shard++) {
      const old = placeReplicas(before, shard, 3);
      for (const node of placeReplicas(after, shard, 3)) {
        if (old.includes(node)) continue;
        expect(node).toBe(count + 1);
        moved++;
      }
    }
    expect(moved / (shards * 3)).toBeGreaterThan(0.7 / (count + 1));
    expect(moved / (shards * 3)).toBeLessThan(1.3 / (count + 1));
  }
});

test('a weight scales the share', () => {
  const ring = buildRing([{ id: 1, weight: 3 }, { id: 2 }]);
  let first = 0;
  for (let shard = 1; shard <= 4000; shard++) if (placeReplicas(ring, shard, 1)[0] === 1) first++;
  expect(first / 4000).toBeGreaterThan(0.68);
  expect(first / 4000).toBeLessThan(0.82);
});

test('two replicas share a failure domain only when no other is left', () => {
  const domains = ['a', 'a', 'a', 'b', 'c'];
  const nodes = domains.map((domain, i) => ({ id: i + 1, domain }));
  const ring = buildRing(nodes);
  for (let shard = 1; shard < 100; shard++) {
    const of = (count: number): Set<string> =>
      new Set(placeReplicas(ring, shard, count).map((id) => domains[id - 1] as string));
    expect(of(3).size).toBe(3);
    expect(of(4).size).toBe(3);
  }
});

test('a node listed twice is refused', () => {
  expect(() => buildRing([{ id: 1 }, { id: 1 }])).toThrow('twice');
});
