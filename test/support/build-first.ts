/** Integration tests run what is built, so it is built first when the sources are newer. */
import { spawnSync } from 'node:child_process';

export function setup(): void {
  const result = spawnSync(process.execPath, ['scripts/build.mjs', '--if-needed'], { encoding: 'utf8' });
  if (result.status !== 0) throw new Error(`the build failed:\n${result.stdout}${result.stderr}`);
}
