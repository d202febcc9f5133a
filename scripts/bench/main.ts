/**
 * `npm run bench`: Quorate beside etcd and Redis on this machine. Systems take turns, never two at once; a round gives
 * each system one turn, and the order moves by one from round to round. What is printed at the end are medians over the
 * rounds and ratios within rounds. docs/benchmarks.md tells the method.
 */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import type { BenchContext } from './bench-context.js';
import { Children, hasTool } from './children.js';
import { describeConditions, readConditions } from './machine.js';
import { HELP, parseOptions } from './options.js';
import type { Options } from './options.js';
import { runProfile } from './profile.js';
import { rowTable, systemsText, verdictTable } from './report.js';
import { rotate, ROWS, selectRows, TURNS } from './rows.js';
import type { Row } from './rows.js';
import { Results } from './samples.js';
import { buildEtcdLoad } from './systems/etcd.js';
import { hasMovedListeners } from './systems/quorate.js';
import { judgeAll } from './targets.js';
import { runTurn } from './turns.js';

/** `--quick` promises less than 90 s: what has not begun by then is left out. */
const QUICK_MS_MAX = 75_000;
const DEFAULT_PROFILE_ROW = 'spread.writes.64x1';
const ROUNDS_FOR_FIGURES = 5;
const ENDED_BY_SIGNAL = 130;

const root = fileURLToPath(new URL('../..', import.meta.url));
const startedMs = performance.now();
const say = (line: string): void => void process.stdout.write(`${line}\n`);

process.exitCode = await main();

async function main(): Promise<number> {
  const parsed = parseOptions(process.argv.slice(2));
  if (!parsed.ok) return usage(parsed.problem);
  const { options } = parsed;
  if (options.help) {
    say(HELP);
    return 0;
  }
  const only = options.profile && options.only.length === 0 ? [DEFAULT_PROFILE_ROW] : options.only;
  const selection = selectRows(
    options.quick && only.length === 0 ? ROWS.filter((row) => row.quick) : ROWS,
    only,
  );
  if (!selection.ok) return usage(selection.problem);
  if (options.list) {
    say(selection.rows.map((row) => row.id).join('\n'));
    say(`\n${systemsText(selection.rows)}`);
    return 0;
  }
  const program = path.resolve(
    options.program === '' ? path.join(root, 'dist', 'src', 'quorate.js') : options.program,
  );
  if (!existsSync(program)) return usage(`${program} is not there; npm run build makes it`);
  return measure(options, selection.rows, program);
}

