/**
 * Runs one load generator against a running system and gives back one sample. Every generator is a process of its own,
 * is warmed up first and is bounded in time; how much it does follows from the rate that the warm-up showed.
 */
import path from 'node:path';

import type { BenchContext } from './bench-context.js';
import { cpuSecondsOf } from './children.js';
import type { GrpcLoadConfig } from './load/grpc-load.js';
import type { LoadResult } from './load/meter.js';
import type { RespLoadConfig } from './load/resp-load.js';
import type { SdkLoadConfig } from './load/sdk-load.js';
import { parseEtcdLoad, parseRedisBenchmark } from './parse-output.js';
import type { Rate } from './parse-output.js';
import type { Row } from './rows.js';
import type { Sample } from './samples.js';
import { planCount } from './statistics.js';

/** More errors than this share and a row tells nothing. */
const ERROR_SHARE_MAX = 0.01;
/** A first guess per open command, to have something to size the warm-up by. */
const FIRST_COUNT_PER_OPEN = 20;

/** A sample, and how many reads were answered between the two looks at the servers' counters. */
export interface Driven {
  readonly sample: Sample;
  readonly reads: number;
}

/** How much of a row's time goes before it into a warm-up. */
export function warmSecondsOf(context: BenchContext): number {
  return Math.max(0.3, context.options.seconds / 3);
}

/** Its `run` is called with a count and must do that many operations. */
async function countedRun(
  context: BenchContext,
  row: Row,
  pids: readonly number[],
  run: (count: number) => Promise<{ readonly rate: Rate; readonly cpuSeconds: number }>,
  beforeMeasuring: () => Promise<void>,
): Promise<Driven> {
  const open = row.clients * row.pipeline;
  const { seconds } = context.options;
  const guess = await run(open * FIRST_COUNT_PER_OPEN);
  const warm = await run(planCount(guess.rate.perSecond, warmSecondsOf(context), open));
  const count = planCount(warm.rate.perSecond, seconds, open);
  await beforeMeasuring();
  const serverCpuBefore = cpuSecondsOf(pids);
  const { rate, cpuSeconds } = await run(count);
  const sample: Sample = {
    operations: count - rate.errors,
    seconds: count / rate.perSecond,
    perSecond: ((count - rate.errors) / count) * rate.perSecond,
    p50Ms: rate.p50Ms,
    p99Ms: rate.p99Ms,
    clientCpuSeconds: cpuSeconds,
    serverCpuSeconds: cpuSecondsOf(pids) - serverCpuBefore,
    errors: rate.errors,
    notes: [],
  };
  refuseErrors(rate.errors, count, '');
  return { sample, reads: row.load === 'reads' ? count - rate.errors : 0 };
}

export function driveEtcd(
  context: BenchContext,
  row: Row,
  pids: readonly number[],
  endpoints: readonly string[],
): Promise<Driven> {
  const run = async (count: number): Promise<{ rate: Rate; cpuSeconds: number }> => {
    const mode = row.load === 'writes' ? 'put' : 'get';
    const { out, cpuSeconds } = await runEtcdLoad(context, endpoints, mode, row.clients, count);
    return { rate: parseEtcdLoad(out), cpuSeconds };
  };
  return countedRun(context, row, pids, run, () => Promise.resolve());
}

/** Writes every key once. */
export async function fillEtcd(context: BenchContext, endpoints: readonly string[]): Promise<void> {
  await runEtcdLoad(context, endpoints, 'fill', 16, context.options.keys);
}

function runEtcdLoad(
  context: BenchContext,
  endpoints: readonly string[],
  mode: string,
  clients: number,
  count: number,
): Promise<{ readonly out: string; readonly cpuSeconds: number }> {
  const { keys, valueBytes } = context.options;
  // prettier-ignore
  const words = ['-endpoints', endpoints.join(','), '-clients', clients, '-n', count, '-mode', mode,
    '-value', valueBytes, '-keys', keys];
  const command = [context.etcdload ?? 'etcdload', ...words.map(String)];
  return context.children.run('etcdload', command, limitMs(context), context.scratch);
}

export interface RedisBenchmarkTarget {
  readonly port: number;
  /** With the map: a thread and a slot for each node. */
  readonly cluster: boolean;
  /** Keys below each prefix; with `cluster` every node has a prefix of its own. */
  readonly keys: number;
}

export function driveRedisBenchmark(
  context: BenchContext,
  row: Row,
  pids: readonly number[],
  target: RedisBenchmarkTarget,
  beforeMeasuring: () => Promise<void> = () => Promise.resolve(),
): Promise<Driven> {
  const test = row.load === 'writes' ? 'SET' : 'GET';
  const run = async (count: number): Promise<{ rate: Rate; cpuSeconds: number }> => {
    const { out, cpuSeconds } = await runRedisBenchmark(
      context,
      target,
      test,
      row.clients,
      row.pipeline,
      count,
    );
    return { rate: parseRedisBenchmark(out, test), cpuSeconds };
  };
  return countedRun(context, row, pids, run, beforeMeasuring);
}

