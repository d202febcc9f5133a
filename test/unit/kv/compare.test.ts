/** Versions: compare and set, compare and delete, getMeta, and results wrapped with the key's version. */
import { describe, expect, test } from 'vitest';
import { SetFlag } from '../../../src/kv/index.js';
import { chunksOf, cmd, KvDriver, loadedFrom, Op, type Shown } from './kv-driver.js';

/** The version that the driver's key has now. */
function versionOf(d: KvDriver, key: string): number {
  const meta = d.read(cmd.getMeta(key));
  return Array.isArray(meta) ? Number(meta[1]) : 0;
}

describe('cas', () => {
  test('it sets when the version is the expected one, and tells the version now', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'a'));
    const version = versionOf(d, 'k');
    expect(d.run(cmd.cas('k', version, 'b'))).toEqual([1n, BigInt(version + 1)]);
    expect(d.run(cmd.cas('k', version, 'c'))).toEqual([0n, BigInt(version + 1)]);
    expect(d.read(cmd.get('k'))).toBe('$b');
    expect(versionOf(d, 'k')).toBe(version + 1);
  });

  test('0 expects an absent key, and an expired one is absent', () => {
    const d = new KvDriver();
    expect(d.run(cmd.cas('k', 0, 'a', { px: 10 }))).toEqual([1n, 1n]);
    expect(d.run(cmd.cas('k', 0, 'b'))).toEqual([0n, 1n]);
    d.nowMs += 10;
    expect(d.run(cmd.cas('k', 1, 'c'))).toEqual([0n, 0n]);
    expect(d.run(cmd.cas('k', 0, 'd'))).toEqual([1n, 2n]);
    expect(d.read(cmd.getMeta('k'))).toEqual(['$d', 2n, -1n]);
    expect(d.run(cmd.cas('x', 7, 'e'))).toEqual([0n, 0n]);
  });

  test('a wrong version changes nothing', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'a', { px: 10 }));
    const before = d.kv.stateHash();
    d.apply(cmd.cas('k', 5, 'b'), cmd.cas('x', 5, 'b'), cmd.cad('k', 5), cmd.cad('x', 5));
    d.run(cmd.cas('k', 5, 'b', { pxAt: 1 }));
    expect(d.kv.stateHash()).toBe(before);
  });

  test('the expiry goes, stays with KEEPTTL, or is the new one', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'a', { px: 100 }));
    d.run(cmd.cas('k', 1, 'b', { flags: SetFlag.keepTtl }));
    expect(d.read(cmd.ttl('k'))).toBe(100n);
    d.run(cmd.cas('k', 2, 'c', { px: 70 }));
    expect(d.read(cmd.ttl('k'))).toBe(70n);
    d.run(cmd.cas('k', 3, 'd'));
    expect(d.read(cmd.ttl('k'))).toBe(-1n);
  });

  test('an expiry in the past deletes, and the version now is 0', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'a'));
    expect(d.run(cmd.cas('k', 1, 'b', { pxAt: d.nowMs }))).toEqual([1n, 0n]);
    expect(d.kv.itemCount).toBe(0);
    expect(d.run(cmd.cas('k', 0, 'b', { pxAt: d.nowMs }))).toEqual([1n, 0n]);
    expect(d.kv.itemCount).toBe(0);
  });

  test('a key deleted and set again has another version', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'a'));
    const version = versionOf(d, 'k');
    d.apply(cmd.many(Op.del, ['k']), cmd.set('k', 'a'));
    expect(d.run(cmd.cas('k', version, 'b'))).toEqual([0n, BigInt(versionOf(d, 'k'))]);
  });

  test('too large values and impossible times are refused, other flags malformed', () => {
    const d = new KvDriver({ valueBytesMax: 4 });
    d.apply();
    const before = d.kv.stateHash();
    expect(d.run(cmd.cas('k', 0, '12345'))).toBe('-tooLarge');
    expect(d.run(cmd.cas('k', 0, 'v', { px: 0 }))).toBe('-invalidExpire');
    for (const flags of [SetFlag.ifAbsent, SetFlag.ifPresent, SetFlag.returnOld, 16]) {
      expect(d.run(cmd.cas('k', 0, 'v', { flags }))).toBe('-malformed');
    }
    expect(d.run(cmd.cas('k', 0, 'v', { flags: SetFlag.keepTtl, px: 5 }))).toBe('-malformed');
    expect(d.kv.stateHash()).toBe(before);
  });
});

