/**
 * The SDK against three real processes: every method, and a leader killed under load. What was acknowledged is there,
 * every call is settled in time, and an increment of unknown outcome is counted once or not at all.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { BatchError, connect, QuorateError } from '../../src/sdk.js';
import type { CacheClient } from '../../src/sdk.js';
import { createNodes, isReady, Sandbox, startCluster, until } from '../support/process-cluster.js';
import type { ServerNode } from '../support/process-cluster.js';

const SHARDS = 8;
const WORKERS = 16;
const COUNTERS = 8;
/** Three processes start, on a machine that may be busy. */
const START_MS_MAX = 120_000;
/** Calls get 5 s; on a busy machine a timer may be late. */
const SETTLED_MS_MAX = 8000;

let sandbox: Sandbox;
let nodes: ServerNode[] = [];
let cache: CacheClient;

beforeAll(async () => {
  sandbox = new Sandbox();
  nodes = await createNodes(sandbox, 3);
  await startCluster(sandbox, nodes, SHARDS);
  cache = await connect({ endpoints: nodes.map((node) => node.grpc) });
}, START_MS_MAX);

afterAll(async () => {
  await cache?.close();
  await sandbox.close();
});

describe('every method', () => {
  it('writes and reads values of every form', async () => {
    await cache.set('bytes', new Uint8Array([0, 255, 128]));
    await cache.set('text', 'h\u00e9llo');
    await cache.set('json', { list: [1, 2], none: null });
    await cache.set('empty', '');
    expect(await cache.get('bytes')).toEqual(new Uint8Array([0, 255, 128]));
    expect(await cache.get('text', { as: 'string' })).toBe('h\u00e9llo');
    expect(await cache.get('json', { as: 'json' })).toEqual({ list: [1, 2], none: null });
    expect(await cache.get('empty', { as: 'string' })).toBe('');
    expect(await cache.get('absent')).toBeNull();
    const large = new Uint8Array(1024 * 1024).fill(7);
    await cache.set('large', large);
    expect(await cache.get('large')).toEqual(large);
  });

  it('sets by condition and by version', async () => {
    const first = await cache.setIfAbsent('c', '1');
    expect(first.applied).toBe(true);
    expect(await cache.setIfAbsent('c', '2')).toMatchObject({ applied: false });
    expect(await cache.setIfPresent('none', '2')).toEqual({ applied: false, version: 0 });
    const meta = await cache.getWithMeta('c', { as: 'string' });
    expect(meta).toEqual({ value: '1', version: first.version, ttlMs: null });
    const swapped = await cache.compareAndSet('c', first.version, '3');
    expect(swapped.applied).toBe(true);
    expect(swapped.version).toBeGreaterThan(first.version);
    expect(await cache.compareAndSet('c', first.version, '4')).toEqual({
      applied: false,
      version: swapped.version,
    });
    expect(await cache.compareAndDelete('c', first.version)).toMatchObject({ applied: false });
    expect(await cache.compareAndDelete('c', swapped.version)).toMatchObject({ applied: true });
    expect(await cache.get('c')).toBeNull();
    expect(await cache.compareAndSet('c', 0, '5')).toMatchObject({ applied: true });
  });

  it('counts, and tells what is no number', async () => {
    expect(await cache.increment('n')).toBe(1);
    expect(await cache.increment('n', -3)).toBe(-2);
    expect(await cache.increment('big', 9_007_199_254_740_993n)).toBe(9_007_199_254_740_993n);
    await expect(cache.increment('big', 2n ** 63n - 1n)).rejects.toMatchObject({ code: 'OVERFLOW' });
    await cache.set('word', 'abc');
    await expect(cache.increment('word')).rejects.toMatchObject({ code: 'NOT_A_NUMBER', retry: 'never' });
  });

  it('gives and takes times to live', async () => {
    await cache.set('t', 'v', { ttl: '30s' });
    const left = (await cache.getWithMeta('t'))?.ttlMs ?? 0;
    expect(left).toBeGreaterThan(20_000);
    expect(left).toBeLessThanOrEqual(30_000);
    await cache.set('t', 'w', { keepTtl: true });
    expect((await cache.getWithMeta('t'))?.ttlMs).toBeGreaterThan(20_000);
    expect(await cache.touch('t', '2h')).toBe(true);
    expect((await cache.getWithMeta('t'))?.ttlMs).toBeGreaterThan(3_600_000);
    expect(await cache.persist('t')).toBe(true);
    expect(await cache.persist('t')).toBe(false);
    expect((await cache.getWithMeta('t'))?.ttlMs).toBeNull();
    expect(await cache.touch('absent', 1000)).toBe(false);
    await cache.set('past', 'v', { expireAt: 1 });
    expect(await cache.get('past')).toBeNull();
    await cache.set('soon', 'v', { ttl: 50 });
    await until(async () => (await cache.get('soon')) === null, 'a value ends');
  });

  it('deletes, and works on many keys of many shards', async () => {
    const entries = Array.from({ length: 300 }, (_, i) => [`many:${i}`, String(i)] as const);
    expect(await cache.setMany(entries)).toHaveLength(300);
    const keys = entries.map(([key]) => key);
    const values = await cache.getMany([...keys, 'none'], { as: 'string' });
    expect(values).toEqual([...entries.map(([, value]) => value), null]);
    expect(await cache.delete('many:0')).toBe(true);
    const deleted = await cache.deleteMany(keys);
    expect([deleted[0], deleted.slice(1).every(Boolean)]).toEqual([false, true]);
  });

  it('keeps the results of the others when an item fails', async () => {
    const tooLarge = new Uint8Array(9 * 1024 * 1024);
    const error: unknown = await cache
      .setMany([
        ['ok', '1'],
        ['too-large', tooLarge],
      ])
      .catch((e: unknown) => e);
    expect(error).toBeInstanceOf(BatchError);
    expect((error as BatchError).results).toMatchObject([
      { ok: true },
      { ok: false, error: { code: 'TOO_LARGE' } },
    ]);
    expect(await cache.get('ok', { as: 'string' })).toBe('1');
  });

  it('keeps the order of calls on a key that are not waited for', async () => {
    const calls: Promise<unknown>[] = [];
    for (let i = 0; i < 500; i++) calls.push(cache.set('order', String(i)));
    const read = cache.get('order', { as: 'string' });
    await Promise.all(calls);
    expect(await read).toBe('499');
  });

  it('connects by one endpoint of which another is gone', async () => {
    const other = await connect({ endpoints: ['127.0.0.1:1', nodes[1]?.grpc ?? ''] });
    await other.set('through', 'other');
    expect(await cache.get('through', { as: 'string' })).toBe('other');
    await other.close();
  });
});

