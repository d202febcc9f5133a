/** The simulator's own proof: an honest stand-in passes under every fault, a lying one is caught, a seed repeats. */
import { expect, test } from 'vitest';
import { Batch, describeRun } from '../../sim/batch.js';
import { runSimulation, type RunReport } from '../../sim/run.js';
import { fakeNodes, LIES, type Lie } from './fake-node.js';

function run(seed: number, lie: Lie | null = null): RunReport {
  return runSimulation({ seed, steps: 300, createNode: fakeNodes(lie) });
}

test('an honest node passes under faults', () => {
  for (let seed = 1; seed <= 5; seed++) {
    const report = run(seed);
    expect(report.failure, `seed ${seed}`).toBe(null);
    expect(report.acknowledged).toBeGreaterThanOrEqual(300);
  }
});

test('a seed gives the same trace twice, another seed another', () => {
  const first = run(7);
  const second = run(7);
  expect(second.traceHash).toBe(first.traceHash);
  expect(second.history()).toBe(first.history());
  expect(run(8).traceHash).not.toBe(first.traceHash);
});

for (const lie of LIES) {
  test(`a node that lies (${lie}) is caught`, () => {
    const failures = [1, 2, 3].map((seed) => run(seed, lie).failure);
    expect(failures.some((failure) => failure !== null)).toBe(true);
  });
}

test('a whole batch without a single snapshot fails, a small one does not', () => {
  const report = { ...run(1), snapshots: 0, elections: 1, crashes: 1, partitions: 1, checkpoints: 1 };
  const batch = new Batch();
  for (let i = 0; i < 39; i++) batch.add(report);
  expect(batch.shortcomings()).toEqual([]);
  batch.add({ ...report, seed: 99, acknowledged: 199 });
  expect(batch.shortcomings().join()).toMatch(/no snapshots.*seed 99/);
  expect(describeRun(report, 5)).toContain('trace hash: ');
});
