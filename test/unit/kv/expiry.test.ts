import { describe, expect, test } from 'vitest';
import { ByteWriter } from '../../../src/base/index.js';
import { encodeReap, ExpireFlag, SetFlag } from '../../../src/kv/index.js';
import { applyTo, chunksOf, cmd, KvDriver, loadedFrom, Op } from './kv-driver.js';

const SAFE_MAX = Number.MAX_SAFE_INTEGER;

describe('setting an expiry', () => {
  test('a plain set clears it, KEEPTTL keeps it, mset clears it', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'v', { px: 100 }));
    expect(d.read(cmd.ttl('k'))).toBe(100n);
    d.run(cmd.set('k', 'w', { flags: SetFlag.keepTtl }));
    expect(d.read(cmd.ttl('k'))).toBe(100n);
    d.run(cmd.set('k', 'x'));
    expect(d.read(cmd.ttl('k'))).toBe(-1n);
    d.apply(cmd.set('k', 'v', { px: 100 }), cmd.mset([['k', 'y']]));
    expect(d.read(cmd.ttl('k'))).toBe(-1n);
    expect(d.read(cmd.ttl('x'))).toBe(-2n);
  });

  test('an absolute expiry in the past deletes', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'v'));
    expect(d.run(cmd.set('k', 'w', { pxAt: d.nowMs, flags: SetFlag.returnOld }))).toBe('$v');
    expect(d.read(cmd.get('k'))).toBeNull();
    expect(d.run(cmd.set('n', 'w', { pxAt: 1 }))).toBe('OK');
    expect(d.kv.itemCount).toBe(0);
  });

  test('times of 0 in a set, and past 2^53 - 1 anywhere, are invalid', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'v'));
    const before = d.kv.stateHash();
    expect(d.run(cmd.set('k', 'w', { px: 0 }))).toBe('-invalidExpire');
    expect(d.run(cmd.set('k', 'w', { pxAt: 0 }))).toBe('-invalidExpire');
    expect(d.run(cmd.set('k', 'w', { px: SAFE_MAX - d.nowMs + 1 }))).toBe('-invalidExpire');
    expect(d.run(cmd.expire('k', { px: SAFE_MAX - d.nowMs + 1 }))).toBe('-invalidExpire');
    expect(d.run(cmd.expire('absent', { px: SAFE_MAX }))).toBe('-invalidExpire');
    const above = cmd.expire('k', { pxAt: 5 });
    above.set([0, 0x20, 0, 0, 0, 0, 0, 0], 6); // 2^53
    expect(d.run(above)).toBe('-invalidExpire');
    expect(d.kv.stateHash()).toBe(before);
    expect(d.run(cmd.expire('k', { px: SAFE_MAX - d.nowMs }))).toBe(1n);
    expect(d.read(cmd.ttl('k'))).toBe(BigInt(SAFE_MAX - d.nowMs));
  });

  test('expire with a time that is past deletes and answers 1', () => {
    const d = new KvDriver();
    for (const options of [{ px: 0 }, { pxAt: 0 }, { pxAt: d.nowMs }]) {
      d.run(cmd.set('k', 'v'));
      expect(d.run(cmd.expire('k', options))).toBe(1n);
      expect(d.kv.itemCount).toBe(0);
    }
    expect(d.run(cmd.expire('k', { px: 5 }))).toBe(0n);
  });

  test('NX, XX, GT and LT; no expiry counts as infinite', () => {
    const d = new KvDriver();
    const { ifNone, ifSome, ifGreater, ifLess } = ExpireFlag;
    d.run(cmd.set('k', 'v'));
    const expire = (flags: number, px: number): unknown => d.run(cmd.expire('k', { flags, px }));
    expect(expire(ifSome, 100)).toBe(0n);
    expect(expire(ifGreater, 100)).toBe(0n);
    expect(expire(ifSome | ifLess, 100)).toBe(0n);
    expect(expire(ifLess, 100)).toBe(1n);
    expect(expire(ifNone, 50)).toBe(0n);
    expect(expire(ifGreater, 100)).toBe(0n);
    expect(expire(ifLess, 100)).toBe(0n);
    expect(expire(ifGreater, 101)).toBe(1n);
    expect(expire(ifSome | ifGreater, 200)).toBe(1n);
    expect(expire(ifLess, 0)).toBe(1n);
    expect(d.read(cmd.get('k'))).toBeNull();
    d.run(cmd.set('k', 'v'));
    expect(expire(ifNone, 50)).toBe(1n);
    expect(expire(ifNone | ifSome, 50)).toBe('-malformed');
    expect(expire(ifGreater | ifLess, 50)).toBe('-malformed');
    expect(expire(16, 50)).toBe('-malformed');
    expect(d.run(cmd.expire('k', {}))).toBe('-malformed');
  });

  test('persist removes an expiry once', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'v', { px: 100 }));
    expect(d.apply(cmd.persist('k'), cmd.persist('k'), cmd.persist('x'))).toEqual([1n, 0n, 0n]);
    expect(d.read(cmd.ttl('k'))).toBe(-1n);
  });
});

