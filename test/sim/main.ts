/**
 * The simulator's command line: `npm run sim -- --seed N --runs K --steps M [--minutes N] [--break RULE]
 * [--history FILE] [--verbose]`. Prints the seed first, a line per run, and ends with `N passed, N failed`; exit code
 * 1 on a failure, with the line that repeats it. Run i has seed + i, so that each can be repeated by itself.
 * With `--raft-trace FILE` it writes a trace for a model check instead (trace/command.ts).
 */
import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Batch, describeRun } from './batch.js';
import { BREAK_FAULTS, BREAK_RULES, isBreakRule, type BreakRule } from './break-rules.js';
import { brokenEngine, CLIENT_BUG_FAULTS, CLIENT_BUGS, isClientBug, type ClientBug } from './client-bugs.js';
import { nodeUnderTest } from './node-under-test.js';
import { runSimulation, type RunOptions, type RunReport } from './run.js';
import { traceCommand } from './trace/command.js';

const STEPS_DEFAULT = 600;
const LOG_LINES_SHOWN = 40;

interface Options {
  readonly seed: number;
  readonly runs: number;
  readonly steps: number;
  /** 0: no limit by time; else go on with further seeds until it is over. */
  readonly minutes: number;
  readonly breakRule: BreakRule | ClientBug | null;
  readonly historyFile: string | null;
  readonly verbose: boolean;
}

function main(): number {
  const traced = traceCommand(process.argv.slice(2));
  if (traced !== null) return traced;
  let options: Options;
  try {
    options = parseOptions();
  } catch (error) {
    console.error(`sim: ${(error as Error).message}`);
    return 2;
  }
  console.log(`seed: ${options.seed}`);
  const underTest = whatIsTested(options.breakRule);
  const batch = new Batch();
  const beginMs = performance.now();
  const isOver = (): boolean =>
    options.minutes > 0
      ? performance.now() - beginMs >= options.minutes * 60_000
      : batch.runs >= options.runs;
  while (!isOver()) {
    const seed = options.seed + batch.runs;
    const startMs = performance.now();
    const report = runSimulation({
      seed,
      steps: options.steps,
      ...underTest,
      print: options.verbose ? (line) => console.log(line) : null,
    });
    batch.add(report);
    console.log(describeRun(report, performance.now() - startMs));
    if (options.historyFile !== null) writeFileSync(options.historyFile, report.history());
    if (report.failure !== null) explain(report, options);
  }
  const shortcomings = batch.shortcomings();
  for (const line of shortcomings) console.log(`batch: ${line}`);
  console.log(batch.totalsLine());
  console.log(batch.sdkLine());
  // A worthless batch counts as one failure, so that the last line tells it too.
  const failed = batch.failed + (shortcomings.length > 0 ? 1 : 0);
  console.log(`${batch.passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

/** The node and the client as they are, or with the bug planted in one of them. */
function whatIsTested(
  rule: BreakRule | ClientBug | null,
): Pick<RunOptions, 'createNode' | 'createEngine' | 'faults'> {
  if (rule === null) return { createNode: nodeUnderTest(null), faults: null };
  if (isBreakRule(rule)) return { createNode: nodeUnderTest(rule), faults: BREAK_FAULTS[rule] };
  return {
    createNode: nodeUnderTest(null),
    createEngine: brokenEngine(rule),
    faults: CLIENT_BUG_FAULTS[rule],
  };
}

function explain(report: RunReport, options: Options): void {
  const rule = options.breakRule === null ? '' : ` --break ${options.breakRule}`;
  for (const line of report.logs.slice(-LOG_LINES_SHOWN)) console.log(`  ${line}`);
  console.log(`  ${report.failure ?? ''}`);
  console.log(`repeat: npm run sim -- --seed ${report.seed} --runs 1 --steps ${options.steps}${rule}`);
}

function parseOptions(): Options {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      runs: { type: 'string' },
      steps: { type: 'string' },
      minutes: { type: 'string' },
      break: { type: 'string' },
      history: { type: 'string' },
      verbose: { type: 'boolean' },
    },
  });
  const breakRule = values.break ?? null;
  if (breakRule !== null && !isBreakRule(breakRule) && !isClientBug(breakRule)) {
    const rules = [...BREAK_RULES, ...CLIENT_BUGS].join(', ');
    throw new Error(`--break: expected one of ${rules}, not ${breakRule}`);
  }
  return {
    seed: values.seed === undefined ? randomInt(2 ** 31) : integer('--seed', values.seed, 0),
    runs: integer('--runs', values.runs ?? '1', 1),
    steps: integer('--steps', values.steps ?? String(STEPS_DEFAULT), 1),
    minutes: values.minutes === undefined ? 0 : integer('--minutes', values.minutes, 1),
    breakRule,
    historyFile: values.history ?? null,
    verbose: values.verbose ?? false,
  };
}

function integer(name: string, text: string, min: number): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < min) {
    throw new Error(`${name}: expected a whole number from ${min}, not ${text}`);
  }
  return value;
}

process.exitCode = main();
