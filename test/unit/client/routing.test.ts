/** Where operations go: leaders by the map, hints, what replaces what, and how many messages a turn makes. */
import { describe, expect, it } from 'vitest';
import { slotOfKey } from '../../../src/topology/index.js';
import { ClientWorld, outcomeOf } from './client-world.js';

/** Keys by shard of a map of three equal shards: the number of the shard, then a number. */
function keyOf(shard: number, number = 0): string {
  for (let i = 0; ; i++) {
    const key = `key-${number}-${i}`;
    if (Math.floor(slotOfKey(new TextEncoder().encode(key)) / Math.ceil(16_384 / 3)) === shard - 1)
      return key;
  }
}

describe('routing', () => {
  it('sends an operation to the leader of its shard', async () => {
    const world = new ClientWorld();
    const client = await world.client();
    const outcomes = [1, 2, 3].map((shard) => outcomeOf(client.set(keyOf(shard), 'v')));
    await world.run(20);
    expect(outcomes.map(({ state }) => state)).toEqual(['ok', 'ok', 'ok']);
    for (const shard of [1, 2, 3]) expect(world.cluster.node(shard).keysSeen()).toEqual([keyOf(shard)]);
  });

  it('sends what one turn asked as one message per node', async () => {
    const world = new ClientWorld();
    const client = await world.client();
    for (let i = 0; i < 50; i++) outcomeOf(client.get(keyOf(1, i)));
    await world.run(20);
    expect(world.cluster.node(1).seen).toHaveLength(50);
    expect(world.cluster.node(1).messages).toBe(1);
    expect(world.cluster.node(2).messages).toBe(0);
  });

  it('splits a turn at 1,024 operations and at 256 KiB', async () => {
    const world = new ClientWorld();
    const client = await world.client();
    for (let i = 0; i < 1500; i++) outcomeOf(client.get('{a}'));
    await world.run(20);
    const counts = world.cluster.nodes.find(({ messages }) => messages > 0);
    expect(counts?.seen.filter(({ message }) => message === 0)).toHaveLength(1024);
    expect(counts?.messages).toBe(2);
    for (let i = 0; i < 5; i++) outcomeOf(client.set('{a}', new Uint8Array(100 * 1024)));
    await world.run(20);
    expect(counts?.messages).toBe(5);
  });

  it('puts operations of another consistency, or of a much shorter deadline, into a message of their own', async () => {
    const world = new ClientWorld();
    const client = await world.client();
    outcomeOf(client.get(keyOf(1)));
    outcomeOf(client.get(keyOf(1), { consistency: 'lease' }));
    outcomeOf(client.get(keyOf(1), { deadline: 100 }));
    await world.run(20);
    const seen = world.cluster.node(1).seen;
    expect(seen.map(({ message, consistency }) => [message, consistency])).toEqual([
      [0, 0],
      [1, 1],
      [2, 0],
    ]);
    expect(seen[0]?.deadlineMs).toBeGreaterThan(4800);
    expect(seen[0]?.deadlineMs).toBeLessThan(5000);
    expect(seen[2]?.deadlineMs).toBeLessThan(100);
  });

  it('follows a hint with a higher term, and none with a lower one', async () => {
    const world = new ClientWorld();
    const client = await world.client();
    world.cluster.node(1).hints = [{ shard: 1, node: 2, term: 5 }];
    outcomeOf(client.get(keyOf(1)));
    await world.run(20);
    world.cluster.node(2).hints = [{ shard: 1, node: 3, term: 4 }];
    for (let i = 0; i < 3; i++) {
      outcomeOf(client.get(keyOf(1)));
      await world.run(20);
    }
    expect(world.cluster.node(1).seen).toHaveLength(1);
    expect(world.cluster.node(2).seen).toHaveLength(3);
    expect(world.cluster.node(3).seen).toHaveLength(0);
  });

  it('goes by a new map, and never back to one of a lower version', async () => {
    const world = new ClientWorld();
    const client = await world.client();
    world.cluster.publish(world.cluster.mapOf(3, 3, [2, 2, 2]));
    await world.run(10);
    world.cluster.publish(world.cluster.mapOf(2, 9, [3, 3, 3]));
    await world.run(10);
    outcomeOf(client.get(keyOf(1)));
    await world.run(20);
    expect(world.cluster.node(2).seen).toHaveLength(1);
  });

  it('moves what waits to the shards of a new map, behind what was sent by the old one', async () => {
    const world = new ClientWorld();
    const client = await world.client();
    const key = keyOf(1);
    world.cluster.node(1).holds = true;
    const first = outcomeOf(client.set(key, '1'));
    await world.run(10);
    // All slots are in a new shard on node 3.
    const map = world.cluster.mapOf(2, 1, [3]);
    world.cluster.publish({ ...map, shards: map.shards.map((shard) => ({ ...shard, id: 9 })) });
    await world.run(10);
    const second = outcomeOf(client.set(key, '2'));
    await world.run(100);
    expect(world.cluster.node(3).seen).toHaveLength(0);
    world.cluster.node(1).release();
    await world.run(20);
    expect([first.state, second.state]).toEqual(['ok', 'ok']);
    expect(world.cluster.node(3).keysSeen()).toEqual([key]);
    expect(world.cluster.store.get(key)?.value).toBe('2');
  });

  it('uses any node while a leader is not known or not there', async () => {
    const world = new ClientWorld();
    world.cluster.map = world.cluster.mapOf(1, 1, [0, 2, 3]);
    const client = await world.client();
    const unknown = outcomeOf(client.set(keyOf(1), 'v'));
    await world.run(20);
    expect(unknown.state).toBe('ok');
    world.cluster.node(2).crash();
    const gone = outcomeOf(client.set(keyOf(2), 'v'));
    await world.run(100);
    expect(gone.state).toBe('ok');
    expect(world.cluster.node(2).seen).toHaveLength(0);
  });

  it('comes back to a leader that was away', async () => {
    const world = new ClientWorld();
    const client = await world.client();
    world.cluster.node(1).crash();
    outcomeOf(client.get(keyOf(1)));
    await world.run(100);
    world.cluster.node(1).isUp = true;
    for (let i = 0; i < 5; i++) {
      outcomeOf(client.get(keyOf(1)));
      await world.run(500);
    }
    expect(world.cluster.node(1).seen.length).toBeGreaterThan(0);
  });

  it('asks another node for the map when one speaks of a newer version', async () => {
    const world = new ClientWorld();
    const client = await world.client();
    const watched = world.cluster.nodes.find(({ watchers }) => watchers.size > 0);
    const other = world.cluster.nodes.findIndex((node) => node !== watched) + 1;
    // The watched node keeps the news to itself.
    world.cluster.map = world.cluster.mapOf(7, 7, [other, other, other]);
    world.cluster.node(other).mapVersion = 7;
    outcomeOf(client.get(keyOf(other)));
    await world.run(600);
    expect(world.cluster.node(other).watchers.size).toBe(1);
    const before = world.cluster.node(other).seen.length;
    for (const shard of [1, 2, 3]) outcomeOf(client.get(keyOf(shard)));
    await world.run(20);
    expect(world.cluster.node(other).seen.length - before).toBe(3);
  });

  it('waits for a stream that is full, and goes on when it is not', async () => {
    const world = new ClientWorld();
    const client = await world.client();
    outcomeOf(client.get(keyOf(1)));
    await world.run(20);
    world.cluster.node(1).isFull = true;
    outcomeOf(client.get(keyOf(1)));
    await world.run(20);
    const waiting = outcomeOf(client.get(keyOf(1)));
    await world.run(20);
    expect([waiting.state, world.cluster.node(1).seen.length]).toEqual(['pending', 2]);
    world.cluster.node(1).drain();
    await world.run(20);
    expect(waiting.state).toBe('ok');
  });
});

