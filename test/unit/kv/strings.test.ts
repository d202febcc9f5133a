import { describe, expect, test } from 'vitest';
import { SetFlag } from '../../../src/kv/index.js';
import { cmd, KvDriver, Op } from './kv-driver.js';

describe('set and get', () => {
  test('a value comes back as it was set, also an empty one, and binary keys differ by every byte', () => {
    const d = new KvDriver();
    const binary = Uint8Array.from({ length: 256 }, (_, i) => i);
    expect(d.apply(cmd.set('k', 'v'), cmd.set('e', ''), cmd.set('', 'empty key'))).toEqual([
      'OK',
      'OK',
      'OK',
    ]);
    expect(d.run(cmd.set(binary, binary))).toBe('OK');
    expect(d.read(cmd.get('k'))).toBe('$v');
    expect(d.read(cmd.get('e'))).toBe('$');
    expect(d.read(cmd.get(''))).toBe('$empty key');
    expect(d.read(cmd.get(binary))).toBe('$' + String.fromCharCode(...binary));
    expect(d.read(cmd.get(binary.subarray(0, 255)))).toBeNull();
    expect(d.read(cmd.get('absent'))).toBeNull();
  });

  test('a key of 65,535 bytes works', () => {
    const d = new KvDriver();
    const key = new Uint8Array(65_535).fill(7);
    d.run(cmd.set(key, 'v'));
    expect(d.read(cmd.get(key))).toBe('$v');
    expect(d.read(cmd.get(key.subarray(1)))).toBeNull();
  });

  test('NX sets only what is absent, XX only what is there', () => {
    const d = new KvDriver();
    expect(d.run(cmd.set('k', '1', { flags: SetFlag.ifPresent }))).toBeNull();
    expect(d.run(cmd.set('k', '2', { flags: SetFlag.ifAbsent }))).toBe('OK');
    expect(d.run(cmd.set('k', '3', { flags: SetFlag.ifAbsent }))).toBeNull();
    expect(d.run(cmd.set('k', '4', { flags: SetFlag.ifPresent }))).toBe('OK');
    expect(d.read(cmd.get('k'))).toBe('$4');
  });

  test('GET returns the old value, whether the condition held or not', () => {
    const d = new KvDriver();
    const { ifAbsent, ifPresent, returnOld } = SetFlag;
    expect(d.run(cmd.set('k', '1', { flags: returnOld | ifPresent }))).toBeNull();
    expect(d.run(cmd.set('k', '2', { flags: returnOld | ifAbsent }))).toBeNull();
    expect(d.run(cmd.set('k', '3', { flags: returnOld | ifAbsent }))).toBe('$2');
    expect(d.run(cmd.set('k', '4', { flags: returnOld }))).toBe('$2');
    expect(d.read(cmd.get('k'))).toBe('$4');
  });

  test('a value over the limit is refused and changes nothing', () => {
    const d = new KvDriver({ valueBytesMax: 8 });
    d.run(cmd.set('k', '12345678'));
    const before = d.kv.stateHash();
    expect(d.apply(cmd.set('k', '123456789'), cmd.set('n', '123456789'))).toEqual(['-tooLarge', '-tooLarge']);
    expect(d.run(cmd.mset([['a', 'x'], ['b', '123456789']]))).toBe('-tooLarge'); // prettier-ignore
    expect(d.kv.stateHash()).toBe(before);
  });

  test('contradicting or unknown flags are malformed', () => {
    const d = new KvDriver();
    const { ifAbsent, ifPresent, keepTtl } = SetFlag;
    expect(d.run(cmd.set('k', 'v', { flags: ifAbsent | ifPresent }))).toBe('-malformed');
    expect(d.run(cmd.set('k', 'v', { flags: keepTtl, px: 5 }))).toBe('-malformed');
    expect(d.run(cmd.set('k', 'v', { flags: 16 }))).toBe('-malformed');
    expect(d.kv.itemCount).toBe(0);
  });
});

