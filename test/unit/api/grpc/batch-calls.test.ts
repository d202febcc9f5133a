/** BatchGet and BatchWrite against real state machines: order, results per item, bounds. */
import { describe, expect, it } from 'vitest';

import type { PipelineRequestWriter, RequestHeader } from '../../../../src/codec/cache/index.js';
import { CacheExpiryKind, UNARY_REQUESTS } from '../../../../src/codec/cache/index.js';
import { batch, CacheWorld, readResponses, utf8, type ReadResult } from './cache-world.js';

function batchGet(world: CacheWorld, keys: readonly string[], withMeta = false): ReadResult[] {
  const request = UNARY_REQUESTS.BatchGet.encode({ keys: keys.map(utf8), withMeta });
  const { failure, response } = world.call('BatchGet', request);
  if (failure !== null) throw new Error(failure.code);
  return readResponses([response]).results;
}

function batchWrite(world: CacheWorld, fill: (w: PipelineRequestWriter) => void): ReadResult[] {
  const { failure, response } = world.call('BatchWrite', batch(fill));
  if (failure !== null) throw new Error(failure.code);
  return readResponses([response]).results;
}

function put(w: PipelineRequestWriter, id: number, key: string, value: string): void {
  w.set(id, utf8(key), utf8(value), CacheExpiryKind.none, 0, 0, false);
}

const KEYS = Array.from({ length: 40 }, (_, i) => `key:${i}`);

