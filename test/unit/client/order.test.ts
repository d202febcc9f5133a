/** Operations on one key take effect in the order of the calls, whatever is refused, lost or redirected. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { ErrorReason } from '../../../src/base/index.js';
import { Prng } from '../../../src/base/index.js';
import { ClientWorld, outcomeOf } from './client-world.js';
import type { Outcome } from './client-world.js';
import type { Written } from '../../../src/client/index.js';

async function oneShard(seed = 1): Promise<ClientWorld> {
  const world = new ClientWorld(seed);
  world.cluster.map = world.cluster.mapOf(1, 1, [1]);
  return world;
}

describe('order', () => {
  it('later operations of a shard wait behind a refused one', async () => {
    const world = await oneShard();
    const client = await world.client();
    let refused = 0;
    world.cluster.node(1).refuse = ({ value }) =>
      value === '1' && refused++ < 2 ? { reason: 'OVERLOADED' } : null;
    const first = outcomeOf(client.set('k', '1'));
    await world.run(5);
    expect(refused).toBe(1);
    const second = outcomeOf(client.set('k', '2'));
    await world.run(1000);
    expect([first.state, second.state]).toEqual(['ok', 'ok']);
    expect(world.cluster.applied.map(({ value }) => value)).toEqual(['1', '2']);
  });

  it('a refused write is not repeated behind a later one of its key that was answered', async () => {
    const world = await oneShard();
    const client = await world.client();
    let refused = 0;
    world.cluster.node(1).refuse = ({ value }) =>
      value === '1' && refused++ === 0 ? { reason: 'OVERLOADED' } : null;
    const first = outcomeOf(client.set('k', '1'));
    const other = outcomeOf(client.set('other', '1'));
    const second = outcomeOf(client.set('k', '2'));
    await world.run(1000);
    expect([first.code, other.state, second.state]).toEqual(['OVERLOADED', 'ok', 'ok']);
    expect(world.cluster.store.get('k')?.value).toBe('2');
  });

  it('what is new waits while something refused waits for what is on its way', async () => {
    const world = await oneShard();
    const client = await world.client();
    const node = world.cluster.node(1);
    let refused = 0;
    node.refuse = ({ key }) => (key === 'a' && refused++ === 0 ? { reason: 'OVERLOADED' } : null);
    node.holds = true;
    outcomeOf(client.set('held', '1'));
    await world.run(5);
    node.holds = false;
    const first = outcomeOf(client.set('a', '1'));
    await world.run(5);
    const second = outcomeOf(client.set('b', '2'));
    await world.run(200);
    expect([first.state, second.state, refused]).toEqual(['pending', 'pending', 1]);
    node.release();
    await world.run(20);
    expect([first.state, second.state]).toEqual(['ok', 'ok']);
    expect(world.cluster.applied.map(({ key }) => key)).toEqual(['held', 'a', 'b']);
  });

  it('a refused write on another key is repeated', async () => {
    const world = await oneShard();
    const client = await world.client();
    let refused = 0;
    world.cluster.node(1).refuse = ({ key }) =>
      key === 'a' && refused++ === 0 ? { reason: 'OVERLOADED' } : null;
    const first = outcomeOf(client.set('a', '1'));
    const second = outcomeOf(client.set('b', '2'));
    await world.run(1000);
    expect([first.state, second.state]).toEqual(['ok', 'ok']);
  });

  it('E107 a get called after a set sees it or a later value, through a change of leader', async () => {
    const world = await oneShard();
    const client = await world.client();
    outcomeOf(client.set('k', '0'));
    await world.run(20);
    world.cluster.node(1).holds = true;
    const write = outcomeOf(client.set('k', '1'));
    await world.run(5);
    world.cluster.publish(world.cluster.mapOf(2, 2, [2]));
    await world.run(5);
    const read = outcomeOf(client.get('k', { as: 'string' }));
    await world.run(50);
    // Node 2 leads now, but the write is on its way through node 1.
    expect([read.state, world.cluster.node(2).seen.length]).toEqual(['pending', 0]);
    world.cluster.node(1).release();
    await world.run(20);
    expect([write.state, read.value]).toEqual(['ok', '1']);
  });

  it('of writes of a key that succeed the last call wins, under refusals, broken streams and new leaders', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 0x7fffffff }), async (seed) => {
        const world = await oneShard(seed);
        const client = await world.client();
        const prng = new Prng(seed);
        const reasons: ErrorReason[] = [
          'OVERLOADED',
          'NOT_LEADER',
          'SHARD_LEADER_UNKNOWN',
          'OUTCOME_UNKNOWN',
        ];
        for (const node of world.cluster.nodes) {
          node.refuse = () =>
            prng.chance(0.2) ? { reason: prng.pick(reasons), leaderNode: prng.below(4) } : null;
        }
        const writes: Outcome<Written>[][] = [[], [], []];
        let term = 1;
        for (let step = 0; step < 60; step++) {
          const key = prng.below(writes.length);
          const list = writes[key] as Outcome<Written>[];
          list.push(outcomeOf(client.set(`key-${key}`, String(list.length))));
          if (prng.chance(0.05)) prng.pick(world.cluster.nodes).breakStreams();
          if (prng.chance(0.05)) {
            world.cluster.publish(world.cluster.mapOf(++term, term, [prng.between(1, 3)]));
          }
          if (prng.chance(0.5)) await world.run(prng.below(6));
        }
        await world.run(6000);
        for (const [key, list] of writes.entries()) {
          expect(list.every(({ state }) => state !== 'pending')).toBe(true);
          const isOk = (value: string): boolean => list[Number(value)]?.state === 'ok';
          // In the order in which they took effect, those that succeeded are in the order of the calls, once each.
          const order = world.cluster.applied
            .filter((operation) => operation.key === `key-${key}`)
            .map(({ value }) => Number(value));
          const succeeded = order.filter((number) => isOk(String(number)));
          expect(succeeded).toEqual([...new Set(succeeded)].sort((a, b) => a - b));
          expect(succeeded).toHaveLength(list.filter(({ state }) => state === 'ok').length);
          // What was refused for good took no effect.
          for (const number of order) {
            expect(['ok', 'OUTCOME_UNKNOWN']).toContain(list[number]?.code);
          }
        }
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});
