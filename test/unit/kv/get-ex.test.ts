/** GETEX and EXPIRETIME. What they answer was compared with Redis 7.0. */
import { describe, expect, test } from 'vitest';
import { cmd, KvDriver } from './kv-driver.js';

describe('getEx', () => {
  test('it answers the value and moves the expiry, takes it away, or leaves it alone', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'v'));
    expect(d.run(cmd.getEx('k', { px: 100 }))).toBe('$v');
    expect(d.read(cmd.ttl('k'))).toBe(100n);
    expect(d.run(cmd.getEx('k', { pxAt: d.nowMs + 70 }))).toBe('$v');
    expect(d.read(cmd.ttl('k'))).toBe(70n);
    const before = d.kv.stateHash();
    expect(d.run(cmd.getEx('k'))).toBe('$v');
    expect(d.kv.stateHash()).toBe(before);
    expect(d.run(cmd.getEx('k', { persist: true }))).toBe('$v');
    expect(d.read(cmd.ttl('k'))).toBe(-1n);
  });

  test('PERSIST without an expiry changes nothing', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'v'));
    const before = d.kv.stateHash();
    expect(d.run(cmd.getEx('k', { persist: true }))).toBe('$v');
    expect(d.kv.stateHash()).toBe(before);
  });

  test('an expiry in the past deletes the key and answers its value', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'v'));
    expect(d.run(cmd.getEx('k', { pxAt: d.nowMs }))).toBe('$v');
    expect(d.kv.itemCount).toBe(0);
  });

  test('an absent key is nil whatever the expiry, and nothing changes', () => {
    const d = new KvDriver();
    d.run(cmd.set('dead', 'v', { px: 1 }));
    d.nowMs += 1;
    d.apply();
    const before = d.kv.stateHash();
    for (const key of ['absent', 'dead']) {
      expect(d.apply(cmd.getEx(key, { px: 5 }), cmd.getEx(key, { pxAt: 1 }))).toEqual([null, null]);
      expect(d.apply(cmd.getEx(key, { px: 0 }), cmd.getEx(key, { persist: true }))).toEqual([null, null]);
    }
    expect(d.kv.stateHash()).toBe(before);
  });

  test('an impossible time is refused, PERSIST beside a time is malformed', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'v'));
    const before = d.kv.stateHash();
    expect(d.run(cmd.getEx('k', { px: 0 }))).toBe('-invalidExpire');
    expect(d.run(cmd.getEx('k', { px: Number.MAX_SAFE_INTEGER }))).toBe('-invalidExpire');
    expect(d.run(cmd.getEx('k', { px: 5, persist: true }))).toBe('-malformed');
    const otherFlag = cmd.getEx('k', { persist: true });
    otherFlag[13] = 2;
    expect(d.run(otherFlag)).toBe('-malformed');
    expect(d.kv.stateHash()).toBe(before);
  });
});

test('E91: expireTime agrees with ttl: -2 absent or expired, -1 without, else the point in time', () => {
  const d = new KvDriver();
  d.apply(cmd.set('k', 'v', { px: 100 }), cmd.set('n', 'v'));
  expect(d.read(cmd.expireTime('k'))).toBe(BigInt(d.nowMs + 100));
  expect(d.read(cmd.expireTime('k'), d.nowMs + 99)).toBe(BigInt(d.nowMs + 100));
  expect(d.read(cmd.expireTime('k'), d.nowMs + 100)).toBe('needs_time');
  expect(d.read(cmd.expireTime('n'))).toBe(-1n);
  d.nowMs += 100;
  d.apply();
  expect([d.read(cmd.expireTime('k')), d.read(cmd.expireTime('x'))]).toEqual([-2n, -2n]);
});
