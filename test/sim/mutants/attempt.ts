/**
 * A child process of the mutation check, inside a copy of the source: plays seeds in one arena and prints a JSON line
 * for each. Ends after the first that a checker caught; with `all`, after the last.
 */
import { RaftChaos } from '../../support/raft-chaos.js';
import { nodeUnderTest } from '../node-under-test.js';
import { runSimulation } from '../run.js';
import { runDiskArena } from './disk-arena.js';
import type { ArenaOptions } from './mutant.js';
import { judgeNodeRun, judgeThrown, type Catch } from './verdict.js';

export interface Attempt {
  readonly arena: ArenaOptions;
  readonly seeds: readonly number[];
  /** Play all of them, whatever is caught. */
  readonly all: boolean;
}

export interface Played {
  readonly seed: number;
  readonly caught: Catch | null;
  /** Why the run ended early; null when it passed. */
  readonly failure: string | null;
}

const NODE_STEPS = 600;
const CORE_STEPS = 20_000;
const FAILURE_SHOWN_MAX = 200;

function play(arena: ArenaOptions, seed: number): Played {
  if (arena.kind === 'node') {
    const { faults, swarm } = arena;
    const options = { seed, steps: NODE_STEPS, createNode: nodeUnderTest(null), faults };
    const { failure } = runSimulation(swarm === undefined ? options : { ...options, swarm });
    return { seed, caught: failure === null ? null : judgeNodeRun(failure), failure };
  }
  try {
    if (arena.kind === 'core') new RaftChaos(seed, arena.profile).run(CORE_STEPS);
    else runDiskArena(seed);
    return { seed, caught: null, failure: null };
  } catch (error) {
    return { seed, caught: judgeThrown(error), failure: String(error) };
  }
}

function main(): void {
  const attempt = JSON.parse(process.argv[2] ?? '') as Attempt;
  for (const seed of attempt.seeds) {
    const played = play(attempt.arena, seed);
    const failure = played.failure?.slice(0, FAILURE_SHOWN_MAX) ?? null;
    process.stdout.write(`${JSON.stringify({ ...played, failure })}\n`);
    if (played.caught !== null && !attempt.all) return;
  }
}

main();
