/**
 * A child process of the mutation check, inside a copy of the source: plays seeds in one arena and prints a JSON line
 * for each. Ends after the first that a checker caught; with `all`, after the last.
 */
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

type Play = (seed: number) => Played;

/** Only what the arena needs is loaded: most of them need little of the tree, and loading takes longer than a run. */
async function open(arena: ArenaOptions): Promise<Play> {
  switch (arena.kind) {
    case 'node': {
      const { runSimulation } = await import('../run.js');
      const { nodeUnderTest } = await import('../node-under-test.js');
      const { faults, swarm = {} } = arena;
      return (seed) => {
        const options = { seed, steps: NODE_STEPS, createNode: nodeUnderTest(null), faults, swarm };
        const { failure } = runSimulation(options);
        return { seed, caught: failure === null ? null : judgeNodeRun(failure), failure };
      };
    }
    case 'core': {
      const { RaftChaos } = await import('../../support/raft-chaos.js');
      return throwing((seed) => {
        const chaos = new RaftChaos(seed, arena.profile);
        chaos.run(CORE_STEPS);
        chaos.heal();
      });
    }
    case 'group': {
      const { GroupChaos } = await import('../../support/group-chaos.js');
      return throwing((seed) => new GroupChaos(seed, arena.profile).run());
    }
    case 'births': {
      const { runBirthsArena } = await import('./births-arena.js');
      return throwing(runBirthsArena);
    }
    case 'disk': {
      const { runDiskArena } = await import('./disk-arena.js');
      return throwing(runDiskArena);
    }
  }
}

function throwing(run: (seed: number) => void): Play {
  return (seed) => {
    try {
      run(seed);
      return { seed, caught: null, failure: null };
    } catch (error) {
      return { seed, caught: judgeThrown(error), failure: String(error) };
    }
  };
}

async function main(): Promise<void> {
  const attempt = JSON.parse(process.argv[2] ?? '') as Attempt;
  const play = await open(attempt.arena);
  for (const seed of attempt.seeds) {
    const played = play(seed);
    const failure = played.failure?.slice(0, FAILURE_SHOWN_MAX) ?? null;
    process.stdout.write(`${JSON.stringify({ ...played, failure })}\n`);
    if (played.caught !== null && !attempt.all) return;
  }
}

await main();
