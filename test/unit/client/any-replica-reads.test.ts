/** Goal: reads that any replica may answer go to replicas, keep away from the other calls, and end at the leader. */
import { describe, expect, it } from 'vitest';
import { CacheConsistency } from '../../../src/codec/cache/index.js';
import { slotOfKey } from '../../../src/topology/index.js';
import { ClientWorld, outcomeOf } from './client-world.js';

/** A key of the shard that node 1 leads, of three equal shards. */
const KEY = ((): string => {
  for (let i = 0; ; i++) {
    const key = `key-${i}`;
    if (slotOfKey(new TextEncoder().encode(key)) < 16_384 / 3) return key;
  }
})();

describe('reads that any replica may answer', () => {
  it('E8 go to a node with a replica that does not lead, and stay there', async () => {
    const world = new ClientWorld();
    const client = await world.client();
    for (let i = 0; i < 5; i++) {
      outcomeOf(client.get(KEY, { consistency: 'follower' }));
      await world.run(20);
    }
    const counts = world.cluster.nodes.map(({ seen }) => seen.length);
    expect([...counts].sort()).toEqual([0, 0, 5]);
    expect(counts[0]).toBe(0);
  });

  it('say how old they may be, each bound in a message of its own', async () => {
    const world = new ClientWorld();
    const client = await world.client();
    outcomeOf(client.get(KEY, { consistency: 'stale', maxStaleness: '5s' }));
    outcomeOf(client.get(KEY, { consistency: 'stale', maxStaleness: 250 }));
    outcomeOf(client.get(KEY, { consistency: 'stale' }));
    await world.run(20);
    const seen = world.cluster.nodes.flatMap((node) => node.seen);
    expect(
      seen.map(({ consistency, maxStalenessMs, message }) => [consistency, maxStalenessMs, message]),
    ).toEqual([
      [CacheConsistency.stale, 5000, 0],
      [CacheConsistency.stale, 250, 1],
      [CacheConsistency.stale, 0, 2],
    ]);
  });

  it('do not wait for writes under way, nor hold them back', async () => {
    const world = new ClientWorld();
    const client = await world.client();
    world.cluster.node(1).holds = true;
    const write = outcomeOf(client.set(KEY, 'v'));
    const read = outcomeOf(client.get(KEY, { consistency: 'follower' }));
    await world.run(20);
    expect([write.state, read.state]).toEqual(['pending', 'ok']);
    world.cluster.node(1).release();
    await world.run(20);
    expect(write.state).toBe('ok');
  });

  it('go to the leader when a replica can’t keep the bound', async () => {
    const world = new ClientWorld();
    const client = await world.client();
    for (const id of [2, 3]) world.cluster.node(id).refuse = () => ({ reason: 'TOO_STALE' });
    const read = outcomeOf(client.get(KEY, { consistency: 'stale', maxStaleness: 100 }));
    await world.run(100);
    expect(read.state).toBe('ok');
    expect(world.cluster.node(1).keysSeen()).toEqual([KEY]);
  });

  it('go to another replica when theirs is gone, and to the leader when there is no other', async () => {
    const world = new ClientWorld();
    const client = await world.client();
    outcomeOf(client.get(KEY, { consistency: 'follower' }));
    await world.run(20);
    for (const id of [2, 3]) {
      const last = world.cluster.nodes.find(
        (node) => node.isUp && node.seen.length > 0 && node.address !== 'node1:7400',
      );
      last?.crash();
      await world.run(50);
      const read = outcomeOf(client.get(KEY, { consistency: 'follower', deadline: 3000 }));
      await world.run(2500);
      expect([id, read.state]).toEqual([id, 'ok']);
    }
    expect(world.cluster.node(1).keysSeen()).toContain(KEY);
  });

  it('follow their keys when the map gives them to other shards', async () => {
    const world = new ClientWorld();
    const client = await world.client();
    outcomeOf(client.get(KEY, { consistency: 'follower' }));
    await world.run(20);
    world.cluster.publish(world.cluster.mapOf(2, 2, [2]));
    await world.run(20);
    const reads = [1, 2, 3].map(() => outcomeOf(client.get(KEY, { consistency: 'follower' })));
    const write = outcomeOf(client.set(KEY, 'v'));
    await world.run(50);
    expect([...reads, write].map(({ state }) => state)).toEqual(['ok', 'ok', 'ok', 'ok']);
    expect(world.cluster.node(2).keysSeen()).toContain(KEY);
  });

  it('take maxStaleness with stale alone, and only a duration', async () => {
    const world = new ClientWorld();
    const client = await world.client();
    const wrong = [
      outcomeOf(client.get(KEY, { maxStaleness: '5s' })),
      outcomeOf(client.get(KEY, { consistency: 'follower', maxStaleness: '5s' })),
      outcomeOf(client.get(KEY, { consistency: 'stale', maxStaleness: 0 })),
    ];
    await world.run(5);
    expect(wrong.map(({ state }) => state)).toEqual(['failed', 'failed', 'failed']);
  });
});
