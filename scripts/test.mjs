/**
 * The one gate: build, typechecks, lint, format, then every test. Each step besides the tests counts as one test.
 * All steps run even after one failed; the last line is the sum, and the exit code is 0 only when nothing failed.
 *
 * The static checks need minutes of a processor and the tests with real processes leave one idle half of the time: so
 * the checks run beside the tests, at the lowest priority, where they take what the tests don't.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const bin = (...parts) => [process.execPath, path.join(root, 'node_modules', ...parts)];

const build = ['build', [process.execPath, path.join(root, 'scripts', 'build.mjs')]];
/** One after the other. */
const checks = [
  ['typecheck', [...bin('typescript', 'bin', 'tsc'), '-p', 'tsconfig.json', '--noEmit']],
  ['typecheck of the pure levels', [...bin('typescript', 'bin', 'tsc'), '-p', 'tsconfig.pure.json']],
  ['lint', [...bin('eslint', 'bin', 'eslint.js'), '.']],
  ['format', [...bin('prettier', 'bin', 'prettier.cjs'), '--check', '--log-level', 'warn', '.']],
];
const LOWEST_PRIORITY = 19;

/** Runs a command; what it prints comes at its end, whole, unless `isShownAtOnce`. */
function run(command, { environment = {}, isShownAtOnce = true } = {}) {
  const [program, ...words] = command;
  return new Promise((resolve) => {
    const child = spawn(program, words, {
      cwd: root,
      stdio: isShownAtOnce ? 'inherit' : ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    });
    const printed = [];
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (bytes) => printed.push(bytes));
    if (!isShownAtOnce && child.pid !== undefined) os.setPriority(child.pid, LOWEST_PRIORITY);
    child.on('close', (code) => {
      process.stdout.write(Buffer.concat(printed));
      resolve(code ?? 1);
    });
    child.on('error', () => resolve(1));
  });
}

async function runStep([name, command], options) {
  const startedMs = performance.now();
  const code = await run(command, options);
  const seconds = ((performance.now() - startedMs) / 1000).toFixed(1);
  console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`);
  return code === 0;
}

async function runChecks() {
  const results = [];
  for (const check of checks) results.push(await runStep(check, { isShownAtOnce: false }));
  return results;
}

async function runTests() {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'quorate-test-'));
  const counts = path.join(folder, 'counts.json');
  const code = await run([...bin('vitest', 'vitest.mjs'), 'run', ...process.argv.slice(2)], {
    environment: { QUORATE_TEST_COUNTS: counts },
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
const isBuilt = await runStep(build);
const [checked, tests] = await Promise.all([runChecks(), runTests()]);
for (const isOk of [isBuilt, ...checked]) {
  if (isOk) total.passed++;
  else total.failed++;
}
for (const kind of ['passed', 'failed', 'skipped']) total[kind] += tests[kind];
if (total.skipped > 0) console.log(`${total.skipped} tests were skipped; each said above what it needs`);
console.log(`${total.passed} passed, ${total.failed} failed`);
process.exitCode = total.failed > 0 ? 1 : 0;
