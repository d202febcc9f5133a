/**
 * Builds dist/ from src/ with the compiler. `--if-needed`: only when something that goes in is newer than the last
 * build. Prints one line. Compiles beside and renames, so that a failed build leaves the last one alone and two builds
 * at once don't mix; the stamp is written last, so that a build that was cut off counts as none.
 */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const stamp = path.join(root, 'dist', '.built');
const inputs = ['src', 'package.json', 'tsconfig.json', 'tsconfig.build.json'];
const built = path.join(root, 'dist', 'src');
const program = path.join(built, 'quorate.js');

/** Newest change below a path, folders included: a removed file changes its folder. */
function newestMs(file) {
  const stats = statSync(file);
  if (!stats.isDirectory()) return stats.mtimeMs;
  return Math.max(stats.mtimeMs, ...readdirSync(file).map((name) => newestMs(path.join(file, name))));
}

function isFresh() {
  if (!existsSync(stamp) || !existsSync(program)) return false;
  const builtMs = statSync(stamp).mtimeMs;
  return inputs.every((input) => newestMs(path.join(root, input)) <= builtMs);
}

function build() {
  const startedMs = performance.now();
  const startedAt = new Date();
  const beside = path.join(root, 'dist', `.building-${process.pid}`);
  const compiler = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const words = [compiler, '-p', 'tsconfig.build.json', '--outDir', beside];
  const result = spawnSync(process.execPath, words, { cwd: root, stdio: 'inherit' });
  if (result.status === 0) {
    rmSync(stamp, { force: true });
    rmSync(built, { recursive: true, force: true });
    renameSync(path.join(beside, 'src'), built);
    chmodSync(program, 0o755);
    // Dated at the start: what was changed while we compiled makes the next build.
    writeFileSync(stamp, `${startedAt.toISOString()}\n`);
    utimesSync(stamp, startedAt, startedAt);
    console.log(`build: dist/ in ${((performance.now() - startedMs) / 1000).toFixed(1)} s`);
  }
  rmSync(beside, { recursive: true, force: true });
  return result.status ?? 1;
}

if (process.argv.includes('--if-needed') && isFresh()) console.log('build: dist/ is up to date');
else process.exitCode = build();
