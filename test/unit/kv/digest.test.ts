import { expect, test } from 'vitest';
import { Digest } from '../../../src/kv/digest.js';

function digestOf(bytes: Uint8Array, start = 0, end = bytes.length): string {
  const digest = new Digest();
  digest.begin();
  digest.bytes(bytes, start, end);
  digest.end();
  return `${digest.a} ${digest.b}`;
}

test('every length, and every single changed byte, gives another digest, in both lanes', () => {
  const bytes = Uint8Array.from({ length: 300 }, (_, i) => i * 7);
  const seen = new Set<string>();
  for (let length = 0; length <= 300; length++) seen.add(digestOf(bytes, 0, length));
  expect(seen.size).toBe(301);
  const [a, b] = digestOf(bytes).split(' ');
  for (let at = 0; at < 300; at++) {
    const changed = bytes.slice();
    changed[at] = (changed[at] as number) ^ 1;
    const other = digestOf(changed).split(' ');
    expect(other[0]).not.toBe(a);
    expect(other[1]).not.toBe(b);
  }
});

test('long values are digested word by word as short ones are, wherever they stand in their buffer', () => {
  const bytes = Uint8Array.from({ length: 1003 }, (_, i) => i * 31);
  for (const length of [255, 256, 257, 259, 1000]) {
    const byWords = new Digest();
    byWords.begin();
    byWords.word(length);
    const words = length >> 2;
    const view = new DataView(bytes.buffer, 3);
    for (let i = 0; i < words; i++) byWords.word(view.getInt32(4 * i, true));
    let tail = 0;
    for (let i = 4 * words; i < length; i++) tail = (tail << 8) | (bytes[3 + i] as number);
    byWords.word(tail);
    byWords.end();
    expect(digestOf(bytes, 3, 3 + length)).toBe(`${byWords.a} ${byWords.b}`);
    expect(digestOf(bytes.subarray(3), 0, length)).toBe(`${byWords.a} ${byWords.b}`);
  }
});

test('a border between two fields counts', () => {
  const of = (...fields: number[][]): string => {
    const digest = new Digest();
    digest.begin();
    for (const field of fields) digest.bytes(Uint8Array.from(field), 0, field.length);
    digest.end();
    return `${digest.a} ${digest.b}`;
  };
  expect(of([1, 2], [3])).not.toBe(of([1], [2, 3]));
  expect(of([], [0])).not.toBe(of([0], []));
});