describe('connect', () => {
  it('finds the one endpoint that is there', async () => {
    const world = new ClientWorld();
    world.cluster.node(1).isUp = false;
    world.cluster.node(2).isSilent = true;
    const outcome = world.connect();
    await world.run(4000);
    expect(outcome.state).toBe('ok');
  });

  it('fails by its deadline with UNAVAILABLE that names the endpoints', async () => {
    const world = new ClientWorld();
    for (const node of world.cluster.nodes) node.isUp = false;
    const outcome = world.connect({ deadline: '2s' });
    await world.run(1990);
    expect(outcome.state).toBe('pending');
    await world.run(20);
    expect(outcome.code).toBe('UNAVAILABLE');
    expect(String(outcome.error)).toContain('node1:7400, node2:7400, node3:7400');
    expect(String(outcome.error)).toContain('connection refused');
    expect(outcome.error).toMatchObject({
      retry: 'backoff',
      cause: { code: 'UNAVAILABLE', message: expect.stringContaining('connection refused') },
    });
  });

  it('does not take the map of another cluster when its nodes are exchanged', async () => {
    const world = new ClientWorld();
    const client = await world.client();
    world.cluster.publish(world.cluster.mapOf(9, 9, [2, 2, 2], 'cluster-2'));
    await world.run(20);
    outcomeOf(client.get(keyOf(1)));
    await world.run(20);
    expect(world.cluster.node(1).seen).toHaveLength(1);
  });
});
