/**
 * Goal: the arenas in which mutants are hunted find nothing wrong with the source as it is. Method: many seeds of each; a
 * failure names its seed.
 */
import { test } from 'vitest';
import { runBirthsArena } from '../sim/mutants/births-arena.js';
import { runDiskArena } from '../sim/mutants/disk-arena.js';

const SEEDS = 40;

function playAll(arena: (seed: number) => void): void {
  for (let seed = 1; seed <= SEEDS; seed++) {
    try {
      arena(seed);
    } catch (error) {
      throw new Error(`seed ${seed}: ${String(error)}`, { cause: error });
    }
  }
}

test('E41 a replica that was removed never comes back, and no member is deleted, whatever is said late', () => {
  playAll(runBirthsArena);
});

test('what the log store gives back after crashes and lies of the disk is what it acknowledged', () => {
  playAll(runDiskArena);
});
