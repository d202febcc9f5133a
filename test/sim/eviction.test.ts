/**
 * A cluster under a budget of a few items, or of a few KiB, with crashes, partitions and moved leaders: evictions happen
 * all the time, replicas' hashes are equal at every index (checked after every event), and no client sees what only
 * lost writes could explain.
 */
import { expect, test } from 'vitest';
import { nodeUnderTest } from './node-under-test.js';
import { runSimulation } from './run.js';
import type { Swarm } from './swarm.js';

const SWARM: Partial<Swarm> = {
  nodes: 3,
  shards: 2,
  replicas: 3,
  thinkMsMax: 40,
  network: 'usual',
  faultsPerSecond: 1,
};

test.each([
  [1, { bytesMax: 0, itemsMax: 4 }],
  [2, { bytesMax: 3600, itemsMax: 0 }],
])('E92 replicas stay equal under pressure and faults (seed %i)', { timeout: 120_000 }, (seed, memory) => {
  const report = runSimulation({
    seed,
    steps: 2500,
    createNode: nodeUnderTest(null),
    faults: ['crash', 'partition', 'isolate_leader', 'transfer', 'strike_acknowledgement'],
    swarm: { ...SWARM, memory },
  });
  expect(report.failure).toBe(null);
  expect(report.marks.get('evicted') ?? 0).toBeGreaterThan(1);
});