describe('batches', () => {
  it('BatchGet answers in the order of the keys, with one command for each shard', () => {
    const world = new CacheWorld();
    batchWrite(world, (w) => KEYS.forEach((key, i) => i % 3 !== 0 && put(w, i, key, `v${i}`)));
    const before = world.gateway.submitted;
    const results = batchGet(world, KEYS);
    expect(world.gateway.submitted - before).toBe(world.gateway.shardCount);
    expect(results).toEqual(
      KEYS.map((_, i) => (i % 3 === 0 ? plain(i, {}) : plain(i, { found: true, value: `v${i}` }))),
    );
  });

  it('BatchGet with_meta tells versions and times to live', () => {
    const world = new CacheWorld();
    batchWrite(world, (w) => {
      put(w, 0, 'a', '1');
      w.set(1, utf8('b'), utf8('2'), CacheExpiryKind.ttl, 5000, 0, false);
    });
    expect(batchGet(world, ['a', 'b', 'c'], true)).toEqual([
      { id: 0, found: true, value: '1', version: expect.any(Number) },
      { id: 1, found: true, value: '2', version: expect.any(Number), ttlMs: 5000 },
      { id: 2 },
    ]);
  });

  it('BatchGet of no key, and of one key twice', () => {
    const world = new CacheWorld();
    expect(batchGet(world, [])).toEqual([]);
    batchWrite(world, (w) => put(w, 0, 'k', 'v'));
    const hit = { found: true, value: 'v' };
    expect(batchGet(world, ['k', 'k'])).toEqual([plain(0, hit), plain(1, hit)]);
  });

  it('one shard that fails, and one key that is too long, fail alone', () => {
    const world = new CacheWorld();
    batchWrite(world, (w) => KEYS.forEach((key, i) => put(w, i, key, 'v')));
    world.gateway.failing.set(2, { reason: 'UNAVAILABLE', message: 'the leader went silent' });
    const results = batchGet(world, [...KEYS, 'x'.repeat(65_536)]);
    const failed = results.filter((result) => result.error === 'UNAVAILABLE');
    expect(failed.length).toBeGreaterThan(0);
    expect(failed.every((result) => result.shard === 2 && result.leader === 2)).toBe(true);
    expect(results.at(-1)).toMatchObject({ id: 40, error: 'TOO_LARGE' });
    expect(results.filter((result) => result.found).length).toBe(KEYS.length - failed.length);
  });

  it('values that do not fit one message are told as too large, and the others come', () => {
    const world = new CacheWorld({ grpcMessageBytesMax: 1024 * 1024 });
    const value = 'v'.repeat(300_000);
    batchWrite(world, (w) => KEYS.forEach((key, i) => put(w, i, key, value)));
    const request = UNARY_REQUESTS.BatchGet.encode({ keys: KEYS.slice(0, 8).map(utf8), withMeta: true });
    const { response } = world.call('BatchGet', request);
    expect(response.length).toBeLessThan(1024 * 1024);
    const { results } = readResponses([response]);
    expect(results.filter((result) => result.found).length).toBe(3);
    expect(results.filter((result) => result.error === 'TOO_LARGE').length).toBe(5);
  });

  it('BatchWrite answers every operation in order, with ids of the caller', () => {
    const world = new CacheWorld();
    const results = batchWrite(world, (w) => {
      put(w, 70, 'a', '1');
      w.increment(60, utf8('a'), 4);
      w.increment(50, utf8('text'), 1);
      w.delete(40, utf8('a'));
      w.delete(30, utf8('a'));
      w.get(20, utf8('a'), false);
      w.compareAndSet(10, utf8('b'), 0, utf8('x'), CacheExpiryKind.none, 0, false);
      w.touch(5, utf8('b'), CacheExpiryKind.ttl, 1000);
      w.persist(4, utf8('b'));
    });
    const version = expect.any(Number);
    expect(results).toEqual([
      { id: 70, applied: true, version },
      { id: 60, applied: true, number: 5, version },
      { id: 50, applied: true, number: 1, version },
      { id: 40, found: true, applied: true },
      { id: 30 },
      { id: 20, error: 'INVALID_ARGUMENT', message: expect.stringContaining('BatchGet') },
      { id: 10, applied: true, version },
      { id: 5, found: true, applied: true },
      { id: 4, found: true, applied: true, version },
    ]);
  });

  it('a batch with a malformed operation runs none', () => {
    const world = new CacheWorld();
    const good = batch((w) => put(w, 1, 'a', '1'));
    const bad = Uint8Array.of(...good, 0x12, 2, 0x18, 0xff);
    expect(world.call('BatchWrite', bad).failure?.code).toBe('INVALID_ARGUMENT');
    expect(world.gateway.submitted).toBe(0);
  });

  it('a batch of too many operations is refused whole', () => {
    const world = new CacheWorld();
    const many = batch((w) => {
      for (let i = 0; i < 4097; i++) w.delete(i, utf8('k'));
    });
    expect(world.call('BatchWrite', many).failure?.code).toBe('TOO_LARGE');
    expect(world.gateway.submitted).toBe(0);
  });

  it.each<Partial<RequestHeader>>([
    { session: 1 },
    { sequence: 1 },
    { lowestUnanswered: 1 },
    { consistency: 9 },
  ])('a batch with %j in its header is refused whole', (header) => {
    const world = new CacheWorld();
    const write = world.call(
      'BatchWrite',
      batch((w) => put(w, 1, 'k', 'v'), header),
    );
    const keys = [utf8('k')];
    const get = world.call(
      'BatchGet',
      UNARY_REQUESTS.BatchGet.encode({ keys, header: header as RequestHeader }),
    );
    expect([write.failure?.code, get.failure?.code]).toEqual(['INVALID_ARGUMENT', 'INVALID_ARGUMENT']);
    expect(world.gateway.submitted).toBe(0);
  });

  it('E99 a cancelled batch leaves nothing behind', () => {
    const world = new CacheWorld();
    let answers = 0;
    const cancel = world.server.unary(
      'BatchWrite',
      batch((w) => KEYS.forEach((key, i) => put(w, i, key, 'v'))),
      Infinity,
      () => answers++,
    );
    expect(world.server.pendingCount).toBe(KEYS.length);
    cancel();
    expect(world.server.pendingCount).toBe(0);
    world.settle();
    expect(answers).toBe(0);
  });
});

function plain(id: number, more: Partial<ReadResult>): ReadResult {
  return { id, ...more };
}