describe('expired items', () => {
  test('E91: at the boundary all reads agree, and need the log to have reached it', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'v', { px: 100 }));
    const reads = [
      cmd.get('k'),
      cmd.ttl('k'),
      cmd.type('k'),
      cmd.many(Op.exists, ['k']),
      cmd.many(Op.mget, ['a', 'k']),
    ];
    const at = d.nowMs + 100;
    expect(reads.map((read) => d.read(read, at - 1))).toEqual(['$v', 1n, '+string', 1n, [null, '$v']]);
    expect(reads.map((read) => d.read(read, at))).toEqual(reads.map(() => 'needs_time'));
    expect(d.read(cmd.get('other'), at)).toBeNull();
    d.nowMs = at;
    d.apply();
    const gone = [null, -2n, '+none', 0n, [null, null]];
    expect(reads.map((read) => d.read(read))).toEqual(gone);
    // What was seen as gone stays gone for a leader whose clock is slower.
    expect(reads.map((read) => d.read(read, at - 50))).toEqual(gone);
    expect(d.read(cmd.dbsize())).toBe(1n);
    expect(d.reap()).toBe(1n);
    expect(d.read(cmd.dbsize())).toBe(0n);
    expect(reads.map((read) => d.read(read))).toEqual(gone);
  });

  test('the remaining time runs on while no entry is applied', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'v', { px: 100 }));
    expect([0, 30, 99].map((ms) => d.read(cmd.ttl('k'), d.nowMs + ms))).toEqual([100n, 70n, 1n]);
  });

  test('writes take them as absent', () => {
    const d = new KvDriver();
    for (const key of ['a', 'b', 'c', 'd', 'e', 'f']) d.run(cmd.set(key, '5', { px: 10 }));
    d.nowMs += 10;
    expect(d.run(cmd.set('a', 'w', { flags: SetFlag.ifPresent }))).toBeNull();
    expect(d.run(cmd.set('a', 'w', { flags: SetFlag.ifAbsent | SetFlag.keepTtl }))).toBe('OK');
    expect(d.read(cmd.ttl('a'))).toBe(-1n);
    expect(d.run(cmd.incrby('b', 1n))).toBe(1n);
    expect(d.read(cmd.ttl('b'))).toBe(-1n);
    expect(d.run(cmd.many(Op.del, ['c']))).toBe(0n);
    expect(d.run(cmd.expire('d', { px: 100 }))).toBe(0n);
    expect(d.run(cmd.persist('e'))).toBe(0n);
    expect(d.run(cmd.set('f', 'w', { flags: SetFlag.returnOld }))).toBeNull();
    expect(d.kv.itemCount).toBe(6);
    expect(d.reap()).toBe(3n);
  });

  test('an entry stamped earlier does not turn time back', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'v', { px: 10 }));
    d.nowMs += 10;
    d.apply();
    d.nowMs -= 10;
    expect(d.run(cmd.get('k'))).toBeNull();
    expect(d.kv.timestampMs()).toBe(d.nowMs + 10);
    d.run(cmd.set('n', 'v', { px: 5 }));
    expect(d.read(cmd.ttl('n'))).toBe(5n);
  });
});

