/**
 * `npm run edge-cases`: runs the tests whose names begin with the number of an edge case, and prints number, state and
 * tests of each row of docs/edge-cases.md. Exit code 0 only when all that should have run did and passed, and the page
 * agrees with the tests; 2 for wrong options.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { filesOf, judge, numbersOfTest, numbersOfTitle, type FoundTest, type Verdict } from './judge.js';
import { shortFile, type RunRecord } from './reporter.js';
import { readTable, withFiles } from './table.js';

const HELP = `npm run edge-cases [-- OPTIONS]

Runs the tests of the edge cases in docs/edge-cases.md and prints what became of each number.

  --only N,N,…   only these numbers
  --list         don't run: which tests there are, and whether the page agrees
  --update       don't run: name in the page the files that have the tests
  --tests        also a line for every test
  --json         one JSON object instead of text: { cases: [{ number, what, state, tests }], problems, ok }
  --help         this

States: passed, failed, not run, skipped: WHY, later: FEATURE. Exit codes: 0 all that should have run did and passed,
and the page agrees with the tests; 1 otherwise; 2 wrong options.
`;

const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const PAGE = path.join(root, 'docs', 'edge-cases.md');
const REPORTER = path.join(root, 'test', 'edge-cases', 'reporter.ts');

interface Options {
  readonly only: readonly number[] | null;
  readonly list: boolean;
  readonly update: boolean;
  readonly tests: boolean;
  readonly json: boolean;
}

function readOptions(words: readonly string[]): Options | 'help' {
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({
    args: [...words],
    options: {
      only: { type: 'string' },
      list: flag,
      update: flag,
      tests: flag,
      json: flag,
      help: flag,
    },
  });
  if (values.help) return 'help';
  const only = values.only === undefined ? null : values.only.split(',').map(readNumber);
  return { only, list: values.list, update: values.update, tests: values.tests, json: values.json };
}

function readNumber(text: string): number {
  const match = /^E?(\d+)$/.exec(text.trim());
  if (match === null) throw new Error(`--only: '${text}' is no number; expected for example 94,95`);
  return Number(match[1]);
}

/** What the test runner is asked to take: it looks at full names, the reporter at their beginnings. */
function namePattern(only: readonly number[] | null): string {
  return `(^| )E(${only === null ? '[0-9]+' : only.join('|')})(?![0-9])`;
}

interface Ended {
  readonly code: number;
  readonly out: string;
}

function vitest(
  words: readonly string[],
  environment: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  const program = path.join(root, 'node_modules', 'vitest', 'vitest.mjs');
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [program, ...words], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, ...environment },
    });
    let out = '';
    child.stdout.on('data', (bytes: Buffer) => (out += bytes.toString()));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, out }));
  });
}

/** Every test there is, without running any. */
async function listTests(only: readonly number[] | null): Promise<RunRecord> {
  const { code, out } = await vitest(['list', '--json', '-t', namePattern(only)]);
  if (code !== 0) return { tests: [], errors: ['the tests could not be listed'], failures: 0 };
  const listed = JSON.parse(out.slice(out.indexOf('['))) as { name: string; file: string }[];
  const tests = listed.map(({ name, file }): FoundTest => ({
    file: shortFile(path.relative(root, file)),
    titles: name.split(' > '),
    state: 'not run',
    note: '',
  }));
  return { tests: tests.filter((test) => numbersOfTest(test).length > 0), errors: [], failures: 0 };
}

/**
 * Two runs. Quick tests and the simulator's stand alone: those with the numbers are run. Tests of a file with real
 * processes build on each other (one founds the cluster): the files that have the numbers are run whole.
 */
async function runTests(only: readonly number[] | null): Promise<RunRecord> {
  const alone = await runOnce(['--project', 'quick', '--project', 'sim', '-t', namePattern(only)]);
  const files = integrationFiles(only);
  if (files.length === 0) return alone;
  const whole = await runOnce(['--project', 'integration', ...files]);
  return {
    tests: [...alone.tests, ...whole.tests],
    errors: [...alone.errors, ...whole.errors],
    failures: alone.failures + whole.failures,
  };
}

