/**
 * `npm run bench:storm`: what a node's process holds while clients write many times the memory budget. A cluster of
 * three nodes, each with `memory.max` as asked; writers of ever new keys and readers of recent ones on all three; the
 * resident memory of each node once a second; and at the end whether the replicas hold the same.
 *
 * Verdict: no node above budget x 1.15 + 256 MiB, at any second, and all replicas equal.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { createGrpcControlClient } from '../../src/adapters/index.js';
import { parseByteSize } from '../../src/settings/index.js';
import type { BenchContext } from './bench-context.js';
import { Children } from './children.js';
import { StormClient } from './load/storm-client.js';
import { startCluster, type RunningQuorate } from './systems/quorate.js';

const MIB = 1024 * 1024;
const FREE_BYTES = 256 * MIB;
const GROWTH_RATIO = 1.15;
const PLOT_COLUMNS = 72;
const PLOT_ROWS = 12;
const EQUAL_MS_MAX = 120_000;

const HELP = `npm run bench:storm -- [options]
  --minutes N     how long to write at most (default 20)
  --budget SIZE   memory.max of each node (default 256mb)
  --factor N      end sooner, once so many times the budget was written (default 10; 0: only by time)
  --value BYTES   size of a value (default 4096)
  --pipeline N    commands that a client sends at a time (default 32)
  --policy NAME   eviction.policy of the cluster (default s3fifo; none: what has no room is refused)
  --clients N     writers, and half as many readers (default 12)
  --json          last line: everything as JSON
  --help`;

interface StormOptions {
  readonly minutes: number;
  readonly budgetBytes: number;
  readonly factor: number;
  readonly valueBytes: number;
  readonly clients: number;
  readonly pipeline: number;
  readonly policy: string;
  readonly json: boolean;
}

function readOptions(): StormOptions | string | null {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '20' },
      budget: { type: 'string', default: '256mb' },
      factor: { type: 'string', default: '10' },
      value: { type: 'string', default: '4096' },
      clients: { type: 'string', default: '12' },
      pipeline: { type: 'string', default: '32' },
      policy: { type: 'string', default: 's3fifo' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) return null;
  const budgetBytes = parseByteSize(values.budget);
  if (budgetBytes === null || budgetBytes < 16 * MIB) return '--budget: expected a size of at least 16mb';
  const [minutes, factor, valueBytes, clients, pipeline] = [
    values.minutes,
    values.factor,
    values.value,
    values.clients,
    values.pipeline,
  ].map(Number) as [number, number, number, number, number];
  if (!(minutes > 0) || !(factor >= 0)) return '--minutes and --factor: expected numbers above 0';
  if (!(valueBytes >= 1 && valueBytes <= MIB) || !(clients >= 1 && clients <= 256))
    return '--value: expected 1 to 1048576; --clients: expected 1 to 256';
  if (!(pipeline >= 1 && pipeline <= 1024)) return '--pipeline: expected 1 to 1024';
  const { policy, json } = values;
  return { minutes, budgetBytes, factor, valueBytes, clients, pipeline, policy, json };
}

/** Resident bytes of a process. */
function residentBytes(pid: number): number {
  return statusBytes(pid, 'VmRSS');
}

