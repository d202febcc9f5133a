/**
 * Scripted tests: a file is a row of cases, each some command lines, a line `----`, and the expected output up to an
 * empty line. `REWRITE=1` writes the outputs anew: read the difference before you keep it.
 *
 *   # a comment, kept with the case that follows
 *   command argument argument
 *   ----
 *   output
 */
import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';

interface Case {
  readonly comments: readonly string[];
  readonly commands: readonly string[];
  readonly expected: string;
}

function parse(text: string): Case[] {
  const cases: Case[] = [];
  for (const block of text.split(/\n\n+/)) {
    const lines = block.split('\n').filter((line, i, all) => line !== '' || i < all.length - 1);
    if (lines.length === 0 || lines.every((line) => line === '')) continue;
    const split = lines.indexOf('----');
    const head = split === -1 ? lines : lines.slice(0, split);
    cases.push({
      comments: head.filter((line) => line.startsWith('#')),
      commands: head.filter((line) => !line.startsWith('#') && line.trim() !== ''),
      expected: split === -1 ? '' : lines.slice(split + 1).join('\n'),
    });
  }
  return cases;
}

/** The first comment line of a file names its test. */
function titleOf(file: string, cases: readonly Case[]): string {
  const first = cases[0]?.comments[0];
  return first ? first.replace(/^#\s*/, '') : file;
}

/** One test per file of `folder`; `createRunner` makes a fresh world, its result runs one command line. */
export function testScripts(folder: string, createRunner: () => (command: string) => string): void {
  const files = readdirSync(folder).filter((file) => file.endsWith('.txt'));
  for (const file of files.sort()) {
    const path = `${folder}/${file}`;
    const cases = parse(readFileSync(path, 'utf8'));
    test(`${titleOf(file, cases)} (${file})`, () => {
      const run = createRunner();
      const actual = cases.map((one) => ({ ...one, output: runCase(one, run) }));
      if (process.env['REWRITE']) {
        writeFileSync(path, actual.map((one) => print(one, one.output)).join('\n'));
        return;
      }
      for (const one of actual) expect(print(one, one.output)).toBe(print(one, one.expected));
    });
  }
  test(`${folder} holds scripts`, () => expect(files.length).toBeGreaterThan(0));
}

function runCase(one: Case, run: (command: string) => string): string {
  const outputs = one.commands.map(run).filter((output) => output !== '');
  return outputs.length === 0 && one.commands.length > 0 ? 'ok' : outputs.join('\n');
}

function print(one: Case, output: string): string {
  const head = [...one.comments, ...one.commands].join('\n');
  return one.commands.length === 0 ? `${head}\n` : `${head}\n----\n${output}\n`;
}
