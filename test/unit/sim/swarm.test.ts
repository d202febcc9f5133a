/** What a seed draws: the same every time, varied over seeds, and never more than what must be survived. */
import { expect, test } from 'vitest';
import { Prng } from '../../../src/base/index.js';
import { DAMAGE_KINDS, FAULT_KINDS, planFaults, type FaultKind } from '../../sim/fault-plan.js';
import { describeSwarm, drawSwarm, NETWORK_PROFILES, type Swarm } from '../../sim/swarm.js';

const draw = (seed: number, only: readonly FaultKind[] | null = null, fixed: Partial<Swarm> = {}): Swarm =>
  drawSwarm(new Prng(seed).stream('swarm'), only, fixed);
const SEEDS = Array.from({ length: 400 }, (_, i) => i + 1);
const isDamage = (kind: FaultKind): boolean => (DAMAGE_KINDS as readonly FaultKind[]).includes(kind);

test('a seed draws the same swarm every time, and its line tells all of it', () => {
  expect(draw(5)).toEqual(draw(5));
  const swarm = draw(5);
  const line = describeSwarm(swarm);
  expect(line).toContain(`${swarm.nodes} nodes, ${swarm.shards} shards, ${swarm.replicas} replicas`);
  for (const kind of swarm.kinds) expect(line).toContain(kind);
});

test('over many seeds every kind of fault is on and off, and every profile and size occurs', () => {
  const swarms = SEEDS.map((seed) => draw(seed));
  for (const kind of FAULT_KINDS) {
    const on = swarms.filter(({ kinds }) => kinds.includes(kind)).length;
    expect([kind, on > 10 && on < SEEDS.length - 10]).toEqual([kind, true]);
  }
  expect(new Set(swarms.map(({ nodes }) => nodes))).toEqual(new Set([1, 3, 4, 5]));
  expect(new Set(swarms.map(({ replicas }) => replicas))).toEqual(new Set([1, 3, 5]));
  expect(new Set(swarms.map(({ network }) => network))).toEqual(new Set(Object.keys(NETWORK_PROFILES)));
  expect(new Set(swarms.map(({ faultsPerSecond }) => faultsPerSecond)).size).toBe(3);
  expect(swarms.some(({ isWeakLeftOut }) => isWeakLeftOut)).toBe(true);
});

test('disks are damaged on one machine only, and only where a majority is left without it', () => {
  for (const swarm of SEEDS.map((seed) => draw(seed))) {
    if (swarm.kinds.some(isDamage)) expect(swarm.weakMachine).not.toBe(null);
    if (swarm.weakMachine === null) continue;
    expect(swarm.replicas).toBeGreaterThanOrEqual(3);
    expect(swarm.weakMachine).toBeLessThan(swarm.nodes);
  }
});

test('there is a fault to play, whatever was drawn, and a lone node gets none that needs peers', () => {
  for (const swarm of SEEDS.map((seed) => draw(seed, null, { nodes: 1, replicas: 1 }))) {
    expect(swarm.kinds.length).toBeGreaterThan(0);
    expect(swarm.kinds).not.toContain('partition');
    expect(swarm.kinds.some(isDamage)).toBe(false);
  }
  expect(draw(1, ['partition'], { nodes: 1, replicas: 1 }).kinds).toEqual(['crash']);
});

test('what is asked for is what is drawn', () => {
  expect(draw(3, ['pause', 'transfer'], { nodes: 5 })).toMatchObject({
    kinds: ['pause', 'transfer'],
    nodes: 5,
    weakMachine: null,
  });
  expect(draw(3, ['flip_log'], { nodes: 3 }).weakMachine).not.toBe(null);
});

test('a plan has its faults in order, at the rate asked for, each with numbers of its own', () => {
  const plan = planFaults(new Prng(7), ['crash', 'pause'], 2, 60_000);
  expect(plan.map(({ number }) => number)).toEqual(plan.map((_, i) => i + 1));
  expect(plan.every((fault, i) => i === 0 || fault.atMs >= (plan[i - 1]?.atMs ?? 0))).toBe(true);
  expect(plan.at(-1)?.atMs).toBeLessThan(60_000);
  expect(plan.length).toBeGreaterThan(90);
  expect(plan.length).toBeLessThan(150);
  expect(new Set(plan.map(({ prng }) => prng.u32())).size).toBe(plan.length);
  // Leaving some out moves nobody: the others keep their times and their numbers.
  const again = planFaults(new Prng(7), ['crash', 'pause'], 2, 60_000).filter(({ number }) => number > 5);
  expect(again.map(({ atMs }) => atMs)).toEqual(plan.slice(5).map(({ atMs }) => atMs));
});
