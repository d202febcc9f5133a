/** What the snapshot streams of a node share: bytes per second, and places. */
import { describe, expect, it } from 'vitest';
import { ByteRate, StreamSlots } from '../../../src/group/snapshot-traffic.js';

describe('a rate of bytes', () => {
  it('lets through what it promises over any stretch of time, plus a burst and a chunk', () => {
    const rate = new ByteRate(1000);
    const passedAtMs: number[] = [];
    for (let nowMs = 0; nowMs < 10_000; nowMs += 10) {
      while (rate.take(50, nowMs)) passedAtMs.push(nowMs);
    }
    expect(passedAtMs.length * 50).toBeGreaterThan(9_500);
    for (const [i, fromMs] of passedAtMs.entries()) {
      for (let j = i; j < passedAtMs.length; j += 7) {
        const seconds = ((passedAtMs[j] as number) - fromMs) / 1000;
        expect((j - i) * 50).toBeLessThanOrEqual(1000 * seconds + 100 + 50);
      }
    }
  });

  it('lets a chunk larger than a burst through, and makes up for it', () => {
    const rate = new ByteRate(1000);
    expect(rate.take(5000, 0)).toBe(true);
    expect(rate.take(1, 4_800)).toBe(false);
    expect(rate.take(1, 5_000)).toBe(true);
  });

  it('serves those who wait in their order, and nobody before them', () => {
    const rate = new ByteRate(1000);
    const served: string[] = [];
    const ask = (name: string): void => {
      if (rate.take(100, nowMs)) served.push(name);
      else rate.wait(waiters[name] as () => void);
    };
    const waiters: Record<string, () => void> = {
      a: () => ask('a'),
      b: () => ask('b'),
      c: () => ask('c'),
    };
    let nowMs = 0;
    expect(rate.take(100, 0)).toBe(true);
    for (const name of ['a', 'b', 'c']) ask(name);
    expect(served).toEqual([]);
    for (nowMs = 100; nowMs <= 400; nowMs += 100) {
      expect(rate.take(1, nowMs)).toBe(served.length === 3);
      rate.tick(nowMs);
    }
    expect(served).toEqual(['a', 'b', 'c']);
  });

  it('after a long pause gives no more than one burst', () => {
    const rate = new ByteRate(1000);
    let passed = 0;
    while (rate.take(10, 3_600_000)) passed += 10;
    expect(passed).toBe(100);
  });
});

describe('places for streams', () => {
  it('are given in the order of asking, as others give theirs back', () => {
    const slots = new StreamSlots(2);
    const started: number[] = [];
    const holders = Array.from({ length: 5 }, (_, i) => ({ i }));
    for (const holder of holders) slots.acquire(holder, () => started.push(holder.i));
    slots.acquire(holders[3] as object, () => started.push(99)); // asked twice
    expect(started).toEqual([0, 1]);
    slots.release(holders[2] as object); // does not want it any more
    slots.release(holders[0] as object);
    slots.release(holders[0] as object);
    expect(started).toEqual([0, 1, 3]);
    slots.release(holders[1] as object);
    expect([started, slots.inUse]).toEqual([[0, 1, 3, 4], 2]);
  });
});
