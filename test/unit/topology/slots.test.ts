import { expect, test } from 'vitest';
import { encodeUtf8, SLOT_COUNT } from '../../../src/base/index.js';
import { crc16, slotOfKey, slotRanges } from '../../../src/topology/index.js';

const slot = (text: string): number => slotOfKey(encodeUtf8(text));

test('crc16 gives the check value of XMODEM', () => {
  expect(crc16(encodeUtf8('123456789'))).toBe(0x31c3);
  expect(crc16(new Uint8Array(0))).toBe(0);
});

test('slots are those of Redis Cluster', () => {
  expect(slot('foo')).toBe(12182);
  expect(slot('bar')).toBe(5061);
  expect(slot('')).toBe(0);
});

test('only what stands between the first brace pair counts', () => {
  expect(slot('{user1000}.following')).toBe(slot('{user1000}.followers'));
  expect(slot('{user1000}.following')).toBe(slot('user1000'));
  expect(slot('foo{bar}{zap}')).toBe(slot('bar'));
  expect(slot('foo{{bar}}zap')).toBe(slot('{bar'));
});

test('without a non-empty tag the whole key counts', () => {
  const whole = (text: string): number => crc16(encodeUtf8(text)) % SLOT_COUNT;
  for (const key of ['foo{}{bar}', '{}', '{', '}', 'a}b{c', 'foo{bar']) expect(slot(key)).toBe(whole(key));
});

test('a key is found within a larger buffer, and braces outside it do not count', () => {
  expect(slotOfKey(encodeUtf8('}{foo}'), 2, 5)).toBe(12182);
  expect(slotOfKey(encodeUtf8('{a}foo{b}'), 3, 6)).toBe(12182);
});

test('ranges cover every slot once and differ by one slot at most', () => {
  for (const count of [1, 2, 3, 7, 16, 1000, 16384]) {
    const ranges = slotRanges(count);
    let next = 0;
    for (const range of ranges) {
      expect(range.firstSlot).toBe(next);
      next = range.lastSlot + 1;
    }
    expect(next).toBe(SLOT_COUNT);
    const sizes = ranges.map((range) => range.lastSlot - range.firstSlot + 1);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThanOrEqual(1);
  }
  expect(() => slotRanges(0)).toThrow('shard count');
});
