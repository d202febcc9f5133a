/** One turn of a system: start it, measure its rows, stop it. A row that fails is refused with its reason; others go on. */
import { mkdirSync, rmSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { BenchContext, RunningSystem } from './bench-context.js';
import { cpuSecondsOf, until } from './children.js';
import {
  driveEtcd,
  driveGrpc,
  driveRedisBenchmark,
  driveResp,
  driveSdk,
  fillEtcd,
  fillResp,
  runRedisBenchmark,
} from './drivers.js';
import type { Driven, RespTarget } from './drivers.js';
import { parseFailover } from './parse-output.js';
import { readCountersOf, whyReadsDontCount } from './read-proof.js';
import { rotate } from './rows.js';
import type { Row, Turn } from './rows.js';
import type { Results, Sample } from './samples.js';
import { startEtcd } from './systems/etcd.js';
import { measureTransferPause } from './transfer-pause.js';
import { startCluster, startSingle } from './systems/quorate.js';
import type { RunningQuorate } from './systems/quorate.js';
import { startBareServer, startRedis } from './systems/single-process.js';
import { topRate } from './targets.js';

export interface Round {
  readonly context: BenchContext;
  readonly number: number;
  readonly results: Results;
  readonly say: (line: string) => void;
  /** False once the time is over: rows are skipped then. */
  readonly hasTime: () => boolean;
}

type Measure = (row: Row) => Promise<Sample>;

const IDLE_SHARDS = 1000;
const IDLE_SETTLE_MS = 8000;
/** Less can't be told from nothing: the system counts processor time in steps of 10 ms. */
const IDLE_SECONDS_MIN = 10;
const RELED_MS_MAX = 30_000;
/** Longer than all stretches and transfers of a round together. */
const TRANSFER_LOAD_SECONDS = 14;
const FAILOVER_MS_MAX = 240_000;
const NODES = 3;

export async function runTurn(round: Round, turn: Turn, rows: readonly Row[]): Promise<void> {
  const folder = path.join(round.context.scratch, `${turn}-${round.number}`);
  mkdirSync(folder, { recursive: true });
  try {
    await TURN_OF[turn](round, rotate(rows, round.number), folder);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    round.say(`${turn}: ${why}`);
    for (const row of rows) if (round.results.of(row.id).length === 0) round.results.refuse(row.id, why);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const TURN_OF: Readonly<Record<Turn, (round: Round, rows: readonly Row[], folder: string) => Promise<void>>> =
  {
    etcd: etcdTurn,
    cluster: clusterTurn,
    redis: redisTurn,
    single: singleTurn,
    bare: bareTurn,
    idle: idleTurn,
    idle3: idleClusterTurn,
    transfer: transferTurn,
    failover: failoverTurn,
  };

async function measureRows(
  round: Round,
  rows: readonly Row[],
  system: RunningSystem,
  measure: Measure,
): Promise<void> {
  for (const row of rows) {
    if (!round.hasTime()) {
      round.results.refuse(row.id, `round ${round.number + 1} left out: the time was over`);
      continue;
    }
    try {
      cpuSecondsOf(system.pids); // a process that has ended shows here, before it can spoil a figure
      const sample = await measure(row);
      round.results.add(row.id, round.number, sample);
      round.say(`${row.id}: ${describe(sample)}`);
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      round.results.refuse(row.id, why);
      round.say(`${row.id}: REFUSED, ${why}`);
    }
  }
}

async function etcdTurn(round: Round, rows: readonly Row[], folder: string): Promise<void> {
  const { context } = round;
  const etcd = await startEtcd(context, folder);
  try {
    if (rows.some((row) => row.load === 'reads')) await fillEtcd(context, etcd.endpoints);
    await measureRows(
      round,
      rows,
      etcd,
      async (row) => (await driveEtcd(context, row, etcd.pids, etcd.endpoints)).sample,
    );
  } finally {
    await etcd.stop();
  }
}

async function redisTurn(round: Round, rows: readonly Row[], folder: string): Promise<void> {
  const { context } = round;
  const redis = await startRedis(context, folder);
  const target = { port: redis.port, cluster: false, keys: context.options.keys };
  try {
    await measureRows(
      round,
      rows,
      redis,
      async (row) => (await driveRedisBenchmark(context, row, redis.pids, target)).sample,
    );
  } finally {
    await redis.stop();
  }
}

async function singleTurn(round: Round, rows: readonly Row[], folder: string): Promise<void> {
  const { context } = round;
  const node = await startSingle(context, folder, 16);
  const target = { port: node.forwardPorts[0] ?? 0, cluster: false, keys: context.options.keys };
  try {
    await measureRows(
      round,
      rows,
      node,
      async (row) => (await driveRedisBenchmark(context, row, node.pids, target)).sample,
    );
  } finally {
    await node.stop();
  }
}

async function bareTurn(round: Round, rows: readonly Row[], folder: string): Promise<void> {
  const { context } = round;
  const server = await startBareServer(context, folder);
  const target = { port: server.port, cluster: false, keys: context.options.keys };
  try {
    await fillResp(context, { addresses: [`127.0.0.1:${server.port}`], slotMap: false, pids: server.pids });
    await measureRows(
      round,
      rows,
      server,
      async (row) => (await driveRedisBenchmark(context, row, server.pids, target)).sample,
    );
  } finally {
    await server.stop();
  }
}

async function idleTurn(round: Round, rows: readonly Row[], folder: string): Promise<void> {
  const { context } = round;
  const node = await startSingle(context, folder, IDLE_SHARDS);
  try {
    await sleep(IDLE_SETTLE_MS);
    await measureRows(round, rows, node, () => measureIdle(context, node.pids));
  } finally {
    await node.stop();
  }
}

/** Per node. */
async function measureIdle(context: BenchContext, pids: readonly number[]): Promise<Sample> {
  const seconds = Math.max(IDLE_SECONDS_MIN, context.options.seconds);
  const before = cpuSecondsOf(pids);
  await sleep(seconds * 1000);
  const used = (cpuSecondsOf(pids) - before) / pids.length;
  return figureSample((100 * used) / seconds, '% of a core', used);
}

async function idleClusterTurn(round: Round, rows: readonly Row[], folder: string): Promise<void> {
  const { context } = round;
  const cluster = await startCluster(context, folder, IDLE_SHARDS);
  try {
    await sleep(IDLE_SETTLE_MS);
    await measureRows(round, rows, cluster, (row) =>
      row.id === 'idle.node-killed' ? measureKilledNode(cluster) : measureIdle(context, cluster.pids),
    );
  } finally {
    await cluster.stop();
  }
}

/** From the kill until the survivors lead every group, the meta group included, and serve it. */
async function measureKilledNode(cluster: RunningQuorate): Promise<Sample> {
  const pid = cluster.pids[NODES - 1] ?? 0;
  const ledBefore = (await cluster.ledGroups()).reduce((sum, count) => sum + count, 0);
  if (ledBefore !== IDLE_SHARDS + 1) throw new Error(`${ledBefore} groups were led before the kill`);
  process.kill(pid, 'SIGKILL');
  const killedAtMs = performance.now();
  let led = 0;
  await until(
    async () => {
      led = (await cluster.ledGroups(NODES - 1)).reduce((sum, count) => sum + count, 0);
      return led === IDLE_SHARDS + 1;
    },
    'every group is led again',
    RELED_MS_MAX,
  );
  return figureSample(performance.now() - killedAtMs, 'ms until every group is led again', 0);
}

/** The load goes on until the last transfer is done. */
async function transferTurn(round: Round, rows: readonly Row[], folder: string): Promise<void> {
  const cluster = await startCluster(round.context, folder);
  const { pids, grpcPorts, forwardPorts } = cluster;
  const addresses = addressesOf(forwardPorts);
  const context = { ...round.context, options: { ...round.context.options, seconds: TRANSFER_LOAD_SECONDS } };
  try {
    await measureRows(round, rows, cluster, async (row) => {
      const load = driveResp(context, { ...row, load: 'writes' }, { addresses, slotMap: false, pids });
      const target = { grpc: addressesOf(grpcPorts)[0] ?? '', resp: addresses[0] ?? '', nodes: NODES };
      const [pauses] = await Promise.all([measureTransferPause(target), load]);
      const { pauseMs, medianMs, stillMs, stillMedianMs } = pauses;
      round.say(
        `${row.id}: median pause ${medianMs.toFixed(1)} ms; without a transfer the longest was ` +
          `${stillMs.toFixed(1)} ms, the median ${stillMedianMs.toFixed(1)} ms`,
      );
      return figureSample(pauseMs, 'ms, the longest pause of a writer', 0);
    });
  } finally {
    await cluster.stop();
  }
}

/** Taken by the test that kills nodes under load: it knows what counts as writable again. */
async function failoverTurn(round: Round, rows: readonly Row[]): Promise<void> {
  const { children, root } = round.context;
  const none: RunningSystem = { pids: [], stop: () => Promise.resolve() };
  await measureRows(round, rows, none, async () => {
    const vitest = path.join(root, 'node_modules', 'vitest', 'vitest.mjs');
    const words = ['run', '--project', 'integration', 'test/integration/cluster.test.ts'];
    const { out } = await children.run(
      'test of kills',
      [process.execPath, vitest, ...words],
      FAILOVER_MS_MAX,
      root,
    );
    return figureSample(Math.max(...parseFailover(out)), 'ms, the worst of the kills', 0);
  });
}

async function clusterTurn(round: Round, rows: readonly Row[], folder: string): Promise<void> {
  const cluster = await startCluster(round.context, folder);
  try {
    await measureCluster(round, rows, cluster);
  } finally {
    await cluster.stop();
  }
}

/** The rows of a running cluster of three nodes. */
export async function measureCluster(
  round: Round,
  rows: readonly Row[],
  cluster: RunningQuorate,
): Promise<void> {
  const { context } = round;
  const { keys } = context.options;
  if (rows.some((row) => row.load !== 'writes' && row.system !== 'map')) {
    await fillResp(context, {
      addresses: addressesOf(cluster.forwardPorts),
      slotMap: false,
      pids: cluster.pids,
    });
  }
  if (context.hasMoved && rows.some((row) => row.system === 'map' && row.load === 'reads')) {
    // redis-benchmark names its keys by itself and at random: three times as many writes reach 95 % of them.
    await runRedisBenchmark(context, mapTarget(context, cluster), 'SET', 48, 64, 3 * keys);
  }
  await measureRows(round, rows, cluster, (row) => measureClusterRow(round, row, cluster));
}

async function measureClusterRow(round: Round, row: Row, cluster: RunningQuorate): Promise<Sample> {
  const counters = async (): Promise<ReturnType<typeof readCountersOf>> =>
    readCountersOf(await cluster.metrics());
  let before = await counters();
  const again = async (): Promise<void> => {
    before = await counters();
  };
  const { sample, reads } = await driveClusterRow(round, row, cluster, again);
  // A paced run has as much open as is due, so nothing follows for it from how many are open at once.
  const openMax = row.system === 'paced' ? Infinity : row.clients * row.pipeline;
  const why = whyReadsDontCount(before, await counters(), reads, openMax);
  if (why !== null) throw new Error(why);
  return sample;
}

function driveClusterRow(
  round: Round,
  row: Row,
  cluster: RunningQuorate,
  beforeMeasuring: () => Promise<void>,
): Promise<Driven> {
  const { context } = round;
  const { pids } = cluster;
  const needsMap = row.system === 'map' || row.system === 'spread' || row.system === 'paced';
  if (needsMap && !context.hasMoved) throw new Error('this build has no listener with routing=moved');
  // Where a leader moved meanwhile, the node that led before passes the command on.
  const spread: RespTarget = {
    addresses: addressesOf(cluster.forwardPorts.slice(0, 1)),
    slotMap: true,
    pids,
  };
  switch (row.system) {
    case 'map':
      return driveRedisBenchmark(context, row, pids, mapTarget(context, cluster), beforeMeasuring);
    case 'node': {
      const target = { port: cluster.forwardPorts[0] ?? 0, cluster: false, keys: context.options.keys };
      return driveRedisBenchmark(context, row, pids, target, beforeMeasuring);
    }
    case 'spread':
      return driveResp(context, row, spread);
    case 'paced':
      return drivePaced(round, row, spread, beforeMeasuring);
    case 'grpc':
      return driveGrpc(context, row, pids, addressesOf(cluster.grpcPorts));
    case 'sdk':
      return driveSdk(context, row, pids, addressesOf(cluster.grpcPorts));
    default:
      throw new Error(`nobody drives ${row.system}`);
  }
}

/** Half of the highest rate seen in this run with the map; what this generator reaches by itself counts, too. */
async function drivePaced(
  round: Round,
  row: Row,
  target: RespTarget,
  beforeMeasuring: () => Promise<void>,
): Promise<Driven> {
  const closed = await driveResp(round.context, row, target);
  const known = ['map', 'spread'].flatMap((system) =>
    ['64x16', '256x16'].map((shape) => `${system}.${row.load}.${shape}`),
  );
  const top = Math.max(closed.sample.perSecond, topRate(round.results, known));
  await beforeMeasuring();
  return driveResp(round.context, row, target, top / 2);
}

function mapTarget(
  context: BenchContext,
  cluster: RunningQuorate,
): { port: number; cluster: boolean; keys: number } {
  return { port: cluster.movedPorts[0] ?? 0, cluster: true, keys: Math.ceil(context.options.keys / NODES) };
}

function addressesOf(ports: readonly number[]): string[] {
  return ports.map((port) => `127.0.0.1:${port}`);
}

function figureSample(value: number, unit: string, serverCpuSeconds: number): Sample {
  return {
    operations: 0,
    seconds: 0,
    perSecond: 0,
    p50Ms: 0,
    p99Ms: 0,
    clientCpuSeconds: 0,
    serverCpuSeconds,
    errors: 0,
    notes: [],
    figure: { value, unit },
  };
}

function describe(sample: Sample): string {
  if (sample.figure !== undefined) return `${sample.figure.value.toFixed(2)} ${sample.figure.unit}`;
  const rate = Math.round(sample.perSecond).toLocaleString('en');
  const cpu = `CPU ${sample.clientCpuSeconds.toFixed(1)} s client, ${sample.serverCpuSeconds.toFixed(1)} s servers`;
  return `${rate}/s, p50 ${sample.p50Ms.toFixed(2)} ms, p99 ${sample.p99Ms.toFixed(2)} ms, ${cpu}`;
}
