/**
 * Goal: a walk through the keys in pages returns every key that stayed throughout, once, and none that never was, while
 * keys come and go between the pages, the table grows and shrinks, and the state moves to another replica. Method:
 * random histories, told as numbers so that a failure shrinks to a short one.
 */
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { chunksOf, cmd, KvDriver, loadedFrom, Op, type Shown } from '../unit/kv/kv-driver.js';

const END = 2 ** 32;

const STEP = fc.oneof(
  fc.record({ kind: fc.constant('insert' as const), first: fc.nat(3000), count: fc.nat(900) }),
  fc.record({ kind: fc.constant('delete' as const), first: fc.nat(3000), count: fc.nat(900) }),
  fc.record({ kind: fc.constant('expire' as const), first: fc.nat(3000), count: fc.nat(100) }),
  fc.record({ kind: fc.constant('snapshot' as const), first: fc.nat(0), count: fc.nat(0) }),
);
type Step = typeof STEP extends fc.Arbitrary<infer T> ? T : never;

/** A shard, and which keys it had since the walk began. */
class Walked {
  readonly d = new KvDriver();
  /** Alive from before the walk until now. */
  readonly stayed = new Set<string>();
  /** Alive at any time since the walk began. */
  readonly ever = new Set<string>();

  run(step: Step): void {
    const { d } = this;
    const names = Array.from({ length: step.count }, (_, i) => `${step.first + i}`);
    if (step.kind === 'snapshot') {
      d.kv = loadedFrom(chunksOf(d.kv));
    } else if (step.kind === 'insert') {
      d.apply(...names.map((name) => cmd.set(name, 'v')));
      for (const name of names) this.ever.add(name);
    } else {
      if (step.kind === 'delete') d.run(cmd.many(Op.del, names));
      else d.apply(...names.map((name) => cmd.expire(name, { px: 1 })));
      d.nowMs += 1;
      d.apply();
      for (const name of names) this.stayed.delete(name);
    }
  }

  page(fromHash: number, countMax: number, pattern: string | null): [number, string[]] {
    const shown = this.d.read(cmd.scan(fromHash, countMax, pattern));
    const [next, keys] = shown as [bigint, Shown[]];
    return [Number(next), keys.map((key) => String(key).slice(1))];
  }
}

/** Walks with `rounds[i]` between pages i and i + 1; how many pages it took. */
function checkWalk(
  size: number,
  countMax: number,
  pattern: string | null,
  matches: (key: string) => boolean,
  rounds: readonly (readonly Step[])[],
): number {
  const walked = new Walked();
  walked.run({ kind: 'insert', first: 0, count: size });
  for (const name of walked.ever) walked.stayed.add(name);
  const returned = new Set<string>();
  let fromHash = 0;
  let pages = 0;
  while (fromHash < END) {
    const [nextHash, keys] = walked.page(fromHash, countMax, pattern);
    if (nextHash <= fromHash) throw new Error(`no progress at ${fromHash}`);
    for (const key of keys) {
      if (!walked.ever.has(key) || !matches(key)) throw new Error(`key ${key} was never to be listed`);
      if (returned.has(key)) throw new Error(`key ${key} comes twice`);
      returned.add(key);
    }
    fromHash = nextHash;
    for (const step of rounds[pages++] ?? []) walked.run(step);
  }
  for (const key of walked.stayed) {
    if (matches(key) && !returned.has(key)) throw new Error(`key ${key} stayed, but was not listed`);
  }
  return pages;
}

describe('a walk through the keys in pages', () => {
  test('E122: returns every key that stays, once, and none that never was, through growth and snapshots', () => {
    const rounds = fc.array(fc.array(STEP, { maxLength: 3 }), { maxLength: 12 });
    fc.assert(
      fc.property(fc.nat(2500), fc.integer({ min: 1, max: 400 }), rounds, (size, countMax, steps) => {
        checkWalk(size, Math.max(countMax, Math.ceil(size / 60)), null, () => true, steps);
      }),
      { numRuns: 60, seed: 122 },
    );
  });

  test('E122: the same with a pattern', () => {
    const rounds = fc.array(fc.array(STEP, { maxLength: 2 }), { maxLength: 8 });
    fc.assert(
      fc.property(fc.integer({ min: 50, max: 300 }), rounds, (countMax, steps) => {
        checkWalk(2000, countMax, '[1-3]*5', (key) => /^[1-3].*5$/.test(key), steps);
      }),
      { numRuns: 25, seed: 123 },
    );
  });

  test('E122: a walk begun with a hundred keys goes on through many thousands and back', () => {
    const grow = Array.from({ length: 30 }, (_, i): Step[] => [
      { kind: 'insert', first: 100 + i * 700, count: 700 },
    ]);
    const shrink = Array.from({ length: 30 }, (_, i): Step[] => [
      { kind: 'delete', first: 100 + i * 700, count: 700 },
      { kind: 'snapshot', first: 0, count: 0 },
    ]);
    const pages = checkWalk(100, 3, null, () => true, [...grow, ...shrink]);
    expect(pages).toBeGreaterThan(grow.length + shrink.length);
  });
});
