import { describe, expect, it } from 'vitest';
import { parseInt64, parseInteger } from '../../../../src/api/resp/integers.js';

function both(text: string): [number, bigint | null] {
  const bytes = new Uint8Array(Buffer.from(`xx${text}yy`));
  return [parseInteger(bytes, 2, 2 + text.length), parseInt64(bytes, 2, 2 + text.length)];
}

describe('integers', () => {
  it.each(['0', '1', '-1', '42', '999999999999999', '9007199254740991', '-9007199254740991'])(
    '%s is read exactly by both',
    (text) => {
      expect(both(text)).toEqual([Number(text), BigInt(text)]);
    },
  );

  it.each(['9223372036854775807', '-9223372036854775808', '9007199254740993'])(
    '%s is read exactly as int64',
    (text) => {
      expect(both(text)).toEqual([Number(BigInt(text)), BigInt(text)]);
    },
  );

  it.each([
    '',
    '-',
    '+1',
    '01',
    '-0',
    '-01',
    ' 1',
    '1 ',
    '1.5',
    '1e3',
    '0x1',
    '9223372036854775808',
    '-9223372036854775809',
    '9'.repeat(20),
  ])('E94 %j is none', (text) => {
    expect(both(text)).toEqual([NaN, null]);
  });
});
