/** A copy of the source tree in a temporary folder, with edits: what a mutant runs in. */
import {
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { plant, type Edit } from './mutant.js';

const FOLDERS = ['src', 'test/sim', 'test/support', 'test/unit/storage'];
const FILES = ['package.json', 'tsconfig.json'];

/** Returns the folder; whoever asked removes it. */
export function makeTree(root: string, edits: readonly Edit[]): string {
  const tree = mkdtempSync(join(tmpdir(), 'quorate-mutant-'));
  try {
    for (const folder of FOLDERS) copyFolder(join(root, folder), join(tree, folder));
    for (const file of FILES) copyFileSync(join(root, file), join(tree, file));
    symlinkSync(join(root, 'node_modules'), join(tree, 'node_modules'));
    for (const edit of edits) {
      const path = join(tree, edit.file);
      writeFileSync(path, plant(readFileSync(path, 'utf8'), edit));
    }
    return tree;
  } catch (error) {
    removeTree(tree);
    throw error;
  }
}

export function removeTree(tree: string): void {
  rmSync(tree, { recursive: true, force: true });
}

function copyFolder(from: string, to: string): void {
  mkdirSync(to, { recursive: true });
  for (const entry of readdirSync(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), join(to, entry.name)];
    if (entry.isDirectory()) copyFolder(source, target);
    else if (entry.isFile()) copyFileSync(source, target);
  }
}
