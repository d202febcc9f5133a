/**
 * Two builds side by side: three real processes go from an older build to this one, node by node, under writes; then the
 * upgrade is finished. The older build is a program of its own that knows one cluster version less (older-build.ts).
 */
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect, QuorateError, type CacheClient } from '../../src/sdk.js';
import { makeOlderBuild } from '../support/older-build.js';
import {
  createNodes,
  isReady,
  PROGRAM,
  Sandbox,
  startCluster,
  until,
  type Finished,
  type ServerNode,
} from '../support/process-cluster.js';

const SHARDS = 4;
const COUNTERS = 8;
const START_MS_MAX = 120_000;
const READY_MS_MAX = 60_000;
const DEADLINE = '40s';

let sandbox: Sandbox;
let older = '';
let nodes: ServerNode[] = [];
let cache: CacheClient;

beforeAll(async () => {
  sandbox = new Sandbox();
  older = makeOlderBuild(sandbox.path('older'));
  nodes = await createNodes(sandbox, 3);
  for (const node of nodes) node.program = older;
  await startCluster(sandbox, nodes, SHARDS);
  cache = await connect({ endpoints: nodes.map((node) => node.grpc), deadline: DEADLINE });
}, START_MS_MAX);

afterAll(async () => {
  await cache?.close();
  await sandbox.close();
});

interface Counter {
  readonly key: string;
  acknowledged: number;
  unknown: number;
}

async function count(counter: Counter, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    try {
      await cache.increment(counter.key);
      counter.acknowledged++;
    } catch (error) {
      if (!QuorateError.is(error) || error.code !== 'OUTCOME_UNKNOWN') throw error;
      counter.unknown++;
    }
  }
}

function upgrade(...words: string[]): Promise<Finished> {
  return sandbox.run('upgrade', ...words, '--endpoint', (nodes[2] as ServerNode).grpc);
}

async function restartWith(node: ServerNode, program: string): Promise<void> {
  await node.kill('SIGTERM');
  node.program = program;
  node.start();
  await until(() => isReady(node), `node ${node.number} is ready`, READY_MS_MAX);
}

/** Starts an older build where it must be refused; what it printed. */
async function refusedStart(words: readonly string[]): Promise<string> {
  const { code, out, err } = await sandbox.start(['server', ...words], { program: older }).ended;
  expect(code).toBe(78);
  return out + err;
}

async function sessionsOf(node: ServerNode): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${node.ports.http}/metrics`)).text();
  return [...text.matchAll(/^quorate_sessions\{shard="\d+"\} (\d+)/gm)].reduce(
    (sum, m) => sum + Number(m[1]),
    0,
  );
}

it(
  'E125 three nodes go from an older build to this one under writes: nothing is lost, and after the end the older is refused',
  { timeout: 240_000 },
  async () => {
    const [first, second] = nodes as [ServerNode, ServerNode, ServerNode];
    const counters = Array.from({ length: COUNTERS }, (_, i): Counter => {
      return { key: `sum:${i}`, acknowledged: 0, unknown: 0 };
    });
    let isOver = false;
    const counting = counters.map((counter) => count(counter, () => isOver));
    const goOn = async (): Promise<void> => {
      const target = counters.map(({ acknowledged }) => acknowledged + 10);
      const areThere = (): boolean =>
        counters.every(({ acknowledged }, i) => acknowledged >= (target[i] ?? 0));
      await until(areThere, 'every counter goes on', READY_MS_MAX);
    };
    await goOn();
    expect((await upgrade('status')).out).toMatch(/^version 1 is in force\n[^]*no upgrade is under way/);

    // One node of the newer build is not enough; and it can go back.
    await restartWith(first, PROGRAM);
    await goOn();
    const early = await upgrade('finish', '--yes');
    expect(early.code).toBe(78);
    expect(early.err).toMatch(
      /not known to all nodes: node \d \(.*\) knows 1, node \d \(.*\) knows 1\. Upgrade them/,
    );
    expect(early.err).not.toContain(first.grpc);
    await restartWith(first, older);
    await goOn();

    for (const node of nodes) {
      await restartWith(node, PROGRAM);
      await goOn();
      expect(await sessionsOf(node)).toBe(0);
    }
    expect((await upgrade('status')).out).toMatch(/every node knows version 2: `quorate upgrade finish`/);
    const finished = await upgrade('finish', '--yes');
    expect([finished.code, finished.out]).toEqual([0, 'version 2 is in force; older builds are refused\n']);
    // What the newer version brings is in use from now on.
    await until(async () => (await sessionsOf(second)) > 0, 'writes are sent under sessions', READY_MS_MAX);
    await goOn();
    isOver = true;
    await Promise.all(counting);
    for (const { key, acknowledged, unknown } of counters) {
      const sum = Number(await cache.get(key, { as: 'string' }));
      expect(sum).toBeGreaterThanOrEqual(acknowledged);
      expect(sum).toBeLessThanOrEqual(acknowledged + unknown);
    }
    expect(await sandbox.run('shard', 'verify', '--endpoint', first.grpc)).toMatchObject({ code: 0 });

    // The older build: refused by the folder, by the node's own record, and by the cluster that it wants to join.
    await second.kill('SIGTERM');
    expect(await refusedStart(['--data', second.folder])).toMatch(
      /data folder .* of cluster version 2, and this build knows 1/,
    );
    const format = path.join(second.folder, 'FORMAT');
    writeFileSync(format, readFileSync(format, 'utf8').replace('cluster version 2', 'cluster version 1'));
    expect(await refusedStart(['--data', second.folder])).toMatch(
      /cluster [0-9a-f]+ is of cluster version 2, and this build/,
    );
    const [late] = (await createNodes(sandbox, 1)) as [ServerNode];
    const flags = (['grpc', 'peer', 'resp', 'http'] as const).flatMap((name) => [
      `--${name}`,
      `127.0.0.1:${late.ports[name]}`,
    ]);
    expect(await refusedStart(['--data', sandbox.path('late'), '--join', first.grpc, ...flags])).toMatch(
      /the cluster is at version 2, and the new node at .* knows 1: start it with a build that knows 2/,
    );
    await restartWith(second, PROGRAM);
    const isNamed = (): boolean => readFileSync(format, 'utf8') === 'quorate format 1\ncluster version 2\n';
    await until(isNamed, 'FORMAT names the version again');
  },
);