/** Files with real processes whose text has a title that begins with one of the numbers. */
function integrationFiles(only: readonly number[] | null): string[] {
  const folder = path.join(root, 'test', 'integration');
  return readdirSync(folder)
    .filter((name) => name.endsWith('.test.ts'))
    .map((name) => path.join(folder, name))
    .filter((file) => {
      const titles = readFileSync(file, 'utf8').matchAll(/['"`]((?:[A-Z]+\d+[:,]? )+)/g);
      const numbers = [...titles].flatMap((match) => numbersOfTitle(match[1] ?? ''));
      return numbers.some((number) => only === null || only.includes(number));
    });
}

async function runOnce(words: readonly string[]): Promise<RunRecord> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'quorate-edge-'));
  const file = path.join(folder, 'record.json');
  try {
    const { code, out } = await vitest(['run', '--reporter', REPORTER, ...words], {
      QUORATE_EDGE_CASES: file,
    });
    let record: RunRecord;
    try {
      record = JSON.parse(readFileSync(file, 'utf8')) as RunRecord;
    } catch {
      return { tests: [], errors: [`the tests did not run to their end:\n${out}`], failures: 0 };
    }
    const isSilent = code !== 0 && record.errors.length === 0 && record.failures === 0;
    return isSilent ? { ...record, errors: [`the test runner ended with code ${code}`] } : record;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function print(verdict: Verdict, options: Options): void {
  if (options.json) {
    console.log(JSON.stringify(verdict, null, 2));
    return;
  }
  for (const { number, what, state, tests } of verdict.cases) {
    const isQuiet = options.list && state === 'not run';
    const figure = tests.length === 0 ? '' : ` (${tests.length} test${tests.length === 1 ? '' : 's'})`;
    console.log(`E${String(number).padEnd(4)}${isQuiet ? 'listed' : state}${figure}: ${what}`);
    for (const test of tests) {
      if (!options.tests && !options.list && test.state === 'passed') continue;
      const told = options.list ? '' : `${test.state}${test.note === '' ? '' : `: ${test.note}`} `;
      console.log(`       ${told}${test.file} > ${test.name.replaceAll('\n', ' ').slice(0, 140)}`);
    }
  }
  for (const problem of verdict.problems) console.log(`PROBLEM ${problem}`);
  console.log(summary(verdict, options));
}

function summary(verdict: Verdict, options: Options): string {
  const count = (word: string): number => verdict.cases.filter(({ state }) => state.startsWith(word)).length;
  const parts = options.list
    ? [`${count('not run')} covered`]
    : ['passed', 'failed', 'not run', 'skipped'].map((word) => `${count(word)} ${word}`);
  return `${verdict.cases.length} edge cases: ${[...parts, `${count('later')} later`].join(', ')}`;
}

async function main(): Promise<number> {
  let options: Options | 'help';
  try {
    options = readOptions(process.argv.slice(2));
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    return 2;
  }
  if (options === 'help') {
    console.log(HELP);
    return 0;
  }
  const isRun = !options.list && !options.update;
  const { tests, errors } = isRun ? await runTests(options.only) : await listTests(options.only);
  if (options.update && errors.length === 0) {
    const page = readFileSync(PAGE, 'utf8');
    const filesOfCase = (number: number): string[] =>
      filesOf(tests.filter((test) => numbersOfTest(test).includes(number)));
    writeFileSync(PAGE, withFiles(page, filesOfCase));
  }
  const judged = judge(readTable(readFileSync(PAGE, 'utf8')), tests, { only: options.only, isRun });
  const problems = [...errors, ...judged.problems];
  const verdict = { ...judged, problems, ok: problems.length === 0 };
  print(verdict, { ...options, list: !isRun });
  return verdict.ok ? 0 : 1;
}

process.exitCode = await main();
