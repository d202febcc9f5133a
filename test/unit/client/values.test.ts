/** Arguments and results: forms of keys, values, times and options, what is refused and how it is said. */
import { describe, expect, it } from 'vitest';
import { QuorateError } from '../../../src/base/index.js';
import { BatchError } from '../../../src/client/index.js';
import type { CacheClient } from '../../../src/client/index.js';
import { ClientWorld, outcomeOf } from './client-world.js';

async function oneShard(): Promise<{ world: ClientWorld; client: CacheClient }> {
  const world = new ClientWorld();
  world.cluster.map = world.cluster.mapOf(1, 1, [1]);
  return { world, client: await world.client() };
}

/** What the call gives, once virtual time has passed. */
async function after<T>(world: ClientWorld, promise: Promise<T>): Promise<T | undefined> {
  const outcome = outcomeOf(promise);
  await world.run(50);
  if (outcome.state === 'failed') throw outcome.error;
  return outcome.value;
}

describe('values', () => {
  it.each([
    ['a string', 'h\u00e9llo', 'h\u00e9llo'],
    ['an object', { a: [1, null, true] }, '{"a":[1,null,true]}'],
    ['an object without a prototype', Object.assign(Object.create(null) as object, { a: 1 }), '{"a":1}'],
    ['a number', 12.5, '12.5'],
    ['a boolean', false, 'false'],
    ['null', null, 'null'],
    ['bytes', new Uint8Array([0x61, 0x62]), 'ab'],
    ['what says itself as JSON', new Date(0), '"1970-01-01T00:00:00.000Z"'],
  ])('%s is stored as bytes, as text, or as JSON', async (_, value, stored) => {
    const { world, client } = await oneShard();
    await after(world, client.set('k', value));
    expect(world.cluster.store.get('k')?.value).toBe(stored);
    expect(await after(world, client.get('k', { as: 'string' }))).toBe(stored);
    expect(await after(world, client.get('k'))).toEqual(new TextEncoder().encode(stored));
  });

  it('come back as JSON when asked, or with WRONG_TYPE', async () => {
    const { world, client } = await oneShard();
    await after(world, client.set('k', { deep: [1] }));
    expect(await after(world, client.get<{ deep: number[] }>('k', { as: 'json' }))).toEqual({ deep: [1] });
    await after(world, client.set('k', 'no JSON'));
    await expect(after(world, client.get('k', { as: 'json' }))).rejects.toMatchObject({ code: 'WRONG_TYPE' });
    expect(await after(world, client.get('absent', { as: 'json' }))).toBeNull();
  });

  it.each([
    ['undefined', undefined],
    ['NaN', NaN],
    ['a bigint', 5n],
    ['a symbol', Symbol('s')],
    ['a function', () => 1],
    ['a Map', new Map()],
    ['an ArrayBuffer', new ArrayBuffer(4)],
    ['a circle', ((circle: Record<string, unknown>) => (circle['self'] = circle))({})],
  ])('%s is refused, and the message names the argument', async (_, value) => {
    const { world, client } = await oneShard();
    const error: unknown = await after(world, client.set('k', value as unknown as string)).catch(
      (e: unknown) => e,
    );
    expect(QuorateError.is(error)).toBe(true);
    expect(error).toMatchObject({ code: 'INVALID_ARGUMENT', details: { argument: 'value' } });
    expect(String(error)).toContain('give a Uint8Array');
  });

  it('are copies that keep no message alive', async () => {
    const { world, client } = await oneShard();
    await after(world, client.set('k', 'abc'));
    const value = await after(world, client.get('k'));
    expect(value?.buffer.byteLength).toBe(3);
  });
});

describe('times to live', () => {
  it.each([
    [1500, 1500],
    ['500ms', 500],
    ['30s', 30_000],
    ['5m', 300_000],
    ['2h', 7_200_000],
    ['1d', 86_400_000],
  ] as const)('%s is %s ms', async (ttl, ms) => {
    const { world, client } = await oneShard();
    await after(world, client.set('k', 'v', { ttl }));
    await after(world, client.touch('k', ttl));
    expect(world.cluster.node(1).seen.map(({ expiryMs }) => expiryMs)).toEqual([ms, ms]);
  });

  it.each([0, -1, 1.5, NaN, Infinity, '', '5', '5 s', '-5s', '1w', 's', '1.5s', null, {}, '0s'])(
    '%s is refused',
    async (ttl) => {
      const { world, client } = await oneShard();
      await expect(after(world, client.set('k', 'v', { ttl: ttl as number }))).rejects.toMatchObject({
        code: 'INVALID_ARGUMENT',
        details: { argument: 'ttl' },
      });
    },
  );

  it('are not given together with another end', async () => {
    const { world, client } = await oneShard();
    await expect(
      after(world, client.set('k', 'v', { ttl: 5, expireAt: 1_900_000_000_000 })),
    ).rejects.toMatchObject({ code: 'INVALID_ARGUMENT' });
    await expect(after(world, client.set('k', 'v', { ttl: 5, keepTtl: true }))).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'options: "ttl with keepTtl" is not accepted; give only one of ttl, expireAt and keepTtl',
    });
  });
});

