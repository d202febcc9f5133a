/** What `quorate shard verify` stands on: marks, noted hashes, and items hashed again from memory. */
import { expect, test } from 'vitest';
import { ByteReader } from '../../../src/base/index.js';
import type { StateRehash } from '../../../src/ports/index.js';
import { createKv, type Kv } from '../../../src/kv/index.js';
import { flipValueBit } from '../../support/memory-rot.js';
import { applyTo, chunksOf, cmd, DEFAULTS, KvDriver, loadedFrom, Op } from './kv-driver.js';

function finished(rehash: StateRehash): { isRotten: boolean; items: number; steps: number } {
  let steps = 1;
  while (rehash.step()) steps++;
  return { isRotten: rehash.isRotten, items: rehash.items, steps };
}

test('a mark answers its index and changes neither items nor versions', () => {
  const d = new KvDriver();
  d.run(cmd.set('k', 'v'));
  const before = [d.kv.stateHash(), d.kv.lastVersion];
  expect(d.apply(cmd.mark(), cmd.get('k'), cmd.mark())).toEqual([2n, '$v', 2n]);
  expect([d.kv.stateHash(), d.kv.lastVersion]).toEqual(before);
  expect(d.run(Uint8Array.from([...cmd.mark(), 0]))).toBe('-malformed');
});

test('a mark is no read: nobody gets an index past the log', () => {
  const d = new KvDriver();
  expect(d.read(cmd.mark())).toBe('-malformed');
});

test('the hash after each of the last 1,000 entries is noted, whatever was in them', () => {
  const d = new KvDriver();
  const hashes: string[] = [''];
  for (let i = 1; i <= 2500; i++) {
    if (i % 7 === 0) applyTo(d.kv, new Uint8Array(0), i);
    else if (i % 11 === 0) applyTo(d.kv, Uint8Array.from([255]), i);
    else {
      d.log.length = i - 1;
      d.run(cmd.incrby(`n${i % 30}`, 1n));
    }
    hashes.push(d.kv.stateHash());
    expect(d.kv.hashAt(i)).toBe(hashes[i]);
  }
  for (let i = 1501; i <= 2500; i++) expect(d.kv.hashAt(i)).toBe(hashes[i]);
  for (const index of [0, 1, 1500, 2501]) expect(d.kv.hashAt(index)).toBeNull();
  const r = new ByteReader(d.kv.notedUpTo(2000));
  for (let i = 1501; i <= 2000; i++) {
    expect([r.u64(), r.i64()]).toEqual([i, BigInt.asIntN(64, BigInt(`0x${hashes[i] as string}`))]);
  }
  expect(r.remaining).toBe(0);
});

test('an index that was never applied here (a change of members) is noted for nobody', () => {
  const d = new KvDriver();
  d.run(cmd.set('k', 'v'));
  applyTo(d.kv, new Uint8Array(0), 3);
  expect([d.kv.hashAt(1), d.kv.hashAt(2), d.kv.hashAt(3)]).toEqual([
    d.kv.stateHash(),
    null,
    d.kv.stateHash(),
  ]);
});

test('a snapshot that is loaded takes the notes with the state that they were of', () => {
  const d = new KvDriver();
  d.run(cmd.set('k', 'v'));
  const other = new KvDriver();
  other.run(cmd.set('x', 'y'));
  const loader = other.kv.loader();
  for (const chunk of chunksOf(d.kv)) loader.push(chunk);
  expect(other.kv.hashAt(1)).not.toBeNull();
  loader.finish();
  expect(other.kv.hashAt(1)).toBeNull();
  applyTo(other.kv, new Uint8Array(0), 9);
  expect(other.kv.hashAt(9)).toBe(d.kv.stateHash());
});