async function measure(options: Options, asked: readonly Row[], program: string): Promise<number> {
  const children = new Children();
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'quorate-bench-'));
  endWhenAsked(children, scratch);
  try {
    const { rows, etcdload } = await withoutWhatIsMissing(
      options.profile ? asked.slice(0, 1) : asked,
      children,
    );
    const hasMoved = hasMovedListeners(program);
    const context: BenchContext = {
      options,
      children,
      scratch,
      root,
      program,
      etcdload,
      hasMoved,
      nodeWords: [],
    };
    const conditions = readConditions(scratch, root);
    say(`${describeConditions(conditions)}\n`);
    if (options.profile) return await profile(context, rows);
    const results = new Results();
    for (let round = 0; round < options.rounds; round++) await runRound(context, rows, round, results);
    if (children.isClosed) return ENDED_BY_SIGNAL;
    const report = reportOf(options, rows, results);
    say(report);
    if (options.jsonFile !== '') writeJson(options, conditions, rows, results);
    return rows.some((row) => results.of(row.id).length > 0) ? 0 : 1;
  } finally {
    await children.endAll();
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function profile(context: BenchContext, rows: readonly Row[]): Promise<number> {
  const row = rows[0];
  if (row?.turn !== 'cluster')
    return usage('--profile takes a row of the cluster: map, spread, node, grpc, sdk or paced');
  return (await runProfile(context, row, say)) ? 0 : 1;
}

async function runRound(
  context: BenchContext,
  rows: readonly Row[],
  round: number,
  results: Results,
): Promise<void> {
  const { rounds, quick } = context.options;
  say(
    `round ${round + 1} of ${rounds}, ${Math.round((performance.now() - startedMs) / 1000)} s after the start`,
  );
  const hasTime = (): boolean =>
    !context.children.isClosed && (!quick || performance.now() - startedMs < QUICK_MS_MAX);
  for (const turn of rotate(TURNS, round)) {
    const ofTurn = rows.filter((row) => row.turn === turn && (round === 0 || !row.once));
    if (ofTurn.length === 0) continue;
    if (!hasTime()) {
      for (const row of ofTurn) results.refuse(row.id, `round ${round + 1} left out: the time was over`);
      continue;
    }
    await runTurn(
      { context, number: round, results, say: (line) => say(`  ${line}`), hasTime },
      turn,
      ofTurn,
    );
  }
}

/** Rows whose peer isn't installed are named and left out. */
async function withoutWhatIsMissing(
  asked: readonly Row[],
  children: Children,
): Promise<{ readonly rows: readonly Row[]; readonly etcdload: string | null }> {
  let rows = asked;
  const leaveOut = (why: string, isOut: (row: Row) => boolean): void => {
    if (!rows.some(isOut)) return;
    say(`left out: ${[...new Set(rows.filter(isOut).map((row) => row.system))].join(', ')}: ${why}`);
    rows = rows.filter((row) => !isOut(row));
  };
  let etcdload: string | null = null;
  if (rows.some((row) => row.system === 'etcd')) {
    const built = await buildEtcdLoad(root, children);
    if ('file' in built) etcdload = built.file;
    else leaveOut(built.problem, (row) => row.system === 'etcd');
  }
  if (!hasTool('redis-server')) leaveOut('redis-server is not installed', (row) => row.system === 'redis');
  if (!hasTool('redis-benchmark')) {
    const driven = ['redis', 'single', 'bare', 'map', 'node'];
    leaveOut('redis-benchmark is not installed (Debian: redis-tools)', (row) => driven.includes(row.system));
  }
  return { rows, etcdload };
}

function reportOf(options: Options, rows: readonly Row[], results: Results): string {
  const rough =
    options.rounds < ROUNDS_FOR_FIGURES || options.quick
      ? `\nROUGH: ${options.rounds} rounds of ${options.seconds} s a row; figures to quote come from 5 rounds or more.`
      : '';
  return [
    '',
    systemsText(rows),
    '',
    rowTable(rows, results),
    '',
    verdictTable(judgeAll(results)),
    `${rough}\nRatios are medians of the ratios within rounds. ${Math.round((performance.now() - startedMs) / 1000)} s in all.`,
  ].join('\n');
}

function writeJson(
  options: Options,
  conditions: ReturnType<typeof readConditions>,
  rows: readonly Row[],
  results: Results,
): void {
  const measured = rows.map((row) => ({
    ...row,
    samples: [...results.rounds(row.id)].map(([round, sample]) => ({ round, ...sample })),
    refused: results.whyNot(row.id),
  }));
  const whole = { conditions, options, rows: measured, verdicts: judgeAll(results) };
  writeFileSync(options.jsonFile, `${JSON.stringify(whole, null, 2)}\n`);
}

/** Ctrl-C ends what was started in order; a second one at once. */
function endWhenAsked(children: Children, scratch: string): void {
  let isEnding = false;
  const end = (signal: NodeJS.Signals): void => {
    if (isEnding) {
      children.killAll();
      process.exit(ENDED_BY_SIGNAL);
    }
    isEnding = true;
    say(`${signal}: ending what was started`);
    void children.endAll().then(() => {
      rmSync(scratch, { recursive: true, force: true });
      process.exit(ENDED_BY_SIGNAL);
    });
  };
  process.on('SIGINT', end);
  process.on('SIGTERM', end);
}

function usage(problem: string): number {
  process.stderr.write(`bench: ${problem}\n`);
  return 2;
}