interface Tally {
  readonly written: Map<string, string>;
  readonly acked: number[];
  readonly unknown: number[];
  definite: number;
  slowestMs: number;
}

/** Sets keys of its own and counts up, one call after the other, until told to stop. */
async function work(name: string, tally: Tally, isOver: () => boolean): Promise<void> {
  for (let i = 0; !isOver(); i++) {
    const counter = i % COUNTERS;
    const startMs = performance.now();
    try {
      if (i % 2 === 0) {
        await cache.set(`${name}:${i}`, `v${i}`);
        tally.written.set(`${name}:${i}`, `v${i}`);
      } else {
        await cache.increment(`counter:${counter}`);
        tally.acked[counter] = (tally.acked[counter] ?? 0) + 1;
      }
    } catch (error) {
      if (!QuorateError.is(error)) throw error;
      if (error.code !== 'OUTCOME_UNKNOWN') tally.definite++;
      else if (i % 2 === 1) tally.unknown[counter] = (tally.unknown[counter] ?? 0) + 1;
    }
    tally.slowestMs = Math.max(tally.slowestMs, performance.now() - startMs);
  }
}

describe('a node that is killed under load', () => {
  it('costs no acknowledged write, counts no increment twice, and leaves no call open', async () => {
    const tally: Tally = { written: new Map(), acked: [], unknown: [], definite: 0, slowestMs: 0 };
    let isOver = false;
    const workers = Array.from({ length: WORKERS }, (_, i) => work(`w${i}`, tally, () => isOver));
    await until(() => tally.written.size > 300, 'writes flow');
    await nodes[0]?.kill();
    const atKill = tally.written.size;
    await until(() => tally.written.size > atKill + 500, 'writes flow again', 30_000);
    nodes[0]?.start();
    await until(async () => (await Promise.all(nodes.map(isReady))).every(Boolean), 'it is back', 40_000);
    isOver = true;
    await Promise.all(workers);
    expect(tally.slowestMs).toBeLessThan(SETTLED_MS_MAX);
    expect(cache.pendingCount).toBe(0);

    const keys = [...tally.written.keys()];
    const values = await cache.getMany(keys, { as: 'string', deadline: '20s' });
    const wrong = keys.filter((key, i) => values[i] !== tally.written.get(key));
    expect(wrong).toEqual([]);
    for (let counter = 0; counter < COUNTERS; counter++) {
      const sum = Number(await cache.get(`counter:${counter}`, { as: 'string' }));
      const acked = tally.acked[counter] ?? 0;
      expect(sum).toBeGreaterThanOrEqual(acked);
      expect(sum).toBeLessThanOrEqual(acked + (tally.unknown[counter] ?? 0));
    }
  }, 120_000);
});
