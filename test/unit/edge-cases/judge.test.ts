/** The list of edge cases holds itself to the truth: on small pages and made-up tests, each untruth is told. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { judge, numbersOfTitle, type FoundTest, type TestState } from '../../edge-cases/judge.js';
import { readTable, withFiles } from '../../edge-cases/table.js';

const PAGE = `# Edge cases

| number | what must hold | tests |
|---|---|---|
| E1 | one thing | \`unit/a\`, \`unit/b\` |
| E2 | another | later: sessions |
| E3 | a third | \`unit/c\` |
`;

function found(title: string, file: string, state: TestState = 'passed', note = ''): FoundTest {
  return { file, titles: ['a describe', title], state, note };
}

const GOOD = [found('E1 holds', 'unit/a'), found('E1 holds too', 'unit/b'), found('E3 holds', 'unit/c')];
const RUN = { only: null, isRun: true };

function verdictOf(tests: readonly FoundTest[], page = PAGE, options: Parameters<typeof judge>[2] = RUN) {
  return judge(readTable(page), tests, options);
}

describe('names', () => {
  it.each([
    ['E67 a second process', [67]],
    ['E113: an event loop', [113]],
    ['R2 R3 E61 power lost', [61]],
    ['E2 E3, E5: all of them', [2, 3, 5]],
    ['a seed of E67', []],
    ['E67', [67]],
    ['Every one', []],
    ['e67 lower case', []],
  ])('%j bears the numbers %j', (title, numbers) => {
    expect(numbersOfTitle(title)).toEqual(numbers);
  });
});

describe('the page', () => {
  it('is read row by row', () => {
    expect(readTable(PAGE)).toEqual({
      rows: [
        { number: 1, what: 'one thing', files: ['unit/a', 'unit/b'], later: null },
        { number: 2, what: 'another', files: [], later: 'sessions' },
        { number: 3, what: 'a third', files: ['unit/c'], later: null },
      ],
      problems: [],
    });
  });

  it.each([
    ['| E1 | one thing | `unit/a` |\n| E3 | a third | `unit/c` |', 'E2 has no row'],
    ['| E1 | one thing | `unit/a` |\n| E1 | again | `unit/c` |', 'E1 has two rows'],
    ['| E1 | one thing | unit/a |', 'line 1 is no row'],
    ['| E1 | one thing | later: |', 'line 1 is no row'],
    ['| E1 |  | `unit/a` |', 'line 1 is no row'],
    ['| 1 | one thing | `unit/a` |', 'line 1 is no row'],
    ['# nothing here', 'there are no rows'],
  ])('%j is told: %s', (page, problem) => {
    expect(readTable(page).problems.join('\n')).toContain(problem);
  });

  it('gets the names of the files that have the tests, and nothing else is touched', () => {
    const updated = withFiles(PAGE, (number) => (number === 1 ? ['unit/x'] : []));
    expect(updated).toBe(PAGE.replace('`unit/a`, `unit/b`', '`unit/x`'));
  });

  it('in docs/ has a row for every number, and each says what must hold', () => {
    const table = readTable(readFileSync(new URL('../../../docs/edge-cases.md', import.meta.url), 'utf8'));
    expect(table.problems).toEqual([]);
    expect(table.rows.length).toBeGreaterThanOrEqual(126);
  });
});

describe('a verdict', () => {
  it('is good where every row has its tests, all passed, and what is later has none', () => {
    const verdict = verdictOf(GOOD);
    expect(verdict.problems).toEqual([]);
    expect(verdict.ok).toBe(true);
    expect(verdict.cases.map(({ number, state }) => [number, state])).toEqual([
      [1, 'passed'],
      [2, 'later: sessions'],
      [3, 'passed'],
    ]);
    expect(verdict.cases[0]?.tests.map((test) => test.name)).toEqual([
      'a describe > E1 holds',
      'a describe > E1 holds too',
    ]);
  });

  it.each([
    ['a failure', [...GOOD, found('E1 fails', 'unit/a', 'failed')], 'E1 failed', 'failed'],
    ['a test that did not run', [...GOOD, found('E1 x', 'unit/a', 'not run')], 'E1 did not run', 'not run'],
    ['a skip without a reason', [...GOOD, found('E1 x', 'unit/a', 'skipped')], 'E1 did not run', 'not run'],
    ['no test at all', GOOD.slice(2), 'E1 is called covered, and no test bears its number', 'not run'],
    ['a stale file', GOOD.slice(1), 'E1: unit/a has no test of it', 'passed'],
    ['a file not named', [...GOOD, found('E1 x', 'unit/d')], 'E1: unit/d has a test of it', 'passed'],
  ])('is bad with %s', (_, tests, problem, state) => {
    const verdict = verdictOf(tests);
    expect(verdict.ok).toBe(false);
    expect(verdict.problems.join('\n')).toContain(problem);
    expect(verdict.cases[0]?.state).toBe(state);
  });

  it('is bad with a test of what is called later, and with a number that has no row', () => {
    expect(verdictOf([...GOOD, found('E2 x', 'unit/d')]).problems).toEqual([
      'E2 is called later, and unit/d has a test of it',
    ]);
    expect(verdictOf([...GOOD, found('E9 x', 'unit/d')]).problems).toEqual(['E9 has no row']);
  });

  it('is good, and says why, where all tests of a row were skipped for a reason', () => {
    const tests = [...GOOD.slice(0, 2), found('E3 x', 'unit/c', 'skipped', 'strace is not installed')];
    const verdict = verdictOf(tests);
    expect(verdict.ok).toBe(true);
    expect(verdict.cases[2]?.state).toBe('skipped: strace is not installed');
    const some = verdictOf([...GOOD, found('E3 x', 'unit/c', 'skipped', 'no strace')]);
    expect(some.cases[2]?.state).toBe('passed');
  });

  it('of some numbers looks at those alone', () => {
    const verdict = verdictOf([found('E3 x', 'unit/c')], PAGE, { only: [3], isRun: true });
    expect(verdict.ok).toBe(true);
    expect(verdict.cases.map(({ number }) => number)).toEqual([3]);
    expect(verdictOf([], PAGE, { only: [77], isRun: true }).problems).toEqual(['E77 has no row']);
  });

  it('of a list says nothing of what did not run, and still holds the page to the tests', () => {
    const listed = GOOD.map((test): FoundTest => ({ ...test, state: 'not run' }));
    expect(verdictOf(listed, PAGE, { only: null, isRun: false }).ok).toBe(true);
    expect(verdictOf(listed.slice(1), PAGE, { only: null, isRun: false }).ok).toBe(false);
  });
});
