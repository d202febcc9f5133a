/**
 * Names that must not be used, by syntax and not by text, so that comments and strings may speak of them:
 * clocks, dice, timers and Node outside the edges, promises below them, and what makes replicas differ.
 */
import { readFileSync } from 'node:fs';
import { isBuiltin } from 'node:module';
import path from 'node:path';
import ts from 'typescript';

import type { CheckResult } from './tree.js';
import { folderOf, sourceFiles } from './tree.js';

/** They touch the outside; a root has no folder. */
const EDGES = ['adapters', 'cli', ''];
/** They may speak in promises as well. */
const MAY_PROMISE = [...EDGES, 'api', 'client'];
/** Replicated state and the rules it follows. */
const DETERMINISTIC = ['base', 'raft', 'kv', 'meta', 'topology'];

interface Ban {
  readonly instead: string;
  readonly appliesTo: (folder: string) => boolean;
}

const beyondTheEdge: Ban = {
  instead: 'take it from ports/ (Clock, Timers, Entropy)',
  appliesTo: (folder) => !EDGES.includes(folder),
};
const inState: Ban = {
  instead: 'replicas must not differ: use what the entry carries, and an explicit order',
  appliesTo: (folder) => DETERMINISTIC.includes(folder),
};
const promises: Ban = {
  instead: 'below the edges completions are callbacks from ports',
  appliesTo: (folder) => !MAY_PROMISE.includes(folder),
};

const GLOBALS: Readonly<Record<string, Ban>> = {
  Date: beyondTheEdge,
  setTimeout: beyondTheEdge,
  setInterval: beyondTheEdge,
  setImmediate: beyondTheEdge,
  queueMicrotask: beyondTheEdge,
  performance: beyondTheEdge,
  process: beyondTheEdge,
  crypto: beyondTheEdge,
  Intl: inState,
  WeakRef: inState,
  FinalizationRegistry: inState,
  Promise: promises,
};

const MEMBERS: Readonly<Record<string, Ban>> = {
  'Math.random': beyondTheEdge,
  then: promises,
  localeCompare: inState,
  toLocaleString: inState,
  toLocaleLowerCase: inState,
  toLocaleUpperCase: inState,
};

const TYPED_ARRAY = /^(new )?(Big)?(Uint|Int|Float)\d+(Clamped)?Array\b/;

export function checkWords(tree: string): CheckResult {
  const files = sourceFiles(tree);
  return { files: files.length, problems: files.flatMap((file) => checkFile(tree, file)) };
}

function checkFile(tree: string, file: string): string[] {
  const folder = folderOf(file);
  const problems: string[] = [];
  const text = readFileSync(path.join(tree, file), 'utf8');
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.ES2023, true);
  const complain = (node: ts.Node, word: string, ban: Ban | undefined): void => {
    if (!ban?.appliesTo(folder)) return;
    const { line } = source.getLineAndCharacterOfPosition(node.getStart());
    problems.push(`${file}:${line + 1}: ${word}: ${ban.instead}`);
  };
  const visit = (node: ts.Node): void => {
    if (ts.isIdentifier(node) && isGlobalUse(node)) complain(node, node.text, own(GLOBALS, node.text));
    if (ts.isPropertyAccessExpression(node)) checkMember(node, complain);
    if (ts.isAwaitExpression(node)) complain(node, 'await', promises);
    if (node.kind === ts.SyntaxKind.AsyncKeyword) complain(node, 'async', promises);
    if (ts.isStringLiteral(node) && isModuleName(node) && isBuiltin(node.text)) {
      complain(node, `import of ${node.text}`, beyondTheEdge);
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return problems;
}

function checkMember(
  node: ts.PropertyAccessExpression,
  complain: (node: ts.Node, word: string, ban: Ban | undefined) => void,
): void {
  const name = node.name.text;
  complain(node, name, own(MEMBERS, name));
  if (ts.isIdentifier(node.expression)) {
    const whole = `${node.expression.text}.${name}`;
    complain(node, whole, own(MEMBERS, whole));
    if (node.expression.text === 'globalThis') complain(node, whole, own(GLOBALS, name));
  }
  const isBareSort = (name === 'sort' || name === 'toSorted') && ts.isCallExpression(node.parent);
  if (isBareSort && node.parent.expression === node && node.parent.arguments.length === 0) {
    if (TYPED_ARRAY.test(node.expression.getText())) return; // sorts by number, everywhere alike
    complain(node, `${name}() without a comparator`, inState);
  }
}

function own(table: Readonly<Record<string, Ban>>, key: string): Ban | undefined {
  return Object.hasOwn(table, key) ? table[key] : undefined;
}

/** Whether the identifier stands for a global, and is not somebody's property or parameter of that name. */
function isGlobalUse(node: ts.Identifier): boolean {
  const parent = node.parent;
  if (ts.isPropertyAccessExpression(parent)) return parent.expression === node;
  const isNamed =
    ts.isPropertyAssignment(parent) ||
    ts.isPropertySignature(parent) ||
    ts.isPropertyDeclaration(parent) ||
    ts.isMethodSignature(parent) ||
    ts.isMethodDeclaration(parent) ||
    ts.isParameter(parent) ||
    ts.isVariableDeclaration(parent) ||
    ts.isQualifiedName(parent);
  return !(isNamed && parent.getChildren().includes(node) && isNameOf(parent, node));
}

function isNameOf(parent: ts.Node, node: ts.Identifier): boolean {
  return 'name' in parent ? parent.name === node : 'right' in parent && parent.right === node;
}

function isModuleName(node: ts.StringLiteral): boolean {
  const parent = node.parent;
  if (ts.isImportDeclaration(parent) || ts.isExportDeclaration(parent)) return true;
  return ts.isCallExpression(parent) && parent.expression.kind === ts.SyntaxKind.ImportKeyword;
}