describe('cad', () => {
  test('it deletes when the version is the expected one', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'a'));
    expect(d.run(cmd.cad('k', 2))).toEqual([0n, 1n]);
    expect(d.run(cmd.cad('k', 1))).toEqual([1n, 0n]);
    expect(d.read(cmd.get('k'))).toBeNull();
    expect(d.run(cmd.cad('k', 1))).toEqual([0n, 0n]);
  });

  test('0 holds for an absent key, and nothing changes', () => {
    const d = new KvDriver();
    d.apply();
    const before = d.kv.stateHash();
    expect(d.run(cmd.cad('k', 0))).toEqual([1n, 0n]);
    expect(d.kv.stateHash()).toBe(before);
    d.run(cmd.set('k', 'a'));
    expect(d.run(cmd.cad('k', 0))).toEqual([0n, 1n]);
  });
});

test('getMeta tells value, version and time left, by the later of applied time and clock; nil when absent', () => {
  const d = new KvDriver();
  d.apply(cmd.set('k', 'v', { px: 100 }), cmd.set('n', ''));
  expect(d.read(cmd.getMeta('k'))).toEqual(['$v', 1n, 100n]);
  expect(d.read(cmd.getMeta('k'), d.nowMs + 40)).toEqual(['$v', 1n, 60n]);
  expect(d.read(cmd.getMeta('k'), d.nowMs + 100)).toBe('needs_time');
  expect(d.read(cmd.getMeta('n'))).toEqual(['$', 2n, -1n]);
  expect(d.read(cmd.getMeta('x'))).toBeNull();
});

test('every mutation gives a version that was never there, also after a snapshot', () => {
  const d = new KvDriver();
  d.run(cmd.set('k', '1', { px: 1000 }));
  const seen = new Set<number>([versionOf(d, 'k')]);
  const mutations = [
    cmd.set('k', '2', { px: 1000 }),
    cmd.append('k', '3'),
    cmd.append('k', ''),
    cmd.setRange('k', 0, '4'),
    cmd.incrby('k', 1n),
    cmd.expire('k', { px: 500 }),
    cmd.getEx('k', { px: 500 }),
    cmd.getEx('k', { persist: true }),
    cmd.expire('k', { px: 500 }),
    cmd.persist('k'),
    cmd.mset([['k', '5']]),
  ];
  for (const mutation of mutations) {
    d.run(mutation);
    d.kv = loadedFrom(chunksOf(d.kv));
    expect(seen.has(versionOf(d, 'k'))).toBe(false);
    seen.add(versionOf(d, 'k'));
  }
  expect(seen.size).toBe(mutations.length + 1);
});

