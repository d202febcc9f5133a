/**
 * Plays a tree's seeds in child processes until a checker catches one, or seeds or time are over. A child that says
 * nothing for a while hangs in its seed: it is ended, and another goes on with the next one. A hang is no catch.
 */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Attempt, Played } from './attempt.js';
import type { ArenaOptions } from './mutant.js';
import type { Catch } from './verdict.js';

const SILENCE_MS = 60_000;

export interface HuntOptions {
  readonly arena: ArenaOptions;
  readonly seeds: readonly number[];
  readonly secondsMax: number;
  /** Play all seeds: for the unbroken copy. */
  readonly all?: boolean;
}

export interface HuntResult {
  readonly caught: (Catch & { readonly seed: number }) | null;
  readonly played: number;
  readonly seconds: number;
  /** Runs that failed without a checker's word: assertions, crashes, hangs. */
  readonly uncaught: number;
  /** One of them, to tell what it was. */
  readonly lastUncaught: string | null;
}

export async function hunt(tree: string, options: HuntOptions): Promise<HuntResult> {
  const beginMs = performance.now();
  const endMs = beginMs + options.secondsMax * 1000;
  const left = [...options.seeds];
  let caught: HuntResult['caught'] = null;
  let uncaught = 0;
  let lastUncaught: string | null = null;
  let played = 0;
  while (left.length > 0 && (caught === null || options.all === true) && performance.now() < endMs) {
    const attempt: Attempt = { arena: options.arena, seeds: [...left], all: options.all === true };
    const why = await runChild(tree, attempt, endMs, (run) => {
      left.shift();
      played++;
      if (run.caught !== null) caught ??= { seed: run.seed, ...run.caught };
      else if (run.failure !== null) {
        uncaught++;
        lastUncaught = `seed ${run.seed}: ${run.failure.split('\n', 1)[0]}`;
      }
    });
    if (why === null) continue;
    // What it was at when it ended is skipped.
    const seed = left.shift();
    if (performance.now() >= endMs) break;
    uncaught++;
    played++;
    lastUncaught = `seed ${seed}: ${why}`;
  }
  return { caught, played, seconds: (performance.now() - beginMs) / 1000, uncaught, lastUncaught };
}

/** Null when the child played to its end; else why not. */
function runChild(
  tree: string,
  attempt: Attempt,
  endMs: number,
  onPlayed: (played: Played) => void,
): Promise<string | null> {
  return new Promise((resolve, reject) => {
    const script = 'test/sim/mutants/attempt.ts';
    const child = spawn(process.execPath, ['--import', 'tsx', script, JSON.stringify(attempt)], {
      cwd: tree,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let why: string | null = null;
    let errors = '';
    const end = (reason: string): void => {
      why = reason;
      child.kill('SIGKILL');
    };
    let silence = setTimeout(() => end('it hangs'), SILENCE_MS);
    const time = setTimeout(() => end('time is over'), Math.max(0, endMs - performance.now()));
    child.stderr.on('data', (data: Buffer) => (errors = (errors + data.toString()).slice(-2_000)));
    createInterface({ input: child.stdout }).on('line', (line) => {
      clearTimeout(silence);
      silence = setTimeout(() => end('it hangs'), SILENCE_MS);
      onPlayed(JSON.parse(line) as Played);
    });
    child.on('error', reject);
    child.on('close', (code) => {
      clearTimeout(silence);
      clearTimeout(time);
      resolve(why ?? (code === 0 ? null : `the process ended with ${code}: ${errors}`));
    });
  });
}
