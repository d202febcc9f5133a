/**
 * The pure levels compile without Node and without a browser: with no types but the language's, `setTimeout`,
 * `process`, `performance` and `crypto` don't resolve. (`Date` and `Math.random` do: checks/words.ts bans them.)
 */
import path from 'node:path';
import ts from 'typescript';

import type { CheckResult } from './tree.js';
import { sourceFiles } from './tree.js';

const PURE_CONFIG = 'tsconfig.pure.json';

export function checkPurity(tree: string): CheckResult {
  const config = ts.readConfigFile(PURE_CONFIG, (file) => ts.sys.readFile(file));
  const include = (config.config as { include: string[] }).include;
  const folders = include.map((pattern) => pattern.split('/')[1] ?? '');
  const files = sourceFiles(tree, folders);
  if (files.length === 0) return { files: 0, problems: [] };
  const { options } = ts.parseJsonConfigFileContent(config.config, ts.sys, '.');
  const program = ts.createProgram(
    files.map((file) => path.join(tree, file)),
    { ...options, noEmit: true, rootDir: path.resolve(tree) },
  );
  return {
    files: files.length,
    problems: ts.getPreEmitDiagnostics(program).map(describe),
  };
}

function describe(diagnostic: ts.Diagnostic): string {
  const text = ts.flattenDiagnosticMessageText(diagnostic.messageText, ' ');
  if (!diagnostic.file) return text;
  const { line } = diagnostic.file.getLineAndCharacterOfPosition(diagnostic.start ?? 0);
  return `${path.relative('.', diagnostic.file.fileName)}:${line + 1}: ${text}`;
}