describe('a result wrapped with its key’s version', () => {
  test('holds what the plain command answers, and the version after it', () => {
    const rows: [Uint8Array, Shown, bigint][] = [
      [cmd.set('k', '5', { px: 100 }), 'OK', 3n],
      [cmd.set('k', '5', { flags: SetFlag.ifAbsent }), null, 2n],
      [cmd.set('n', '5', { flags: SetFlag.ifPresent }), null, 0n],
      [cmd.set('k', '5', { pxAt: 1 }), 'OK', 0n],
      [cmd.get('k'), '$1', 2n],
      [cmd.get('n'), null, 0n],
      [cmd.getMeta('k'), ['$1', 2n, 50n], 2n],
      [cmd.ttl('k'), 50n, 2n],
      [cmd.type('k'), '+string', 2n],
      [cmd.strlen('k'), 1n, 2n],
      [cmd.expireTime('k'), 1_000_050n, 2n],
      [cmd.getRange('n', 0n, 1n), '$', 0n],
      [cmd.incrby('k', 4n), 5n, 3n],
      [cmd.incrByFloat('k', '0.5'), '$1.5', 3n],
      [cmd.expire('k', { px: 0 }), 1n, 0n],
      [cmd.persist('k'), 1n, 3n],
      [cmd.persist('other'), 0n, 1n],
      [cmd.append('k', '2'), 2n, 3n],
      [cmd.setRange('k', 0, ''), 1n, 2n],
      [cmd.getDel('k'), '$1', 0n],
      [cmd.getEx('k', { persist: true }), '$1', 3n],
      [cmd.cas('k', 2, 'x'), [1n, 3n], 3n],
      [cmd.cad('k', 1), [0n, 2n], 2n],
      [cmd.many(Op.del, ['k']), 1n, 0n],
      [cmd.many(Op.exists, ['k']), 1n, 2n],
      [cmd.many(Op.mget, ['k']), ['$1'], 2n],
      [cmd.mset([['k', 'x']]), 'OK', 3n],
    ];
    for (const [command, result, version] of rows) {
      const d = new KvDriver();
      d.apply(cmd.set('other', 'o'), cmd.set('k', '1', { px: 50 }));
      const twin = new KvDriver();
      twin.apply(cmd.set('other', 'o'), cmd.set('k', '1', { px: 50 }));
      expect(twin.run(command), `op ${command[0]}`).toEqual(result);
      expect(d.run(cmd.versioned(command)), `op ${command[0]}`).toEqual([result, version]);
      expect(d.kv.stateHash(), `op ${command[0]}`).toBe(twin.kv.stateHash());
    }
    const wrapped = new Set(rows.map(([command]) => command[0]));
    const without = Object.values(Op).filter((op) => !wrapped.has(op));
    expect(without).toEqual([
      Op.dbsize,
      Op.scan,
      Op.randomKey,
      Op.flush,
      Op.reap,
      Op.evict,
      Op.setBudget,
      Op.mark,
      Op.raiseVersion,
    ]);
  });

  test('an error stays as it is', () => {
    const d = new KvDriver({ valueBytesMax: 4 });
    d.run(cmd.set('k', 'text'));
    const before = d.kv.stateHash();
    expect(d.run(cmd.versioned(cmd.incrby('k', 1n)))).toBe('-notInteger');
    expect(d.run(cmd.versioned(cmd.append('k', '!')))).toBe('-tooLarge');
    expect(d.run(cmd.versioned(cmd.get('k').slice(0, -1)))).toBe('-malformed');
    expect(d.kv.stateHash()).toBe(before);
  });

  test('a command that names no key, or several, is malformed and changes nothing', () => {
    const d = new KvDriver();
    d.apply(cmd.set('a', '1'), cmd.set('b', '2'));
    const before = d.kv.stateHash();
    const commands = [
      cmd.dbsize(),
      cmd.flush(),
      cmd.scan(0, 10),
      cmd.randomKey(0),
      cmd.many(Op.reap, []),
      cmd.many(Op.del, []),
      cmd.many(Op.del, ['a', 'b']),
      cmd.many(Op.exists, ['a', 'a']),
      cmd.many(Op.mget, ['a', 'b']),
      cmd.mset([['a', '3'], ['b', '4']]), // prettier-ignore
      cmd.many(Op.del, ['a']).slice(0, 6),
    ];
    for (const command of commands) {
      expect(d.run(cmd.versioned(command)), `op ${command[0]}`).toBe('-malformed');
    }
    expect(d.kv.stateHash()).toBe(before);
  });

  test('a read asks for later time as the plain one does', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'v', { px: 100 }));
    expect(d.read(cmd.versioned(cmd.get('k')), d.nowMs + 99)).toEqual(['$v', 1n]);
    expect(d.read(cmd.versioned(cmd.get('k')), d.nowMs + 100)).toBe('needs_time');
  });
});
