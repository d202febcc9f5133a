/** The budget as replicated state, `evict`, and what a command may add at most. */
import { readFileSync } from 'node:fs';
import { describe, expect, it, test } from 'vitest';
import { ByteWriter, Prng } from '../../../src/base/index.js';
import {
  chargeOf,
  createKv,
  encodeEvict,
  encodeSetBudget,
  growth,
  growthOf,
  Op,
  type Budget,
  type ItemName,
  type Kv,
} from '../../../src/kv/index.js';
import { cmd, encodeEntry } from './kv-driver.js';

const NOW_MS = 1_700_000_000_000;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function makeKv(): Kv {
  return createKv({ hashSeed: 99, valueBytesMax: 1 << 20, firstSlot: 0, lastSlot: 16383 });
}

function evict(items: readonly ItemName[]): Uint8Array {
  const w = new ByteWriter();
  encodeEvict(w, items);
  return w.take();
}

function setBudget(budget: Budget): Uint8Array {
  const w = new ByteWriter();
  encodeSetBudget(w, budget);
  return w.take();
}

class Log {
  readonly kv = makeKv();
  readonly entries: Uint8Array[] = [];

  apply(...commands: Uint8Array[]): string[] {
    const entry = encodeEntry(NOW_MS + this.entries.length, commands);
    this.entries.push(entry);
    const results: string[] = [];
    this.kv.apply(this.entries.length, 1, entry, {
      onResult: (_i, bytes, start, end) => void results.push(hex(bytes.slice(start, end))),
    });
    return results;
  }

  /** Names of all items, as a policy would choose them. */
  names(): ItemName[] {
    this.kv.setEviction('s3fifo', 1);
    const into: ItemName[] = [];
    for (let i = 0; i < 100 && into.length < this.kv.itemCount; i++) {
      this.kv.evictor?.choose(Number.MAX_SAFE_INTEGER, 1000, into);
    }
    return into;
  }
}

const int = (value: number): string => '02' + value.toString(16).padStart(16, '0');

function copyBySnapshot(kv: Kv): Kv {
  const copy = makeKv();
  const loader = copy.loader();
  const source = kv.snapshot();
  for (let chunk = source.next(100); chunk !== null; chunk = source.next(100)) loader.push(chunk);
  loader.finish();
  return copy;
}

test('what a snapshot was made of is evicted by the ages that it had', () => {
  const log = new Log();
  log.apply(setBudget({ version: 1, bytesMax: 1 << 30, itemsMax: 0 }));
  const keys = Array.from({ length: 3000 }, (_, i) => `key-${(i * 7919) % 3000}`);
  for (const key of keys) log.apply(cmd.set(key, 'v'.repeat(20)));
  for (const key of keys.slice(0, 1000)) log.apply(cmd.set(key, 'w'.repeat(20)));
  for (const kv of [log.kv, copyBySnapshot(log.kv)]) {
    kv.setEviction('lru', 5);
    const into: ItemName[] = [];
    kv.evictor?.choose(20_000, 1000, into);
    expect(into.length).toBeGreaterThan(100);
    const old = into.filter(({ version }) => version <= 3000);
    expect(old.length / into.length).toBeGreaterThan(0.95);
  }
});

describe('evict', () => {
  it('E92 drops what is current, and leaves a key that was rewritten between choice and apply', () => {
    const log = new Log();
    log.apply(setBudget({ version: 1, bytesMax: 1000, itemsMax: 0 }));
    log.apply(cmd.set('a', '1'), cmd.set('b', '2'), cmd.set('c', '3'), cmd.set('d', '4', { px: 60_000 }));
    const names = log.names();
    expect(names).toHaveLength(4);
    const before = log.kv.lastVersion;
    // Rewritten, moved in its expiry, and deleted and set again: all three survive.
    log.apply(cmd.set('a', 'new'), cmd.persist('d'), cmd.many(Op.del, ['c']), cmd.set('c', 'again'));
    expect(log.apply(evict(names))).toEqual([int(1)]);
    expect(log.apply(cmd.many(Op.exists, ['a', 'c', 'd']), cmd.many(Op.exists, ['b']))).toEqual([
      int(3),
      int(0),
    ]);
    expect(log.kv.lastVersion).toBe(before + 5);
    expect(log.apply(evict(names))).toEqual([int(0)]);

    const other = makeKv();
    log.entries.forEach((entry, i) => other.apply(i + 1, 1, entry, null));
    expect(other.stateHash()).toBe(log.kv.stateHash());
    expect(other.charge).toBe(log.kv.charge);
  });

  it('changes nothing when it is malformed', () => {
    const log = new Log();
    log.apply(cmd.set('a', '1'));
    const version = log.kv.lastVersion;
    const short = evict([{ hash: 1, version: 1 }]).subarray(0, 15);
    expect(log.apply(short)).toEqual(['0604']);
    expect(log.kv.itemCount).toBe(1);
    expect(log.kv.lastVersion).toBe(version);
  });
});

