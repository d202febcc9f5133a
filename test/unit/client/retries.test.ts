/** What the client repeats by itself, what it never does, and what its caller is told. */
import { describe, expect, it } from 'vitest';
import type { ErrorReason } from '../../../src/base/index.js';
import type { CacheClient } from '../../../src/client/index.js';
import { ClientWorld, outcomeOf } from './client-world.js';

/** All slots are in one shard, and node 1 leads it. */
async function oneShard(): Promise<{ world: ClientWorld; client: CacheClient }> {
  const world = new ClientWorld();
  world.cluster.map = world.cluster.mapOf(1, 1, [1]);
  return { world, client: await world.client() };
}

function seenOfAll(world: ClientWorld): number {
  return world.cluster.nodes.reduce((sum, { seen }) => sum + seen.length, 0);
}

/** Refuses the first `times` operations with the reason. */
function refuseFirst(times: number, reason: ErrorReason, leaderNode = 0) {
  let left = times;
  return () => (left-- > 0 ? { reason, leaderNode } : null);
}

describe('definite refusals', () => {
  it.each(['SHARD_LEADER_UNKNOWN', 'OVERLOADED', 'NOT_LEADER', 'STALE_MAP', 'DISK_FULL'] as const)(
    'E69 %s is repeated until it is taken, and applies once',
    async (reason) => {
      const { world, client } = await oneShard();
      world.cluster.node(1).refuse = refuseFirst(3, reason);
      world.cluster.node(2).refuse = world.cluster.node(1).refuse;
      world.cluster.node(3).refuse = world.cluster.node(1).refuse;
      const outcome = outcomeOf(client.increment('n', 5));
      await world.run(3000);
      expect([outcome.state, outcome.value]).toEqual(['ok', 5]);
      expect(seenOfAll(world)).toBe(4);
      expect(world.cluster.applied).toHaveLength(1);
    },
  );

  it('goes at once where a redirection points', async () => {
    const { world, client } = await oneShard();
    world.cluster.node(1).refuse = () => ({ reason: 'NOT_LEADER', leaderNode: 2 });
    const outcome = outcomeOf(client.set('k', 'v'));
    await world.run(8);
    expect(outcome.state).toBe('ok');
    expect(world.cluster.node(2).keysSeen()).toEqual(['k']);
    outcomeOf(client.set('k', 'w'));
    await world.run(8);
    expect(world.cluster.node(1).seen).toHaveLength(1);
  });

  it('waits as long as the server asks', async () => {
    const { world, client } = await oneShard();
    let refused = 0;
    world.cluster.node(1).refuse = () =>
      refused++ === 0 ? { reason: 'OVERLOADED', retryAfterMs: 700 } : null;
    const outcome = outcomeOf(client.set('k', 'v'));
    await world.run(690);
    expect([outcome.state, world.cluster.node(1).seen.length]).toEqual(['pending', 1]);
    await world.run(50);
    expect(outcome.state).toBe('ok');
  });

  it('waits longer and longer between attempts', async () => {
    const { world, client } = await oneShard();
    world.cluster.node(1).refuse = () => ({ reason: 'OVERLOADED' });
    outcomeOf(client.set('k', 'v'));
    await world.run(500);
    const early = seenOfAll(world);
    await world.run(4000);
    const late = seenOfAll(world) - early;
    expect(early).toBeGreaterThan(3);
    expect(early).toBeLessThan(12);
    expect(late).toBeLessThan(18);
  });

  it('ends at the deadline with DEADLINE_EXCEEDED that tells the last refusal', async () => {
    const { world, client } = await oneShard();
    world.cluster.node(1).refuse = () => ({ reason: 'DISK_FULL' });
    const outcome = outcomeOf(client.set('k', 'v', { deadline: '1s' }));
    await world.run(1010);
    expect(outcome.code).toBe('DEADLINE_EXCEEDED');
    expect(outcome.error).toMatchObject({
      details: { lastReason: 'DISK_FULL' },
      cause: { code: 'DISK_FULL' },
    });
  });

  it.each(['NOT_A_NUMBER', 'OVERFLOW', 'TOO_LARGE', 'INVALID_ARGUMENT', 'WRONG_TYPE'] as const)(
    '%s is told at once',
    async (reason) => {
      const { world, client } = await oneShard();
      world.cluster.node(1).refuse = () => ({ reason });
      const outcome = outcomeOf(client.increment('k'));
      await world.run(10);
      expect(outcome.code).toBe(reason);
      expect(outcome.error).toMatchObject({ name: 'QuorateError', retry: 'never' });
      expect(seenOfAll(world)).toBe(1);
    },
  );
});

