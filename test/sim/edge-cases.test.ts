/**
 * Edge cases that only whole nodes show. Each plays seeds with the faults that bring the case about, and demands that
 * it came about: the checkers of every run (docs/testing.md) say whether what must hold did.
 */
import { expect, test } from 'vitest';
import { DAMAGE_KINDS, type FaultKind } from './fault-plan.js';
import type { Mark } from './marks.js';
import { nodeUnderTest } from './node-under-test.js';
import { runSimulation, type RunReport } from './run.js';
import type { Swarm } from './swarm.js';

const RUN_MS_MAX = 80_000;
const SWARM: Partial<Swarm> = {
  nodes: 3,
  replicas: 3,
  network: 'usual',
  thinkMsMax: 300,
  faultsPerSecond: 1.5,
  clients: { resp: 2, sdk: 3, scanners: 1 },
};

const OF_REPORT = [
  'unknown',
  'failed',
  'elections',
  'crashes',
  'checkpoints',
  'acknowledged',
  'walksAcrossElections',
] as const;
type Sums = Record<(typeof OF_REPORT)[number] | 'sdkOk' | 'sdkRefused' | 'sdkUnknown', number> & {
  readonly marks: Map<Mark, number>;
};

/** Plays the seeds with these faults alone; the sums of what happened. */
function play(seeds: readonly number[], faults: readonly FaultKind[], swarm: Partial<Swarm> = {}): Sums {
  const sums: Sums = {
    unknown: 0,
    failed: 0,
    elections: 0,
    crashes: 0,
    checkpoints: 0,
    acknowledged: 0,
    walksAcrossElections: 0,
    sdkOk: 0,
    sdkRefused: 0,
    sdkUnknown: 0,
    marks: new Map(),
  };
  for (const seed of seeds) {
    const report: RunReport = runSimulation({
      seed,
      steps: 500,
      createNode: nodeUnderTest(null),
      faults,
      swarm: { ...SWARM, ...swarm },
    });
    expect([seed, report.failure]).toEqual([seed, null]);
    for (const name of OF_REPORT) sums[name] += report[name];
    sums.sdkOk += report.sdk.ok;
    sums.sdkRefused += report.sdk.refused;
    sums.sdkUnknown += report.sdk.unknown;
    for (const [mark, count] of report.marks) sums.marks.set(mark, (sums.marks.get(mark) ?? 0) + count);
  }
  return sums;
}

test(
  'E107 pipelines of a connection keep their order through leader changes, re-routing and forwarding',
  { timeout: RUN_MS_MAX },
  () => {
    const sums = play([107, 1107, 2107], ['isolate_leader', 'strike_election', 'partition']);
    expect(sums.elections).toBeGreaterThan(10);
    expect(sums.acknowledged).toBeGreaterThan(1000);
    expect(sums.sdkOk).toBeGreaterThan(500);
  },
);

test(
  'E69 E71 E117 INCR and SET NX take effect at most once, whichever link, leader or node is lost, and a refused one never',
  { timeout: RUN_MS_MAX },
  () => {
    // With a gateway that sends a write again when its link broke, each of these seeds fails.
    const sums = play([69, 1117, 2069], ['isolate_leader', 'partition', 'bad_network']);
    // Both kinds of answer that the history holds to their word were given.
    expect(sums.unknown).toBeGreaterThan(10);
    expect(sums.failed).toBeGreaterThan(10);
    expect(sums.sdkUnknown).toBeGreaterThan(10);
    expect(sums.sdkRefused).toBeGreaterThan(10);
  },
);

test(
  'E51 E56 crashes between checkpoint and log: every command counts once, and replicas agree at every index',
  { timeout: RUN_MS_MAX },
  () => {
    const sums = play([51, 1051, 2056], ['crash', 'crash_all', 'long_crash']);
    expect(sums.crashes).toBeGreaterThan(10);
    expect(sums.checkpoints).toBeGreaterThan(10);
  },
);

test(
  'E35 disks that are slow or fail on one node leave a cluster that serves, and the node comes back',
  { timeout: RUN_MS_MAX },
  () => {
    const sums = play([35, 1035], ['slow_disk', 'disk_error']);
    expect(sums.crashes).toBeGreaterThan(2);
    expect(sums.acknowledged).toBeGreaterThan(800);
  },
);

