/**
 * Builds dist/ from src/ with the compiler, which only writes: types are checked by `npm run typecheck` and `npm test`, and
 * who starts a cluster need not wait for that. `--if-needed`: only when something that goes in is newer than the last
 * build. Prints one line. Compiles beside and renames, so that a failed build leaves the last one alone and two builds
 * at once don't mix; the stamp is written last, so that a build that was cut off counts as none. What such a build left
 * beside goes with the next one.
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

/** Far longer than a build takes: a folder beside that is older belongs to none that is still at work. */
const STALE_MS = 600_000;

function sweepStale() {
  const dist = path.dirname(built);
  for (const name of readdirSync(dist)) {
    const folder = path.join(dist, name);
    if (!name.startsWith('.building-')) continue;
    const stats = statSync(folder, { throwIfNoEntry: false }); // another build may have just removed its own
    if (stats && Date.now() - stats.mtimeMs > STALE_MS) rmSync(folder, { recursive: true, force: true });
  }
}

function build() {
  const startedMs = performance.now();
  const startedAt = new Date();
  const beside = path.join(root, 'dist', `.building-${process.pid}`);
  const compiler = path.join(root, 'node_modules', 'typescript', 'bin', 'tsc');
  const words = [compiler, '-p', 'tsconfig.build.json', '--noCheck', '--outDir', beside];
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
  if (existsSync(path.dirname(built))) sweepStale();
  return result.status ?? 1;
}

if (process.argv.includes('--if-needed') && isFresh()) console.log('build: dist/ is up to date');
else process.exitCode = build();