describe('unknown outcomes', () => {
  it.each(['OUTCOME_UNKNOWN', 'INTERNAL'] as const)(
    'E69 a write that was answered with %s is not sent again',
    async (reason) => {
      const { world, client } = await oneShard();
      world.cluster.node(1).refuse = () => ({ reason });
      const outcomes = [
        outcomeOf(client.increment('n')),
        outcomeOf(client.compareAndSet('c', 0, 'v')),
        outcomeOf(client.setIfAbsent('s', 'v')),
      ];
      await world.run(10_000);
      expect(outcomes.map(({ code }) => code)).toEqual(Array(3).fill('OUTCOME_UNKNOWN'));
      expect(outcomes[0]?.error).toMatchObject({ retry: 'unknown_outcome' });
      expect(seenOfAll(world)).toBe(3);
    },
  );

  it('E69 a write whose deadline passes on the way is OUTCOME_UNKNOWN, and not sent again', async () => {
    const { world, client } = await oneShard();
    world.cluster.node(1).isSilent = true;
    const outcomes = [
      outcomeOf(client.increment('n', 1, { deadline: '2s' })),
      outcomeOf(client.setIfAbsent('s', 'v', { deadline: '2s' })),
    ];
    await world.run(2010);
    expect(outcomes.map(({ code }) => code)).toEqual(['OUTCOME_UNKNOWN', 'OUTCOME_UNKNOWN']);
    await world.run(10_000);
    expect(seenOfAll(world)).toBe(2);
  });

  it('E69 a write on a stream that breaks is OUTCOME_UNKNOWN, and a read is sent elsewhere', async () => {
    const { world, client } = await oneShard();
    world.cluster.node(1).holds = true;
    const write = outcomeOf(client.increment('n'));
    const read = outcomeOf(client.get('r'));
    await world.run(10);
    world.cluster.node(1).crash();
    await world.run(2000);
    expect(write.code).toBe('OUTCOME_UNKNOWN');
    expect(read.state).toBe('ok');
    const attempts = world.cluster.nodes.flatMap((node) => node.keysSeen());
    expect(attempts.filter((key) => key === 'n')).toHaveLength(1);
    expect(attempts.filter((key) => key === 'r')).toHaveLength(2);
  });

  it('a write that was never handed to a stream is sent to another node', async () => {
    const { world, client } = await oneShard();
    world.cluster.node(1).isUp = false;
    const outcome = outcomeOf(client.increment('n'));
    await world.run(1000);
    expect([outcome.state, outcome.value]).toEqual(['ok', 1]);
  });

  it('a late answer to a write that was given up is dropped', async () => {
    const { world, client } = await oneShard();
    world.cluster.node(1).holds = true;
    const first = outcomeOf(client.increment('n', 1, { deadline: 100 }));
    await world.run(200);
    const second = outcomeOf(client.increment('m', 10));
    await world.run(10);
    world.cluster.node(1).release();
    await world.run(10);
    expect([first.code, second.value]).toEqual(['OUTCOME_UNKNOWN', 10]);
  });
});

describe('silent nodes', () => {
  it('a read that is not answered goes to another node', async () => {
    const { world, client } = await oneShard();
    outcomeOf(client.get('k'));
    await world.run(20);
    world.cluster.node(1).isSilent = true;
    const read = outcomeOf(client.get('k'));
    await world.run(2000);
    expect(read.state).toBe('ok');
    expect(world.cluster.node(1).seen).toHaveLength(2);
  });

  it('a read waits behind a write of its shard, whatever the node does', async () => {
    const { world, client } = await oneShard();
    world.cluster.node(1).isSilent = true;
    const write = outcomeOf(client.set('k', 'v', { deadline: '3s' }));
    const read = outcomeOf(client.get('k', { deadline: '6s' }));
    await world.run(2500);
    expect([write.state, read.state, seenOfAll(world)]).toEqual(['pending', 'pending', 2]);
    await world.run(3000);
    expect([write.code, read.state]).toEqual(['OUTCOME_UNKNOWN', 'ok']);
  });
});
