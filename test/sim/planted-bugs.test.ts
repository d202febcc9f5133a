/**
 * The checkers' own test on the real node: each bug planted on purpose is caught within a bounded number of seeds,
 * while the same seed passes on the node as it is.
 */
import { expect, test } from 'vitest';
import { BREAK_FAULTS, BREAK_RULES, type BreakRule } from './break-rules.js';
import { nodeUnderTest } from './node-under-test.js';
import { runSimulation, type RunReport } from './run.js';

/** With this much work a seed catches a stale read in one of five tries, the other bugs in one of two. */
const STEPS = 600;
const SEEDS_MAX = 40;
/** Caught by a checker or by an assertion of the node: not by being too slow, nor by not starting. */
const CAUGHT = /SafetyViolation|HistoryViolation|InvariantError/;

function run(seed: number, rule: BreakRule, broken: boolean): RunReport {
  const createNode = nodeUnderTest(broken ? rule : null);
  return runSimulation({ seed, steps: STEPS, createNode, faults: BREAK_FAULTS[rule] });
}

for (const rule of BREAK_RULES) {
  test(`the planted bug ${rule} is caught`, { timeout: 120_000 }, () => {
    for (let seed = 1; seed <= SEEDS_MAX; seed++) {
      const broken = run(seed, rule, true);
      if (broken.failure === null) continue;
      expect(broken.failure).toMatch(CAUGHT);
      const whole = run(seed, rule, false);
      expect(whole.failure).toBe(null);
      expect(whole.traceHash).not.toBe(broken.traceHash);
      return;
    }
    expect.fail(`not caught in ${SEEDS_MAX} seeds`);
  });
}
