import { describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/index.js';
import {
  nextShares,
  type NodeLimits,
  type ShardUse,
  type ShareInputs,
} from '../../../src/coordinator/memory-shares.js';
import type { MemoryShare, MetaShard } from '../../../src/meta/index.js';

const MIB = 1024 * 1024;
const USABLE = 15 / 16;

/** A cluster whose leaders follow the shares when they are told to. */
class Cluster {
  shards: MetaShard[];
  shares: MemoryShare[] = [];
  limits = new Map<number, NodeLimits>();
  uses = new Map<number, ShardUse>();
  version = 1;

  constructor(nodes: number, shards: number, replicas: number, bytesMax: number, itemsMax = 0) {
    for (let node = 1; node <= nodes; node++) this.limits.set(node, { bytesMax, itemsMax });
    this.shards = Array.from({ length: shards }, (_, i) => ({
      id: i + 1,
      firstSlot: i,
      lastSlot: i,
      born: 1,
      configurationVersion: 1,
      highestId: replicas,
      replicas: Array.from({ length: replicas }, (__, r) => ({
        replica: r + 1,
        node: 1 + ((i + r) % nodes),
        isLearner: false,
      })),
    }));
    for (const { id } of this.shards) this.use(id, 0);
  }

  use(group: number, charge: number, items = 0): void {
    const share = this.shares.find((s) => s.group === group);
    const [budgetBytes, budgetItems] = [share?.bytesMax ?? 0, share?.itemsMax ?? 0];
    this.uses.set(group, {
      charge: budgetBytes === 0 ? charge : Math.min(charge, budgetBytes),
      items: budgetItems === 0 ? items : Math.min(items, budgetItems),
      budgetVersion: share?.version ?? 0,
      budgetBytes,
      budgetItems,
    });
  }

  /** One division; how many shares changed. */
  divide(): number {
    const changed = nextShares(this as ShareInputs);
    this.version++;
    const others = this.shares.filter(({ group }) => !changed.some((c) => c.group === group));
    this.shares = [...others, ...changed.map((c) => ({ ...c, version: this.version }))];
    return changed.length;
  }

  share(group: number): number {
    return this.shares.find((s) => s.group === group)?.bytesMax ?? 0;
  }

  /** The most that may be in use on a node: shares written, budgets in force, and use. */
  committed(node: number): number {
    let sum = 0;
    for (const shard of this.shards) {
      if (!shard.replicas.some((r) => r.node === node)) continue;
      const use = this.uses.get(shard.id);
      sum += Math.max(this.share(shard.id), use?.budgetBytes ?? 0, use?.charge ?? 0);
    }
    return sum;
  }
}

describe('shares of memory', () => {
  it('are even at first, and leave a sixteenth for garbage and index', () => {
    const cluster = new Cluster(3, 16, 3, 160 * MIB);
    expect(cluster.divide()).toBe(16);
    for (const { id } of cluster.shards) expect(cluster.share(id)).toBe(10 * MIB * USABLE);
    expect(cluster.divide()).toBe(0);
  });

  it('are the least that the nodes of a shard can give', () => {
    const cluster = new Cluster(4, 4, 2, 64 * MIB);
    cluster.limits.set(1, { bytesMax: 16 * MIB, itemsMax: 0 });
    cluster.divide();
    expect([1, 2, 3, 4].map((g) => cluster.share(g) / USABLE / MIB)).toEqual([8, 32, 32, 8]);
  });

  it('are none where no node is limited, and follow a limit that comes and goes', () => {
    const cluster = new Cluster(3, 2, 3, 0);
    expect(cluster.divide()).toBe(0);
    cluster.limits.set(2, { bytesMax: 32 * MIB, itemsMax: 10 });
    cluster.divide();
    expect(cluster.shares.map(({ bytesMax, itemsMax }) => [bytesMax, itemsMax])).toEqual([
      [16 * MIB * USABLE, 5],
      [16 * MIB * USABLE, 5],
    ]);
    cluster.limits.set(2, { bytesMax: 0, itemsMax: 0 });
    cluster.divide();
    expect(cluster.shares.map(({ bytesMax, itemsMax }) => [bytesMax, itemsMax])).toEqual([
      [0, 0],
      [0, 0],
    ]);
  });

  it('move by use, shrink before grow: the sum never passes the limit', () => {
    const cluster = new Cluster(3, 8, 3, 256 * MIB);
    const limit = 256 * MIB * USABLE;
    cluster.divide();
    // Shard 1 is hot and full, the others nearly empty.
    const report = (): void => {
      for (const { id } of cluster.shards) cluster.use(id, id === 1 ? 10_000 * MIB : MIB);
    };
    report();
    const first = cluster.share(1);
    for (let round = 0; round < 40; round++) {
      cluster.divide();
      // What was shrunk is confirmed only every third round.
      expect(cluster.committed(1)).toBeLessThanOrEqual(limit);
      if (round % 3 === 2) report();
      expect(cluster.committed(1)).toBeLessThanOrEqual(limit);
    }
    expect(cluster.share(1)).toBeGreaterThan(3 * first);
    for (let id = 2; id <= 8; id++) expect(cluster.share(id)).toBeGreaterThanOrEqual(MIB);
    // And back, when another one becomes hot: the first gives up what it no longer uses.
    for (let round = 0; round < 60; round++) {
      for (const { id } of cluster.shards) cluster.use(id, id === 2 ? 10_000 * MIB : MIB);
      cluster.divide();
    }
    expect(cluster.share(2)).toBeGreaterThan(3 * first);
  });

  it('grow nowhere while a leader on the node has not confirmed its share', () => {
    const cluster = new Cluster(1, 2, 1, 64 * MIB);
    cluster.divide();
    cluster.use(1, 1000 * MIB);
    cluster.use(2, 0);
    cluster.divide();
    const before = cluster.share(1);
    const shrunk = cluster.share(2);
    expect(shrunk).toBeLessThan(before);
    cluster.divide();
    expect(cluster.share(1)).toBe(before);
    cluster.use(2, 0);
    cluster.divide();
    expect(cluster.share(1)).toBeGreaterThan(before);
  });

  it('stay under any limits, uses and reports', () => {
    for (let seed = 1; seed <= 60; seed++) {
      const prng = new Prng(seed);
      const cluster = new Cluster(prng.between(1, 6), prng.between(1, 20), 1, 0, 0);
      cluster.limits = new Map(
        [...cluster.limits.keys()].map((node) => [
          node,
          { bytesMax: prng.between(2, 500) * MIB, itemsMax: 0 },
        ]),
      );
      cluster.divide();
      for (let round = 0; round < 50; round++) {
        for (const { id } of cluster.shards) {
          if (prng.chance(0.5)) cluster.use(id, prng.chance(0.3) ? prng.between(0, 900) * MIB : 0);
        }
        if (prng.chance(0.8)) cluster.divide();
        for (const [node, { bytesMax }] of cluster.limits) {
          expect(cluster.committed(node)).toBeLessThanOrEqual(bytesMax);
        }
      }
    }
  });
});
