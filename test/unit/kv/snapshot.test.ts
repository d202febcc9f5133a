import { expect, test } from 'vitest';
import { createKv } from '../../../src/kv/index.js';
import { SEGMENT_BYTES, SegmentArenas, SHARED_ARENAS } from '../../../src/kv/segment-arenas.js';
import { applyTo, chunksOf, cmd, DEFAULTS, encodeEntry, KvDriver, loadedFrom, Op } from './kv-driver.js';

function filled(count: number): KvDriver {
  const d = new KvDriver({ hashSeed: 2 ** 52 + 12345, firstSlot: 100, lastSlot: 200 });
  for (let i = 0; i < count; i++) d.run(cmd.set(`key-${i}`, `value-${i}`, i % 3 ? {} : { px: 1000 + i }));
  return d;
}

test('a loaded state equals the one that was written, versions, time, seed and slots included', () => {
  const d = filled(3000);
  d.run(cmd.many(Op.del, ['key-5']));
  const kv = loadedFrom(chunksOf(d.kv));
  expect(kv.stateHash()).toBe(d.kv.stateHash());
  expect([kv.itemCount, kv.bytes, kv.lastVersion]).toEqual([d.kv.itemCount, d.kv.bytes, d.kv.lastVersion]);
  expect([kv.timestampMs(), kv.hashSeed, kv.firstSlot, kv.lastSlot]).toEqual([
    d.nowMs,
    2 ** 52 + 12345,
    100,
    200,
  ]);
  expect(kv.nextDueMs()).toBe(d.kv.nextDueMs());
  expect(new Set(kv.dueForReap(d.nowMs + 5000, 9999).map((item) => item.version))).toEqual(
    new Set(d.kv.dueForReap(d.nowMs + 5000, 9999).map((item) => item.version)),
  );
});

test('an empty state has a snapshot too', () => {
  const d = new KvDriver();
  d.apply();
  const chunks = chunksOf(d.kv);
  expect(chunks).toHaveLength(1);
  expect(loadedFrom(chunks).stateHash()).toBe(d.kv.stateHash());
});

test('E116: what is overwritten, deleted or flushed while a snapshot is read stays in it as it was', () => {
  const d = filled(2000);
  const hash = d.kv.stateHash();
  const source = d.kv.snapshot();
  const second = d.kv.snapshot();
  const chunks: Uint8Array[] = [];
  let turn = 0;
  for (let chunk = source.next(1000); chunk !== null; chunk = source.next(1000)) {
    chunks.push(chunk);
    for (let i = 0; i < 60; i++) {
      const key = `key-${(turn * 60 + i) % 2500}`;
      d.apply(cmd.set(key, `new-${turn}`), cmd.many(Op.del, [`key-${(turn * 7 + i * 31) % 2000}`]));
    }
    if (turn++ === 40) d.run(cmd.flush());
  }
  expect(turn).toBeGreaterThan(40);
  expect(loadedFrom(chunks).stateHash()).toBe(hash);
  const again: Uint8Array[] = [];
  for (let chunk = second.next(5000); chunk !== null; chunk = second.next(5000)) again.push(chunk);
  expect(loadedFrom(again).stateHash()).toBe(hash);
  expect(loadedFrom(chunksOf(d.kv)).stateHash()).toBe(d.kv.stateHash());
});

test('snapshot and the rest of the log give the same state as the whole log', () => {
  const d = filled(500);
  const chunks = chunksOf(d.kv);
  const tail = d.log.length;
  for (let i = 0; i < 500; i++) d.apply(cmd.incrby(`n${i % 50}`, 3n), cmd.expire(`key-${i}`, { px: 77 }));
  d.nowMs += 80;
  d.reap();
  const kv = loadedFrom(chunks);
  for (const [i, entry] of d.log.slice(tail).entries()) applyTo(kv, entry, tail + i + 1);
  expect(kv.stateHash()).toBe(d.kv.stateHash());
});

test('chunks end near the wished size, and one large item makes one chunk', () => {
  const d = new KvDriver({ valueBytesMax: 1 << 20 });
  d.run(cmd.set('large', new Uint8Array(1 << 20)));
  for (let i = 0; i < 100; i++) d.run(cmd.set(`k${i}`, 'v'.repeat(50)));
  const sizes = chunksOf(d.kv, 500).map((chunk) => chunk.length);
  expect(sizes.filter((size) => size > 600)).toHaveLength(1);
  expect(sizes.length).toBeGreaterThan(10);
});

