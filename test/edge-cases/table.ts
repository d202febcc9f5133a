/**
 * docs/edge-cases.md as data. Its tables are the only list of the numbers: what must hold, and either the files with
 * tests or `later: FEATURE`. Invariant: every number from 1 to the last has exactly one row.
 */

export interface CaseRow {
  readonly number: number;
  /** What must hold. */
  readonly what: string;
  /** Test files below `test/`, without `.test.ts`; empty for a row that is `later`. */
  readonly files: readonly string[];
  /** The feature that will bring the tests; null for a row that is covered. */
  readonly later: string | null;
}

export interface CaseTable {
  readonly rows: readonly CaseRow[];
  readonly problems: readonly string[];
}

const ROW = /^\| *E(\d+) *\|(.*)\|(.*)\|$/;
const LATER = /^later: (\S.*)$/;
const FILE = /^`([^`]+)`$/;

export function readTable(text: string): CaseTable {
  const rows = new Map<number, CaseRow>();
  const problems: string[] = [];
  for (const [i, line] of text.split('\n').entries()) {
    // A line that mentions a number in a first cell must be a row: a typing mistake must not hide it.
    if (!/^\| *E?\d/.test(line)) continue;
    const match = ROW.exec(line.trimEnd());
    const row = match === null ? null : readRow(match);
    if (row === null)
      problems.push(`line ${i + 1} is no row: | E<number> | what must hold | files or later |`);
    else if (rows.has(row.number)) problems.push(`E${row.number} has two rows`);
    else rows.set(row.number, row);
  }
  const last = Math.max(0, ...rows.keys());
  if (last === 0) problems.push('there are no rows');
  for (let number = 1; number < last; number++) {
    if (!rows.has(number)) problems.push(`E${number} has no row`);
  }
  return { rows: [...rows.values()].sort((a, b) => a.number - b.number), problems };
}

function readRow(match: RegExpExecArray): CaseRow | null {
  const [number, what, last] = [Number(match[1]), match[2]?.trim() ?? '', match[3]?.trim() ?? ''];
  if (what === '') return null;
  const later = LATER.exec(last)?.[1] ?? null;
  if (later !== null) return { number, what, files: [], later };
  const files = last.split(',').map((cell) => FILE.exec(cell.trim())?.[1]);
  return files.includes(undefined) ? null : { number, what, files: files as string[], later: null };
}

/** The text with the files of every covered row as `filesOf` tells them; other lines stay as they are. */
export function withFiles(text: string, filesOf: (number: number) => readonly string[]): string {
  return text
    .split('\n')
    .map((line) => {
      const match = ROW.exec(line.trimEnd());
      const row = match === null ? null : readRow(match);
      if (row === null || row.later !== null) return line;
      const files = filesOf(row.number);
      if (files.length === 0) return line; // covered, it says, and nothing covers it: for a person to decide
      return `| E${row.number} | ${row.what} | ${files.map((file) => `\`${file}\``).join(', ')} |`;
    })
    .join('\n');
}
