/** Each unary call against real state machines: what it answers, what it refuses, and that nothing stays behind. */
import { describe, expect, it } from 'vitest';

import {
  CacheExpiryKind,
  CacheSetCondition,
  UNARY_REQUESTS,
  UNARY_RESPONSES,
  type RequestHeader,
  type SetRequest,
} from '../../../../src/codec/cache/index.js';
import { Freshness, staleReadOf } from '../../../../src/group/index.js';
import { slotOfKey } from '../../../../src/topology/index.js';
import { CacheWorld, errorOf, utf8 } from './cache-world.js';

const HOUR_MS = 3_600_000;

function set(world: CacheWorld, key: string, value: string, more: Partial<SetRequest> = {}) {
  const request = UNARY_REQUESTS.Set.encode({ key: utf8(key), value: utf8(value), ...more });
  const { failure, response } = world.call('Set', request);
  return failure?.code ?? UNARY_RESPONSES.Set.decode(response);
}

function get(world: CacheWorld, key: string, withMeta = false) {
  const { failure, response } = world.call('Get', UNARY_REQUESTS.Get.encode({ key: utf8(key), withMeta }));
  if (failure !== null) return failure.code;
  const { found, value, version, ttlMs } = UNARY_RESPONSES.Get.decode(response);
  return { found, value: Buffer.from(value).toString(), version, ttlMs };
}

function versionOf(world: CacheWorld, key: string): number {
  const read = get(world, key, true);
  if (typeof read === 'string') throw new Error(read);
  return read.version;
}

