/**
 * What `quorate/client` brings along when it is loaded: the SDK's own folders and one npm package. The graph is walked
 * through the sources; imports of types alone are left out, since nothing of them is left at run time.
 */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';

const SDK_FILES = [
  /^src\/sdk\.ts$/,
  /^src\/(base|ports|topology|client)\//,
  /^src\/codec\/cache\//,
  /^src\/adapters\/(sdk\/index|clock|timers|entropy|grpc-client-transport|tcp-address)\.ts$/,
];
const SDK_PACKAGES = ['@grpc/grpc-js'];

/** Names of modules that the file loads: `import`, `export … from` and `import()`. */
function loadedBy(file: string): string[] {
  const text = readFileSync(file, 'utf8');
  const names = [...text.matchAll(/\bimport\(\s*['"]([^'"]+)/g)].map(([, name]) => name ?? '');
  for (const statement of ts.createSourceFile(file, text, ts.ScriptTarget.ES2023).statements) {
    const isImport =
      ts.isImportDeclaration(statement) &&
      statement.importClause?.phaseModifier !== ts.SyntaxKind.TypeKeyword;
    const isExport = ts.isExportDeclaration(statement) && !statement.isTypeOnly;
    if (!isImport && !isExport) continue;
    const { moduleSpecifier } = statement;
    if (moduleSpecifier !== undefined) names.push((moduleSpecifier as ts.StringLiteral).text);
  }
  return names;
}

/** Every file that loading `root` loads, and every package by its name; Node's own modules are left out. */
function graphOf(root: string): Set<string> {
  const found = new Set([root]);
  // A set that grows while it is walked: what is added is visited too.
  for (const file of found) {
    if (!file.endsWith('.ts')) continue;
    for (const name of loadedBy(file)) {
      if (name.startsWith('.')) found.add(path.join(path.dirname(file), name.replace(/\.js$/, '.ts')));
      else if (!name.startsWith('node:')) found.add(name);
    }
  }
  return found;
}

function strangersOf(graph: Set<string>): string[] {
  return [...graph].filter(
    (name) => !SDK_PACKAGES.includes(name) && !SDK_FILES.some((pattern) => pattern.test(name)),
  );
}

describe('the import graph of the SDK', () => {
  it('holds nothing of the server', () => {
    const graph = graphOf('src/sdk.ts');
    expect(strangersOf(graph)).toEqual([]);
    // It was followed to its ends.
    for (const name of ['src/codec/cache/wire-writer.ts', 'src/topology/slots.ts', '@grpc/grpc-js']) {
      expect(graph).toContain(name);
    }
  });

  it('is judged by a walk that finds a server where there is one', () => {
    const strangers = strangersOf(graphOf('src/server.ts'));
    for (const name of ['src/node/create-node.ts', 'src/adapters/level-store.ts', 'classic-level']) {
      expect(strangers).toContain(name);
    }
    expect(strangers.some((name) => name.startsWith('src/raft/'))).toBe(true);
  });
});
