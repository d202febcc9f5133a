/**
 * Goal: what clients of one group are told is linearizable, in each connection's order, and a quiet group wakes when it
 * must. Method: real hosts and replicas under the random schedules of group-chaos.ts; a failure names its seed.
 */
import { expect, test } from 'vitest';
import { GroupChaos, type GroupProfile } from '../support/group-chaos.js';

const SEEDS = Number(process.env['GROUP_SEEDS'] ?? 12);

function play(
  profile: GroupProfile,
): Record<'cuts' | 'transfers' | 'sleeps' | 'gone' | 'acknowledged', number> {
  const total = { cuts: 0, transfers: 0, sleeps: 0, gone: 0, acknowledged: 0 };
  for (let seed = 1; seed <= SEEDS; seed++) {
    const chaos = new GroupChaos(seed, profile);
    try {
      chaos.run();
    } catch (error) {
      throw new Error(`seed ${seed} (${profile}): ${String(error)}`, { cause: error });
    }
    for (const key of ['cuts', 'transfers', 'sleeps', 'gone'] as const) total[key] += chaos.counts[key];
    total.acknowledged += chaos.history.acknowledged;
  }
  return total;
}

test('E27 clients are told the truth while leaders are cut off with writes under way', () => {
  const total = play('conflicts');
  expect(total.cuts).toBeGreaterThan(SEEDS);
  expect(total.acknowledged).toBeGreaterThan(100 * SEEDS);
});

test('E105 what one leader called expired stays so, whatever the clock of the next', () => {
  const total = play('expiry');
  expect(total.transfers).toBeGreaterThan(SEEDS);
  expect(total.gone).toBeGreaterThan(10 * SEEDS);
});

test('E111 a quiet group is led again when its leader’s node dies, and catches up who comes back', () => {
  expect(play('sleep').sleeps).toBeGreaterThanOrEqual(4 * SEEDS);
});
