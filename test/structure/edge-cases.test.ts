/**
 * The page of edge cases agrees with the names of the tests, as far as their texts tell without running any: a cheap form
 * of `npm run edge-cases -- --list`, so that a number which lost its test is found at once. Titles that are made while
 * a file loads come from other files, named here.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';

import { judge, numbersOfTitle, type FoundTest } from '../edge-cases/judge.js';
import { shortFile } from '../edge-cases/reporter.js';
import { readTable } from '../edge-cases/table.js';

const root = path.resolve(import.meta.dirname, '..', '..');
/** Where titles of a test file stand that are not in it. */
const TITLES_ELSEWHERE: Readonly<Record<string, string>> = {
  'conformance/ordered-store': 'test/conformance/ordered-store.ts',
  'conformance/peer-network': 'test/conformance/peer-network.ts',
  'unit/api/resp/recorded-replies': 'test/data/resp',
  'unit/raft/scripts': 'test/data/raft',
};
/** A text, or a heading of a script, that begins with numbers: `'E67 …`, `# E18 E25: …`, `== E94 …`. */
const TITLE = /(?:['"`]|^# |^== )((?:[A-Z]+\d+[:,]? )+)/gm;
/** They are about pages, and full of texts that look like titles. */
const ABOUT_PAGES: readonly string[] = ['structure/edge-cases', 'unit/edge-cases/judge'];

function filesBelow(folder: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => path.join(folder, name));
}

/** The files of a folder, or the one file. */
function filesAt(place: string): string[] {
  return statSync(place).isFile() ? [place] : filesBelow(place);
}

function titlesIn(file: string): string[] {
  return [...readFileSync(file, 'utf8').matchAll(TITLE)].map((match) => match[1] ?? '');
}

function foundTests(): FoundTest[] {
  const found: FoundTest[] = [];
  for (const file of filesBelow(path.join(root, 'test')).filter((name) => name.endsWith('.test.ts'))) {
    const short = shortFile(path.relative(root, file));
    if (ABOUT_PAGES.includes(short)) continue;
    const elsewhere = TITLES_ELSEWHERE[short];
    const sources = elsewhere === undefined ? [file] : [file, ...filesAt(path.join(root, elsewhere))];
    for (const title of sources.flatMap(titlesIn)) {
      if (numbersOfTitle(title).length === 0) continue;
      found.push({ file: short, titles: [title], state: 'not run', note: '' });
    }
  }
  return found;
}

const page = (): string => readFileSync(path.join(root, 'docs', 'edge-cases.md'), 'utf8');

test('every edge case of the page has its tests, in the files that it names, and every test its row', () => {
  const verdict = judge(readTable(page()), foundTests(), { only: null, isRun: false });
  expect(verdict.problems).toEqual([]);
  expect(verdict.cases.length).toBeGreaterThan(100);
});

test('a page with a row too few, and one that names a file without a test, are found out', () => {
  const verdictOf = (text: string): readonly string[] =>
    judge(readTable(text), foundTests(), { only: null, isRun: false }).problems;
  expect(verdictOf(page().replace(/^\| E20 \|.*$/m, ''))).toContain('E20 has no row');
  const renamed = page().replace(/(^\| E20 \|.*)`unit\/raft\/transfer`/m, '$1`unit/raft/nothing`');
  expect(verdictOf(renamed)).toContain('E20: unit/raft/nothing has no test of it');
});
