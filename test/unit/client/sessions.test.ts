/** Goal: under a session a write is repeated until its outcome is known, and applied once; without one it is not repeated. */
import { describe, expect, it } from 'vitest';
import type { CacheClient, ConnectOptions } from '../../../src/client/index.js';
import { PipelineResponseWriter } from '../../../src/codec/cache/index.js';
import { ClientWorld, outcomeOf, type SeenOperation } from './client-world.js';

/** All slots are in one shard, and node 1 leads it. */
async function oneShard(
  options: Partial<ConnectOptions> = {},
): Promise<{ world: ClientWorld; client: CacheClient }> {
  const world = new ClientWorld();
  world.cluster.map = world.cluster.mapOf(1, 1, [1]);
  const client = await world.client({ sessions: true, ...options });
  return { world, client };
}

const sessionsSeen = (world: ClientWorld): string[] =>
  world.cluster.nodes.flatMap(({ seen }) => seen.map(({ session }) => session));

describe('a write in a session', () => {
  it('E69 on a stream that breaks after it was applied is sent again, and applied once', async () => {
    const { world, client } = await oneShard();
    outcomeOf(client.get('warm')); // opens the stream
    await world.run(10);
    world.cluster.node(1).holds = true;
    const outcome = outcomeOf(client.increment('n', 5));
    await world.run(4);
    const seen = world.cluster.node(1).seen.at(-1) as SeenOperation;
    const unheard = new PipelineResponseWriter();
    unheard.begin();
    world.cluster.applyOnce(unheard, seen);
    world.cluster.node(1).crash();
    world.cluster.publish(world.cluster.mapOf(2, 2, [2]));
    await world.run(500);
    expect([outcome.state, outcome.value]).toEqual(['ok', 5]);
    expect(world.cluster.applied).toHaveLength(1);
    expect(sessionsSeen(world)).toEqual(['', '1/1', '1/1']);
    expect(seen.session).toBe('1/1');
  });

  it('E69 whose outcome a server does not know is sent again, with growing waits, until it is told', async () => {
    const { world, client } = await oneShard();
    let times = 0;
    world.cluster.node(1).refuse = () => (times++ < 4 ? { reason: 'OUTCOME_UNKNOWN' } : null);
    const outcome = outcomeOf(client.compareAndSet('c', 0, 'v'));
    await world.run(3000);
    expect(outcome.value).toEqual({ applied: true, version: 1 });
    expect(new Set(sessionsSeen(world))).toEqual(new Set(['1/1']));
    expect(times).toBe(5);
  });

  it('E69 that waits for a silent node goes to another one', async () => {
    const { world, client } = await oneShard();
    outcomeOf(client.set('warm', 'up'));
    await world.run(10);
    world.cluster.node(1).isSilent = true;
    const outcome = outcomeOf(client.increment('n'));
    await world.run(3000);
    expect(outcome.value).toBe(1);
    expect(world.cluster.applied.filter(({ key }) => key === 'n')).toHaveLength(1);
  });

  it('E69 is OUTCOME_UNKNOWN when its deadline passes while it is in doubt, whatever refused it since', async () => {
    const { world, client } = await oneShard();
    let times = 0;
    world.cluster.node(1).refuse = () => ({ reason: times++ === 0 ? 'OUTCOME_UNKNOWN' : 'DISK_FULL' });
    const outcome = outcomeOf(client.increment('n', 1, { deadline: '1s' }));
    await world.run(1100);
    expect(outcome.code).toBe('OUTCOME_UNKNOWN');
    expect(times).toBeGreaterThan(2);
  });

  it.each([
    ['TOO_LARGE', 'OUTCOME_UNKNOWN'],
    ['INVALID_ARGUMENT', 'OUTCOME_UNKNOWN'],
    ['SESSION_EXPIRED', 'OUTCOME_UNKNOWN'],
    ['OVERFLOW', 'OVERFLOW'],
    ['NOT_A_NUMBER', 'NOT_A_NUMBER'],
  ] as const)('E69 E109 in doubt that is then refused as %s is told %s', async (reason, told) => {
    const { world, client } = await oneShard();
    let times = 0;
    world.cluster.node(1).refuse = () => ({ reason: times++ === 0 ? 'OUTCOME_UNKNOWN' : reason });
    const outcome = outcomeOf(client.increment('n'));
    await world.run(3000);
    expect(outcome.code).toBe(told);
    expect(times).toBe(2);
  });

  it('tells what it still waits for', async () => {
    const { world, client } = await oneShard();
    for (const keys of [['a', 'b'], ['c']]) {
      for (const key of keys) outcomeOf(client.set(key, 'v'));
      await world.run(50);
    }
    const { seen } = world.cluster.node(1);
    expect(seen.map(({ session, lowestUnanswered }) => [session, lowestUnanswered])).toEqual([
      ['1/1', 1],
      ['1/2', 1],
      ['1/3', 3],
    ]);
  });

  it('keeps its order: of writes of one key that were lost together only the last is sent again', async () => {
    const { world, client } = await oneShard();
    outcomeOf(client.set('warm', 'up'));
    await world.run(10);
    world.cluster.node(1).holds = true;
    const outcomes = [
      outcomeOf(client.increment('n')),
      outcomeOf(client.increment('n')),
      outcomeOf(client.set('n', 'x')),
    ];
    await world.run(10);
    world.cluster.node(1).crash();
    await world.run(2000);
    expect(outcomes.map(({ state, code }) => code ?? state)).toEqual([
      'OUTCOME_UNKNOWN',
      'OUTCOME_UNKNOWN',
      'ok',
    ]);
    expect(world.cluster.store.get('n')?.value).toBe('x');
  });

  it('keeps its order: one that was refused is not run behind a later one of its key that is in doubt', async () => {
    const { world, client } = await oneShard();
    outcomeOf(client.set('warm', 'up'));
    await world.run(10);
    world.cluster.node(1).refuse = ({ value }) =>
      value === '1' ? { reason: 'OVERLOADED' } : value === '2' ? { reason: 'OUTCOME_UNKNOWN' } : null;
    const outcomes = [
      outcomeOf(client.set('n', '1')),
      outcomeOf(client.set('other', '1')),
      outcomeOf(client.set('n', '2')),
    ];
    await world.run(5);
    world.cluster.node(1).refuse = () => null;
    await world.run(2000);
    expect(outcomes.map(({ state, code }) => code ?? state)).toEqual(['OVERLOADED', 'ok', 'ok']);
    expect(world.cluster.applied.map(({ value }) => value)).toEqual(['up', '1', '2']);
  });

  it('that was cancelled in doubt is told to have been sent', async () => {
    const { world, client } = await oneShard();
    world.cluster.node(1).refuse = () => ({ reason: 'OUTCOME_UNKNOWN' });
    const abort = new AbortController();
    const outcome = outcomeOf(client.increment('n', 1, { signal: abort.signal }));
    await world.run(30);
    abort.abort(new Error('enough'));
    await world.run(10);
    expect(outcome.state).toBe('failed');
  });
});

