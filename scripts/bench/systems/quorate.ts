/** Quorate as it is built: three nodes of one cluster, or one node alone; every node a process with fsync on. */
import { spawnSync } from 'node:child_process';
import path from 'node:path';

import { freePorts } from '../bench-context.js';
import type { BenchContext, RunningSystem } from '../bench-context.js';
import { until } from '../children.js';

export interface RunningQuorate extends RunningSystem {
  /** Listeners that forward, one a node; the same for those that redirect, where the program has them. */
  readonly forwardPorts: readonly number[];
  readonly movedPorts: readonly number[];
  readonly grpcPorts: readonly number[];
  readonly httpPorts: readonly number[];
  /** Every node's /metrics page. Throws when one doesn't answer. */
  metrics(): Promise<string[]>;
  /** How many groups each of the first `nodes` nodes leads; all nodes by default. */
  ledGroups(nodes?: number): Promise<number[]>;
}

const START_MS_MAX = 60_000;
/** After the nodes are ready leaders still move to where they should be. */
const BALANCE_MS_MAX = 15_000;

/** Whether this build's RESP listeners can redirect. */
export function hasMovedListeners(program: string): boolean {
  const help = spawnSync(process.execPath, [program, 'server', '--help'], {
    encoding: 'utf8',
    timeout: 20_000,
  });
  return help.status === 0 && help.stdout.includes('routing=moved');
}

export async function startCluster(
  context: BenchContext,
  folder: string,
  shards = 16,
  more: readonly string[] = [],
): Promise<RunningQuorate> {
  const nodes = await startNodes(context, folder, 3, (i, grpc) => [
    ...more,
    '--join',
    grpc
      .filter((_, other) => other !== i)
      .map((port) => `127.0.0.1:${port}`)
      .join(','),
  ]);
  await until(() => allAnswer(nodes.httpPorts, '/healthz'), 'the nodes listen', START_MS_MAX);
  const init = ['init', '--endpoint', `127.0.0.1:${nodes.grpcPorts[0]}`, '--shards', String(shards)];
  await context.children.run(
    'quorate init',
    [process.execPath, context.program, ...init],
    START_MS_MAX,
    folder,
  );
  await until(() => allAnswer(nodes.httpPorts, '/readyz'), 'the nodes are ready', START_MS_MAX);
  await untilLeadersStay(nodes);
  return nodes;
}

export async function startSingle(
  context: BenchContext,
  folder: string,
  shards: number,
  more: readonly string[] = [],
): Promise<RunningQuorate> {
  const nodes = await startNodes(context, folder, 1, () => ['--single', '--shards', String(shards), ...more]);
  await until(() => allAnswer(nodes.httpPorts, '/readyz'), 'the node is ready', START_MS_MAX);
  return nodes;
}

async function startNodes(
  context: BenchContext,
  folder: string,
  count: number,
  more: (i: number, grpcPorts: readonly number[]) => string[],
): Promise<RunningQuorate> {
  const ports = await freePorts(5 * count);
  const take = (kind: number): number[] => ports.slice(kind * count, (kind + 1) * count);
  const [grpcPorts, peerPorts, httpPorts, forwardPorts] = [take(0), take(1), take(2), take(3)];
  const movedPorts = context.hasMoved ? take(4) : [];
  const at = (port: number | undefined): string => `127.0.0.1:${port}`;
  const children = grpcPorts.map((grpc, i) => {
    const words = [
      'server',
      '--watch-parent',
      '--data',
      path.join(folder, `n${i + 1}`),
      '--log-level',
      'warn',
    ];
    words.push(
      '--grpc',
      at(grpc),
      '--peer',
      at(peerPorts[i]),
      '--http',
      at(httpPorts[i]),
      '--resp',
      at(forwardPorts[i]),
    );
    if (context.hasMoved) words.push('--resp', `${at(movedPorts[i])},routing=moved`);
    words.push(...more(i, grpcPorts));
    const command = [process.execPath, ...context.nodeWords, context.program, ...words];
    return context.children.start(`node ${i + 1}`, command, path.join(folder, `n${i + 1}.log`), folder);
  });
  return {
    pids: children.map((child) => child.pid),
    forwardPorts,
    movedPorts,
    grpcPorts,
    httpPorts,
    metrics: () => Promise.all(httpPorts.map((port) => metricsPage(port))),
    ledGroups: async (nodes = httpPorts.length) => {
      const pages = await Promise.all(httpPorts.slice(0, nodes).map((port) => metricsPage(port)));
      return pages.map((page) => Number(/^quorate_raft_led_groups (\d+)$/m.exec(page)?.[1] ?? 0));
    },
    stop: async () => {
      for (const child of [...children].reverse()) await child.stop();
    },
  };
}

/** Until no leader changed for two seconds, or the time for that is over: then it counts as it is. */
async function untilLeadersStay(nodes: RunningQuorate): Promise<void> {
  const endMs = performance.now() + BALANCE_MS_MAX;
  let last = '';
  let sinceMs = performance.now();
  while (performance.now() < endMs && performance.now() - sinceMs < 2000) {
    const pages = await nodes.metrics();
    const terms = pages.map((page) => page.match(/^quorate_raft_term.*$/gm)?.join() ?? '').join();
    if (terms !== last) sinceMs = performance.now();
    last = terms;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

async function metricsPage(port: number): Promise<string> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(10_000) });
  if (response.status !== 200) throw new Error(`/metrics answered ${response.status}`);
  return response.text();
}

async function allAnswer(ports: readonly number[], page: string): Promise<boolean> {
  try {
    const answers = await Promise.all(
      ports.map((port) => fetch(`http://127.0.0.1:${port}${page}`, { signal: AbortSignal.timeout(2000) })),
    );
    return answers.every((answer) => answer.status === 200);
  } catch {
    return false; // not listening yet
  }
}