describe('arguments', () => {
  it.each([
    ['a key that is neither', (c: CacheClient) => c.get(5 as unknown as string), 'key'],
    ['a key that is too long', (c: CacheClient) => c.get('k'.repeat(65_536)), 'key'],
    ['an unknown option', (c: CacheClient) => c.set('k', 'v', { tll: 5 } as object), 'options'],
    ['options that are none', (c: CacheClient) => c.get('k', 'json' as unknown as object), 'options'],
    ['an unknown form', (c: CacheClient) => c.get('k', { as: 'xml' as 'json' }), 'as'],
    [
      'an unknown consistency',
      (c: CacheClient) => c.get('k', { consistency: 'strong' as 'lease' }),
      'consistency',
    ],
    ['a deadline of nothing', (c: CacheClient) => c.get('k', { deadline: 0 }), 'deadline'],
    ['a deadline of days', (c: CacheClient) => c.get('k', { deadline: '2d' }), 'deadline'],
    ['a signal that is none', (c: CacheClient) => c.get('k', { signal: {} as AbortSignal }), 'signal'],
    ['a broken delta', (c: CacheClient) => c.increment('k', 0.5), 'delta'],
    ['a delta over 64 bits', (c: CacheClient) => c.increment('k', 2n ** 63n), 'delta'],
    ['a negative version', (c: CacheClient) => c.compareAndSet('k', -1, 'v'), 'expectedVersion'],
    ['a moment before time', (c: CacheClient) => c.set('k', 'v', { expireAt: -5 }), 'expireAt'],
    ['keys that are no list', (c: CacheClient) => c.getMany('abc' as unknown as string[]), 'keys'],
    [
      'an entry that is no pair',
      (c: CacheClient) => c.setMany(['k'] as unknown as [string, string][]),
      'entries[0]',
    ],
    ['a wrong key among many', (c: CacheClient) => c.deleteMany(['a', 7 as unknown as string]), 'keys[1]'],
  ])('%s is INVALID_ARGUMENT, and nothing is sent', async (_, ask, argument) => {
    const { world, client } = await oneShard();
    await expect(after(world, ask(client) as Promise<unknown>)).rejects.toMatchObject({
      code: 'INVALID_ARGUMENT',
      details: { argument },
    });
    expect(world.cluster.node(1).seen).toHaveLength(0);
  });

  it.each([[undefined], [[]], [['host']], [['host:0']], [['host:70000']], [[':7400']], [['http://host:1']]])(
    'endpoints %j are refused',
    async (endpoints) => {
      const outcome = new ClientWorld().connect({ endpoints: endpoints as string[] });
      await new Promise((resolve) => setImmediate(resolve));
      expect(outcome.code).toBe('INVALID_ARGUMENT');
    },
  );

  it('no endpoint at all is answered with how many there must be', async () => {
    const outcome = new ClientWorld().connect({ endpoints: [] });
    await new Promise((resolve) => setImmediate(resolve));
    expect(String(outcome.error)).toContain('endpoints: an empty array is not accepted; give at least one');
  });
});

describe('results', () => {
  it('of every method are what the server says', async () => {
    const { world, client } = await oneShard();
    const version = (await after(world, client.set('k', 'v')))?.version ?? 0;
    expect(version).toBeGreaterThan(0);
    expect(await after(world, client.getWithMeta('k', { as: 'string' }))).toEqual({
      value: 'v',
      version,
      ttlMs: null,
    });
    expect(await after(world, client.getWithMeta('absent'))).toBeNull();
    expect(await after(world, client.setIfAbsent('k', 'w'))).toEqual({ applied: false, version });
    expect(await after(world, client.setIfPresent('k', 'w'))).toEqual({
      applied: true,
      version: version + 1,
    });
    expect(await after(world, client.compareAndSet('k', version, 'x'))).toEqual({
      applied: false,
      version: version + 1,
    });
    expect(await after(world, client.compareAndDelete('k', version + 1))).toMatchObject({ applied: true });
    expect(await after(world, client.delete('k'))).toBe(false);
    expect(await after(world, client.increment('n'))).toBe(1);
    expect(await after(world, client.increment('n', -3n))).toBe(-2);
    expect(await after(world, client.touch('n', '1s'))).toBe(true);
    expect(await after(world, client.persist('n'))).toBe(true);
  });

  it('of many are in the order of the keys', async () => {
    const { world, client } = await oneShard();
    const written = await after(
      world,
      client.setMany(
        new Map([
          ['a', '1'],
          ['b', '2'],
        ]),
      ),
    );
    expect(written).toHaveLength(2);
    expect(await after(world, client.getMany(['b', 'none', 'a'], { as: 'string' }))).toEqual([
      '2',
      null,
      '1',
    ]);
    expect(await after(world, client.deleteMany(['a', 'none']))).toEqual([true, false]);
    expect(await after(world, client.getMany([]))).toEqual([]);
  });

  it('of many are kept when some items fail', async () => {
    const { world, client } = await oneShard();
    world.cluster.node(1).refuse = ({ key }) =>
      key === 'bad' ? { reason: 'TOO_LARGE' } : key === 'lost' ? { reason: 'OUTCOME_UNKNOWN' } : null;
    const error: unknown = await after(
      world,
      client.setMany([
        ['a', '1'],
        ['bad', '2'],
        ['lost', '3'],
      ]),
    ).catch((e: unknown) => e);
    expect(error).toBeInstanceOf(BatchError);
    expect(error).toMatchObject({ code: 'OUTCOME_UNKNOWN', details: { failedCount: 2, itemCount: 3 } });
    expect((error as BatchError).results).toMatchObject([
      { ok: true, value: { version: 1 } },
      { ok: false, error: { code: 'TOO_LARGE' } },
      { ok: false, error: { code: 'OUTCOME_UNKNOWN' } },
    ]);
  });
});
