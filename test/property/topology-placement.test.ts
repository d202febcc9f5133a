/** Goal: the first placement is complete and even for every size of cluster. Method: many sizes, drawn by seed. */
import { expect, test } from 'vitest';
import { Prng } from '../../src/base/index.js';
import { planFirstPlacement } from '../../src/topology/index.js';

function spread(counts: Iterable<number>): number {
  const list = [...counts];
  return Math.max(...list) - Math.min(...list);
}

function countsOf(ids: readonly number[], seen: Iterable<number>): Map<number, number> {
  const counts = new Map(ids.map((id) => [id, 0]));
  for (const id of seen) counts.set(id, (counts.get(id) ?? Number.NaN) + 1);
  return counts;
}

test('replicas and first leaders of two nodes differ by at most one', () => {
  const prng = new Prng(11);
  for (let round = 0; round < 300; round++) {
    const ids = Array.from({ length: prng.between(1, 20) }, (_, i) => i * 3 + 1);
    const shards = prng.between(1, 80);
    const replicas = prng.between(1, 5);
    const plan = planFirstPlacement(
      ids.map((id) => ({ id })),
      shards,
      replicas,
    );
    const size = `${ids.length} nodes, ${shards} shards, ${replicas} replicas`;
    expect(plan).toHaveLength(shards);
    for (const nodes of plan) {
      expect(nodes).toHaveLength(Math.min(replicas, ids.length));
      expect(new Set(nodes).size).toBe(nodes.length);
    }
    expect(spread(countsOf(ids, plan.flat()).values()), size).toBeLessThanOrEqual(1);
    const leaders = plan.map((nodes) => nodes[0] as number);
    expect(spread(countsOf(ids, leaders).values()), size).toBeLessThanOrEqual(1);
  }
});

test('with enough domains no shard has two replicas in one, however uneven they are', () => {
  const prng = new Prng(12);
  for (let round = 0; round < 200; round++) {
    const replicas = prng.between(1, 4);
    const domainCount = prng.between(replicas, 6);
    const nodes = Array.from({ length: prng.between(domainCount, 15) }, (_, i) => ({
      id: i + 1,
      domain: `rack-${i < domainCount ? i : prng.below(domainCount)}`,
    }));
    for (const placed of planFirstPlacement(nodes, prng.between(1, 60), replicas)) {
      expect(placed).toHaveLength(replicas);
      expect(new Set(placed.map((id) => nodes[id - 1]?.domain)).size).toBe(replicas);
    }
  }
});

test('the plan is a function of the nodes, not of their order', () => {
  const nodes = Array.from({ length: 7 }, (_, i) => ({ id: i + 1 }));
  expect(planFirstPlacement([...nodes].reverse(), 64, 3)).toEqual(planFirstPlacement(nodes, 64, 3));
});

test('a large cluster is planned quickly', () => {
  const nodes = Array.from({ length: 300 }, (_, i) => ({ id: i + 1 }));
  const plan = planFirstPlacement(nodes, 4096, 3);
  const ids = nodes.map((node) => node.id);
  expect(spread(countsOf(ids, plan.flat()).values())).toBeLessThanOrEqual(1);
  expect(
    spread(
      countsOf(
        ids,
        plan.map((list) => list[0] as number),
      ).values(),
    ),
  ).toBeLessThanOrEqual(1);
});
