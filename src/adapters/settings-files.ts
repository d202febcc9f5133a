/**
 * The files that settings come from: quorate.yaml, and `settings.json` in the data directory, which keeps what was
 * given by flag, so that `--data DIR` alone starts a node again.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import path from 'node:path';

import { dataFolderOf, loadSettings } from '../settings/index.js';
import type { LoadResult, SettingName, SettingsText } from '../settings/index.js';

const DEFAULT_CONFIG = 'quorate.yaml';
const STORED_NAME = 'settings.json';

export interface SettingsRequest {
  readonly flags: ReadonlyMap<SettingName, string>;
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** A file that must be there; null: quorate.yaml in the current folder, if it is there. */
  readonly configPath: string | null;
}

export function readSettings(request: SettingsRequest): LoadResult {
  const { flags, environment } = request;
  try {
    const configPath = request.configPath ?? environment['QUORATE_CONFIG'] ?? null;
    const file = readText(configPath ?? DEFAULT_CONFIG);
    if (!file && configPath !== null) {
      return { ok: false, reason: 'usage', problems: [`--config: there is no file ${configPath}`] };
    }
    const folder = dataFolderOf({ flags, environment, file });
    const stored = readText(path.join(folder, STORED_NAME));
    return loadSettings({ flags, environment, file, stored });
  } catch (error) {
    return { ok: false, reason: 'usage', problems: [error instanceof Error ? error.message : String(error)] };
  }
}

/** Whole or not at all. Called once the node has accepted the directory as its own. */
export function storeSettings(folder: string, text: string): void {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, STORED_NAME);
  if (readText(file)?.text === text) return;
  const temporary = `${file}.tmp`;
  const descriptor = openSync(temporary, 'w');
  try {
    writeSync(descriptor, text);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(temporary, file);
}

function readText(file: string): SettingsText | null {
  try {
    return { name: file, text: readFileSync(file, 'utf8') };
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

function isMissing(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : '';
  return code === 'ENOENT' || code === 'ENOTDIR';
}
