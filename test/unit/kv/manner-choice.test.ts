/** Which manner of ranking is chosen under which stream, and what the shadows that tell so cost. */
import { describe, expect, it } from 'vitest';
import { Prng } from '../../../src/base/index.js';
import { MannerChoice, MOVING, STEADY } from '../../../src/kv/manner-choice.js';
import { ShadowCache } from '../../../src/kv/shadow-cache.js';

function mix(key: number): number {
  let x = Math.imul(key ^ (key >>> 16), 0x21f0aaad);
  x = Math.imul(x ^ (x >>> 15), 0x735a2d97);
  return (x ^ (x >>> 15)) >>> 0;
}

/** Numbers of which half are below a tenth of `keys`. */
function skewed(prng: Prng, keys: number): number {
  return Math.floor(keys * prng.unit() ** 3.3);
}

describe('the choice between two manners', () => {
  const ITEMS = 2000;

  function ask(choice: MannerChoice, reads: number, keyOf: (i: number) => number): number {
    let changes = 0;
    for (let i = 0; i < reads; i++) if (choice.onRead(mix(keyOf(i)))) changes++;
    return changes;
  }

  it('stays with the steady one for a loop, a skewed load, and scans beside it', () => {
    const prng = new Prng(1);
    const streams: ((i: number) => number)[] = [
      (i) => i % (2 * ITEMS),
      () => skewed(prng, 10 * ITEMS),
      (i) => ((i & 3) === 3 ? 1_000_000 + i : skewed(prng, 10 * ITEMS)),
    ];
    for (const stream of streams) {
      const choice = new MannerChoice(ITEMS, 7);
      expect(ask(choice, 100 * ITEMS, stream)).toBe(0);
      expect(choice.manner).toBe(STEADY);
    }
  });

  it('takes the other one while the hot set moves, and goes back when it stays', () => {
    const prng = new Prng(2);
    const choice = new MannerChoice(ITEMS, 7);
    ask(choice, 100 * ITEMS, (i) => Math.floor(i / (10 * ITEMS)) * 1_000_000 + skewed(prng, 10 * ITEMS));
    expect(choice.manner).toBe(MOVING);
    ask(choice, 100 * ITEMS, (i) => i % (2 * ITEMS));
    expect(choice.manner).toBe(STEADY);
  });

  it('keeps its manner when it is made anew for another number of items', () => {
    expect(new MannerChoice(ITEMS, 7, MOVING).manner).toBe(MOVING);
  });

  it('takes less than 24 KiB however many items there are', () => {
    for (const items of [64, 1000, 2048, 2049, 1_000_000, 100_000_000]) {
      expect(new MannerChoice(items, 7).memoryBytes).toBeLessThan(24 * 1024);
    }
  });
});

describe.each([STEADY, MOVING])('a shadow cache, manner %j', (manner) => {
  it('hits what it was just told of, and never more than it has room for', () => {
    const shadow = new ShadowCache(50, manner, 3);
    for (let key = 0; key < 50; key++) shadow.onRead(mix(key));
    expect(shadow.hits).toBe(0);
    for (let key = 0; key < 50; key++) shadow.onRead(mix(key));
    expect(shadow.hits).toBe(50);
    // Of 5,000 keys asked for in turn no cache of 50 hits more than 1 in 100.
    shadow.hits = 0;
    for (let i = 0; i < 50_000; i++) shadow.onRead(mix(100 + (i % 5000)));
    expect(shadow.hits).toBeLessThanOrEqual(500);
  });

  it('takes a written key in without counting a hit', () => {
    const shadow = new ShadowCache(50, manner, 3);
    shadow.onWrite(mix(1));
    shadow.onWrite(mix(1));
    expect(shadow.hits).toBe(0);
    shadow.onRead(mix(1));
    expect(shadow.hits).toBe(1);
  });
});