export function runRedisBenchmark(
  context: BenchContext,
  target: RedisBenchmarkTarget,
  test: 'SET' | 'GET',
  clients: number,
  pipeline: number,
  count: number,
): Promise<{ readonly out: string; readonly cpuSeconds: number }> {
  // prettier-ignore
  const words = ['-h', '127.0.0.1', '-p', target.port, '-t', test.toLowerCase(), '-c', clients, '-P', pipeline,
    '-n', count, '-r', target.keys, '-d', context.options.valueBytes, '--csv', '--precision', 3];
  const command = ['redis-benchmark', ...words.map(String), ...(target.cluster ? ['--cluster'] : [])];
  return context.children.run('redis-benchmark', command, limitMs(context), context.scratch);
}

export type RespTarget = Pick<RespLoadConfig, 'addresses' | 'slotMap' | 'pids'>;

export async function driveResp(
  context: BenchContext,
  row: Row,
  target: RespTarget,
  perSecond = 0,
): Promise<Driven> {
  const { clients, pipeline } = row;
  const mode = row.load === 'writes' ? 'writes' : 'reads';
  const config = { ...target, ...timing(context), mode, clients, pipeline, perSecond } as const;
  const result = await runGenerator(context, 'resp-load.ts', {
    ...config,
    ...keysOf(context),
  } satisfies RespLoadConfig);
  const notes: string[] = [];
  if (result.isBehind || (perSecond > 0 && result.perSecond < 0.95 * perSecond)) {
    notes.push(`the pace was not held: ${Math.round(result.perSecond)}/s of ${Math.round(perSecond)}/s due`);
  }
  return drivenFrom(result, notes, perSecond);
}

/** A leader that moves meanwhile leaves some keys unwritten; then all are written again. */
const FILLS_MAX = 3;

/** Writes every key once. */
export async function fillResp(context: BenchContext, target: RespTarget): Promise<void> {
  const shape = { mode: 'fill', clients: 12, pipeline: 64, perSecond: 0 } as const;
  const config: RespLoadConfig = { ...target, ...timing(context), ...shape, ...keysOf(context) };
  let said = '';
  for (let i = 0; i < FILLS_MAX; i++) {
    const { operations, errorText } = await runGenerator(context, 'resp-load.ts', config);
    if (operations === context.options.keys) return;
    said = `${operations} of ${context.options.keys} keys could be written before the reads: ${errorText}`;
  }
  throw new Error(said);
}

export async function driveGrpc(
  context: BenchContext,
  row: Row,
  pids: readonly number[],
  addresses: readonly string[],
): Promise<Driven> {
  const protoFile = path.join(context.root, 'proto', 'quorate', 'v1', 'cache.proto');
  const mode = row.load === 'writes' ? 'writes' : 'reads';
  const config: GrpcLoadConfig = {
    ...timing(context),
    pids,
    protoFile,
    addresses,
    mode,
    clients: row.clients,
    ...keysOf(context),
  };
  return drivenFrom(await runGenerator(context, 'grpc-load.ts', config), [], 0);
}

export async function driveSdk(
  context: BenchContext,
  row: Row,
  pids: readonly number[],
  endpoints: readonly string[],
): Promise<Driven> {
  const sdkFile = path.join(path.dirname(context.program), 'sdk.js');
  const { clients, pipeline } = row;
  const config: SdkLoadConfig = {
    ...timing(context),
    pids,
    sdkFile,
    endpoints,
    clients,
    pipeline,
    ...keysOf(context),
  };
  return drivenFrom(await runGenerator(context, 'sdk-load.ts', config), [], 0);
}

function timing(context: BenchContext): { readonly warmSeconds: number; readonly seconds: number } {
  return { warmSeconds: warmSecondsOf(context), seconds: context.options.seconds };
}

function keysOf(context: BenchContext): { readonly keys: number; readonly valueBytes: number } {
  return { keys: context.options.keys, valueBytes: context.options.valueBytes };
}

async function runGenerator(context: BenchContext, file: string, config: object): Promise<LoadResult> {
  const script = path.join(context.root, 'scripts', 'bench', 'load', file);
  const command = [process.execPath, '--import', 'tsx', script, JSON.stringify(config)];
  const { out } = await context.children.run(file, command, limitMs(context), context.root);
  return JSON.parse(out.trim().split('\n').at(-1) ?? '') as LoadResult;
}

function drivenFrom(result: LoadResult, notes: readonly string[], offeredPerSecond: number): Driven {
  const { operations, seconds, perSecond, p50Ms, p99Ms, clientCpuSeconds, serverCpuSeconds, errors } = result;
  refuseErrors(errors, operations + errors, result.errorText);
  const figures = {
    operations,
    seconds,
    perSecond,
    p50Ms,
    p99Ms,
    clientCpuSeconds,
    serverCpuSeconds,
    errors,
  };
  const all = errors === 0 ? notes : [...notes, `${errors} errors, the first: ${result.errorText}`];
  const offered = offeredPerSecond > 0 ? { offeredPerSecond } : {};
  return { sample: { ...figures, ...offered, notes: all }, reads: result.readsAnswered };
}

function refuseErrors(errors: number, of: number, text: string): void {
  if (of === 0) throw new Error('no operation was answered');
  if (errors > of * ERROR_SHARE_MAX) throw new Error(`${errors} of ${of} operations failed: ${text}`);
}

/** Whatever takes ten times as long as it should, and a while more, hangs. */
function limitMs(context: BenchContext): number {
  return (context.options.quick ? 10_000 : 30_000) + context.options.seconds * 10_000;
}
