/** Deadlines, cancellation, limits and the end: every call is settled, and nothing is kept. */
import { describe, expect, it } from 'vitest';
import type { CacheClient, ConnectOptions } from '../../../src/client/index.js';
import { ClientWorld, outcomeOf } from './client-world.js';

async function oneShard(
  options: Partial<ConnectOptions> = {},
): Promise<{ world: ClientWorld; client: CacheClient }> {
  const world = new ClientWorld();
  world.cluster.map = world.cluster.mapOf(1, 1, [1]);
  return { world, client: await world.client(options) };
}

describe('deadlines', () => {
  it('settle every call when all nodes are gone', async () => {
    const { world, client } = await oneShard();
    for (const node of world.cluster.nodes) node.crash();
    const outcomes = [
      outcomeOf(client.get('k')),
      outcomeOf(client.set('k', 'v')),
      outcomeOf(client.delete('k', { deadline: '10s' })),
    ];
    await world.run(4990);
    expect(outcomes.map(({ state }) => state)).toEqual(['pending', 'pending', 'pending']);
    await world.run(20);
    expect(outcomes.map(({ code }) => code)).toEqual(['DEADLINE_EXCEEDED', 'DEADLINE_EXCEEDED', 'pending']);
    await world.run(5000);
    expect(outcomes[2]?.code).toBe('DEADLINE_EXCEEDED');
    expect(client.pendingCount).toBe(0);
  });

  it('of each call counts for itself', async () => {
    const { world, client } = await oneShard();
    for (const node of world.cluster.nodes) node.isSilent = true;
    const slow = outcomeOf(client.get('a', { deadline: 3000 }));
    const quick = outcomeOf(client.get('b', { deadline: '100ms' }));
    await world.run(110);
    expect([slow.state, quick.code]).toEqual(['pending', 'DEADLINE_EXCEEDED']);
    await world.run(3000);
    expect(slow.code).toBe('DEADLINE_EXCEEDED');
  });

  it('of the connection are those of its calls unless they say otherwise', async () => {
    const { world, client } = await oneShard({ deadline: '1s' });
    for (const node of world.cluster.nodes) node.crash();
    const outcome = outcomeOf(client.get('k'));
    await world.run(1010);
    expect(outcome.code).toBe('DEADLINE_EXCEEDED');
  });
});

describe('cancellation', () => {
  it('rejects with the reason of the signal, before and after the operation was sent', async () => {
    const { world, client } = await oneShard();
    world.cluster.node(1).holds = true;
    const early = new AbortController();
    const late = new AbortController();
    const reason = new Error('enough');
    const outcomes = [
      outcomeOf(client.set('a', 'v', { signal: early.signal })),
      outcomeOf(client.set('b', 'v', { signal: late.signal })),
      outcomeOf(client.set('c', 'v', { signal: AbortSignal.abort(reason) })),
    ];
    early.abort();
    await world.run(20);
    late.abort(reason);
    await world.run(20);
    expect((outcomes[0]?.error as Error).name).toBe('AbortError');
    expect(outcomes[1]?.error).toBe(reason);
    expect(outcomes[2]?.error).toBe(reason);
    expect(world.cluster.node(1).keysSeen()).toEqual(['b']);
    expect(client.pendingCount).toBe(0);
    world.cluster.node(1).release();
    await world.run(20);
    const after = outcomeOf(client.set('d', 'v'));
    await world.run(20);
    expect(after.state).toBe('ok');
  });

  it('leaves no listener behind at the signal of a call that was answered', async () => {
    const { world, client } = await oneShard();
    let listeners = 0;
    const signal = {
      aborted: false,
      reason: undefined,
      addEventListener: () => void listeners++,
      removeEventListener: () => void listeners--,
    };
    const outcome = outcomeOf(client.get('k', { signal }));
    expect(listeners).toBe(1);
    await world.run(20);
    expect([outcome.state, listeners]).toEqual(['ok', 0]);
  });
});

describe('limits', () => {
  it('refuse a call over their number at once, and take calls again after answers', async () => {
    const { world, client } = await oneShard({ pendingCountMax: 3 });
    const outcomes = ['a', 'b', 'c', 'd'].map((key) => outcomeOf(client.set(key, 'v')));
    await world.run(0);
    expect(outcomes.map(({ code }) => code)).toEqual(['pending', 'pending', 'pending', 'OVERLOADED']);
    await world.run(20);
    const after = outcomeOf(client.set('e', 'v'));
    await world.run(20);
    expect(after.state).toBe('ok');
    expect(world.cluster.node(1).keysSeen()).toEqual(['a', 'b', 'c', 'e']);
  });

  it('refuse a call over their bytes at once', async () => {
    const { world, client } = await oneShard({ pendingBytesMax: 10_000 });
    const outcomes = [6000, 6000, 1000].map((bytes) => outcomeOf(client.set('k', new Uint8Array(bytes))));
    await world.run(20);
    expect(outcomes.map(({ code }) => code)).toEqual(['ok', 'OVERLOADED', 'ok']);
    expect(outcomes[1]?.error).toMatchObject({ retry: 'backoff' });
  });

  it('refuse what fits no message', async () => {
    const { world, client } = await oneShard();
    const outcome = outcomeOf(client.set('k', new Uint8Array(16 * 1024 * 1024)));
    await world.run(20);
    expect(outcome.code).toBe('TOO_LARGE');
    expect(world.cluster.node(1).seen).toHaveLength(0);
  });

  it('are the same after a hundred thousand calls', async () => {
    const { world, client } = await oneShard();
    let answered = 0;
    for (let round = 0; round < 20; round++) {
      for (let i = 0; i < 5000; i++) void client.get(`k${i}`).then(() => answered++);
      await world.run(20);
    }
    expect([answered, client.pendingCount]).toEqual([100_000, 0]);
  });
});

describe('close', () => {
  it('settles what is unanswered, by what may have become of it, and takes nothing more', async () => {
    const { world, client } = await oneShard();
    world.cluster.node(1).holds = true;
    const write = outcomeOf(client.set('a', 'v'));
    const read = outcomeOf(client.get('a'));
    await world.run(20);
    const unsent = outcomeOf(client.set('b', 'v'));
    const closed = outcomeOf(client.close());
    await world.run(20);
    expect([write.code, read.code, unsent.code, closed.state]).toEqual([
      'OUTCOME_UNKNOWN',
      'UNAVAILABLE',
      'UNAVAILABLE',
      'ok',
    ]);
    const after = outcomeOf(client.get('a'));
    await world.run(20);
    expect(after.code).toBe('UNAVAILABLE');
    const again = outcomeOf(client.close());
    await world.run(20);
    expect(again.state).toBe('ok');
  });
});