describe('the budget', () => {
  it('moves to higher versions only, and is kept by snapshots', () => {
    const log = new Log();
    expect(log.kv.budget).toEqual({ version: 0, bytesMax: 0, itemsMax: 0 });
    expect(log.apply(setBudget({ version: 7, bytesMax: 2 ** 40, itemsMax: 9 }))).toEqual([int(7)]);
    expect(log.apply(setBudget({ version: 7, bytesMax: 1, itemsMax: 1 }))).toEqual([int(7)]);
    expect(log.apply(setBudget({ version: 6, bytesMax: 1, itemsMax: 1 }))).toEqual([int(7)]);
    expect(log.kv.budget).toEqual({ version: 7, bytesMax: 2 ** 40, itemsMax: 9 });
    log.apply(cmd.set('a', '1'));
    const copy = copyBySnapshot(log.kv);
    expect(copy.budget).toEqual(log.kv.budget);
    expect(copy.stateHash()).toBe(log.kv.stateHash());
  });

  it('is part of the state hash', () => {
    const [a, b] = [new Log(), new Log()];
    a.apply(setBudget({ version: 1, bytesMax: 10, itemsMax: 0 }));
    b.apply(setBudget({ version: 1, bytesMax: 11, itemsMax: 0 }));
    expect(a.kv.stateHash()).not.toBe(b.kv.stateHash());
  });

  it('brings somebody who chooses, unless the policy is none or nothing is limited', () => {
    const log = new Log();
    log.kv.setEviction('s3fifo', 1);
    expect(log.kv.evictor).toBeNull();
    log.apply(setBudget({ version: 1, bytesMax: 0, itemsMax: 5 }));
    expect(log.kv.evictor).not.toBeNull();
    log.kv.setEviction('none', 1);
    expect(log.kv.evictor).toBeNull();
    log.kv.setEviction('lru', 1);
    log.apply(setBudget({ version: 2, bytesMax: 0, itemsMax: 0 }));
    expect(log.kv.evictor).toBeNull();
  });
});

describe('bytes of the budget’s commands and of a snapshot of format 2', () => {
  const golden = JSON.parse(
    readFileSync(new URL('../../golden/kv-budget-v1.json', import.meta.url), 'utf8'),
  ) as Record<string, string | string[]>;

  function samples(): Record<string, string | string[]> {
    const log = new Log();
    const results = [
      ...log.apply(setBudget({ version: 2 ** 33 + 1, bytesMax: 2 ** 35, itemsMax: 77 }), cmd.set('a', 'one')),
      ...log.apply(evict([{ hash: 2 ** 32 - 1, version: 2 ** 34 }])),
    ];
    const header = hex(log.kv.snapshot().next(1) ?? new Uint8Array(0));
    return {
      'kv entries': log.entries.map(hex),
      results,
      'snapshot header': header,
      hash: log.kv.stateHash(),
    };
  }

  it('are what is pinned', () => {
    expect(samples()).toEqual(golden);
  });
});

describe('what a command may add', () => {
  function growthIn(command: Uint8Array): { bytes: number; items: number } | null {
    return growthOf(command, 0, command.length) ? { bytes: growth.bytes, items: growth.items } : null;
  }

  test('is key, value and a constant for what sets one', () => {
    const one = { bytes: chargeOf(3, 5), items: 1 };
    expect(growthIn(cmd.set('key', 'value'))).toEqual(one);
    expect(growthIn(cmd.set('key', 'value', { px: 5 }))).toEqual(one);
    expect(growthIn(cmd.cas('key', 3, 'value'))).toEqual(one);
    expect(growthIn(cmd.append('key', 'value'))).toEqual(one);
    expect(growthIn(cmd.setRange('key', 100, 'value'))).toEqual({ bytes: one.bytes + 100, items: 1 });
    expect(growthIn(cmd.incrby('key', 1n))).toEqual({ bytes: chargeOf(3, 20), items: 1 });
    const pairs: [string, string][] = [
      ['a', ''],
      ['bb', 'x'],
    ];
    expect(growthIn(cmd.mset(pairs))).toEqual({ bytes: chargeOf(1, 0) + chargeOf(2, 1), items: 2 });
  });

  test('is nothing for deletes, expiry, reads and FLUSHALL', () => {
    const free = [
      cmd.get('key'),
      cmd.many(Op.del, ['key']),
      cmd.getDel('key'),
      cmd.cad('key', 1),
      cmd.expire('key', { px: 1 }),
      cmd.persist('key'),
      cmd.getEx('key', { px: 1 }),
      cmd.flush(),
      evict([{ hash: 1, version: 1 }]),
      setBudget({ version: 1, bytesMax: 1, itemsMax: 1 }),
    ];
    expect(free.map(growthIn)).toEqual(free.map(() => null));
  });

  test('is never passed by what commands really add', () => {
    const prng = new Prng(11);
    const kv = makeKv();
    const key = (): string => `k${prng.below(8)}`;
    const value = (): string => 'v'.repeat(prng.below(40));
    const makers = [
      () => cmd.set(key(), value()),
      () => cmd.append(key(), value()),
      () => cmd.setRange(key(), prng.below(50), value()),
      () => cmd.incrby(`n${prng.below(3)}`, BigInt(prng.below(1000)) * 10n ** 12n),
      () => cmd.cas(key(), prng.below(30), value()),
      () =>
        cmd.mset([
          [key(), value()],
          [key(), value()],
        ]),
      () => cmd.many(Op.del, [key(), key()]),
      () => cmd.expire(key(), { px: 1 + prng.below(20) }),
    ];
    for (let i = 1; i <= 20_000; i++) {
      const command = (makers[prng.below(makers.length)] as () => Uint8Array)();
      const bound = growthIn(command) ?? { bytes: 0, items: 0 };
      const [charge, items] = [kv.charge, kv.itemCount];
      kv.apply(i, 1, encodeEntry(NOW_MS + i, [command]), null);
      expect(kv.charge - charge).toBeLessThanOrEqual(bound.bytes);
      expect(kv.itemCount - items).toBeLessThanOrEqual(bound.items);
    }
  });
});
