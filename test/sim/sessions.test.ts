/**
 * Goal: what clients and gateways send again under sessions applies once, across lost leaders, links and nodes. Method:
 * counters of single clients, whose sums tell (counting-engine.ts), in the usual runs with all their checks.
 */
import { expect, test } from 'vitest';
import { CountingEngine, CountTotals } from './counting-engine.js';
import type { FaultKind } from './fault-plan.js';
import { nodeUnderTest } from './node-under-test.js';
import { runSimulation, type RunReport } from './run.js';

const FAULTS: readonly FaultKind[] = [
  'isolate_leader',
  'crash',
  'transfer',
  'cut_client',
  'strike_acknowledgement',
];
const RUN_MS_MAX = 240_000;

function play(seed: number, sessions: boolean, totals: CountTotals): RunReport {
  return runSimulation({
    seed,
    steps: 800,
    createNode: nodeUnderTest(null),
    faults: FAULTS,
    // A scanner would meet keys that it does not know.
    swarm: { nodes: 3, replicas: 3, faultsPerSecond: 2.5, clients: { resp: 2, sdk: 3, scanners: 0 } },
    createEngine: (ports, options) => new CountingEngine(ports, { ...options, sessions }, totals),
  });
}

test(
  'E69 E109 increments of clients with sessions count once across lost leaders, and fewer are of unknown outcome',
  { timeout: RUN_MS_MAX },
  () => {
    const withSessions = new CountTotals();
    const without = new CountTotals();
    for (const seed of [1069, 2069, 3069]) {
      expect([seed, play(seed, true, withSessions).failure]).toEqual([seed, null]);
      expect([seed, play(seed, false, without).failure]).toEqual([seed, null]);
    }
    expect(withSessions.acknowledged).toBeGreaterThan(500);
    expect(without.unknown).toBeGreaterThan(5);
    const share = ({ unknown, acknowledged }: CountTotals): number => unknown / acknowledged;
    expect(share(withSessions)).toBeLessThan(share(without));
  },
);