describe('single calls', () => {
  it('Get tells a miss from an empty value', () => {
    const world = new CacheWorld();
    expect(get(world, 'k')).toEqual({ found: false, value: '', version: 0, ttlMs: 0 });
    set(world, 'k', '');
    expect(get(world, 'k')).toEqual({ found: true, value: '', version: 0, ttlMs: 0 });
  });

  it('Get with_meta tells version and time to live', () => {
    const world = new CacheWorld();
    const written = set(world, 'k', 'v', { expiry: { kind: CacheExpiryKind.ttl, ms: HOUR_MS } });
    expect(written).toEqual({ applied: true, version: expect.any(Number) });
    const version = typeof written === 'string' ? 0 : written.version;
    expect(version).toBeGreaterThan(0);
    expect(get(world, 'k', true)).toEqual({ found: true, value: 'v', version, ttlMs: HOUR_MS });
    expect(get(world, 'none', true)).toEqual({ found: false, value: '', version: 0, ttlMs: 0 });
  });

  it('Set keeps to its condition, and tells the version either way', () => {
    const world = new CacheWorld();
    const ifPresent = { condition: CacheSetCondition.ifPresent };
    const ifAbsent = { condition: CacheSetCondition.ifAbsent };
    expect(set(world, 'k', '1', ifPresent)).toEqual({ applied: false, version: 0 });
    expect(set(world, 'k', '2', ifAbsent)).toMatchObject({ applied: true });
    const version = versionOf(world, 'k');
    expect(set(world, 'k', '3', ifAbsent)).toEqual({ applied: false, version });
    expect(set(world, 'k', '4', ifPresent)).toMatchObject({ applied: true });
    expect(get(world, 'k')).toMatchObject({ value: '4' });
    expect(versionOf(world, 'k')).toBeGreaterThan(version);
  });

  it('Set can keep the time to live, and takes an absolute one', () => {
    const world = new CacheWorld();
    const at = world.gateway.nowMs + HOUR_MS;
    set(world, 'k', '1', { expiry: { kind: CacheExpiryKind.at, ms: at } });
    set(world, 'k', '2', { keepTtl: true });
    expect(get(world, 'k', true)).toMatchObject({ value: '2', ttlMs: HOUR_MS });
    set(world, 'k', '3');
    expect(get(world, 'k', true)).toMatchObject({ value: '3', ttlMs: 0 });
  });

  it('Delete tells whether the key was there', () => {
    const world = new CacheWorld();
    const del = () =>
      UNARY_RESPONSES.Delete.decode(
        world.call('Delete', UNARY_REQUESTS.Delete.encode({ key: utf8('k') })).response,
      ).found;
    expect(del()).toBe(false);
    set(world, 'k', 'v');
    expect([del(), del()]).toEqual([true, false]);
  });

  it('CompareAndSet applies at the expected version alone, 0 meaning absent', () => {
    const world = new CacheWorld();
    const cas = (expectedVersion: number, value: string) =>
      UNARY_RESPONSES.CompareAndSet.decode(
        world.call(
          'CompareAndSet',
          UNARY_REQUESTS.CompareAndSet.encode({ key: utf8('k'), expectedVersion, value: utf8(value) }),
        ).response,
      );
    expect(cas(5, 'a')).toEqual({ applied: false, version: 0 });
    const created = cas(0, 'b');
    expect(created).toEqual({ applied: true, version: versionOf(world, 'k') });
    expect(cas(0, 'c')).toEqual({ applied: false, version: created.version });
    expect(cas(created.version, 'd').applied).toBe(true);
    expect(get(world, 'k')).toMatchObject({ value: 'd' });
  });

  it('CompareAndDelete applies at the expected version alone', () => {
    const world = new CacheWorld();
    const cad = (expectedVersion: number) =>
      UNARY_RESPONSES.CompareAndDelete.decode(
        world.call(
          'CompareAndDelete',
          UNARY_REQUESTS.CompareAndDelete.encode({ key: utf8('k'), expectedVersion }),
        ).response,
      );
    set(world, 'k', 'v');
    const version = versionOf(world, 'k');
    expect(cad(version + 1)).toEqual({ applied: false, version });
    expect(cad(version)).toEqual({ applied: true, version: 0 });
    expect(get(world, 'k')).toMatchObject({ found: false });
  });

  it('Increment counts over the whole range of 64 bits, and refuses what is beyond or no number', () => {
    const world = new CacheWorld();
    const add = (key: string, delta: bigint | number) => {
      const request = UNARY_REQUESTS.Increment.encode({ key: utf8(key), delta });
      const { failure, response } = world.call('Increment', request);
      return failure?.code ?? UNARY_RESPONSES.Increment.decode(response).number;
    };
    expect(add('n', 5)).toBe(5);
    expect(add('n', -12)).toBe(-7);
    expect(add('big', 2n ** 62n)).toBe(2n ** 62n);
    expect(add('big', 2n ** 62n)).toBe('OVERFLOW');
    expect(add('low', -(2n ** 63n))).toBe(-(2n ** 63n));
    set(world, 'text', 'abc');
    expect(add('text', 1)).toBe('NOT_A_NUMBER');
    expect(get(world, 'text')).toMatchObject({ value: 'abc' });
  });

  it('Touch and Persist change the time to live of a key that is there', () => {
    const world = new CacheWorld();
    const touch = (ms: number) =>
      UNARY_RESPONSES.Touch.decode(
        world.call(
          'Touch',
          UNARY_REQUESTS.Touch.encode({ key: utf8('k'), expiry: { kind: CacheExpiryKind.ttl, ms } }),
        ).response,
      ).found;
    const persist = () =>
      UNARY_RESPONSES.Persist.decode(
        world.call('Persist', UNARY_REQUESTS.Persist.encode({ key: utf8('k') })).response,
      );
    expect(touch(HOUR_MS)).toBe(false);
    expect(persist()).toEqual({ found: false, applied: false });
    set(world, 'k', 'v');
    expect(persist()).toEqual({ found: true, applied: false });
    expect(touch(HOUR_MS)).toBe(true);
    expect(get(world, 'k', true)).toMatchObject({ ttlMs: HOUR_MS });
    expect(persist()).toEqual({ found: true, applied: true });
    expect(get(world, 'k', true)).toMatchObject({ ttlMs: 0 });
  });

  it('refuse bad arguments before anything is submitted', () => {
    const world = new CacheWorld({ valueBytesMax: 10 });
    const ttl = (ms: number) => ({ expiry: { kind: CacheExpiryKind.ttl, ms } });
    expect(set(world, 'k', 'v'.repeat(11))).toBe('TOO_LARGE');
    expect(set(world, 'k'.repeat(65_536), 'v')).toBe('TOO_LARGE');
    expect(set(world, 'k', 'v', { ...ttl(5), keepTtl: true })).toBe('INVALID_ARGUMENT');
    expect(set(world, 'k', 'v', ttl(0))).toBe('INVALID_ARGUMENT');
    expect(set(world, 'k', 'v', ttl(2 ** 52 + 1))).toBe('INVALID_ARGUMENT');
    expect(set(world, 'k', 'v', { condition: 3 })).toBe('INVALID_ARGUMENT');
    expect(world.call('Touch', UNARY_REQUESTS.Touch.encode({ key: utf8('k') })).failure?.code).toBe(
      'INVALID_ARGUMENT',
    );
    expect(world.gateway.submitted).toBe(0);
    expect(set(world, 'k'.repeat(65_535), 'v'.repeat(10))).toMatchObject({ applied: true });
  });

  it('apply a write once in a session, however often it comes', () => {
    const world = new CacheWorld();
    const grant = UNARY_RESPONSES.OpenSession.decode(world.call('OpenSession', new Uint8Array(0)).response);
    expect(grant).toEqual({
      session: 2 ** 37 + 2 ** 32 + 1,
      grantedMs: world.gateway.nowMs,
      lifetimeMs: 600_000,
    });
    const header = {
      session: grant.session,
      sessionGrantedMs: grant.grantedMs,
      sessionLifetimeMs: grant.lifetimeMs,
      sequence: 1,
    } as RequestHeader;
    const request = UNARY_REQUESTS.Increment.encode({ header, key: utf8('n'), delta: 5 });
    for (let attempt = 0; attempt < 3; attempt++) {
      const { response } = world.call('Increment', request);
      expect(UNARY_RESPONSES.Increment.decode(response)).toEqual({ number: 5, version: 1 });
    }
    const get = world.call('Get', UNARY_REQUESTS.Get.encode({ header, key: utf8('n') }));
    expect(UNARY_RESPONSES.Get.decode(get.response).value).toEqual(utf8('5'));
  });

  it.each<Partial<RequestHeader>>([
    { session: 1 },
    { sequence: 1 },
    { lowestUnanswered: 1 },
    { sessionGrantedMs: 1 },
    { session: 1, sessionGrantedMs: 1, sessionLifetimeMs: 1 },
    { session: 1, sessionGrantedMs: 1, sessionLifetimeMs: 1, sequence: 1, lowestUnanswered: 2 },
  ])('refuse %j, which is half of what a session needs, instead of ignoring it', (header) => {
    const world = new CacheWorld();
    const request = UNARY_REQUESTS.Set.encode({ header: header as RequestHeader, key: utf8('k') });
    const { failure } = world.call('Set', request);
    expect(failure?.code).toBe('INVALID_ARGUMENT');
    expect(failure?.message).toMatch(/^a session (comes|needs)/);
    expect(world.gateway.submitted).toBe(0);
  });

  it('hand the gateway what the header says of freshness, with a bound of its own for stale reads', () => {
    const world = new CacheWorld();
    const get = (header: Partial<RequestHeader>): number | undefined => {
      world.call('Get', UNARY_REQUESTS.Get.encode({ header: header as RequestHeader, key: utf8('k') }));
      return world.gateway.freshnesses.at(-1);
    };
    expect(get({})).toBe(Freshness.linearizable);
    expect(get({ consistency: 1 })).toBe(Freshness.lease);
    expect(get({ consistency: 2, maxStalenessMs: 250 })).toBe(staleReadOf(250));
    expect(get({ consistency: 2 })).toBe(staleReadOf(10_000));
    expect(get({ consistency: 3 })).toBe(Freshness.follower);
    expect(get({ consistency: 4 })).toBe(Freshness.quorum);
  });

  it.each([
    [0, undefined],
    [1, undefined],
    [2, undefined],
    [3, undefined],
    [4, undefined],
    [5, 'INVALID_ARGUMENT'],
    [77, 'INVALID_ARGUMENT'],
  ] as const)('of consistency %i end with %s', (consistency, code) => {
    const world = new CacheWorld();
    const header = { consistency } as RequestHeader;
    const { failure } = world.call('Get', UNARY_REQUESTS.Get.encode({ header, key: utf8('k') }));
    expect(failure?.code).toBe(code);
    expect(world.gateway.submitted).toBe(code === undefined ? 1 : 0);
  });

  it('answer a malformed request once, and run nothing of it', () => {
    const world = new CacheWorld();
    for (const method of ['Get', 'Set', 'BatchGet', 'BatchWrite', 'Increment'] as const) {
      const { failure, answers } = world.call(method, Uint8Array.of(0x0a, 0x7f, 1));
      expect([method, failure?.code, answers]).toEqual([method, 'INVALID_ARGUMENT', 1]);
    }
    expect(world.gateway.submitted).toBe(0);
    expect(world.server.pendingCount).toBe(0);
  });

  it('tell with a failure its shard, leader, map version and when to come again', () => {
    const world = new CacheWorld();
    for (let shard = 1; shard <= 4; shard++)
      world.gateway.failing.set(shard, { reason: 'SHARD_LEADER_UNKNOWN', message: 'no leader in time' });
    const header = { traceParent: '00-trace-01' } as RequestHeader;
    const { failure } = world.call('Get', UNARY_REQUESTS.Get.encode({ header, key: utf8('k') }));
    const error = errorOf(failure);
    const shard = world.gateway.shardOf(slotOfKey(utf8('k')));
    const leader = world.directory.leaderOf(shard);
    expect(failure?.code).toBe('SHARD_LEADER_UNKNOWN');
    expect(error).toMatchObject({
      reason: 4,
      message: 'no leader in time',
      shard,
      leaderNode: leader,
      leaderAddress: `10.0.0.${leader}:7600`,
      mapVersion: 7,
    });
    expect(error.retryAfterMs).toBeGreaterThan(0);
    expect(world.log).toContainEqual(
      expect.objectContaining({ reason: 'SHARD_LEADER_UNKNOWN', traceParent: '00-trace-01' }),
    );
  });

  it('take the shortest of header, call and server as their deadline', () => {
    const world = new CacheWorld({ requestTimeoutMs: 1000 });
    const ask = (deadlineMs: number, callMs: number) => {
      const header = { deadlineMs } as RequestHeader;
      world.call('Get', UNARY_REQUESTS.Get.encode({ header, key: utf8('k') }), callMs);
      return (world.gateway.deadlines.at(-1) ?? 0) - world.time.monoMs();
    };
    expect(ask(0, Infinity)).toBe(1000);
    expect(ask(300, Infinity)).toBe(300);
    expect(ask(300, 200)).toBe(200);
    expect(ask(0, 400)).toBe(400);
    expect(ask(90_000, 80_000)).toBe(1000);
  });

  it('are refused as OVERLOADED while the gateway has no room', () => {
    const world = new CacheWorld();
    world.gateway.hasRoom = false;
    expect(get(world, 'k')).toBe('OVERLOADED');
    world.gateway.giveRoom();
    expect(get(world, 'k')).toMatchObject({ found: false });
  });

  it('E99 that are cancelled leave nothing behind, and their write may still take effect', () => {
    const world = new CacheWorld();
    let answers = 0;
    const request = UNARY_REQUESTS.Set.encode({ key: utf8('k'), value: utf8('v') });
    const cancel = world.server.unary('Set', request, Infinity, () => answers++);
    expect([world.server.pendingCount, world.gauge('requests_pending', 'grpc')]).toEqual([1, 1]);
    cancel();
    cancel();
    expect(world.gateway.forgotten.size).toBe(1);
    expect([world.server.pendingCount, world.gauge('requests_pending', 'grpc')]).toEqual([0, 0]);
    world.settle();
    expect(answers).toBe(0);
    expect(get(world, 'k')).toMatchObject({ value: 'v' }); // the gateway's state machine had it already
  });

  it('are refused by a server that stops', () => {
    const world = new CacheWorld();
    let closed = 0;
    world.server.close(() => closed++);
    world.settle();
    expect(closed).toBe(1);
    expect(get(world, 'k')).toBe('UNAVAILABLE');
  });

  it('count in the metrics of both protocols', () => {
    const world = new CacheWorld();
    set(world, 'k', 'v');
    get(world, 'k');
    get(world, 'none');
    expect(world.counter('requests_total', { operation: 'get', protocol: 'grpc', outcome: 'ok' })).toBe(2);
    expect(world.counter('cache_get_hits_total')).toBe(1);
    expect(world.counter('cache_get_misses_total')).toBe(1);
    expect(world.counter('cache_put_success_total')).toBe(1);
    expect(world.counter('bytes_in_total')).toBeGreaterThan(0);
    expect(world.counter('bytes_out_total')).toBeGreaterThan(0);
  });
});
