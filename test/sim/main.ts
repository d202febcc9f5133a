/**
 * The simulator's command line (`--help` tells the options). Prints the seed first, a line per run, and ends with
 * `N passed, N failed`; exit code 1 on a failure, with what failed, the few faults that it takes, and the line that
 * repeats it. Run i has seed + i, so that each can be repeated by itself.
 * With `--raft-trace FILE` it writes a trace for a model check instead (trace/command.ts).
 */
import { randomInt } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { Batch, describeRun } from './batch.js';
import { isKvBug, KV_BUG_FAULTS, KV_BUGS, type KvBug } from './kv-bugs.js';
import { BREAK_FAULTS, BREAK_RULES, isBreakRule, type BreakRule } from './break-rules.js';
import { brokenEngine, CLIENT_BUG_FAULTS, CLIENT_BUGS, isClientBug, type ClientBug } from './client-bugs.js';
import { describeFault, FAULT_KINDS, isFaultKind, type FaultKind } from './fault-plan.js';
import { nodeUnderTest } from './node-under-test.js';
import { runSimulation, type RunOptions, type RunReport } from './run.js';
import { shrink } from './shrink.js';
import { describeSwarm } from './swarm.js';
import { traceCommand } from './trace/command.js';

const STEPS_DEFAULT = 600;
const SHRINK_SECONDS_DEFAULT = 60;
const LOG_LINES_SHOWN = 40;
const PROGRESS_MS = 10_000;

const HELP = `npm run sim -- [options]
  --seed N          of the first run; run i has seed N + i (default: random, printed)
  --runs K          how many runs (default 1)
  --minutes N       instead of --runs: go on until the time is over, with a line every ten seconds
  --steps M         operations acknowledged before the faults of a run end (default ${STEPS_DEFAULT}, at least 200)
  --kinds LIST      only these kinds of fault: ${FAULT_KINDS.join(' ')}
  --faults LIST     of the faults that a seed plans only these numbers
  --shrink SECONDS  how long to look for the few faults that a failure takes (default ${SHRINK_SECONDS_DEFAULT}, 0: not at all)
  --break RULE      plant a bug on purpose: ${[...BREAK_RULES, ...KV_BUGS, ...CLIENT_BUGS].join(' ')}
  --history FILE    write the history of the last run
  --verbose         print log lines as they come
  --help`;

interface Options {
  readonly seed: number;
  readonly runs: number;
  readonly steps: number;
  /** 0: no limit by time; else go on with further seeds until it is over. */
  readonly minutes: number;
  readonly kinds: readonly FaultKind[] | null;
  readonly faults: ReadonlySet<number> | null;
  readonly shrinkSeconds: number;
  readonly breakRule: BreakRule | KvBug | ClientBug | null;
  readonly historyFile: string | null;
  readonly verbose: boolean;
}

function main(): number {
  const traced = traceCommand(process.argv.slice(2));
  if (traced !== null) return traced;
  let options: Options | null;
  try {
    options = parseOptions();
  } catch (error) {
    console.error(`sim: ${(error as Error).message}`);
    return 2;
  }
  if (options === null) {
    console.log(HELP);
    return 0;
  }
  console.log(`seed: ${options.seed}`);
  const batch = new Batch();
  playAll(options, batch);
  // A batch of a few kinds, or of planted bugs, need not have seen everything.
  const isWhole = options.kinds === null && options.faults === null && options.breakRule === null;
  const shortcomings = isWhole ? batch.shortcomings() : [];
  for (const line of shortcomings) console.log(`batch: ${line}`);
  console.log(batch.totalsLine());
  console.log(batch.sdkLine());
  console.log(batch.faultsLine());
  console.log(batch.marksLine());
  console.log(batch.speedLine());
  if (options.minutes > 0) for (const line of batch.targetLines()) console.log(line);
  // A worthless batch counts as one failure, so that the last line tells it too.
  const failed = batch.failed + (shortcomings.length > 0 ? 1 : 0);
  console.log(`${batch.passed} passed, ${failed} failed`);
  return failed === 0 ? 0 : 1;
}

function playAll(options: Options, batch: Batch): void {
  const { minutes, seed: firstSeed, runs } = options;
  const beginMs = performance.now();
  let progressAtMs = beginMs + PROGRESS_MS;
  const isOver = (): boolean =>
    minutes > 0 ? performance.now() - beginMs >= minutes * 60_000 : batch.runs >= runs;
  while (!isOver()) {
    const seed = firstSeed + batch.runs;
    const startMs = performance.now();
    const cpuBefore = process.cpuUsage();
    const report = runSimulation(runOptions(options, seed, options.faults));
    const wallMs = performance.now() - startMs;
    const { user, system } = process.cpuUsage(cpuBefore);
    batch.add(report, wallMs, (user + system) / 1000);
    if (minutes === 0) console.log(describeRun(report, wallMs));
    if (options.historyFile !== null) writeFileSync(options.historyFile, report.history());
    if (report.failure !== null) explain(report, options, wallMs);
    if (minutes > 0 && performance.now() >= progressAtMs) {
      const seconds = ((performance.now() - beginMs) / 1000).toFixed(0);
      console.log(`after ${seconds} s, seed ${seed}: ${batch.failed} failed; ${batch.speedLine()}`);
      progressAtMs = performance.now() + PROGRESS_MS;
    }
  }
}