/** Values of all sizes around the borders of words and steps. */
function filled(): KvDriver {
  const d = new KvDriver({ valueBytesMax: 1 << 20 });
  const sizes = [0, 1, 2, 3, 4, 5, 255, 256, 257, 65_535, 65_536, 65_537, 65_540, 131_073, 300_001];
  for (const [i, size] of sizes.entries()) {
    const value = Uint8Array.from({ length: size }, (_, at) => (at * 31 + i) & 255);
    d.run(cmd.set(`size-${size}`, value, i % 2 ? { px: 1000 } : {}));
  }
  for (let i = 0; i < 3000; i++) d.run(cmd.set(`key-${i}`, `value-${i}`));
  return d;
}

test('sound memory hashes to the sum that was kept, and in steps of bounded work', () => {
  const d = filled();
  const { isRotten, items, steps } = finished(d.kv.rehash());
  expect([isRotten, items]).toEqual([false, 3015]);
  // 3,000 small items in steps of 256, and 700 KB of values in steps of 64 KiB.
  expect(steps).toBeGreaterThan(3000 / 256 + 5);
  expect(finished(createKv(DEFAULTS).rehash())).toEqual({ isRotten: false, items: 0, steps: 1 });
});

test('what is written, deleted, reaped or flushed between the steps makes no difference', () => {
  const d = filled();
  const rehash = d.kv.rehash();
  for (let turn = 0; rehash.step(); turn++) {
    for (let i = 0; i < 100; i++) d.run(cmd.set(`key-${(turn * 100 + i) % 4000}`, `new ${turn}`));
    d.run(cmd.many(Op.del, ['size-65537', `key-${turn}`]));
    if (turn === 3) d.nowMs += 1000;
    d.reap();
    if (turn === 8) d.run(cmd.flush());
  }
  expect([rehash.isRotten, rehash.items]).toEqual([false, 3015]);
  expect(finished(d.kv.rehash()).isRotten).toBe(false);
});

test('one that is dropped lets go of its items, and has nothing to do', () => {
  const rehash = filled().kv.rehash();
  expect(rehash.step()).toBe(true);
  rehash.drop();
  expect(rehash.step()).toBe(false);
  expect(rehash.items).toBeLessThan(3015);
});

test('one flipped bit of memory is found, wherever it lies, and shows in no hash that is kept', () => {
  const d = filled();
  for (const key of ['size-1', 'size-5', 'size-256', 'size-65537', 'size-300001', 'key-77']) {
    const before = d.kv.stateHash();
    flipValueBit(d.kv, key);
    expect(d.kv.stateHash()).toBe(before);
    expect(finished(d.kv.rehash())).toMatchObject({ isRotten: true, items: 3015 });
    flipValueBit(d.kv, key);
    expect(finished(d.kv.rehash()).isRotten).toBe(false);
  }
});

test('E93 replicas that took the same log on different ways note the same hashes', () => {
  const d = new KvDriver();
  for (let i = 0; i < 60; i++) {
    d.nowMs += 10;
    d.apply(
      cmd.set(`k${i % 7}`, `${i}`, { px: 35 }),
      cmd.incrByFloat(`f${i % 3}`, `0.${i}`),
      cmd.incrby(`n${i % 3}`, BigInt(i)),
      cmd.append(`k${i % 5}`, '.'),
    );
    if (i % 10 === 0) d.reap();
  }
  const middle = Math.floor(d.log.length / 2);
  const replayed: Kv = createKv(DEFAULTS);
  for (const [i, entry] of d.log.slice(0, middle).entries()) applyTo(replayed, entry, i + 1);
  const restored = loadedFrom(chunksOf(replayed));
  for (let i = middle; i < d.log.length; i++) {
    for (const kv of [replayed, restored]) applyTo(kv, d.log[i] as Uint8Array, i + 1);
    expect([replayed.hashAt(i + 1), restored.hashAt(i + 1)]).toEqual([
      d.kv.hashAt(i + 1),
      d.kv.hashAt(i + 1),
    ]);
  }
});
