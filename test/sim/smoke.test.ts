/** The seeds of seeds.txt pass on the real node, and a run is a function of its seed. */
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { nodeUnderTest } from './node-under-test.js';
import { runSimulation, STEPS_MIN, type RunReport } from './run.js';

const SEEDS = readFileSync(new URL('./seeds.txt', import.meta.url), 'utf8')
  .split('\n')
  .map((line) => line.replace(/#.*/, '').trim())
  .filter((line) => line !== '')
  .map(Number);

function run(seed: number, steps = 600): RunReport {
  return runSimulation({ seed, steps, createNode: nodeUnderTest(null) });
}

test('there are seeds to play', () => {
  expect(SEEDS.length).toBeGreaterThan(0);
  expect(SEEDS.every(Number.isSafeInteger)).toBe(true);
});

for (const seed of SEEDS) {
  test(`seed ${seed} passes`, { timeout: 30_000 }, () => {
    const report = run(seed);
    expect(report.failure).toBe(null);
    expect(report.acknowledged).toBeGreaterThanOrEqual(STEPS_MIN);
  });
}

test('the same seed gives the same trace hash, another seed another', { timeout: 30_000 }, () => {
  const first = run(11);
  expect(run(11).traceHash).toBe(first.traceHash);
  expect(run(12).traceHash).not.toBe(first.traceHash);
});
