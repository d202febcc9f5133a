/**
 * The checkers' own test on the real node: each bug planted on purpose is caught within a bounded number of seeds,
 * while the same seed passes on the node as it is.
 */
import { expect, test } from 'vitest';
import { BREAK_FAULTS, BREAK_RULES, type BreakRule } from './break-rules.js';
import { brokenEngine, CLIENT_BUG_FAULTS, CLIENT_BUGS, type ClientBug } from './client-bugs.js';
import { isKvBug, KV_BUG_FAULTS, KV_BUGS, type KvBug } from './kv-bugs.js';
import { nodeUnderTest } from './node-under-test.js';
import { runSimulation, type RunOptions, type RunReport } from './run.js';

/** With this much work a seed catches a stale read in one of five tries, the other bugs in one of two. */
const STEPS = 600;
const SEEDS_MAX = 40;
/** Caught by a checker or by an assertion of the node: not by being too slow, nor by not starting. */
const CAUGHT = /SafetyViolation|HistoryViolation|SdkViolation|InvariantError/;

function nodeOptions(rule: BreakRule | KvBug, broken: boolean): Omit<RunOptions, 'seed' | 'steps'> {
  const faults = isKvBug(rule) ? KV_BUG_FAULTS[rule] : BREAK_FAULTS[rule];
  return { createNode: nodeUnderTest(broken ? rule : null), faults };
}

function clientOptions(bug: ClientBug, broken: boolean): Omit<RunOptions, 'seed' | 'steps'> {
  const seam = broken ? { createEngine: brokenEngine(bug) } : {};
  return { createNode: nodeUnderTest(null), faults: CLIENT_BUG_FAULTS[bug], ...seam };
}

/** Plays seeds with the bug until one fails; that one must pass without it. */
function expectCaught(options: (broken: boolean) => Omit<RunOptions, 'seed' | 'steps'>): void {
  const run = (seed: number, broken: boolean): RunReport =>
    runSimulation({ seed, steps: STEPS, ...options(broken) });
  for (let seed = 1; seed <= SEEDS_MAX; seed++) {
    const broken = run(seed, true);
    if (broken.failure === null) continue;
    expect(broken.failure).toMatch(CAUGHT);
    const whole = run(seed, false);
    expect(whole.failure).toBe(null);
    expect(whole.traceHash).not.toBe(broken.traceHash);
    return;
  }
  expect.fail(`not caught in ${SEEDS_MAX} seeds`);
}

for (const rule of [...BREAK_RULES, ...KV_BUGS]) {
  test(`the planted bug ${rule} is caught`, { timeout: 120_000 }, () => {
    expectCaught((broken) => nodeOptions(rule, broken));
  });
}

for (const bug of CLIENT_BUGS) {
  test(`the bug ${bug}, planted in the client, is caught`, { timeout: 120_000 }, () => {
    expectCaught((broken) => clientOptions(bug, broken));
  });
}
