/** What every ordered store must do: run on the simulated one and on LevelDB, so that the fake earns its trust. */
import { expect, it } from 'vitest';
import { Prng } from '../../src/base/index.js';
import type { OpenOrderedStore, OrderedStore, StoreRange, StoreRecord } from '../../src/ports/index.js';

export interface StoreHost {
  readonly open: OpenOrderedStore;
  /** A path nobody used yet. */
  readonly freshPath: () => string;
  /** Lets completions come until the promise is settled. */
  readonly wait: <T>(outcome: Promise<T>) => Promise<T>;
}

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const text = (value: Uint8Array): string => new TextDecoder().decode(value);

export function orderedStoreSuite(makeHost: () => StoreHost): void {
  const calls = (host: StoreHost) => ({
    open: (path: string) =>
      host.wait(
        new Promise<OrderedStore>((resolve, reject) => {
          let returned = false;
          host.open(path, (error, store) => {
            expect(returned).toBe(true);
            if (error || !store) reject(error ?? new Error('no store'));
            else resolve(store);
          });
          returned = true;
        }),
      ),
    write: (store: OrderedStore, changes: Record<string, string | null>, sync = true) =>
      host.wait(
        new Promise<void>((resolve, reject) => {
          const batch = store.batch();
          for (const [key, value] of Object.entries(changes)) {
            if (value === null) batch.del(bytes(key));
            else batch.put(bytes(key), bytes(value));
          }
          let returned = false;
          store.write(batch, sync, (error) => {
            expect(returned).toBe(true);
            if (error) reject(error);
            else resolve();
          });
          returned = true;
        }),
      ),
    scan: (store: OrderedStore, range: Partial<StoreRange> = {}) =>
      host.wait(
        new Promise<StoreRecord[]>((resolve, reject) => {
          let returned = false;
          store.scan({ gte: bytes(''), lt: Uint8Array.of(255), ...range }, (error, records) => {
            expect(returned).toBe(true);
            if (error) reject(error);
            else resolve(records);
          });
          returned = true;
        }),
      ),
    close: (store: OrderedStore) =>
      host.wait(
        new Promise<void>((resolve, reject) => store.close((error) => (error ? reject(error) : resolve()))),
      ),
  });

  it('returns records in the order of their bytes, and keeps them over a restart', async () => {
    const host = makeHost();
    const { open, write, scan, close } = calls(host);
    const path = host.freshPath();
    const store = await open(path);
    await write(store, { b: '2', a: '1', ab: '3', '\u007f': '4' });
    const keys = (records: StoreRecord[]): string[] => records.map((record) => text(record.key));
    expect(keys(await scan(store))).toEqual(['a', 'ab', 'b', '\u007f']);
    await close(store);
    const again = await open(path);
    expect((await scan(again)).map((record) => text(record.value))).toEqual(['1', '3', '2', '4']);
    await close(again);
  });

  it('orders binary keys as unsigned bytes, a prefix before what it begins', async () => {
    const host = makeHost();
    const { open, scan, close } = calls(host);
    const store = await open(host.freshPath());
    const keys = [[0], [0, 0], [0, 255], [1], [127], [128], [254, 255, 255]];
    const batch = store.batch();
    for (const key of [...keys].reverse()) batch.put(Uint8Array.from(key), new Uint8Array(0));
    expect(batch.length).toBe(keys.length);
    await host.wait(new Promise<void>((resolve) => store.write(batch, true, () => resolve())));
    const records = await scan(store, { gte: new Uint8Array(0) });
    expect(records.map((record) => [...record.key])).toEqual(keys);
    expect(records.every((record) => record.value.length === 0)).toBe(true);
    await close(store);
  });

  it('takes ranges, limits of count and bytes, and the reverse order', async () => {
    const host = makeHost();
    const { open, write, scan, close } = calls(host);
    const store = await open(host.freshPath());
    await write(store, { a: 'xxxx', b: 'xxxx', c: 'xxxx', d: 'xxxx' });
    const keys = async (range: Partial<StoreRange>): Promise<string> =>
      (await scan(store, range)).map((record) => text(record.key)).join('');
    expect(await keys({ gte: bytes('b'), lt: bytes('d') })).toBe('bc');
    expect(await keys({ countMax: 3 })).toBe('abc');
    expect(await keys({ bytesMax: 1 })).toBe('a');
    expect(await keys({ bytesMax: 4 })).toBe('a');
    expect(await keys({ bytesMax: 5 })).toBe('ab');
    expect(await keys({ reverse: true })).toBe('dcba');
    expect(await keys({ reverse: true, countMax: 2 })).toBe('dc');
    expect(await keys({ gte: bytes('x') })).toBe('');
    expect(await keys({ gte: bytes('d'), lt: bytes('b') })).toBe('');
    await close(store);
  });

  it('copies keys and values: the caller’s buffers are free at once', async () => {
    const host = makeHost();
    const { open, scan, close } = calls(host);
    const store = await open(host.freshPath());
    const batch = store.batch();
    const shared = bytes('..abc..').subarray(2, 5);
    batch.put(shared, shared);
    shared.fill(120);
    batch.put(shared, bytes('y'));
    shared.fill(122);
    await host.wait(new Promise<void>((resolve) => store.write(batch, false, () => resolve())));
    const records = await scan(store);
    expect(records.map(({ key, value }) => `${text(key)}=${text(value)}`)).toEqual(['abc=abc', 'xxx=y']);
    await close(store);
  });

  it('applies the operations of a batch in order', async () => {
    const host = makeHost();
    const { open, write, scan, close } = calls(host);
    const store = await open(host.freshPath());
    await write(store, { a: '1', b: '1' });
    const batch = store.batch();
    batch.del(bytes('a'));
    batch.put(bytes('a'), bytes('2'));
    batch.put(bytes('b'), bytes('2'));
    batch.del(bytes('b'));
    batch.del(bytes('never there'));
    await host.wait(new Promise<void>((resolve) => store.write(batch, true, () => resolve())));
    expect((await scan(store)).map(({ key, value }) => text(key) + text(value))).toEqual(['a2']);
    await close(store);
  });

  it('asserts that one write is in flight at most', async () => {
    const host = makeHost();
    const { open, close } = calls(host);
    const store = await open(host.freshPath());
    const first = store.batch();
    first.put(bytes('a'), bytes('1'));
    const second = store.batch();
    second.put(bytes('b'), bytes('1'));
    const written = new Promise<void>((resolve) => store.write(first, true, () => resolve()));
    expect(() => store.write(second, true, () => undefined)).toThrow(/in flight/);
    await host.wait(written);
    await close(store);
  });

  it('E67 refuses a second opening by code, and fails every call after close', async () => {
    const host = makeHost();
    const { open, scan, close } = calls(host);
    const path = host.freshPath();
    const store = await open(path);
    await expect(open(path)).rejects.toMatchObject({ code: 'LOCKED' });
    await close(store);
    await expect(scan(store)).rejects.toThrow();
    const again = await open(path);
    await close(again);
  });

  it('does what a sorted map does, for random batches', async () => {
    const host = makeHost();
    const { open, write, scan, close } = calls(host);
    const path = host.freshPath();
    let store = await open(path);
    const prng = new Prng(11);
    const model = new Map<string, string>();
    for (let round = 0; round < 30; round++) {
      const changes: Record<string, string | null> = {};
      for (let i = 0; i < 20; i++) {
        changes[`k${prng.below(60)}`] = prng.chance(0.3) ? null : 'v'.repeat(prng.below(200));
      }
      await write(store, changes, prng.chance(0.5));
      for (const [key, value] of Object.entries(changes)) {
        if (value === null) model.delete(key);
        else model.set(key, value);
      }
      if (prng.chance(0.1)) {
        await close(store);
        store = await open(path);
      }
      const found = (await scan(store)).map(({ key, value }) => [text(key), text(value)]);
      expect(found).toEqual([...model].sort(([a], [b]) => (a < b ? -1 : 1)));
    }
    await close(store);
  });
}