function statusBytes(pid: number, line: 'VmRSS' | 'RssAnon'): number {
  const found = new RegExp(`^${line}:\\s+(\\d+) kB$`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return Number(found?.[1] ?? 0) * 1024;
}

/** Of one node, at one moment: what the system counts, and what the node itself does. */
interface MemoryParts {
  readonly atSeconds: number;
  readonly residentBytes: number;
  /** Not pages of files: code, and files of the store that are mapped. */
  readonly anonymousBytes: number;
  readonly heapBytes: number;
  /** Buffers, those of tables included. */
  readonly externalBytes: number;
  readonly tableBytes: number;
  readonly pinnedBytes: number;
}

function partsOf(pid: number, page: string, atSeconds: number): MemoryParts {
  const one = (name: string): number =>
    Number(new RegExp(`^\\w*nodejs_${name}_bytes ([0-9.e+]+)$`, 'm').exec(page)?.[1] ?? 0);
  return {
    atSeconds,
    residentBytes: residentBytes(pid),
    anonymousBytes: statusBytes(pid, 'RssAnon'),
    heapBytes: one('heap_size_total'),
    externalBytes: one('external_memory'),
    tableBytes: metric([page], 'cache_bytes') + metric([page], 'cache_overhead_bytes'),
    pinnedBytes: metric([page], 'cache_pinned_bytes'),
  };
}

interface Storm {
  /** By node, second by second. */
  readonly resident: number[][];
  /** By node: when it had most, of the moments at which its parts were asked for. */
  readonly peaks: (MemoryParts | null)[];
  readonly seconds: number;
  readonly writers: StormClient[];
  readonly readers: StormClient[];
}

async function storm(nodes: RunningQuorate, options: StormOptions): Promise<Storm> {
  const { budgetBytes, clients, factor, valueBytes } = options;
  const counter = { next: 0 };
  const client = (i: number, isWriter: boolean): StormClient =>
    new StormClient(
      nodes.forwardPorts[i % nodes.forwardPorts.length] as number,
      isWriter,
      valueBytes,
      counter,
      options.pipeline,
    );
  const writers = Array.from({ length: clients }, (_, i) => client(i, true));
  const readers = Array.from({ length: Math.ceil(clients / 2) }, (_, i) => client(i, false));
  const all = [...writers, ...readers];
  const resident = nodes.pids.map((): number[] => []);
  const peaks = nodes.pids.map((): MemoryParts | null => null);
  const startMs = performance.now();
  for (const one of all) one.start();
  for (let second = 1; second <= options.minutes * 60; second++) {
    await sleep(Math.max(0, startMs + second * 1000 - performance.now()));
    nodes.pids.forEach((pid, i) => resident[i]?.push(residentBytes(pid)));
    // A page that a busy node doesn't send in time is done without.
    const pages = await nodes.metrics().catch(() => []);
    pages.forEach((page, i) => {
      const parts = partsOf(nodes.pids[i] as number, page, second);
      if (parts.residentBytes > (peaks[i]?.residentBytes ?? 0)) peaks[i] = parts;
    });
    const written = sum(writers, (w) => w.acknowledged) * valueBytes;
    if (second % 10 === 0) {
      const now = resident.map((line) => Math.round((line.at(-1) ?? 0) / MIB)).join(' ');
      process.stderr.write(`${second} s: ${Math.round(written / MIB)} MiB written, resident ${now} MiB\n`);
    }
    if (factor > 0 && written >= factor * budgetBytes) break;
  }
  for (const one of all) one.stop();
  return { resident, peaks, seconds: (performance.now() - startMs) / 1000, writers, readers };
}

/** Until every shard's replicas are at one index with one hash; the shards that never were. */
async function differingShards(nodes: RunningQuorate): Promise<number[]> {
  const control = createGrpcControlClient();
  const replicasOf = (port: number): Promise<{ group: number; applied: number; hash: string }[]> =>
    new Promise((resolve, reject) => {
      control.call(`127.0.0.1:${port}`, 'status', {}, 10_000, (failure, response) => {
        if (response === null) reject(new Error(failure?.message ?? 'no answer'));
        else resolve((JSON.parse(response.json) as { replicas: [] }).replicas);
      });
    });
  const endMs = performance.now() + EQUAL_MS_MAX;
  try {
    for (;;) {
      const told = new Map<number, Set<string>>();
      for (const port of nodes.grpcPorts) {
        for (const { group, applied, hash } of await replicasOf(port)) {
          told.set(group, (told.get(group) ?? new Set()).add(`${applied} ${hash}`));
        }
      }
      const differing = [...told].filter(([, states]) => states.size > 1).map(([group]) => group);
      if (differing.length === 0 || performance.now() > endMs) return differing;
      await sleep(500);
    }
  } finally {
    control.close();
  }
}

/** Resident memory over time: the highest of the nodes in each column, the limit as a line. */
function plot(resident: readonly (readonly number[])[], limit: number): string[] {
  const length = resident[0]?.length ?? 0;
  const columns = Math.min(PLOT_COLUMNS, length);
  const peaks = Array.from({ length: columns }, (_, c) => {
    const [from, to] = [Math.floor((c * length) / columns), Math.floor(((c + 1) * length) / columns)];
    return Math.max(...resident.flatMap((line) => line.slice(from, Math.max(to, from + 1))));
  });
  const top = Math.max(limit, ...peaks) * 1.05;
  const rows = Array.from({ length: PLOT_ROWS }, (_, r) => {
    const [low, high] = [((PLOT_ROWS - r - 1) * top) / PLOT_ROWS, ((PLOT_ROWS - r) * top) / PLOT_ROWS];
    const isLimit = limit > low && limit <= high;
    const cells = peaks.map((peak) => (peak > low ? '#' : isLimit ? '-' : ' ')).join('');
    return `${String(Math.round(high / MIB)).padStart(7)} MiB |${cells}${isLimit ? ' limit' : ''}`;
  });
  return [...rows, `${''.padStart(12)}+${'-'.repeat(columns)} ${length} s`];
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}

function metric(pages: readonly string[], name: string): number {
  const row = new RegExp(`^quorate_${name}(?:\\{[^}]*\\})? ([0-9.e+]+)$`, 'gm');
  return sum(pages, (page) => sum([...page.matchAll(row)], ([, value]) => Number(value)));
}

async function run(options: StormOptions, children: Children, scratch: string): Promise<number> {
  const root = process.cwd();
  const program = path.join(root, 'dist', 'src', 'quorate.js');
  const context = { children, scratch, root, program, etcdload: null, hasMoved: false, nodeWords: [] };
  const words = ['--memory-max', String(options.budgetBytes)];
  const nodes = await startCluster(context as unknown as BenchContext, scratch, 16, words);
  const set = ['config', 'set', 'eviction.policy', options.policy, '--endpoint'];
  const command = [process.execPath, program, ...set, `127.0.0.1:${nodes.grpcPorts[0]}`];
  await children.run('quorate config set', command, 60_000, scratch);
  const before = nodes.pids.map(residentBytes);
  const { resident, peaks, seconds, writers, readers } = await storm(nodes, options);
  const differing = await differingShards(nodes);
  const pages = await nodes.metrics();

  const limit = options.budgetBytes * GROWTH_RATIO + FREE_BYTES;
  const highest = resident.map((line) => Math.max(...line));
  const writes = sum(writers, (w) => w.acknowledged);
  const reads = sum(readers, (r) => r.acknowledged);
  const result = {
    seconds: Math.round(seconds),
    budget_bytes: options.budgetBytes,
    limit_bytes: Math.round(limit),
    written_bytes: writes * options.valueBytes,
    writes_per_second: Math.round(writes / seconds),
    refused: { out_of_memory: sum(writers, (w) => w.outOfMemory), other: sum(writers, (w) => w.otherErrors) },
    hit_rate_of_reads: reads === 0 ? null : 1 - sum(readers, (r) => r.misses) / reads,
    resident_before_bytes: before,
    resident_highest_bytes: highest,
    evicted: metric(pages, 'cache_evicted_total'),
    items: metric(pages, 'cache_items'),
    content_bytes: metric(pages, 'cache_bytes'),
    overhead_bytes: metric(pages, 'cache_overhead_bytes'),
    differing_shards: differing,
    within_limit: highest.every((bytes) => bytes <= limit),
    replicas_equal: differing.length === 0,
  };
  const mib = (bytes: number): string => `${Math.round(bytes / MIB)} MiB`;
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  plot(resident, limit).forEach(print);
  print(
    `written   ${mib(result.written_bytes)} in ${result.seconds} s (${result.writes_per_second}/s), budget ${mib(options.budgetBytes)} a node`,
  );
  print(
    `refused   ${result.refused.out_of_memory} OOM, ${result.refused.other} others; evicted ${result.evicted}`,
  );
  const lastError = writers.map((w) => w.lastError).find((said) => said !== '');
  if (lastError !== undefined) print(`          the last of the others: ${lastError}`);
  print(
    `reads     ${reads}, hit rate ${result.hit_rate_of_reads?.toFixed(3) ?? '-'} (of the newest 100,000 keys, newer ones more often)`,
  );
  print(
    `resident  before ${before.map(mib).join(', ')}; highest ${highest.map(mib).join(', ')}; limit ${mib(limit)}`,
  );
  print(
    `verdict   ${result.within_limit ? 'within' : 'ABOVE'} the limit; replicas ${result.replicas_equal ? 'equal' : `DIFFER in shards ${differing.join(' ')}`}`,
  );
  peaks.forEach((parts, i) => {
    if (parts === null) return;
    const { anonymousBytes, heapBytes, externalBytes, tableBytes, pinnedBytes } = parts;
    const files = parts.residentBytes - anonymousBytes;
    const other = anonymousBytes - heapBytes - externalBytes;
    print(
      `node ${i + 1}    highest with parts at ${parts.atSeconds} s: ${mib(parts.residentBytes)} = pages of files ${mib(files)} + heap ${mib(heapBytes)} + buffers ${mib(externalBytes)} (tables ${mib(tableBytes)}, of it pinned ${mib(pinnedBytes)}) + other ${mib(other)}`,
    );
  });
  if (options.json) print(JSON.stringify({ ...result, resident_bytes: resident, peaks }));
  return result.within_limit && result.replicas_equal ? 0 : 1;
}

async function main(): Promise<number> {
  const options = readOptions();
  if (options === null || typeof options === 'string') {
    process.stdout.write(`${options ?? HELP}\n`);
    return options === null ? 0 : 2;
  }
  const children = new Children();
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'quorate-storm-'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void children.endAll().then(() => process.exit(130)));
  }
  try {
    return await run(options, children, scratch);
  } finally {
    await children.endAll();
    rmSync(scratch, { recursive: true, force: true });
  }
}

process.exitCode = await main();
