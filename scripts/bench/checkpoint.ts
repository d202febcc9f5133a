/**
 * `npm run bench:checkpoint`: what a checkpoint costs those who write meanwhile, how long it takes, how fast it is loaded,
 * and how long a node that was killed takes to serve again.
 *
 *   fill         every key once
 *   rounds       clients write at full speed; a stretch without a checkpoint, then one in which every shard writes one
 *                by hand, one after the other; p99 of the writes of both, and their ratio within the round
 *   restart      writes go on one by one until so many entries lie behind the checkpoint; kill -9; start; until /readyz
 *
 * Checkpoints that nobody asked for are turned off: they would fall into either stretch.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { createGrpcControlClient } from '../../src/adapters/index.js';
import type { CheckpointRow, ControlClient } from '../../src/ports/index.js';
import type { BenchContext } from './bench-context.js';
import { Children, until } from './children.js';
import { LatencyHistogram } from './latency-histogram.js';
import { makePool, OverwriteClient } from './load/overwrite-client.js';
import { describeConditions, readConditions } from './machine.js';
import { median } from './statistics.js';
import { startCluster, startSingle, type RunningQuorate } from './systems/quorate.js';

const MIB = 1024 * 1024;
const CALL_MS = 120_000;
const READY_MS_MAX = 120_000;
const SETTLE_MS = 1000;

const HELP = `npm run bench:checkpoint -- [options]
  --keys N         keys (default 1000000)
  --value-bytes N  size of a value (default 128)
  --shards N       shards, each with its part of the keys (default 1)
  --nodes N        1, or 3: three replicas of each shard, all of which write one (default 1)
  --clients N      connections that write (default 64)
  --pipeline N     commands each has open (default 16)
  --rounds N       (default 3)
  --seconds N      a stretch without a checkpoint (default 3)
  --behind N       log entries behind the checkpoint at the restart (default 10000)
  --quick          100000 keys, 2 rounds of 1 s, 1000 entries
  --json           last line: everything as JSON
  --help`;

const NUMBERS = {
  keys: { quick: 100_000, usual: 1_000_000, max: 20_000_000 },
  'value-bytes': { quick: 128, usual: 128, max: MIB },
  shards: { quick: 1, usual: 1, max: 256 },
  nodes: { quick: 1, usual: 1, max: 3 },
  clients: { quick: 64, usual: 64, max: 1024 },
  pipeline: { quick: 16, usual: 16, max: 1024 },
  rounds: { quick: 2, usual: 3, max: 100 },
  seconds: { quick: 1, usual: 3, max: 600 },
  behind: { quick: 1000, usual: 10_000, max: 1_000_000 },
} as const;
type NumberName = keyof typeof NUMBERS;
type BenchOptions = Record<NumberName, number> & { readonly json: boolean };

function readOptions(): BenchOptions | string {
  const names = Object.keys(NUMBERS) as NumberName[];
  const text = { type: 'string' } as const;
  const flag = { type: 'boolean', default: false } as const;
  const options = { quick: flag, json: flag, help: flag };
  const { values } = parseArgs({
    options: {
      ...options,
      ...(Object.fromEntries(names.map((name) => [name, text])) as Record<NumberName, typeof text>),
    },
  });
  if (values.help) return HELP;
  const found: Partial<Record<NumberName, number>> = {};
  for (const name of names) {
    const { quick, usual, max } = NUMBERS[name];
    const given = values[name];
    const value = given === undefined ? (values.quick ? quick : usual) : Number(given);
    if (!(Number.isInteger(value) && value >= 1 && value <= max)) return `--${name}: expected 1 to ${max}`;
    found[name] = value;
  }
  if (found.nodes === 2) return '--nodes: expected 1 or 3';
  return { ...(found as Record<NumberName, number>), json: values.json };
}

interface Stretch {
  readonly seconds: number;
  readonly writesPerSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maxMs: number;
}

interface Round {
  readonly without: Stretch;
  readonly during: Stretch;
  /** All shards, one after the other, as an operator sees it. */
  readonly writeMs: number;
  readonly fileBytes: number;
}

class Load {
  private over = false;
  private readonly clients: OverwriteClient[];
  private running: Promise<unknown> = Promise.resolve();
  broken: string | null = null;

  constructor(
    private readonly nodes: RunningQuorate,
    private readonly options: BenchOptions,
    pool: Buffer,
  ) {
    const { forwardPorts } = nodes;
    this.clients = Array.from(
      { length: options.clients },
      (_, i) =>
        new OverwriteClient(
          forwardPorts[i % forwardPorts.length] as number,
          i,
          options.keys,
          options['value-bytes'],
          pool,
          (why) => (this.broken ??= why),
        ),
    );
  }

