/** `npm run bench:memory`: what the table costs in memory, beside others. See `options.ts` for what is measured. */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import type { BenchContext } from '../bench-context.js';
import { Children, hasTool } from '../children.js';
import type { Case, MemoryFigures, SpeedFigures, StepFigures } from './cases.js';
import { HELP, parseMemoryOptions } from './options.js';
import type { MemoryOptions } from './options.js';
import { measureNode, measureRedis } from './servers.js';

const CASE_MS_MAX = 600_000;
const root = fileURLToPath(new URL('../../..', import.meta.url));
const say = (line: string): void => void process.stdout.write(`${line}\n`);
const children = new Children();

process.exitCode = await main();

async function main(): Promise<number> {
  const options = parseMemoryOptions(process.argv.slice(2));
  if (typeof options === 'string') {
    process.stderr.write(`${options}\n`);
    return 2;
  }
  if (options.help) {
    say(HELP);
    return 0;
  }
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'quorate-memory-'));
  try {
    await measure(options, scratch);
    return 0;
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
    return 1;
  } finally {
    await children.endAll();
    rmSync(scratch, { recursive: true, force: true });
  }
}

async function measure(options: MemoryOptions, scratch: string): Promise<void> {
  const { keys, parts } = options;
  let overhead: number | null = null;
  let withExpiry: number | null = null;
  let liveNode: number | null = null;
  say(`${keys} keys; bytes a key besides key and value: resident (counted by the table itself)`);
  if (parts.includes('memory')) {
    const one = await memoryRow('table, 1 shard', 'table', keys, 1, false);
    const sixteen = await memoryRow('table, 16 shards', 'table', keys, 16, false);
    overhead = Math.max(one, sixteen);
    const oneDue = await memoryRow('with expiry, 1 shard', 'table', keys, 1, true);
    const sixteenDue = await memoryRow('with expiry, 16 shards', 'table', keys, 16, true);
    withExpiry = Math.max(oneDue, sixteenDue);
    await memoryRow('Map<string, Buffer>', 'map', keys, 1, false);
  }
  if (parts.includes('servers')) liveNode = await serverRows(keys, scratch);
  if (parts.includes('speed')) await speedRows(keys);
  if (parts.includes('steps')) await stepRows(keys);
  if (options.json) {
    const figures = { overhead_bytes_per_key: overhead, with_expiry: withExpiry, live_node: liveNode };
    say(JSON.stringify(figures, (_, value: unknown) => (typeof value === 'number' ? round(value) : value)));
  }
}

/** Prints a row; returns the larger of its two figures. */
async function memoryRow(
  name: string,
  kind: Case,
  keys: number,
  shards: number,
  expiry: boolean,
): Promise<number> {
  const figures = await inProcess<MemoryFigures>(kind, keys, shards, expiry);
  const counted = (bytes: number): string => (kind === 'table' ? ` (${bytes.toFixed(2)})` : '');
  const fresh = `fresh ${figures.freshBytes.toFixed(1)}${counted(figures.countedFreshBytes)}`;
  const used = `used ${figures.usedBytes.toFixed(1)}${counted(figures.countedUsedBytes)}`;
  say(`  ${name.padEnd(24)} ${fresh.padEnd(22)} ${used}`);
  return Math.max(figures.freshBytes, figures.usedBytes);
}

async function serverRows(keys: number, scratch: string): Promise<number | null> {
  const program = path.join(root, 'dist', 'src', 'quorate.js');
  const context = {
    children,
    scratch,
    root,
    program,
    nodeWords: [],
    hasMoved: false,
  } as unknown as BenchContext;
  const folder = (name: string): string => {
    const path_ = path.join(scratch, name);
    mkdirSync(path_);
    return path_;
  };
  let node: number | null = null;
  if (existsSync(program)) {
    node = await measureNode(context, folder('node'), keys);
    say(`  ${'one node, 16 shards'.padEnd(24)} fresh ${node.toFixed(1)}`);
  } else say('  one node: not built (npm run build)');
  if (hasTool('redis-server')) {
    const redis = await measureRedis(context, folder('redis'), keys);
    say(`  ${'redis-server'.padEnd(24)} fresh ${redis.toFixed(1)}`);
  } else say('  redis-server: not installed, not measured');
  return node;
}

async function speedRows(keys: number): Promise<void> {
  const table = await inProcess<SpeedFigures>('table-speed', keys, 1, false);
  const map = await inProcess<SpeedFigures>('map-speed', keys, 1, false);
  say('CPU nanoseconds an operation: table, Map<string, Buffer>, ratio (below 1: the table is faster)');
  const row = (name: string, ours: number, theirs: number): void =>
    say(
      `  ${name.padEnd(24)} ${ours.toFixed(0).padStart(6)} ${theirs.toFixed(0).padStart(6)} ${(ours / theirs).toFixed(2)}`,
    );
  row('set, fresh', table.fillNs, map.fillNs);
  row('get, hits at random', table.getNs, map.getNs);
  row('set, overwrites', table.setNs, map.setNs);
}

async function stepRows(keys: number): Promise<void> {
  const steps = await inProcess<StepFigures>('table-steps', keys, 1, true);
  say('longest single step, ms of CPU (of the clock: with what else ran on the machine, and collections)');
  for (const [name, { cpuMs, wallMs }] of Object.entries(steps))
    say(`  ${name.padEnd(24)} ${cpuMs.toFixed(2).padStart(6)} (${wallMs.toFixed(2)})`);
}

async function inProcess<Figures>(
  kind: Case,
  keys: number,
  shards: number,
  expiry: boolean,
): Promise<Figures> {
  const file = path.join(root, 'scripts', 'bench', 'memory', 'child.ts');
  const words = [kind, String(keys), String(shards), expiry ? '1' : '0'];
  const nodeWords = ['--expose-gc', '--max-old-space-size=12288', '--import', 'tsx'];
  const { out } = await children.run(
    kind,
    [process.execPath, ...nodeWords, file, ...words],
    CASE_MS_MAX,
    root,
  );
  return JSON.parse(out) as Figures;
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}
