/** The shape of a file: a header that says what it is for, one subject, a name, the glossary's words, no leftovers. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';

import type { CheckResult } from './tree.js';
import { sourceFiles } from './tree.js';

const LINES_MAX = 600;
/** Drawers for everything, and names that aren't kebab-case. */
const WRONG_FILE_NAME = /^(utils?|helpers?|common|misc|shared)\.ts$|[A-Z_]/;
/** The glossary of docs/architecture.md has another word for each. */
const WRONG_WORDS: Readonly<Record<string, string>> = {
  region: 'shard',
  slave: 'follower',
  master: 'leader',
  whitelist: 'allowed',
  blacklist: 'refused',
};

export function checkShape(tree: string): CheckResult {
  const files = sourceFiles(tree);
  return {
    files: files.length,
    problems: files.flatMap((file) =>
      checkFile(file, readFileSync(path.join(tree, file), 'utf8')).map((problem) => `${file}: ${problem}`),
    ),
  };
}

function checkFile(file: string, text: string): string[] {
  const problems: string[] = [];
  const lines = text.split('\n').length - 1;
  if (lines > LINES_MAX)
    problems.push(`${lines} lines; above ${LINES_MAX} a file is nearly always two things`);
  if (!hasHeader(file, text)) problems.push('has no comment at its top that says what it is for');
  const leftover = /\b(TODO|FIXME|XXX|HACK)\b/.exec(text);
  if (leftover) problems.push(`${leftover[0]}: finish it, or write it down where it will be read`);
  if (WRONG_FILE_NAME.test(path.basename(file)))
    problems.push('name the file for the one thing in it, in kebab-case');
  return [...problems, ...checkSyntax(file, text)];
}

/** A comment above everything, or a doc comment right below the imports. */
function hasHeader(file: string, text: string): boolean {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2023, true);
  const shebangEnd = ts.getShebang(text)?.length ?? 0;
  if ((ts.getLeadingCommentRanges(text, shebangEnd) ?? []).length > 0) return true;
  const first = source.statements.find((statement) => !ts.isImportDeclaration(statement));
  if (!first || first === source.statements[0]) return false;
  return (ts.getLeadingCommentRanges(text, first.getFullStart()) ?? []).some(({ pos }) =>
    text.startsWith('/**', pos),
  );
}

function checkSyntax(file: string, text: string): string[] {
  const problems = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node)) {
      for (const word of wordsOf(node.text)) {
        if (Object.hasOwn(WRONG_WORDS, word))
          problems.add(`"${node.text}": the word is ${WRONG_WORDS[word]}`);
      }
    }
    if (ts.isEnumDeclaration(node))
      problems.add(`enum ${node.name.text}: use a const object and a union type`);
    if (ts.isModuleDeclaration(node) && ts.isIdentifier(node.name))
      problems.add(`namespace ${node.name.text}: use a module`);
    if (ts.isExportAssignment(node) || node.kind === ts.SyntaxKind.DefaultKeyword) {
      if (!ts.isDefaultClause(node)) problems.add('default export: give it a name');
    }
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.ES2023, true));
  return [...problems];
}

/** `masterRegion` and `master_region` are two words each. */
function wordsOf(name: string): string[] {
  return name
    .replaceAll(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .split('_');
}