test('a lost, repeated, cut or changed chunk is refused and the present state stays', () => {
  const chunks = chunksOf(filled(200).kv, 2000);
  const target = new KvDriver();
  target.run(cmd.set('mine', 'stays'));
  const before = target.kv.stateHash();
  const load = (list: readonly Uint8Array[]) => () => {
    const loader = target.kv.loader();
    for (const chunk of list) loader.push(chunk);
    loader.finish();
  };
  const first = chunks[1] as Uint8Array;
  expect(load([])).toThrow('empty');
  expect(load(chunks.slice(1))).toThrow('begins with');
  expect(load(chunks.slice(0, -1))).toThrow('items');
  expect(load([...chunks, chunks[0] as Uint8Array])).toThrow('after the first');
  expect(load([chunks[0] as Uint8Array, first.slice(0, -1)])).toThrow();
  expect(load([chunks[0] as Uint8Array, new Uint8Array(0)])).toThrow();
  for (let at = 0; at < first.length; at++) {
    const changed = first.slice();
    changed[at] = (changed[at] as number) ^ 4;
    expect(load(chunks.map((chunk) => (chunk === first ? changed : chunk)))).toThrow();
  }
  expect(target.kv.stateHash()).toBe(before);
  expect(target.read(cmd.get('mine'))).toBe('$stays');
  load(chunks)();
  expect(target.read(cmd.get('key-7'))).toBe('$value-7');
  expect(target.read(cmd.get('mine'))).toBeNull();
});

test('a loader that is given up leaves the state as it was, and a state goes on after a load', () => {
  const kv = createKv(DEFAULTS);
  const loader = kv.loader();
  for (const chunk of chunksOf(filled(50).kv)) loader.push(chunk);
  expect(kv.itemCount).toBe(0);
  loader.finish();
  expect(() => loader.finish()).toThrow('empty');
  expect(applyTo(kv, encodeEntry(2_000_000, [cmd.get('key-1'), cmd.set('key-1', 'x')]), 1)).toEqual([
    '$value-1',
    'OK',
  ]);
  expect(kv.itemCount).toBe(50);
});

test('a snapshot that is given up lets go of what was overwritten since', () => {
  const value = 'v'.repeat(1000);
  const d = new KvDriver();
  const write = (text: string): void => {
    for (let i = 0; i < 500; i++) d.run(cmd.set(`key-${i}`, value + text));
  };
  write('1');
  const source = d.kv.snapshot();
  source.next(1);
  source.next(10_000);
  for (let i = 2; i < 6; i++) write(String(i));
  while (d.kv.maintain(1000));
  const pinned = d.kv.memoryBytes;
  source.release();
  source.release();
  write('6');
  while (d.kv.maintain(1000));
  expect(d.kv.memoryBytes).toBeLessThan(pinned - 300_000);
});

test('a machine that is closed ends what is read of it, which then says that it is not whole', () => {
  const d = filled(3000);
  const source = d.kv.snapshot();
  source.next(1000);
  source.next(1000);
  const rehash = d.kv.rehash();
  // A snapshot is loaded meanwhile: what was read of the state before it goes on.
  const other = filled(10);
  const loader = d.kv.loader();
  for (const chunk of chunksOf(other.kv)) loader.push(chunk);
  loader.finish();
  expect(d.kv.itemCount).toBe(10);
  expect(source.next(1000)?.length).toBeGreaterThan(1000);
  d.kv.close();
  expect(() => source.next(1000)).toThrow('closed');
  // Whoever verifies the state gives up in time, rather than call it rotten.
  for (let i = 0; i < 100; i++) expect(rehash.step()).toBe(true);
});

test('slots that views of a closed machine pinned go back to the process', () => {
  const d = filled(20_000);
  const source = d.kv.snapshot();
  source.next(1000);
  for (let i = 0; i < 20_000; i++) d.run(cmd.set(`key-${i}`, `other-${i}`));
  const segments = Math.floor(d.kv.memoryBytes / SEGMENT_BYTES);
  const { give } = SegmentArenas.prototype;
  let given = 0;
  SegmentArenas.prototype.give = function (holder) {
    given++;
    give.call(this, holder);
  };
  try {
    d.kv.close();
    while (SHARED_ARENAS.relax());
  } finally {
    SegmentArenas.prototype.give = give;
  }
  expect(segments).toBeGreaterThan(10);
  expect(given).toBeGreaterThanOrEqual(segments - 4); // two or three are the index's
});
