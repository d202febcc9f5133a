/**
 * Sessions on three real processes: increments through the SDK while leaders are handed over and killed. Under sessions
 * the SDK repeats what it lost, so that the sums are those of the acknowledged increments, exactly where none is unknown.
 */
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connect, QuorateError } from '../../src/sdk.js';
import type { CacheClient } from '../../src/sdk.js';
import { createNodes, isReady, Sandbox, startCluster, until } from '../support/process-cluster.js';
import type { ServerNode } from '../support/process-cluster.js';

const SHARDS = 4;
const COUNTERS = 8;
const KILLS = 2;
const START_MS_MAX = 120_000;
/** A killed node is back, and leads again, well within it, also on a busy machine. */
const DEADLINE = '40s';

let sandbox: Sandbox;
let nodes: ServerNode[] = [];
let cache: CacheClient;

beforeAll(async () => {
  sandbox = new Sandbox();
  nodes = await createNodes(sandbox, 3);
  await startCluster(sandbox, nodes, SHARDS);
  cache = await connect({ endpoints: nodes.map((node) => node.grpc), deadline: DEADLINE });
}, START_MS_MAX);

afterAll(async () => {
  await cache?.close();
  await sandbox.close();
});

async function allReady(): Promise<void> {
  await until(
    async () => (await Promise.all(nodes.map(isReady))).every(Boolean),
    'all nodes are ready',
    60_000,
  );
}

interface Counter {
  readonly key: string;
  acknowledged: number;
  unknown: number;
  refused: number;
}

async function count(counter: Counter, isOver: () => boolean): Promise<void> {
  while (!isOver()) {
    try {
      await cache.increment(counter.key);
      counter.acknowledged++;
    } catch (error) {
      if (!QuorateError.is(error)) throw error;
      if (error.code === 'OUTCOME_UNKNOWN') counter.unknown++;
      else counter.refused++;
    }
  }
}

it(
  'E69 increments count once each while the nodes that lead are killed and come back',
  { timeout: 240_000 },
  async () => {
    const counters = Array.from({ length: COUNTERS }, (_, i): Counter => {
      return { key: `sum:${i}`, acknowledged: 0, unknown: 0, refused: 0 };
    });
    let isOver = false;
    const counting = counters.map((counter) => count(counter, () => isOver));
    const enough = async (more: number): Promise<void> => {
      const target = counters.map(({ acknowledged }) => acknowledged + more);
      await until(
        async () => counters.every(({ acknowledged }, i) => acknowledged >= (target[i] as number)),
        'every counter goes on',
        60_000,
      );
    };
    await enough(20);
    for (let kill = 0; kill < KILLS; kill++) {
      const victim = nodes[kill] as ServerNode;
      await victim.kill();
      await enough(20);
      victim.start();
      await allReady();
      await enough(20);
    }
    isOver = true;
    await Promise.all(counting);
    for (const { key, acknowledged, unknown } of counters) {
      const sum = Number(await cache.get(key, { as: 'string' }));
      expect(sum).toBeGreaterThanOrEqual(acknowledged);
      expect(sum).toBeLessThanOrEqual(acknowledged + unknown);
    }
    // Sessions repeat until the deadline, and every shard had a leader again long before.
    expect(counters.map(({ unknown, refused }) => [unknown, refused])).toEqual(counters.map(() => [0, 0]));
    // Told by a node that was never killed.
    const text = await (await fetch(`http://127.0.0.1:${nodes[2]?.ports.http ?? 0}/metrics`)).text();
    expect(text).toMatch(/^quorate_sessions\{shard="\d+"\} [1-9]/m);
  },
);
