import { describe, expect, test } from 'vitest';
import { Prng } from '../../../src/base/index.js';
import { createKv } from '../../../src/kv/index.js';
import { applyTo, chunksOf, cmd, DEFAULTS, KvDriver, loadedFrom, type Shown } from './kv-driver.js';

/** The sum of two numbers as text, by way of a key. */
function sum(present: string, amount: string): Shown {
  const d = new KvDriver();
  d.run(cmd.set('n', present));
  return d.run(cmd.incrByFloat('n', amount));
}

test('E126 INCRBYFLOAT 0.1 + 0.2 is 0.3 on every replica, from the log and from a snapshot', () => {
  const d = new KvDriver();
  expect(d.apply(cmd.incrByFloat('n', '0.1'), cmd.incrByFloat('n', '0.2'))).toEqual(['$0.1', '$0.3']);
  expect(d.read(cmd.get('n'))).toBe('$0.3');
  for (let i = 0; i < 7; i++) d.run(cmd.incrByFloat('n', '0.1'));
  expect(d.read(cmd.get('n'))).toBe('$1');
  const replayed = createKv(DEFAULTS);
  for (const [i, entry] of d.log.entries()) applyTo(replayed, entry, i + 1);
  expect(replayed.stateHash()).toBe(d.kv.stateHash());
  expect(loadedFrom(chunksOf(d.kv)).stateHash()).toBe(d.kv.stateHash());
});

test('sums of random decimals are exact, whichever way they are spelled', () => {
  const prng = new Prng(126);
  const asText = (units: bigint, digits: number): string => {
    const sign = units < 0n ? '-' : '';
    const text = (units < 0n ? -units : units).toString().padStart(digits + 1, '0');
    const fraction = text.slice(text.length - digits).replace(/0+$/, '');
    return sign + text.slice(0, text.length - digits) + (fraction === '' ? '' : `.${fraction}`);
  };
  for (let round = 0; round < 300; round++) {
    // Fifteen digits each, seven of them behind the point.
    const [a, b] = [prng.between(-1e15, 1e15), prng.between(-1e15, 1e15)].map(BigInt) as [bigint, bigint];
    const spelled = prng.chance(0.5) ? `${b}e-7` : asText(b, 7);
    expect(sum(asText(a, 7), spelled)).toBe(`$${asText(a + b, 7)}`);
  }
});

describe('what is read and how it is printed', () => {
  test('as Redis takes it: signs, bare points, exponents', () => {
    const rows: [string, string, string][] = [
      ['10.50', '0.1', '10.6'],
      ['5.0e3', '2.0e2', '5200'],
      ['+3', '-3', '0'],
      ['-0', '0', '0'],
      ['.5', '5.', '5.5'],
      ['007', '1E1', '17'],
      ['0', '1e-17', '0.00000000000000001'],
      ['0', '-1e-17', '-0.00000000000000001'],
      ['1', '-0.00', '1'],
      ['9007199254740993', '1', '9007199254740994'],
      ['0', '1e20', '100000000000000000000'],
    ];
    for (const [present, amount, expected] of rows) expect(sum(present, amount)).toBe(`$${expected}`);
  });

  test('rounded, half to even, to 17 significant digits and 17 behind the point', () => {
    expect(sum('12345678901234567', '0.5')).toBe('$12345678901234568');
    expect(sum('12345678901234566', '0.5')).toBe('$12345678901234566');
    expect(sum('-12345678901234567', '-0.5')).toBe('$-12345678901234568');
    expect(sum('0', '0.000000000000000005')).toBe('$0');
    expect(sum('0', '0.000000000000000015')).toBe('$0.00000000000000002');
    expect(sum('0', '0.000000000000000025')).toBe('$0.00000000000000002');
    expect(sum('99999999999999999', '0.9')).toBe('$100000000000000000');
    expect(sum('0', '1e-400')).toBe('$0');
    expect(sum('1e300', '-1e-300')).toBe(`$1${'0'.repeat(300)}`);
  });

  test('no numbers are refused, and nothing changes', () => {
    const wrong = [
      '',
      ' 1',
      '1 ',
      'a',
      '1a',
      '.',
      '+',
      '-',
      '--1',
      '1e',
      '1e+',
      '1.2.3',
      'e5',
      '0x10',
      'nan',
    ];
    wrong.push('1'.repeat(513), '1\n');
    for (const text of wrong) {
      expect(sum('1', text), text).toBe('-notFloat');
      expect(sum(text, '1'), text).toBe('-notFloat');
    }
    const d = new KvDriver();
    d.run(cmd.set('n', 'text'));
    const before = d.kv.stateHash();
    expect(d.run(cmd.incrByFloat('n', '1'))).toBe('-notFloat');
    expect(d.kv.stateHash()).toBe(before);
  });

  test('infinity, and what is as large, is refused as such', () => {
    const large = ['inf', '-INFINITY', '+Inf', '1e309', '1e99999999999', '9'.repeat(310)];
    for (const text of large) {
      expect(sum('1', text), text).toBe('-infinite');
      expect(sum(text, '1'), text).toBe('-infinite');
    }
    expect(sum('9.99999999999999999e308', '5e308')).toBe('-infinite');
    expect(sum('9e308', '-9e308')).toBe('$0');
    expect(sum('0e999999', '1')).toBe('$1');
  });
});

test('an absent or expired key counts as 0; the expiry of a living one stays', () => {
  const d = new KvDriver();
  expect(d.run(cmd.incrByFloat('n', '1.5'))).toBe('$1.5');
  d.run(cmd.expire('n', { px: 100 }));
  expect(d.run(cmd.incrByFloat('n', '1.5'))).toBe('$3');
  expect(d.read(cmd.ttl('n'))).toBe(100n);
  d.nowMs += 100;
  expect(d.run(cmd.incrByFloat('n', '0.25'))).toBe('$0.25');
  expect(d.read(cmd.ttl('n'))).toBe(-1n);
});

test('a sum longer than the values allowed is refused', () => {
  const d = new KvDriver({ valueBytesMax: 20 });
  expect(d.run(cmd.incrByFloat('n', '1e19'))).toBe('$10000000000000000000');
  expect(d.run(cmd.incrByFloat('n', '1e20'))).toBe('-tooLarge');
});
