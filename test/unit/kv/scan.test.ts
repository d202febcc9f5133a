/** SCAN's pages and RANDOMKEY. That a whole walk misses nothing is test/property/kv-scan.test.ts. */
import { describe, expect, test } from 'vitest';
import { KeyHasher } from '../../../src/kv/key-hash.js';
import { SCAN_COUNT_MAX } from '../../../src/kv/index.js';
import { chunksOf, cmd, DEFAULTS, KvDriver, loadedFrom, Op, toBytes, type Bytes } from './kv-driver.js';

const END = 2 ** 32;

interface KeysPage {
  readonly nextHash: number;
  readonly keys: string[];
}

function page(d: KvDriver, fromHash: number, countMax: number, pattern: Bytes | null = null): KeysPage {
  const shown = d.read(cmd.scan(fromHash, countMax, pattern));
  if (!Array.isArray(shown) || !Array.isArray(shown[1])) throw new Error(`page ${String(shown)}`);
  return { nextHash: Number(shown[0]), keys: shown[1].map((key) => String(key).slice(1)) };
}

function hashOf(key: string): number {
  const bytes = toBytes(key);
  return new KeyHasher(DEFAULTS.hashSeed).hash(bytes, 0, bytes.length);
}

/** The keys 0 to `count` - 1 in the order of their hashes. */
function inOrder(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${i}`).sort((a, b) => hashOf(a) - hashOf(b));
}

function filled(count: number, px?: number): KvDriver {
  const d = new KvDriver();
  d.apply(...Array.from({ length: count }, (_, i) => cmd.set(`${i}`, 'v', px === undefined ? {} : { px })));
  return d;
}

describe('a page of keys', () => {
  test('of an empty shard is empty, and the end', () => {
    expect(page(new KvDriver(), 0, 10)).toEqual({ nextHash: END, keys: [] });
    expect(page(new KvDriver(), END - 1, 10)).toEqual({ nextHash: END, keys: [] });
  });

  test('holds keys in the order of their hashes, and names the next item’s hash', () => {
    const d = filled(2000);
    const all = inOrder(2000);
    expect(page(d, 0, 2000)).toEqual({ nextHash: END, keys: all });
    expect(page(d, 0, 7)).toEqual({ nextHash: hashOf(all[7]!), keys: all.slice(0, 7) });
    const from = hashOf(all[700]!);
    expect(page(d, from, 600)).toEqual({ nextHash: hashOf(all[1300]!), keys: all.slice(700, 1300) });
    expect(page(d, from + 1, 1)).toEqual({ nextHash: hashOf(all[702]!), keys: [all[701]] });
    expect(page(d, hashOf(all[1999]!), 5)).toEqual({ nextHash: END, keys: [all[1999]] });
    expect(page(d, hashOf(all[1999]!) + 1, 5)).toEqual({ nextHash: END, keys: [] });
  });

  test('does not end between two keys of one hash', () => {
    const d = new KvDriver();
    const [one, other] = ['63930', '70248'] as const; // found by search
    const hash = hashOf(one);
    expect(hashOf(other)).toBe(hash);
    d.apply(cmd.set(other, 'v'), cmd.set(one, 'v'), cmd.set('behind', 'v'));
    expect(hashOf('behind')).toBeGreaterThan(hash);
    // In the order of their versions, whichever the table met first.
    expect(page(d, 0, 1)).toEqual({ nextHash: hashOf('behind'), keys: [other, one] });
    expect(page(d, hash, 1).keys).toEqual([other, one]);
    d.run(cmd.set(other, 'w'));
    expect(page(d, 0, 1).keys).toEqual([one, other]);
    expect(page(d, hash + 1, 1)).toEqual({ nextHash: END, keys: ['behind'] });
  });

  test('looks at so many keys, of which fewer may match', () => {
    const d = filled(500);
    const all = inOrder(500);
    const { nextHash, keys } = page(d, 0, 100, '1*');
    expect(nextHash).toBe(hashOf(all[100]!));
    expect(keys).toEqual(all.slice(0, 100).filter((key) => key.startsWith('1')));
    expect(page(d, 0, 500, '[12]?').keys).toEqual(all.filter((key) => /^[12].$/.test(key)));
    expect(page(d, 0, 500, '').keys).toEqual([]);
    expect(page(d, 0, 500, 'no*').keys).toEqual([]);
  });

  test('a pattern counts bytes and case', () => {
    const d = new KvDriver();
    d.apply(cmd.set('Ab', ''), cmd.set(Uint8Array.of(0xff, 0x61), ''), cmd.set('', ''));
    expect(page(d, 0, 10, 'a*').keys).toEqual([]);
    expect(page(d, 0, 10, 'A*').keys).toEqual(['Ab']);
    expect(page(d, 0, 10, Uint8Array.of(0xff, 0x3f)).keys).toEqual(['\xffa']);
    expect(page(d, 0, 10, '').keys).toEqual(['']);
  });

  test('a count above the limit counts as the limit', () => {
    const d = filled(SCAN_COUNT_MAX + 5);
    expect(page(d, 0, 0xffff_ffff).keys).toHaveLength(SCAN_COUNT_MAX);
  });

  test('many long keys end a page early', () => {
    const d = new KvDriver();
    for (let i = 0; i < 100; i++) d.run(cmd.set(`${i}`.padEnd(60_000, 'x'), ''));
    const first = page(d, 0, 100);
    expect(first.keys).toHaveLength(18); // the first number whose bytes are over 1 MiB
    expect(first.nextHash).toBeLessThan(END);
    expect(page(d, first.nextHash, 100).keys[0]).not.toBe(first.keys[17]);
  });

  test('a pattern that takes long to match ends a page early', () => {
    const d = new KvDriver();
    for (let i = 0; i < 40; i++) d.run(cmd.set(`${i}`.padEnd(2000, 'a'), ''));
    const slow = '*a' + 'a?'.repeat(50) + 'b'; // about 100 steps for each of the key's bytes
    const first = page(d, 0, 40, slow);
    expect(first.keys).toEqual([]);
    expect(first.nextHash).toBeGreaterThan(0);
    expect(first.nextHash).toBeLessThan(END);
    expect(page(d, 0, 40, '*a').nextHash).toBe(END);
  });

  test('a pattern over 1024 bytes is refused', () => {
    const d = filled(3);
    expect(d.read(cmd.scan(0, 10, 'x'.repeat(1025)))).toBe('-tooLarge');
    expect(page(d, 0, 10, '*'.repeat(1024)).keys).toHaveLength(3);
  });

  test('no keys at all, and a pattern that is not given, are malformed', () => {
    const d = filled(3);
    expect(d.read(cmd.scan(0, 0))).toBe('-malformed');
    const contradicting = cmd.scan(0, 10, '*');
    contradicting[12] = 0;
    expect(d.read(contradicting)).toBe('-malformed');
    contradicting[12] = 2;
    expect(d.read(contradicting)).toBe('-malformed');
  });

  test('E91: expired keys are not listed, and a key that expires by the clock asks for later time', () => {
    const d = filled(10, 100);
    d.run(cmd.set('lives', 'v'));
    expect(page(d, 0, 20).keys).toHaveLength(11);
    expect(d.read(cmd.scan(0, 20), d.nowMs + 99)).toHaveLength(2);
    expect(d.read(cmd.scan(0, 20), d.nowMs + 100)).toBe('needs_time');
    expect(d.read(cmd.scan(0, 20, 'l*'), d.nowMs + 100)).toEqual([BigInt(END), ['$lives']]);
    d.nowMs += 100;
    d.apply();
    expect(page(d, 0, 20)).toEqual({ nextHash: END, keys: ['lives'] });
    expect(d.read(cmd.dbsize())).toBe(11n);
  });

  test('expired items count as looked at, so that a page stays bounded', () => {
    const d = filled(100, 1);
    d.nowMs += 1;
    d.apply();
    expect(page(d, 0, 30)).toEqual({ nextHash: hashOf(inOrder(100)[30]!), keys: [] });
  });

  test('is the same on a replica that grew otherwise, or was loaded from a snapshot', () => {
    const d = filled(3000);
    for (let i = 0; i < 3000; i += 2) d.run(cmd.many(Op.del, [`${i}`]));
    const froms = [0, 2 ** 30, hashOf('77'), 2 ** 31 + 5];
    const before = froms.map((from) => page(d, from, 33, '*1*'));
    d.kv = loadedFrom(chunksOf(d.kv));
    expect(froms.map((from) => page(d, from, 33, '*1*'))).toEqual(before);
  });
});

describe('randomKey', () => {
  test('is the next key in the order of hashes, going round; nil in an empty shard', () => {
    const d = filled(300);
    const all = inOrder(300);
    expect(d.read(cmd.randomKey(0))).toBe('$' + all[0]);
    expect(d.read(cmd.randomKey(hashOf(all[150]!)))).toBe('$' + all[150]);
    expect(d.read(cmd.randomKey(hashOf(all[150]!) + 1))).toBe('$' + all[151]);
    expect(d.read(cmd.randomKey(hashOf(all[299]!) + 1))).toBe('$' + all[0]);
    expect(new KvDriver().read(cmd.randomKey(5))).toBeNull();
  });

  test('passes over expired keys, asks for later time as other reads do, and gives up after 10,000', () => {
    const d = filled(10_000, 100);
    const behind = hashOf('lives') + 1;
    d.run(cmd.set('lives', 'v'));
    expect(d.read(cmd.randomKey(behind), d.nowMs + 100)).toBe('needs_time');
    d.nowMs += 100;
    d.apply();
    expect(d.read(cmd.randomKey(behind))).toBe('$lives');
    d.run(cmd.set('one more', 'v', { px: 1 }));
    d.nowMs += 1;
    d.apply();
    expect(d.read(cmd.randomKey(behind))).toBeNull();
    d.reap(20_000);
    expect(d.read(cmd.randomKey(behind))).toBe('$lives');
  });
});
