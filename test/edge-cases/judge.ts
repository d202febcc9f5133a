/**
 * From rows and tests to a verdict per edge case. A covered row without a test, a later row with one, a file that the
 * row names wrongly: each is a problem, because a list that nobody holds to the truth soon lies. Pure.
 */
import type { CaseRow, CaseTable } from './table.js';

export type TestState = 'passed' | 'failed' | 'skipped' | 'not run';

export interface FoundTest {
  /** Below `test/`, without `.test.ts`. */
  readonly file: string;
  /** Of the describes around it, and its own. */
  readonly titles: readonly string[];
  readonly state: TestState;
  /** Why it was skipped; empty when it did not say. */
  readonly note: string;
}

export type CaseState = 'passed' | 'failed' | 'not run' | `skipped: ${string}` | `later: ${string}`;

export interface CaseReport {
  readonly number: number;
  readonly what: string;
  readonly state: CaseState;
  readonly tests: readonly { name: string; file: string; state: TestState; note: string }[];
}

export interface Verdict {
  readonly cases: readonly CaseReport[];
  readonly problems: readonly string[];
  /** All that should have run did, and passed, and the page is true. */
  readonly ok: boolean;
}

/** Numbers that a title begins with: `E67 …`, `E18 E25: …`, and behind row numbers of formats.md, `R2 R3 E61 …`. */
export function numbersOfTitle(title: string): number[] {
  const numbers: number[] = [];
  for (const word of title.split(' ')) {
    const match = /^([A-Z]+)(\d+)[:,]?$/.exec(word);
    if (match === null) break;
    if (match[1] === 'E') numbers.push(Number(match[2]));
  }
  return numbers;
}

export function numbersOfTest(test: Pick<FoundTest, 'titles'>): number[] {
  return [...new Set(test.titles.flatMap(numbersOfTitle))];
}

/**
 * `only`: these numbers, or null for all. `isRun`: false judges the page alone, with every test taken as it is.
 */
export function judge(
  table: CaseTable,
  tests: readonly FoundTest[],
  options: { readonly only: readonly number[] | null; readonly isRun: boolean },
): Verdict {
  const { only, isRun } = options;
  const byNumber = new Map<number, FoundTest[]>();
  for (const test of tests) {
    for (const number of numbersOfTest(test)) {
      const list = byNumber.get(number);
      if (list) list.push(test);
      else byNumber.set(number, [test]);
    }
  }
  const isAsked = (number: number): boolean => only === null || only.includes(number);
  const problems = [...table.problems];
  const known = new Set(table.rows.map((row) => row.number));
  for (const number of [...byNumber.keys(), ...(only ?? [])]) {
    if (!known.has(number) && isAsked(number)) problems.push(`E${number} has no row`);
  }
  const cases: CaseReport[] = [];
  for (const row of table.rows) {
    if (!isAsked(row.number)) continue;
    const found = byNumber.get(row.number) ?? [];
    problems.push(...problemsOf(row, found));
    const state = row.later !== null ? (`later: ${row.later}` as const) : stateOf(found);
    if (isRun && state === 'failed') problems.push(`E${row.number} failed`);
    if (isRun && state === 'not run' && found.length > 0) problems.push(`E${row.number} did not run`);
    cases.push({ number: row.number, what: row.what, state, tests: found.map(asReported) });
  }
  return { cases, problems: [...new Set(problems)], ok: problems.length === 0 };
}

function problemsOf(row: CaseRow, found: readonly FoundTest[]): string[] {
  if (row.later !== null) {
    return found.length === 0
      ? []
      : [`E${row.number} is called later, and ${found[0]?.file} has a test of it`];
  }
  if (found.length === 0) return [`E${row.number} is called covered, and no test bears its number`];
  const files = filesOf(found);
  return [
    ...row.files
      .filter((file) => !files.includes(file))
      .map((file) => `E${row.number}: ${file} has no test of it`),
    ...files
      .filter((file) => !row.files.includes(file))
      .map((file) => `E${row.number}: ${file} has a test of it and is not named (--update names it)`),
  ];
}

export function filesOf(tests: readonly FoundTest[]): string[] {
  return [...new Set(tests.map((test) => test.file))].sort();
}

/** The worst of its tests; skipped only when none ran. A skip that gives no reason counts as not run. */
function stateOf(tests: readonly FoundTest[]): CaseState {
  if (tests.some((test) => test.state === 'failed')) return 'failed';
  const isMissing = (test: FoundTest): boolean =>
    test.state === 'not run' || (test.state === 'skipped' && test.note === '');
  if (tests.length === 0 || tests.some(isMissing)) return 'not run';
  const skipped = tests.find((test) => test.state === 'skipped');
  return skipped !== undefined && tests.every((test) => test.state === 'skipped')
    ? `skipped: ${skipped.note}`
    : 'passed';
}

function asReported(test: FoundTest): CaseReport['tests'][number] {
  return { name: test.titles.join(' > '), file: test.file, state: test.state, note: test.note };
}