describe('reaping', () => {
  test('E89: an item that was written again, persisted or prolonged after the choice stays', () => {
    const d = new KvDriver();
    for (const key of ['again', 'persisted', 'prolonged', 'dead']) d.run(cmd.set(key, 'v', { px: 10 }));
    const chosen = d.kv.dueForReap(d.nowMs + 10, 100);
    expect(chosen).toHaveLength(4);
    d.apply(cmd.set('again', 'w', { px: 10 }), cmd.persist('persisted'), cmd.expire('prolonged', { px: 50 }));
    d.nowMs += 10;
    const w = new ByteWriter();
    encodeReap(w, chosen);
    expect(d.run(w.take())).toBe(1n);
    expect(d.kv.itemCount).toBe(3);
    expect(d.read(cmd.get('persisted'))).toBe('$v');
    expect(d.read(cmd.get('prolonged'))).toBe('$v');
  });

  test('what is not expired at the entry is skipped, and offered again', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'v', { px: 10 }));
    const w = new ByteWriter();
    expect(d.kv.encodeReap(d.nowMs + 10, 10, w)).toBe(1);
    expect(d.run(w.take())).toBe(0n);
    d.nowMs += 10;
    expect(d.reap()).toBe(1n);
    expect(d.reap()).toBe(0n);
  });

  test('due items are found in portions until none is left', () => {
    const d = new KvDriver();
    for (let i = 0; i < 5000; i++) d.run(cmd.set(`k${i}`, 'v', i % 2 ? { px: 1 + (i % 100) } : {}));
    expect(d.kv.nextDueMs()).toBe(d.nowMs + 2);
    expect(d.kv.dueForReap(d.nowMs + 1, 100)).toEqual([]);
    d.nowMs += 50;
    let dropped = 0n;
    for (let portion = d.reap(300); portion > 0n; portion = d.reap(300)) {
      expect(portion).toBeLessThanOrEqual(300n);
      dropped += portion;
    }
    expect(dropped).toBe(1250n);
    expect(d.kv.itemCount).toBe(3750);
    expect(d.kv.nextDueMs()).toBe(d.nowMs + 2);
    d.nowMs += 1000;
    while (d.reap(10_000) > 0n);
    expect(d.kv.itemCount).toBe(2500);
    expect(d.kv.nextDueMs()).toBe(Infinity);
  });

  test('nothing is due after the only expiring item was overwritten', () => {
    const d = new KvDriver();
    for (let i = 0; i < 1000; i++) d.run(cmd.set('k', 'v', { px: 10 + i }));
    d.run(cmd.set('k', 'v'));
    expect(d.kv.dueForReap(d.nowMs + 10_000, 100)).toEqual([]);
    expect(d.kv.nextDueMs()).toBe(Infinity);
  });
});

test('E90 between checkpoint and replay no key is revived, lost early, or given another time', () => {
  const d = new KvDriver();
  const keys = ['kept', 'moved', 'cut', 'persisted', 'ending', 'again'];
  const checkpoints: { readonly chunks: Uint8Array[]; readonly length: number }[] = [];
  const step = (ms: number, ...commands: Uint8Array[]): void => {
    d.nowMs += ms;
    d.apply(...commands);
    checkpoints.push({ chunks: chunksOf(d.kv), length: d.log.length });
  };
  step(0, ...keys.map((key) => cmd.set(key, 'v', { px: 100 })));
  step(40, cmd.expire('moved', { px: 1000 }), cmd.persist('persisted'));
  step(30, cmd.expire('cut', { px: 10 }), cmd.set('again', 'w', { px: 500 }));
  step(29, cmd.get('ending'));
  step(1);
  step(0, cmd.set('ending', 'anew', { flags: SetFlag.ifAbsent, px: 300 }));
  d.reap();
  step(200);
  for (const { chunks, length } of checkpoints) {
    const kv = loadedFrom(chunks);
    for (let i = length; i < d.log.length; i++) {
      applyTo(kv, d.log[i] as Uint8Array, i + 1);
      expect(kv.hashAt(i + 1)).toBe(d.kv.hashAt(i + 1));
    }
    // The time of the restart has no part in it: what is asked for is judged by the log's.
    const restarted = new KvDriver();
    restarted.kv = kv;
    for (const nowMs of [d.nowMs - 150, d.nowMs, d.nowMs + 60, d.nowMs + 3_600_000]) {
      for (const key of keys) {
        for (const command of [cmd.get(key), cmd.ttl(key), cmd.expireTime(key)]) {
          expect(restarted.read(command, nowMs)).toEqual(d.read(command, nowMs));
        }
      }
    }
  }
  expect(['kept', 'cut'].map((key) => d.read(cmd.get(key)))).toEqual([null, null]);
  expect([d.read(cmd.ttl('ending')), d.read(cmd.ttl('persisted'))]).toEqual([100n, -1n]);
});

test('E89 a reap that names an item by an older version, or another hash, drops nothing', () => {
  const d = new KvDriver();
  d.run(cmd.set('k', 'v', { px: 10 }));
  const [chosen] = d.kv.dueForReap(d.nowMs + 10, 1);
  expect(chosen).toBeDefined();
  d.nowMs += 10;
  const { hash, version } = chosen as { hash: number; version: number };
  for (const wrong of [
    { hash, version: version + 1 },
    { hash: hash ^ 1, version },
  ]) {
    const w = new ByteWriter();
    encodeReap(w, [{ ...wrong, hash: wrong.hash >>> 0 }]);
    expect(d.run(w.take())).toBe(0n);
  }
  // Overwritten after it was expired, with a life of its own: another item.
  d.run(cmd.set('k', 'w', { px: 10 }));
  d.nowMs += 10;
  const w = new ByteWriter();
  encodeReap(w, [{ hash, version }]);
  expect(d.run(w.take())).toBe(0n);
  expect(d.reap()).toBe(1n);
});
