/** The simulator's own proof: an honest stand-in passes under every fault, a lying one is caught, a seed repeats. */
import { expect, test } from 'vitest';
import { Batch, describeRun, MARKS_AFTER_MS, OPERATIONS_TARGET } from '../../sim/batch.js';
import { DAMAGE_KINDS, FAULT_KINDS, type FaultKind } from '../../sim/fault-plan.js';
import { REQUIRED_MARKS } from '../../sim/marks.js';
import { runSimulation, type RunReport } from '../../sim/run.js';
import { SdkCounters } from '../../sim/sdk-client.js';
import { fakeNodes, LIES, type Lie } from './fake-node.js';

/** The stand-in speaks RESP alone, knows no SCAN, has no disk, one leader for ever, and believes its clocks. */
const SWARM = { clients: { resp: 5, sdk: 0, scanners: 0 }, nodes: 3, replicas: 3 };
const FAULTS = FAULT_KINDS.filter(
  (kind) => kind !== 'clock_jump' && !(DAMAGE_KINDS as readonly FaultKind[]).includes(kind),
);

/** The lie that shows least, about values that expire, is caught in one of three. */
const LYING_SEEDS_MAX = 12;

function run(seed: number, lie: Lie | null = null): RunReport {
  return runSimulation({ seed, steps: 300, createNode: fakeNodes(lie), faults: FAULTS, swarm: SWARM });
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
  for (let i = 0; i < 39; i++) batch.add(report, 1);
  expect(batch.shortcomings()).toEqual([]);
  batch.add({ ...report, seed: 99, acknowledged: 199 }, 1);
  expect(batch.shortcomings().join()).toMatch(/no snapshots.*no sdk calls cancelled.*seed 99/);
  expect(describeRun(report, 5)).toContain('trace hash: ');
});

test('a batch of five minutes fails when a required mark was never hit', () => {
  const all = new Map(REQUIRED_MARKS.map((mark) => [mark, 1]));
  const [first, ...others] = all;
  const report = { ...run(1), marks: new Map(others) };
  const batch = new Batch();
  batch.add(report, MARKS_AFTER_MS - 1);
  expect(batch.shortcomings()).toEqual([]);
  batch.add(report, 1);
  expect(batch.shortcomings()).toEqual([`the mark ${first?.[0]} was never hit in 2 runs`]);
  batch.add({ ...report, marks: all }, 1);
  expect(batch.shortcomings()).toEqual([]);
});

test('a batch tells whether a core does as much as it should', () => {
  const report = run(1);
  const count = report.acknowledged + report.failed + report.unknown;
  const batch = new Batch();
  batch.add(report, 1, (count / OPERATIONS_TARGET) * 1000);
  expect(batch.targetLines()[0]).toContain(': reached (2000)');
  batch.add(report, 1, (count / OPERATIONS_TARGET) * 1000 + 50);
  expect(batch.targetLines()[0]).toContain(': missed (');
  expect(batch.targetLines()[1]).toMatch(/target of 20 faults a processor second: (reached|missed)/);
});

test('a subset of a run’s faults plays these alone, and the same ones give the same trace', () => {
  const whole = run(3);
  const few = new Set(whole.faults.slice(0, 2).map(({ number }) => number));
  const play = (): RunReport =>
    runSimulation({
      seed: 3,
      steps: 300,
      createNode: fakeNodes(null),
      faults: FAULTS,
      swarm: SWARM,
      onlyFaults: few,
    });
  const report = play();
  expect(report.faults.map(({ number }) => number)).toEqual([...few]);
  expect(play().traceHash).toBe(report.traceHash);
  expect(report.traceHash).not.toBe(whole.traceHash);
});