  async fill(): Promise<void> {
    const { keys, pipeline } = this.options;
    const share = Math.ceil(keys / this.clients.length);
    await Promise.all(
      this.clients.map((client, i) => client.fill(i * share, Math.min(keys, (i + 1) * share), pipeline)),
    );
    this.check();
  }

  start(): void {
    this.over = false;
    this.running = Promise.all(
      this.clients.map((client) => client.drive(this.options.pipeline, () => this.over)),
    );
  }

  async stop(): Promise<void> {
    this.over = true;
    await this.running;
    this.check();
  }

  /** One write after the other, each an entry of its own. */
  async trickle(count: number): Promise<void> {
    const [client] = this.clients as [OverwriteClient];
    let left = count;
    await client.drive(1, () => left-- <= 0);
    this.check();
  }

  /** Measures the writes that are answered while `work` runs. */
  async measure(work: () => Promise<void>): Promise<Stretch> {
    const latencies = new LatencyHistogram();
    const startedMs = performance.now();
    for (const client of this.clients) client.latencies = latencies;
    await work();
    const seconds = (performance.now() - startedMs) / 1000;
    for (const client of this.clients) client.latencies = null;
    this.check();
    return {
      seconds,
      writesPerSecond: latencies.count / seconds,
      p50Ms: latencies.quantileMs(0.5),
      p99Ms: latencies.quantileMs(0.99),
      maxMs: latencies.maxMs,
    };
  }

  close(): void {
    for (const client of this.clients) client.close();
  }

  private check(): void {
    const error = this.broken ?? this.clients.map((client) => client.error).find((said) => said !== null);
    if (error !== undefined && error !== null) throw new Error(`a write failed: ${error}`);
  }
}

function checkpoint(control: ControlClient, port: number, group: number): Promise<readonly CheckpointRow[]> {
  return new Promise((resolve, reject) => {
    const request = { group, timeoutMs: CALL_MS };
    control.call(`127.0.0.1:${port}`, 'checkpoint', request, CALL_MS + 2000, (failure, response) => {
      if (response === null) reject(new Error(failure?.message ?? 'no answer'));
      else resolve(response.replicas);
    });
  });
}

/** By hand, one shard after the other; the bytes of the files of one node. */
async function checkpointAll(
  control: ControlClient,
  nodes: RunningQuorate,
  options: BenchOptions,
): Promise<number> {
  let bytes = 0;
  for (let group = 1; group <= options.shards; group++) {
    const rows = await checkpoint(control, nodes.grpcPorts[0] as number, group);
    const bad = rows.find(({ outcome }) => outcome !== 'written' && outcome !== 'current');
    if (bad !== undefined) throw new Error(`shard ${group}: ${bad.outcome}: ${bad.detail}`);
    bytes += rows[0]?.bytes ?? 0;
  }
  return bytes;
}

/** The sum of a metric's values on a page. */
function metric(page: string, name: string): number {
  const row = new RegExp(`^quorate_${name}(?:\\{[^}]*\\})? ([0-9.e+]+)$`, 'gm');
  return [...page.matchAll(row)].reduce((sum, [, value]) => sum + Number(value), 0);
}

interface Restart {
  readonly readyMs: number;
  /** Within it: reading all checkpoints of the node, checked and put into tables. */
  readonly loadMs: number;
  readonly entriesBehind: number;
}

async function restart(
  nodes: RunningQuorate,
  children: Children,
  scratch: string,
  program: string,
  entriesBehind: number,
): Promise<Restart> {
  const [pid = 0] = nodes.pids;
  process.kill(pid, 'SIGKILL');
  await until(() => !isListed(pid), 'the killed node is gone', 10_000);
  const startedMs = performance.now();
  const words = ['server', '--watch-parent', '--data', path.join(scratch, 'n1'), '--log-level', 'warn'];
  children.start(
    'node 1 again',
    [process.execPath, program, ...words],
    path.join(scratch, 'n1.log'),
    scratch,
  );
  const [port] = nodes.httpPorts;
  const isReady = async (): Promise<boolean> => {
    try {
      return (await fetch(`http://127.0.0.1:${port}/readyz`)).status === 200;
    } catch {
      return false; // not listening yet
    }
  };
  await until(isReady, 'the node is ready again', READY_MS_MAX);
  const readyMs = performance.now() - startedMs;
  const page = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  return { readyMs, loadMs: metric(page, 'snapshot_load_duration_seconds_sum') * 1000, entriesBehind };
}

function isListed(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}

