/**
 * What every structural check is: a function over a tree (a folder that has `src/` in it) that tells how many files
 * it looked at and what is wrong. A check that looked at nothing proves nothing, so that counts as a problem too.
 */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';

export interface CheckResult {
  readonly files: number;
  readonly problems: readonly string[];
}

export type StructureCheck = (tree: string) => CheckResult | Promise<CheckResult>;

/** All that is wrong with a tree; empty when it is as it should be. */
export async function judge(check: StructureCheck, tree: string): Promise<readonly string[]> {
  const { files, problems } = await check(tree);
  return files > 0 ? problems : ['no file was checked', ...problems];
}

/** TypeScript files below `src/`, or below some of its folders, as paths from the tree's root; sorted. */
export function sourceFiles(tree: string, folders: readonly string[] = ['']): string[] {
  return folders
    .map((folder) => path.join('src', folder))
    .filter((folder) => existsSync(path.join(tree, folder)))
    .flatMap((folder) =>
      readdirSync(path.join(tree, folder), { recursive: true, encoding: 'utf8' }).map((name) =>
        path.join(folder, name).split(path.sep).join('/'),
      ),
    )
    .filter((file) => file.endsWith('.ts'))
    .sort();
}

/** The folder of `src/` that a file belongs to; '' for a root. */
export function folderOf(file: string): string {
  const parts = file.split('/');
  return parts.length > 2 ? (parts[1] ?? '') : '';
}