function runOptions(options: Options, seed: number, faults: ReadonlySet<number> | null): RunOptions {
  const tested = whatIsTested(options.breakRule);
  return {
    seed,
    steps: options.steps,
    ...tested,
    faults: options.kinds ?? tested.faults ?? null,
    onlyFaults: faults,
    print: options.verbose ? (line) => console.log(line) : null,
  };
}

/** The node and the client as they are, or with the bug planted in one of them. */
function whatIsTested(
  rule: BreakRule | KvBug | ClientBug | null,
): Pick<RunOptions, 'createNode' | 'createEngine' | 'faults'> {
  if (rule === null) return { createNode: nodeUnderTest(null), faults: null };
  if (isBreakRule(rule)) return { createNode: nodeUnderTest(rule), faults: BREAK_FAULTS[rule] };
  if (isKvBug(rule)) return { createNode: nodeUnderTest(rule), faults: KV_BUG_FAULTS[rule] };
  return {
    createNode: nodeUnderTest(null),
    createEngine: brokenEngine(rule),
    faults: CLIENT_BUG_FAULTS[rule],
  };
}

function explain(report: RunReport, options: Options, wallMs: number): void {
  if (options.minutes > 0) console.log(describeRun(report, wallMs));
  for (const line of report.logs.slice(-LOG_LINES_SHOWN)) console.log(`  ${line}`);
  console.log(`  swarm: ${describeSwarm(report.swarm)}`);
  console.log(`  faults: ${report.faults.map(describeFault).join(', ')}`);
  console.log(`  found by ${report.checker}: ${report.failure ?? ''}`);
  console.log(`repeat: ${repeatLine(report.seed, options, options.faults)}`);
  if (options.shrinkSeconds > 0) findFew(report, options);
}

/** The few faults that the failure takes, and the line that plays it with them alone. */
function findFew(report: RunReport, options: Options): void {
  const endMs = performance.now() + options.shrinkSeconds * 1000;
  const numbers = report.faults.map(({ number }) => number);
  const silent = { ...options, verbose: false };
  const found = shrink(
    numbers,
    (faults) => runSimulation(runOptions(silent, report.seed, new Set(faults))).checker === report.checker,
    () => performance.now() >= endMs,
  );
  const left = report.faults.filter(({ number }) => found.faults.includes(number));
  const words = found.isMinimal ? '' : ' (time was over: fewer might do)';
  console.log(`  it takes ${left.length} of ${numbers.length} faults${words}, found in ${found.runs} runs:`);
  for (const fault of left) console.log(`    ${describeFault(fault)}`);
  console.log(`repeat: ${repeatLine(report.seed, options, new Set(found.faults))}`);
}

function repeatLine(seed: number, options: Options, faults: ReadonlySet<number> | null): string {
  const { breakRule, kinds, steps } = options;
  const words = ['npm run sim --', `--seed ${seed}`, '--runs 1', `--steps ${steps}`];
  if (kinds !== null) words.push(`--kinds ${kinds.join(',')}`);
  if (breakRule !== null) words.push(`--break ${breakRule}`);
  if (faults !== null) words.push(`--faults ${faults.size === 0 ? 'none' : [...faults].join(',')}`);
  return words.join(' ');
}

function parseOptions(): Options | null {
  const { values } = parseArgs({
    options: {
      seed: { type: 'string' },
      runs: { type: 'string' },
      steps: { type: 'string' },
      minutes: { type: 'string' },
      kinds: { type: 'string' },
      faults: { type: 'string' },
      shrink: { type: 'string' },
      break: { type: 'string' },
      history: { type: 'string' },
      verbose: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  if (values.help === true) return null;
  const breakRule = values.break ?? null;
  if (breakRule !== null && !isBreakRule(breakRule) && !isKvBug(breakRule) && !isClientBug(breakRule)) {
    const rules = [...BREAK_RULES, ...KV_BUGS, ...CLIENT_BUGS].join(', ');
    throw new Error(`--break: expected one of ${rules}, not ${breakRule}`);
  }
  return {
    seed: values.seed === undefined ? randomInt(2 ** 31) : integer('--seed', values.seed, 0),
    runs: integer('--runs', values.runs ?? '1', 1),
    steps: integer('--steps', values.steps ?? String(STEPS_DEFAULT), 1),
    minutes: values.minutes === undefined ? 0 : integer('--minutes', values.minutes, 1),
    kinds: values.kinds === undefined ? null : values.kinds.split(',').map(faultKind),
    faults: values.faults === undefined ? null : faultNumbers(values.faults),
    shrinkSeconds: integer('--shrink', values.shrink ?? String(SHRINK_SECONDS_DEFAULT), 0),
    breakRule,
    historyFile: values.history ?? null,
    verbose: values.verbose ?? false,
  };
}

function faultKind(name: string): FaultKind {
  if (isFaultKind(name)) return name;
  throw new Error(`--kinds: expected some of ${FAULT_KINDS.join(',')}, not ${name}`);
}

function faultNumbers(text: string): Set<number> {
  return new Set(text === 'none' ? [] : text.split(',').map((word) => integer('--faults', word, 1)));
}

function integer(name: string, text: string, min: number): number {
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < min) {
    throw new Error(`${name}: expected a whole number from ${min}, not ${text}`);
  }
  return value;
}

process.exitCode = main();
