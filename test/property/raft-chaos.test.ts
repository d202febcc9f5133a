/**
 * Goal: Raft's promises hold under any schedule, and end in a working cluster. Method: many seeds of RaftChaos; a
 * failure names its seed (run it alone with RAFT_SEED, run more with RAFT_SEEDS).
 */
import { expect, test } from 'vitest';
import { RaftChaos } from '../support/raft-chaos.js';
import type { ChaosProfile } from '../support/raft-chaos-schedules.js';

const ONLY = process.env['RAFT_SEED'];
const SEEDS = Number(process.env['RAFT_SEEDS'] ?? 160);
const STEPS = 2500;

function makeChaos(seed: number): RaftChaos {
  return new RaftChaos(seed, seed % 2 === 0 ? 'all' : 'elections');
}

test('E2 E3 E5 E6 E11 E13 E18 E25 E28 E30 E53 one leader per term, equal logs, nothing committed lost, no stale read', () => {
  const total = { elections: 0, confirmed: 0, aborted: 0, crashes: 0, installs: 0, applied: 0, sleeps: 0 };
  const first = ONLY === undefined ? 1 : Number(ONLY);
  const last = ONLY === undefined ? SEEDS : first;
  for (let seed = first; seed <= last; seed++) {
    const chaos = makeChaos(seed);
    try {
      chaos.run(STEPS);
      chaos.heal();
    } catch (error) {
      throw new Error(`RAFT_SEED=${seed}: ${String(error)}`, { cause: error });
    }
    for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += chaos.counts[key];
  }
  // The rarer ways were walked too.
  if (ONLY === undefined) for (const count of Object.values(total)) expect(count).toBeGreaterThan(SEEDS / 10);
}, 60_000);

test('E27 E36 E37 E38 E39 E40 E43 E44 E45 E49 E112 the same, while members come and go', () => {
  const total = { changes: 0, joints: 0, refused: 0, removed: 0 };
  const first = ONLY === undefined ? 1 : Number(ONLY);
  const last = ONLY === undefined ? SEEDS : first;
  for (let seed = first; seed <= last; seed++) {
    const chaos = new RaftChaos(seed, 'members');
    try {
      chaos.run(STEPS);
      chaos.heal();
    } catch (error) {
      throw new Error(`RAFT_SEED=${seed} (members): ${String(error)}`, { cause: error });
    }
    for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += chaos.members.counts[key];
  }
  if (ONLY === undefined) for (const count of Object.values(total)) expect(count).toBeGreaterThan(SEEDS / 10);
}, 60_000);

test('E7 E9 E40 under a lease a leader knows all that is committed, whoever crashes, comes and goes', () => {
  const total = { leased: 0, crashes: 0, elections: 0, changes: 0 };
  const first = ONLY === undefined ? 1 : Number(ONLY);
  const last = ONLY === undefined ? SEEDS : first;
  for (let seed = first; seed <= last; seed++) {
    const chaos = new RaftChaos(seed, seed % 2 === 0 ? 'all' : 'members', true);
    try {
      chaos.run(2 * STEPS);
    } catch (error) {
      throw new Error(`RAFT_SEED=${seed} (leases): ${String(error)}`, { cause: error });
    }
    const counts = { ...chaos.counts, ...chaos.members.counts };
    for (const key of Object.keys(total) as (keyof typeof total)[]) total[key] += counts[key];
  }
  if (ONLY === undefined) for (const count of Object.values(total)) expect(count).toBeGreaterThan(SEEDS / 10);
}, 60_000);

test('the same under schedules that are rich in one kind of trouble each', () => {
  const profiles: ChaosProfile[] = [
    'votes',
    'majorities',
    'reads',
    'prevotes',
    'slow',
    'snapshots',
    'suspects',
    'leases',
    'pairs',
  ];
  for (const profile of profiles) {
    let elections = 0;
    for (let seed = 1; seed <= SEEDS / 16; seed++) {
      const chaos = new RaftChaos(seed, profile);
      try {
        chaos.run(STEPS);
        chaos.heal();
      } catch (error) {
        throw new Error(`RAFT_SEED=${seed} (${profile}): ${String(error)}`, { cause: error });
      }
      elections += chaos.counts.elections;
    }
    expect(elections, profile).toBeGreaterThan(SEEDS / 16);
  }
}, 60_000);

test('the same seed gives the same run', () => {
  const runs = [makeChaos(8), makeChaos(8)];
  for (const run of runs) run.run(1000);
  expect(runs[0]?.counts).toEqual(runs[1]?.counts);
  expect(runs[0]?.cluster.network).toEqual(runs[1]?.cluster.network);
});