test(
  'E122 SCAN returns every key that stays, across leader changes and while the table grows',
  { timeout: RUN_MS_MAX },
  () => {
    const sums = play([122, 1122, 2122], ['isolate_leader', 'strike_election', 'crash'], {
      clients: { resp: 1, sdk: 1, scanners: 1 },
    });
    expect(sums.walksAcrossElections).toBeGreaterThan(5);
  },
);

test(
  'E21 E22 E113 processes that stand still and go on, with all that came meanwhile, take no wrong step',
  { timeout: RUN_MS_MAX },
  () => {
    const sums = play([22, 1022, 2022], ['pause']);
    expect(sums.crashes).toBe(0);
    // Leaders slept long enough to be deposed, and woke up to find it out.
    expect(sums.marks.get('leader_deposed') ?? 0).toBeGreaterThan(2);
    expect(sums.acknowledged).toBeGreaterThan(1000);
  },
);

test(
  'E20 leaderships handed over under load lose nothing, and the group goes on',
  { timeout: RUN_MS_MAX },
  () => {
    const sums = play([20, 1020], ['transfer']);
    expect(sums.marks.get('leadership_transferred') ?? 0).toBeGreaterThan(5);
    expect(sums.crashes).toBe(0);
    expect(sums.acknowledged).toBeGreaterThan(800);
  },
);

test(
  'E58 E62 E103 a disk that loses or spoils what it had called safe: its replicas are suspect, the others serve',
  { timeout: RUN_MS_MAX },
  () => {
    const sums = play([58, 62, 1062, 2062], [...DAMAGE_KINDS, 'crash']);
    expect(sums.marks.get('suspect_found') ?? 0).toBeGreaterThan(2);
    expect(sums.acknowledged).toBeGreaterThan(1500);
  },
);

test(
  'E63 E64 E65 full disks, failing writes and slow fsyncs end nodes, acknowledge nothing false, and are got over',
  { timeout: RUN_MS_MAX },
  () => {
    const sums = play([63, 64, 65], ['disk_full', 'fsync_error', 'disk_error', 'slow_fsync']);
    expect(sums.marks.get('ended_for_full_disk') ?? 0).toBeGreaterThan(0);
    expect(sums.marks.get('ended_for_failed_write') ?? 0).toBeGreaterThan(0);
    expect(sums.acknowledged).toBeGreaterThan(1000);
  },
);

test('E104 power cut under load, again and again: nobody is suspect', { timeout: RUN_MS_MAX }, () => {
  const sums = play([104, 1104], ['crash_all', 'strike_acknowledgement']);
  expect(sums.crashes).toBeGreaterThan(15);
  expect(sums.marks.get('suspect_found') ?? 0).toBe(0);
});

test(
  'E88 E106 a clock that jumps by seconds or years ends no key early: leaders heed the majority',
  { timeout: RUN_MS_MAX },
  () => {
    // With offsets kept relative to the wall clock that jumps, seed 106 fails.
    const sums = play([106, 1106, 2106], ['clock_jump', 'clock', 'clock_drift', 'transfer']);
    // Long enough, too, for leaderships to be given up for it.
    expect(sums.marks.get('clock_off') ?? 0).toBeGreaterThan(0);
    expect(sums.acknowledged).toBeGreaterThan(1000);
  },
);

test(
  'E36 E39 members change under load, several at once too, while leaders are lost: one quorum, and every change ends',
  { timeout: RUN_MS_MAX },
  () => {
    const sums = play(
      [36, 39, 1039, 2036],
      ['membership', 'membership', 'membership', 'isolate_leader', 'crash'],
      {
        nodes: 5,
        faultsPerSecond: 4,
      },
    );
    expect(sums.marks.get('learner_added') ?? 0).toBeGreaterThan(5);
    expect(sums.marks.get('joint_entered') ?? 0).toBeGreaterThan(3);
    expect(sums.marks.get('replica_removed') ?? 0).toBeGreaterThan(2);
    expect(sums.marks.get('leader_deposed') ?? 0).toBeGreaterThan(2);
  },
);
