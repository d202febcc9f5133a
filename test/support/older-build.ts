/**
 * An older build of this program, as a program of its own: what is built, with the newest cluster version that it knows
 * lowered by one. It has no switch that could turn the newer behaviour on.
 */
import { cpSync, mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { KNOWN_VERSIONS } from '../../src/base/index.js';

const KNOWS = `CLUSTER_VERSION_MAX = ${KNOWN_VERSIONS.max};`;

/** Makes it in a folder; returns the script to run. */
export function makeOlderBuild(folder: string): string {
  const built = path.join(folder, 'dist', 'src');
  mkdirSync(path.dirname(built), { recursive: true });
  cpSync('dist/src', built, { recursive: true });
  cpSync('package.json', path.join(folder, 'package.json'));
  for (const name of ['proto', 'node_modules']) symlinkSync(path.resolve(name), path.join(folder, name));
  const file = path.join(built, 'base', 'cluster-version.js');
  const text = readFileSync(file, 'utf8');
  if (text.split(KNOWS).length !== 2)
    throw new Error(`${file} does not say what it knows as expected: ${KNOWS}`);
  rmSync(file);
  writeFileSync(file, text.replace(KNOWS, `CLUSTER_VERSION_MAX = ${KNOWN_VERSIONS.max - 1};`));
  return path.join(built, 'quorate.js');
}
