/** APPEND, SETRANGE, GETRANGE, STRLEN and GETDEL. What they answer was compared with Redis 7.0. */
import { describe, expect, test } from 'vitest';
import { GROWN_VALUE_BYTES_MAX, APPLY_VALUE_BYTES_MAX } from '../../../src/kv/index.js';
import { cmd, KvDriver } from './kv-driver.js';

describe('append', () => {
  test('appending to what is absent makes it, also with no bytes', () => {
    const d = new KvDriver();
    expect(d.apply(cmd.append('k', 'ab'), cmd.append('k', ''), cmd.append('k', 'cde'))).toEqual([2n, 2n, 5n]);
    expect(d.read(cmd.get('k'))).toBe('$abcde');
    expect(d.run(cmd.append('empty', ''))).toBe(0n);
    expect(d.read(cmd.get('empty'))).toBe('$');
  });

  test('the expiry stays, and an expired value counts as none', () => {
    const d = new KvDriver();
    d.apply(cmd.set('k', 'ab', { px: 500 }), cmd.append('k', 'c'));
    expect(d.read(cmd.ttl('k'))).toBe(500n);
    d.nowMs += 500;
    expect(d.run(cmd.append('k', 'new'))).toBe(3n);
    expect(d.read(cmd.get('k'))).toBe('$new');
    expect(d.read(cmd.ttl('k'))).toBe(-1n);
  });

  test('a value one byte over the limit is refused and changes nothing, one at the limit is not', () => {
    const d = new KvDriver({ valueBytesMax: 8 });
    d.run(cmd.set('k', '12345'));
    const before = d.kv.stateHash();
    expect(d.run(cmd.append('k', '6789'))).toBe('-tooLarge');
    expect(d.run(cmd.append('x', '123456789'))).toBe('-tooLarge');
    expect(d.kv.stateHash()).toBe(before);
    expect(d.run(cmd.append('k', '678'))).toBe(8n);
  });

  test('long values are put together right, one after another', () => {
    const d = new KvDriver({ valueBytesMax: 1 << 20 });
    const long = 'x'.repeat(20_000);
    d.apply(cmd.append('a', 'one'), cmd.append('b', long), cmd.append('a', 'two'), cmd.append('b', 'end'));
    expect(d.read(cmd.get('a'))).toBe('$onetwo');
    expect(d.read(cmd.get('b'))).toBe('$' + long + 'end');
  });
});

describe('setRange', () => {
  test('it overwrites, extends, and fills the gap with zero bytes', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'hello'));
    expect(d.run(cmd.setRange('k', 0, 'J'))).toBe(5n);
    expect(d.read(cmd.get('k'))).toBe('$Jello');
    expect(d.run(cmd.setRange('k', 7, 'xy'))).toBe(9n);
    expect(d.read(cmd.get('k'))).toBe('$Jello\0\0xy');
    expect(d.run(cmd.setRange('absent', 3, 'q'))).toBe(4n);
    expect(d.read(cmd.get('absent'))).toBe('$\0\0\0q');
  });

  test('the gap holds zero bytes also where an earlier command left others behind', () => {
    const d = new KvDriver();
    d.apply(cmd.append('k', 'secret secret'), cmd.setRange('n', 6, '!'));
    expect(d.read(cmd.get('n'))).toBe('$\0\0\0\0\0\0!');
  });

  test('no bytes change nothing: the length is told, and nothing is made, whatever the offset', () => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'hello'));
    const before = d.kv.stateHash();
    expect(d.run(cmd.setRange('k', 10, ''))).toBe(5n);
    expect(d.run(cmd.setRange('absent', 0, ''))).toBe(0n);
    expect(d.run(cmd.setRange('absent', 0xffff_ffff, ''))).toBe(0n);
    expect(d.kv.stateHash()).toBe(before);
  });

  test('the expiry stays', () => {
    const d = new KvDriver();
    d.apply(cmd.set('k', 'hello', { px: 500 }), cmd.setRange('k', 5, '!'));
    expect(d.read(cmd.ttl('k'))).toBe(500n);
    expect(d.read(cmd.get('k'))).toBe('$hello!');
  });

  test('an end past the limit is refused and changes nothing, however few bytes the command has', () => {
    const d = new KvDriver({ valueBytesMax: 8 });
    d.run(cmd.set('k', '12345678'));
    const before = d.kv.stateHash();
    expect(d.run(cmd.setRange('k', 8, '9'))).toBe('-tooLarge');
    expect(d.run(cmd.setRange('n', 0xffff_ffff, '9'))).toBe('-tooLarge');
    expect(d.kv.stateHash()).toBe(before);
    expect(d.run(cmd.setRange('k', 7, '9'))).toBe(8n);
  });

  test('what a few bytes make stays below what travels between nodes', () => {
    const d = new KvDriver({ valueBytesMax: APPLY_VALUE_BYTES_MAX });
    expect(d.run(cmd.setRange('k', GROWN_VALUE_BYTES_MAX, 'x'))).toBe('-tooLarge');
    expect(d.kv.itemCount).toBe(0);
  });
});

describe('getRange', () => {
  const MIN = -(2n ** 63n);
  const MAX = 2n ** 63n - 1n;

  test.each([
    [0n, -1n, 'hello'],
    [1n, 3n, 'ell'],
    [4n, 100n, 'o'],
    [5n, 9n, ''],
    [3n, 1n, ''],
    [-3n, -1n, 'llo'],
    [-1n, -3n, ''],
    [-100n, 2n, 'hel'],
    [0n, -100n, 'h'],
    [-100n, -50n, 'h'],
    [0n, MAX, 'hello'],
    [MIN, MAX, 'hello'],
    [MIN, MIN, 'h'],
    [MIN + 1n, MIN, ''],
    [MAX, MAX, ''],
  ])('from %s to %s of hello is %j', (first, last, expected) => {
    const d = new KvDriver();
    d.run(cmd.set('k', 'hello'));
    expect(d.read(cmd.getRange('k', first, last))).toBe('$' + expected);
  });

  test('of an absent, an expired and an empty value it is empty', () => {
    const d = new KvDriver();
    d.apply(cmd.set('e', ''), cmd.set('dead', 'x', { px: 1 }));
    d.nowMs += 1;
    d.apply();
    for (const key of ['absent', 'e', 'dead']) expect(d.read(cmd.getRange(key, 0n, -1n))).toBe('$');
  });
});

test('strlen counts bytes, 0 for what is absent', () => {
  const d = new KvDriver();
  d.apply(cmd.set('k', 'hällo'), cmd.set('e', ''));
  expect([d.read(cmd.strlen('k')), d.read(cmd.strlen('e')), d.read(cmd.strlen('x'))]).toEqual([6n, 0n, 0n]);
});

test('getDel answers the value and removes the key; an absent or expired one is nil', () => {
  const d = new KvDriver();
  d.apply(cmd.set('k', 'v', { px: 100 }), cmd.set('dead', 'v', { px: 1 }));
  d.nowMs += 1;
  expect(d.apply(cmd.getDel('k'), cmd.getDel('k'), cmd.getDel('dead'))).toEqual(['$v', null, null]);
  expect(d.read(cmd.get('k'))).toBeNull();
});
