/**
 * The local cluster's folder: its shape (`dev-settings.json`, which also marks the folder as ours), the list of
 * running nodes (`dev.json`, there only while the cluster is ready), a data directory and a log per node. Files are
 * written beside and renamed, so that a reader sees a whole one or none.
 */
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';

import type { ClusterShape } from './plan.js';

const SHAPE_FILE = 'dev-settings.json';
const RUNNING_FILE = 'dev.json';
const OUR_NAMES =
  /^(n\d+|n\d+\.log(\.old)?|dev\.json|dev-settings\.json|dev\.json\.tmp|dev-settings\.json\.tmp)$/;
const FORMAT = 1;
/** A log of an earlier start that is larger is put aside, so that logs don't grow for ever. */
const LOG_BYTES_MAX = 16 * 1024 * 1024;

export interface RunningNode {
  readonly id: number;
  readonly pid: number;
  readonly grpc: string;
  readonly resp: string;
  /** RESP listener that redirects as Redis Cluster does. */
  readonly moved: string;
  readonly http: string;
  readonly data: string;
}

export type FolderState =
  | { readonly kind: 'empty' }
  | { readonly kind: 'ours'; readonly shape: ClusterShape }
  | { readonly kind: 'foreign'; readonly problem: string };

export function inspectFolder(data: string): FolderState {
  if (!existsSync(data)) return { kind: 'empty' };
  if (!statSync(data).isDirectory()) return { kind: 'foreign', problem: `${data} is not a directory` };
  const names = readdirSync(data);
  if (names.length === 0) return { kind: 'empty' };
  const stranger = names.find((name) => !OUR_NAMES.test(name));
  if (stranger !== undefined || !names.includes(SHAPE_FILE)) {
    const found = stranger ?? names[0] ?? '';
    return { kind: 'foreign', problem: `${data} is not a local cluster's directory (it holds "${found}")` };
  }
  return readShape(path.join(data, SHAPE_FILE));
}

function readShape(file: string): FolderState {
  let stored: Partial<ClusterShape & { format: number }>;
  try {
    stored = JSON.parse(readFileSync(file, 'utf8')) as typeof stored;
  } catch (error) {
    return {
      kind: 'foreign',
      problem: `${file} is damaged: ${error instanceof Error ? error.message : String(error)}`,
    };
  }
  const { format, nodes, shards, replicas } = stored;
  if (typeof format === 'number' && format > FORMAT) {
    return { kind: 'foreign', problem: `${file} has format ${format}, written by a newer version` };
  }
  if (typeof nodes !== 'number' || typeof shards !== 'number' || typeof replicas !== 'number') {
    return { kind: 'foreign', problem: `${file} is damaged` };
  }
  return { kind: 'ours', shape: { nodes, shards, replicas } };
}

/** The process of this folder's cluster that still runs, by what an unfinished start left; 0 when there is none. */
export function findRunning(data: string): number {
  try {
    const { nodes } = JSON.parse(readFileSync(path.join(data, RUNNING_FILE), 'utf8')) as {
      nodes: RunningNode[];
    };
    return nodes.find((node) => isServer(node.pid, node.data))?.pid ?? 0;
  } catch {
    return 0; // no list, or a damaged one: nothing is known to run
  }
}

/** Whether this pid is a node on that folder: pids are given to other processes soon after. */
function isServer(pid: number, folder: string): boolean {
  try {
    process.kill(pid, 0);
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
    return words.includes('server') && words.some((word) => path.resolve(word) === path.resolve(folder));
  } catch {
    return false; // ended, or not to be seen; the data directory's own lock still protects it
  }
}

/** Removes what we put there, and nothing else. Only after `inspectFolder` called the folder ours. */
export function wipeFolder(data: string): void {
  for (const name of readdirSync(data)) {
    if (OUR_NAMES.test(name)) rmSync(path.join(data, name), { recursive: true, force: true });
  }
}

export function prepareFolder(data: string, shape: ClusterShape, logFiles: readonly string[]): void {
  mkdirSync(data, { recursive: true });
  forgetRunning(data);
  writeWhole(path.join(data, SHAPE_FILE), `${JSON.stringify({ format: FORMAT, ...shape })}\n`);
  for (const file of logFiles) {
    if (existsSync(file) && statSync(file).size > LOG_BYTES_MAX) renameSync(file, `${file}.old`);
  }
}

export function writeRunning(data: string, nodes: readonly RunningNode[]): void {
  writeWhole(path.join(data, RUNNING_FILE), `${JSON.stringify({ nodes }, null, 2)}\n`);
}

export function forgetRunning(data: string): void {
  rmSync(path.join(data, RUNNING_FILE), { force: true });
}

function writeWhole(file: string, text: string): void {
  writeFileSync(`${file}.tmp`, text);
  renameSync(`${file}.tmp`, file);
}
