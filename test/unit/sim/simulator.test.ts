/** The simulator's own proof: an honest stand-in passes under every fault, a lying one is caught, a seed repeats. */
import { expect, test } from 'vitest';
import { Batch, describeRun } from '../../sim/batch.js';
import { runSimulation, type RunReport } from '../../sim/run.js';
import { SdkCounters } from '../../sim/sdk-client.js';
import { fakeNodes, LIES, type Lie } from './fake-node.js';

/** The stand-in speaks RESP alone, and knows no SCAN. */
const RESP_ONLY = { resp: 5, sdk: 0, scanners: 0 };

/** The lie that shows least, about values that expire, is caught in one of three. */
const LYING_SEEDS_MAX = 12;

function run(seed: number, lie: Lie | null = null): RunReport {
  return runSimulation({ seed, steps: 300, createNode: fakeNodes(lie), clients: RESP_ONLY });
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
    for (let seed = 1; seed <= LYING_SEEDS_MAX; seed++) {
      if (run(seed, lie).failure !== null) return;
    }
    expect.fail(`not caught in ${LYING_SEEDS_MAX} seeds`);
  });
}

test('a whole batch without a single snapshot fails, a small one does not', () => {
  const others = { elections: 1, crashes: 1, partitions: 1, checkpoints: 1, clientCuts: 1 };
  const sdk = Object.assign(new SdkCounters(), { ok: 1, refused: 1, unknown: 1, cancelled: 0 });
  const report = { ...run(1), ...others, walks: 1, walksAcrossElections: 1, snapshots: 0, sdk };
  const batch = new Batch();
  for (let i = 0; i < 39; i++) batch.add(report);
  expect(batch.shortcomings()).toEqual([]);
  batch.add({ ...report, seed: 99, acknowledged: 199 });
  expect(batch.shortcomings().join()).toMatch(/no snapshots.*no sdk calls cancelled.*seed 99/);
  expect(describeRun(report, 5)).toContain('trace hash: ');
});
