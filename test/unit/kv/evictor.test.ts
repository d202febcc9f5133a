/** Who is chosen to go: what a call may name, what stays under which stream, and what other replicas are told. */
import { describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/index.js';
import { chargeOf } from '../../../src/kv/charge.js';
import { createEvictor, type EvictionPolicy, type Evictor } from '../../../src/kv/evictor.js';
import type { Item } from '../../../src/kv/item.js';
import type { ItemName } from '../../../src/kv/table.js';

type Policy = Exclude<EvictionPolicy, 'none'>;

const POLICIES: readonly Policy[] = ['lru', 's3fifo'];
const PAGE_BITS = 5;
const VALUE_BYTES = 20;
const CHARGE = chargeOf(0, VALUE_BYTES);

interface Held {
  readonly hash: number;
  readonly key: number;
  version: number;
  touches: number;
}

function mix(key: number): number {
  let x = Math.imul(key ^ (key >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return (x ^ (x >>> 15)) >>> 0;
}

/** A table of 32 pages, and a client beside it: asks for keys, and sets what was missing. */
class Shard {
  readonly held = new Map<number, Held>();
  readonly evictor: Evictor;
  /** Work: pages swept, and items looked at on them. */
  sweeps = 0;
  looks = 0;
  private readonly pages: Map<number, Held>[] = [];
  private version = 0;

  constructor(
    policy: Policy,
    readonly room: number,
  ) {
    for (let i = 0; i < 1 << PAGE_BITS; i++) this.pages.push(new Map());
    this.evictor = createEvictor(policy, this, 1);
  }

  get itemCount(): number {
    return this.held.size;
  }

  sweep(cursor: number, into: Item, visit: () => void): number {
    const page = cursor >>> (32 - PAGE_BITS);
    this.sweeps++;
    for (const held of (this.pages[page] as Map<number, Held>).values()) {
      into.hash = held.hash;
      into.version = held.version;
      into.touches = held.touches;
      into.valueEnd = VALUE_BYTES;
      visit();
      this.looks++;
    }
    return page + 1 === 1 << PAGE_BITS ? 0 : ((page + 1) << (32 - PAGE_BITS)) >>> 0;
  }

  ask(key: number): boolean {
    const hash = mix(key);
    const held = this.held.get(key);
    this.evictor.onRead(hash, held !== undefined);
    if (held !== undefined) held.touches = Math.min(3, held.touches + 1);
    else this.set(key);
    return held !== undefined;
  }

  set(key: number): void {
    if (!this.held.has(key) && this.held.size >= this.room) {
      const names: ItemName[] = [];
      this.evictor.choose(CHARGE, 10, names);
      this.evict(names);
    }
    const hash = mix(key);
    const isNew = !this.held.has(key);
    const held = { hash, key, version: ++this.version, touches: 0 };
    this.held.set(key, held);
    this.pageOf(hash).set(key, held);
    this.evictor.onWrite(hash, isNew);
  }

  evict(names: readonly ItemName[]): void {
    for (const { hash, version } of names) {
      const held = [...this.pageOf(hash).values()].find((one) => one.version === version);
      if (held === undefined) continue;
      this.held.delete(held.key);
      this.pageOf(hash).delete(held.key);
    }
  }

  private pageOf(hash: number): Map<number, Held> {
    return this.pages[hash >>> (32 - PAGE_BITS)] as Map<number, Held>;
  }
}

function filled(policy: Policy, room: number): Shard {
  const shard = new Shard(policy, room);
  for (let key = 0; key < room; key++) shard.set(key);
  return shard;
}

describe.each(POLICIES)('policy %s', (policy) => {
  it('names living items, none twice, whose charges sum to what is asked', () => {
    const shard = filled(policy, 1000);
    const names: ItemName[] = [];
    const charge = shard.evictor.choose(CHARGE * 7, 100, names);
    expect(charge).toBe(CHARGE * 7);
    expect(names).toHaveLength(7);
    const more: ItemName[] = [];
    shard.evictor.choose(CHARGE * 50, 100, more);
    const versions = [...names, ...more].map(({ version }) => version);
    expect(new Set(versions).size).toBe(57);
    const living = new Set([...shard.held.values()].map(({ version }) => version));
    expect(versions.every((version) => living.has(version))).toBe(true);
  });

  it('names at most as many as it may, and nothing of an empty shard', () => {
    const names: ItemName[] = [];
    expect(filled(policy, 500).evictor.choose(Number.MAX_SAFE_INTEGER, 12, names)).toBe(12 * CHARGE);
    expect(names).toHaveLength(12);
    expect(new Shard(policy, 10).evictor.choose(1, 10, names)).toBe(0);
  });

  it('empties a shard of few items, and names again what was named in vain', () => {
    const shard = filled(policy, 3);
    const first: ItemName[] = [];
    for (let i = 0; i < 3; i++) shard.evictor.choose(CHARGE, 1, first);
    expect(new Set(first.map(({ version }) => version)).size).toBe(3);
    const again: ItemName[] = [];
    expect(shard.evictor.choose(CHARGE, 1, again)).toBe(0);
    expect(shard.evictor.choose(CHARGE, 1, again)).toBe(CHARGE);
  });

  it('looks at a bounded number of pages in a call, and at about 20 items for one that goes', () => {
    const shard = filled(policy, 1000);
    for (let round = 0; round < 20; round++) shard.evictor.choose(Number.MAX_SAFE_INTEGER, 1000, []);
    // 128 pages at most, and as many for each of the 64 that are named where too few are low.
    const before = shard.sweeps;
    shard.evictor.choose(Number.MAX_SAFE_INTEGER, 1000, []);
    expect(shard.sweeps - before).toBeLessThanOrEqual(128 + 64 * 128);

    const busy = filled(policy, 1000);
    for (let key = 0; key < 2000; key++) busy.ask(100_000 + key);
    busy.looks = 0;
    for (let key = 0; key < 1000; key++) busy.ask(200_000 + key);
    expect(busy.looks / 1000).toBeLessThan(40);
  });

  it('keeps nothing until it is asked, then a few bytes an item', () => {
    const shard = filled(policy, 2000);
    expect(shard.evictor.memoryBytes).toBe(0);
    shard.evictor.choose(CHARGE, 1, []);
    expect(shard.evictor.memoryBytes).toBeGreaterThanOrEqual(2000);
    expect(shard.evictor.memoryBytes).toBeLessThanOrEqual(2000 * 5 + 24 * 1024);
  });

  it('a replica that was told of touches keeps what the leader would keep', () => {
    const leader = filled(policy, 1000);
    const prng = new Prng(3);
    for (let i = 0; i < 20_000; i++) leader.ask(prng.chance(0.9) ? prng.below(300) : 10_000 + i);
    const hot = [...Array(300).keys()].filter((key) => leader.held.has(key));
    expect(hot.length).toBeGreaterThan(280);

    const follower = new Shard(policy, 1000);
    for (const { key } of [...leader.held.values()].sort((a, b) => a.version - b.version)) follower.set(key);
    for (let second = 0; second < 12; second++) {
      for (let i = 0; i < 100; i++) leader.ask(prng.below(300));
      const words = leader.evictor.takeTouches(256);
      expect(words.length).toBeLessThanOrEqual(256);
      follower.evictor.onTouches(words);
    }
    for (let key = 0; key < 500; key++) follower.set(1_000_000 + key);
    expect(hot.filter((key) => follower.held.has(key)).length).toBeGreaterThan(hot.length * 0.95);
  });
});

describe('policy s3fifo', () => {
  it('hot items survive a scan of ten times the room', () => {
    const shard = new Shard('s3fifo', 1000);
    const prng = new Prng(5);
    for (let i = 0; i < 20_000; i++) shard.ask(prng.below(800));
    for (let key = 0; key < 10_000; key++) shard.ask(1_000_000 + key);
    let left = 0;
    for (let key = 0; key < 800; key++) if (shard.held.has(key)) left++;
    expect(left).toBeGreaterThan(760);
  });

  it('follows a hot set that moves', () => {
    const shard = new Shard('s3fifo', 1000);
    const prng = new Prng(6);
    for (let i = 0; i < 60_000; i++) shard.ask(prng.below(900));
    for (let i = 0; i < 10_000; i++) shard.ask(5000 + prng.below(900));
    let hits = 0;
    for (let i = 0; i < 2000; i++) if (shard.ask(5000 + prng.below(900))) hits++;
    expect(hits).toBeGreaterThan(1900);
  });

  it('of a loop over twice as many keys as there is room for, a part stays', () => {
    const shard = new Shard('s3fifo', 1000);
    for (let i = 0; i < 20_000; i++) shard.ask(i % 2000);
    let hits = 0;
    for (let i = 0; i < 20_000; i++) if (shard.ask(i % 2000)) hits++;
    expect(hits / 20_000).toBeGreaterThan(0.4);
  });
});

describe('policy lru', () => {
  it('what was used lately stays, and what was not goes', () => {
    const shard = filled('lru', 1000);
    shard.set(5000); // the first to need room: from here on uses are known
    for (let round = 0; round < 10; round++) {
      for (let key = 0; key < 400; key++) shard.ask(key);
      for (let key = 0; key < 100; key++) shard.ask(10_000 + 100 * round + key);
    }
    let kept = 0;
    for (let key = 0; key < 400; key++) if (shard.held.has(key)) kept++;
    expect(kept).toBeGreaterThan(390);
    let old = 0;
    for (let key = 400; key < 1000; key++) if (shard.held.has(key)) old++;
    expect(old).toBeLessThan(150);
  });
});
