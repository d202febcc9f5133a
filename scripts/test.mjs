/**
 * The one gate: build, typechecks, lint, format, then every test. Each step before the tests counts as one test.
 * All steps run even after one failed; the last line is the sum, and the exit code is 0 only when nothing failed.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const bin = (...parts) => [process.execPath, path.join(root, 'node_modules', ...parts)];

/** Steps of one row run side by side. */
const rows = [
  [['build', [process.execPath, path.join(root, 'scripts', 'build.mjs')]]],
  [
    ['typecheck', [...bin('typescript', 'bin', 'tsc'), '-p', 'tsconfig.json', '--noEmit']],
    ['typecheck of the pure levels', [...bin('typescript', 'bin', 'tsc'), '-p', 'tsconfig.pure.json']],
  ],
  [
    ['lint', [...bin('eslint', 'bin', 'eslint.js'), '.']],
    ['format', [...bin('prettier', 'bin', 'prettier.cjs'), '--check', '--log-level', 'warn', '.']],
  ],
];

function run(command, environment = {}) {
  const [program, ...words] = command;
  return new Promise((resolve) => {
    const child = spawn(program, words, {
      cwd: root,
      stdio: 'inherit',
      env: { ...process.env, ...environment },
    });
    child.on('exit', (code) => resolve(code ?? 1));
    child.on('error', () => resolve(1));
  });
}

async function runStep([name, command]) {
  const startedMs = performance.now();
  const code = await run(command);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`);
  return code === 0;
}

async function runTests() {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'quorate-test-'));
  const counts = path.join(folder, 'counts.json');
  const code = await run([...bin('vitest', 'vitest.mjs'), 'run', ...process.argv.slice(2)], {
    QUORATE_TEST_COUNTS: counts,
  });
  let result = { passed: 0, failed: 0, skipped: 0 };
  try {
    result = JSON.parse(readFileSync(counts, 'utf8'));
  } catch {
    console.log('FAILED the tests did not run to their end');
  }
  rmSync(folder, { recursive: true, force: true });
  // Whatever failed outside a test (a file that doesn't load, a leaked error) counts once.
  if (code !== 0 && result.failed === 0) result.failed = 1;
  if (result.passed === 0 && result.failed === 0) result.failed = 1;
  return result;
}

const total = { passed: 0, failed: 0, skipped: 0 };
for (const row of rows) {
  for (const isOk of await Promise.all(row.map(runStep))) {
    if (isOk) total.passed++;
    else total.failed++;
  }
}
const tests = await runTests();
for (const kind of ['passed', 'failed', 'skipped']) total[kind] += tests[kind];
if (total.skipped > 0) console.log(`${total.skipped} tests were skipped; each said above what it needs`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 ? 1 : 0;