describe('many keys', () => {
  test('del counts what it removed, exists counts repeats, mget keeps order', () => {
    const d = new KvDriver();
    const pairs = [['a', '1'], ['b', '2'], ['a', '3']] as const; // prettier-ignore
    expect(d.run(cmd.mset(pairs))).toBe('OK');
    expect(d.read(cmd.many(Op.mget, ['b', 'x', 'a', 'b']))).toEqual(['$2', null, '$3', '$2']);
    expect(d.read(cmd.many(Op.exists, ['a', 'a', 'x', 'b']))).toBe(3n);
    expect(d.run(cmd.many(Op.del, ['a', 'a', 'x']))).toBe(1n);
    expect(d.read(cmd.many(Op.exists, ['a']))).toBe(0n);
    expect(d.read(cmd.dbsize())).toBe(1n);
  });

  test('an mget whose answer would be huge is refused', () => {
    const d = new KvDriver({ valueBytesMax: 1024 * 1024 });
    d.run(cmd.set('k', new Uint8Array(1024 * 1024)));
    expect(d.read(cmd.many(Op.mget, new Array<string>(65).fill('k')))).toBe('-tooLarge');
    expect(d.read(cmd.many(Op.mget, ['k', 'x']))).toHaveLength(2);
  });

  test('flush empties the shard and versions go on growing', () => {
    const d = new KvDriver();
    for (let i = 0; i < 2000; i++) d.run(cmd.set(`k${i}`, 'v', { px: 1000 }));
    const { lastVersion } = d.kv;
    expect(d.run(cmd.flush())).toBe('OK');
    expect([d.kv.itemCount, d.kv.bytes, d.kv.nextDueMs()]).toEqual([0, 0, Infinity]);
    expect(d.read(cmd.get('k5'))).toBeNull();
    d.run(cmd.set('k5', 'w'));
    expect(d.read(cmd.get('k5'))).toBe('$w');
    expect(d.kv.lastVersion).toBeGreaterThan(lastVersion);
  });
});

test('type tells strings from nothing', () => {
  const d = new KvDriver();
  d.run(cmd.set('k', 'v'));
  expect(d.read(cmd.type('k'))).toBe('+string');
  expect(d.read(cmd.type('x'))).toBe('+none');
});

test('count and bytes follow every change', () => {
  const d = new KvDriver();
  d.apply(cmd.set('ab', '123'), cmd.set('c', ''), cmd.set('ab', '1'));
  expect([d.kv.itemCount, d.kv.bytes]).toEqual([2, 4]);
  d.run(cmd.many(Op.del, ['ab']));
  expect([d.kv.itemCount, d.kv.bytes]).toEqual([1, 1]);
});

describe('incrby', () => {
  test('an absent key counts as 0', () => {
    const d = new KvDriver();
    expect(d.apply(cmd.incrby('n', 5n), cmd.incrby('n', -7n))).toEqual([5n, -2n]);
    expect(d.read(cmd.get('n'))).toBe('$-2');
  });

  test('E126: sums are exact up to the edges of int64, and an overflow changes nothing', () => {
    const d = new KvDriver();
    const max = 2n ** 63n - 1n;
    const min = -(2n ** 63n);
    d.run(cmd.set('n', (max - 1n).toString()));
    expect(d.run(cmd.incrby('n', 1n))).toBe(max);
    const before = [d.kv.lastVersion, d.kv.bytes];
    expect(d.run(cmd.incrby('n', 1n))).toBe('-overflow');
    expect(d.run(cmd.incrby('n', max))).toBe('-overflow');
    expect([d.kv.lastVersion, d.kv.bytes]).toEqual(before);
    expect(d.read(cmd.get('n'))).toBe('$9223372036854775807');
    expect(d.run(cmd.incrby('n', min))).toBe(-1n);
    expect(d.run(cmd.incrby('n', min))).toBe('-overflow');
    expect(d.run(cmd.incrby('m', min))).toBe(min);
    expect(d.run(cmd.incrby('m', -1n))).toBe('-overflow');
  });

  test('E126: sums are exact around 2^53, where doubles are not', () => {
    const d = new KvDriver();
    for (const start of [2n ** 53n - 2n, -(2n ** 53n) + 2n, 10n ** 15n - 1n, -(10n ** 15n)]) {
      for (const delta of [1n, -1n, 3n, -3n, 2n ** 53n, -(2n ** 53n)]) {
        d.run(cmd.set('n', start.toString()));
        expect(d.run(cmd.incrby('n', delta))).toBe(start + delta);
        expect(d.read(cmd.get('n'))).toBe(`$${start + delta}`);
      }
    }
  });

  test('what Redis does not take for an integer is refused', () => {
    const d = new KvDriver();
    const wrong = ['', ' 1', '1 ', '+1', '01', '-01', '-0', '-', '1.0', '1e3', 'a', '0x1', '1\n', '--1'];
    wrong.push(
      '9223372036854775808',
      '-9223372036854775809',
      '123456789012345678901',
      '00000000000000000000',
    );
    for (const text of wrong) {
      d.run(cmd.set('n', text));
      expect(d.run(cmd.incrby('n', 1n)), text).toBe('-notInteger');
      expect(d.read(cmd.get('n'))).toBe('$' + text);
    }
    for (const text of ['0', '-1', '9223372036854775806', '-9223372036854775808', '100000000000000000']) {
      d.run(cmd.set('n', text));
      expect(d.run(cmd.incrby('n', 1n))).toBe(BigInt(text) + 1n);
    }
  });

  test('the expiry stays', () => {
    const d = new KvDriver();
    d.apply(cmd.set('n', '1', { px: 500 }), cmd.incrby('n', 1n));
    expect(d.read(cmd.ttl('n'))).toBe(500n);
  });
});
