/** The pure parts of the load generators: replies counted in any split, and the slot map. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { Dice, keyName } from '../../../scripts/bench/load/random.js';
import { ReplyScanner } from '../../../scripts/bench/load/reply-scanner.js';
import { parseReply, slotOwners } from '../../../scripts/bench/load/resp-values.js';

const REPLIES = ['+OK\r\n', '$-1\r\n', '$0\r\n\r\n', '$5\r\na\r\nb-\r\n', ':12\r\n', '-ERR no\r\n'];
const EXPECTED = [null, null, null, null, null, 'ERR no'];

function scan(parts: readonly Uint8Array[]): (string | null)[] {
  const seen: (string | null)[] = [];
  const scanner = new ReplyScanner((error) => seen.push(error));
  for (const part of parts) scanner.feed(part);
  return seen;
}

describe('the scanner of replies', () => {
  const bytes = Buffer.from(REPLIES.join(''));

  it('counts whole replies', () => {
    expect(scan([bytes])).toEqual(EXPECTED);
  });

  it('counts the same at every split and byte by byte', () => {
    for (let at = 0; at <= bytes.length; at++) {
      expect(scan([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(EXPECTED);
    }
    expect(scan([...bytes].map((byte) => Uint8Array.of(byte)))).toEqual(EXPECTED);
  });

  it('does not count a reply that is not whole', () => {
    for (const reply of REPLIES) expect(scan([Buffer.from(reply.slice(0, -1))])).toEqual([]);
  });

  it('refuses what is no reply', () => {
    expect(() => scan([Buffer.from('HTTP/1.1')])).toThrow('begins with byte');
  });
});

describe('the slot map', () => {
  const node = (port: number): string => `*3\r\n$9\r\n127.0.0.1\r\n:${port}\r\n$2\r\nid\r\n`;
  const range = (first: number, last: number, port: number): string =>
    `*3\r\n:${first}\r\n:${last}\r\n${node(port)}`;
  const text = `*3\r\n${range(0, 99, 1)}${range(100, 8000, 2)}${range(8001, 16_383, 1)}`;

  it('is read from CLUSTER SLOTS, and only when the answer is whole', () => {
    const parsed = parseReply(text);
    expect(parsed?.end).toBe(text.length);
    const { addresses, ownerOf } = slotOwners(parsed?.value ?? null);
    expect(addresses).toEqual(['127.0.0.1:1', '127.0.0.1:2']);
    expect([0, 99, 100, 8000, 8001, 16_383].map((slot) => ownerOf[slot])).toEqual([0, 0, 1, 1, 0, 0]);
    for (let length = 0; length < text.length; length++) expect(parseReply(text.slice(0, length))).toBeNull();
  });

  it('with a hole is refused, and so is an error', () => {
    const holed = parseReply(`*1\r\n${range(0, 99, 1)}`);
    expect(() => slotOwners(holed?.value ?? null)).toThrow('no owner of slot 100');
    expect(() => parseReply('-CLUSTERDOWN no\r\n')).toThrow('CLUSTERDOWN');
  });
});

describe('keys', () => {
  it('are named as the other generators name theirs', () => {
    expect(keyName(42)).toBe('key:000000000042');
  });

  it('are drawn within their range, spread over it, and repeatably', () => {
    fc.assert(
      fc.property(fc.nat(1000), fc.integer({ min: 2, max: 500 }), (seed, count) => {
        const [one, two] = [new Dice(seed), new Dice(seed)];
        const drawn = Array.from({ length: 2000 }, () => one.below(count));
        expect(drawn).toEqual(Array.from({ length: 2000 }, () => two.below(count)));
        expect(Math.min(...drawn)).toBeGreaterThanOrEqual(0);
        expect(Math.max(...drawn)).toBeLessThan(count);
        expect(new Set(drawn).size).toBeGreaterThan(count * 0.9);
      }),
    );
  });
});
