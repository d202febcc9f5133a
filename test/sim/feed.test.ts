/**
 * Goal: who follows a shard's change feed, at whichever replica, has its state and misses nothing, whatever becomes of
 * leaders, nodes, disks and links. Method: the readers that every run has (feed-readers.ts), under the faults that move
 * and replace replicas.
 */
import { expect, test } from 'vitest';
import type { FaultKind } from './fault-plan.js';
import { nodeUnderTest } from './node-under-test.js';
import { runSimulation } from './run.js';
import type { Swarm } from './swarm.js';

const RUN_MS_MAX = 120_000;
const LEADERS: readonly FaultKind[] = ['isolate_leader', 'transfer', 'pause', 'strike_election'];
const LIVES: readonly FaultKind[] = ['crash', 'crash_all', 'long_crash', 'rolling_restart', 'partition'];
const MEMBERS: readonly FaultKind[] = ['membership', 'crash', 'transfer'];
/** Snapshots all the time. */
const SMALL_LOGS: Partial<Swarm> = { checkpointEntries: 16, checkpointBytes: 4096 };

test.each<[string, number, readonly FaultKind[], Partial<Swarm>]>([
  ['leaders change', 1401, LEADERS, { nodes: 3 }],
  ['nodes crash, and get snapshots', 1402, LIVES, { nodes: 3, ...SMALL_LOGS }],
  ['members come and go, and get snapshots', 1403, MEMBERS, { nodes: 5, replicas: 3, ...SMALL_LOGS }],
  ['items are evicted', 1404, LIVES, { nodes: 3, memory: { bytesMax: 0, itemsMax: 4 } }],
])(
  'readers of a feed have the state while %s (seed %i)',
  { timeout: RUN_MS_MAX },
  (_, seed, faults, swarm) => {
    const report = runSimulation({
      seed,
      steps: 1000,
      createNode: nodeUnderTest(null),
      faults,
      swarm: { ...swarm, faultsPerSecond: 1.5, shards: 2 },
    });
    expect(report.failure).toBe(null);
    expect(report.feedEvents).toBeGreaterThan(1000);
    expect(report.feedMoves).toBeGreaterThan(20);
    expect(report.marks.get('feed_resync') ?? 0).toBeGreaterThan(0);
  },
);