describe('the session', () => {
  it('is asked for once, before the first write, and for many of them', async () => {
    const { world, client } = await oneShard();
    const outcomes = Array.from({ length: 100 }, (_, i) => outcomeOf(client.set(`k${i}`, 'v')));
    await world.run(100);
    expect(outcomes.every(({ state }) => state === 'ok')).toBe(true);
    expect(world.cluster.granted).toBe(1);
    expect(sessionsSeen(world)).toEqual(outcomes.map((_, i) => `1/${i + 1}`));
  });

  it('is replaced at half of its time', async () => {
    const { world, client } = await oneShard();
    world.cluster.lifetimeMs = 60_000;
    for (let i = 0; i < 7; i++) {
      const outcome = outcomeOf(client.set('k', String(i)));
      await world.run(10_000);
      expect(outcome.state).toBe('ok');
    }
    expect(world.cluster.granted).toBe(2);
    expect(sessionsSeen(world).map((session) => session.split('/')[0])).toEqual(
      expect.arrayContaining(['1', '2']),
    );
  });

  it('E109 that ended before the first attempt is done without, and nobody is told', async () => {
    const { world, client } = await oneShard();
    world.cluster.node(1).refuse = ({ session }) => (session === '' ? null : { reason: 'SESSION_EXPIRED' });
    const outcome = outcomeOf(client.increment('n'));
    await world.run(500);
    expect(outcome.value).toBe(1);
    expect(sessionsSeen(world)).toEqual(['1/1', '']);
  });

  it('E109 that ended is no reason to give when a later write of the key was answered first', async () => {
    const { world, client } = await oneShard();
    outcomeOf(client.set('warm', 'up'));
    await world.run(50);
    world.cluster.node(1).refuse = ({ value }) => (value === '1' ? { reason: 'SESSION_EXPIRED' } : null);
    const outcomes = [outcomeOf(client.set('k', '1')), outcomeOf(client.set('k', '2'))];
    await world.run(500);
    expect(outcomes.map(({ state, code }) => code ?? state)).toEqual(['UNAVAILABLE', 'ok']);
    expect(world.cluster.store.get('k')?.value).toBe('2');
  });

  it('that nobody grants is done without after a second', async () => {
    const { world, client } = await oneShard();
    world.cluster.grants = false;
    const outcome = outcomeOf(client.increment('n'));
    await world.run(900);
    expect(outcome.state).toBe('pending');
    await world.run(200);
    expect(outcome.value).toBe(1);
    expect(sessionsSeen(world)).toEqual(['']);
  });

  it('E109 has a window: no more writes are on their way to a shard than it keeps answers for', async () => {
    const { world, client } = await oneShard();
    world.cluster.node(1).holds = true;
    const outcomes = Array.from({ length: 1500 }, (_, i) => outcomeOf(client.set(`k${i}`, 'v')));
    await world.run(100);
    expect(world.cluster.node(1).seen).toHaveLength(0); // not even the session was granted
    world.cluster.node(1).release();
    world.cluster.node(1).holds = true;
    await world.run(100);
    expect(world.cluster.node(1).seen).toHaveLength(1024);
    world.cluster.node(1).release();
    await world.run(100);
    expect(outcomes.every(({ state }) => state === 'ok')).toBe(true);
  });

  it('is not asked for by a client that does without', async () => {
    const { world, client } = await oneShard({ sessions: false });
    const outcome = outcomeOf(client.increment('n'));
    await world.run(50);
    expect([outcome.value, world.cluster.granted]).toEqual([1, 0]);
    expect(sessionsSeen(world)).toEqual(['']);
  });

  it('of a write whose slots have another shard now does not help: in doubt it is unknown', async () => {
    const { world, client } = await oneShard();
    let times = 0;
    world.cluster.node(1).refuse = () => ({ reason: times++ === 0 ? 'OUTCOME_UNKNOWN' : 'NOT_LEADER' });
    const outcome = outcomeOf(client.increment('n'));
    await world.run(8);
    const map = world.cluster.mapOf(2, 2, [2]);
    world.cluster.publish({ ...map, shards: map.shards.map((shard) => ({ ...shard, id: 9 })) });
    await world.run(500);
    expect(outcome.code).toBe('OUTCOME_UNKNOWN');
  });
});