async function run(options: BenchOptions, children: Children, scratch: string): Promise<void> {
  const root = process.cwd();
  const program = path.join(root, 'dist', 'src', 'quorate.js');
  const conditions = readConditions(scratch, root);
  const context = {
    children,
    scratch,
    root,
    program,
    etcdload: null,
    hasMoved: false,
    nodeWords: [],
  } as unknown as BenchContext;
  const never = ['--log-checkpoint-bytes', String(2 ** 40), '--log-checkpoint-entries', '1000000000'];
  const words = [...never, '--log-checkpoint-interval-ms', '0', '--memory-max', '0'];
  const print = (line: string): void => void process.stdout.write(`${line}\n`);
  const note = (line: string): void => void process.stderr.write(`${line}\n`);
  print(describeConditions(conditions));
  const nodes =
    options.nodes === 1
      ? await startSingle(context, scratch, options.shards, words)
      : await startCluster(context, scratch, options.shards, words);
  const control = createGrpcControlClient();
  const load = new Load(nodes, options, makePool());
  try {
    note(`writing ${options.keys} keys`);
    await load.fill();
    // Twice: the first of them would else be the only one without an older one beside it.
    await checkpointAll(control, nodes, options);
    const rounds: Round[] = [];
    for (let round = 1; round <= options.rounds; round++) {
      load.start();
      await sleep(SETTLE_MS);
      const without = await load.measure(() => sleep(options.seconds * 1000));
      let fileBytes = 0;
      const during = await load.measure(async () => {
        fileBytes = await checkpointAll(control, nodes, options);
      });
      await load.stop();
      rounds.push({ without, during, writeMs: during.seconds * 1000, fileBytes });
      note(`round ${round}: ${Math.round(during.seconds * 1000)} ms`);
    }
    await checkpointAll(control, nodes, options);
    await load.trickle(options.behind);
    load.close();
    const again = await restart(nodes, children, scratch, program, options.behind);
    report(options, rounds, again, print);
    if (options.json) print(JSON.stringify({ conditions, options, rounds, restart: again }));
  } finally {
    load.close();
    control.close();
  }
}

function report(
  options: BenchOptions,
  rounds: readonly Round[],
  again: Restart,
  print: (line: string) => void,
): void {
  const ms = (value: number): string => `${value.toFixed(1)} ms`;
  const rate = (stretch: Stretch): string => `${Math.round(stretch.writesPerSecond)}/s`;
  print('');
  print(
    '| round | writes without | p50 | p99 | max | with | p50 | p99 | max | p99 ratio | checkpoint | file |',
  );
  print('|---|---|---|---|---|---|---|---|---|---|---|---|');
  rounds.forEach(({ without, during, writeMs, fileBytes }, i) => {
    const side = (s: Stretch): string => `${rate(s)} | ${ms(s.p50Ms)} | ${ms(s.p99Ms)} | ${ms(s.maxMs)}`;
    const ratio = during.p99Ms / without.p99Ms;
    print(
      `| ${i + 1} | ${side(without)} | ${side(during)} | ${ratio.toFixed(2)} | ${Math.round(writeMs)} ms | ${Math.round(fileBytes / MIB)} MiB |`,
    );
  });
  const writeMs = median(rounds.map((round) => round.writeMs));
  const ratio = median(rounds.map(({ without, during }) => during.p99Ms / without.p99Ms));
  const verdict = (isMet: boolean): string => (isMet ? 'met' : 'MISSED');
  print('');
  print(
    `${options.keys} keys of ${options['value-bytes']} bytes, ${options.nodes} node(s), ${options.shards} shard(s)`,
  );
  print(`written beside a full load   ${Math.round(writeMs)} ms   below 3000: ${verdict(writeMs < 3000)}`);
  print(
    `p99 of writes meanwhile      ${ratio.toFixed(2)} x   at most 2: ${verdict(ratio <= 2)}; then 1.2: ${verdict(ratio <= 1.2)}`,
  );
  print(
    `loaded                       ${Math.round(again.loadMs)} ms   below 2000: ${verdict(again.loadMs < 2000)}`,
  );
  print(
    `kill to ready, ${again.entriesBehind} entries behind   ${Math.round(again.readyMs)} ms   below 5000: ${verdict(again.readyMs < 5000)}; then 2000: ${verdict(again.readyMs < 2000)}`,
  );
}

async function main(): Promise<number> {
  const options = readOptions();
  if (typeof options === 'string') {
    process.stdout.write(`${options}\n`);
    return options === HELP ? 0 : 2;
  }
  const children = new Children();
  const scratch = mkdtempSync(path.join(os.tmpdir(), 'quorate-checkpoint-'));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => void children.endAll().then(() => process.exit(130)));
  }
  try {
    await run(options, children, scratch);
    return 0;
  } finally {
    await children.endAll();
    rmSync(scratch, { recursive: true, force: true });
  }
}

process.exitCode = await main();
