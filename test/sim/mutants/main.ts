/**
 * `npm run sim:mutants`: breaks the source one rule at a time and demands that a checker of the simulator sees it; then
 * the unbroken source must pass every seed that caught one. Exit code 1 when a mutant survives, or the unbroken
 * source fails; 2 for wrong options.
 */
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { hunt, type HuntResult } from './hunt.js';
import { MUTANTS } from './list.js';
import { editsOf, type ArenaOptions, type Mutant } from './mutant.js';
import { makeTree, removeTree } from './tree.js';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const SEEDS_MAX = 300;
const SECONDS_MAX = 240;
const CHILDREN = 2;
/** Of the table's columns. */
const NAME_WIDTH = 30;
const ARENA_WIDTH = 6;

const HELP = `npm run sim:mutants -- [options]

Breaks one rule of the source at a time, in a copy, and plays seeds until a checker sees it.
  --only NAME     this mutant alone; may be repeated
  --seeds N       seeds to play for each (default ${SEEDS_MAX})
  --seconds N     time for each (default ${SECONDS_MAX})
  --children N    mutants at a time (default ${CHILDREN})
  --list          names and rules, and no runs
  --json          the report as JSON
  --help`;

interface Options {
  readonly mutants: readonly Mutant[];
  readonly seeds: number;
  readonly seconds: number;
  readonly children: number;
  readonly list: boolean;
  readonly json: boolean;
  readonly help: boolean;
}

interface Row extends HuntResult {
  readonly mutant: Mutant;
}

async function main(): Promise<number> {
  let options: Options;
  try {
    options = parseOptions();
  } catch (error) {
    console.error(`sim:mutants: ${(error as Error).message}`);
    return 2;
  }
  if (options.help) {
    console.log(HELP);
    return 0;
  }
  if (options.list) {
    for (const { name, arena, file, rule } of options.mutants) {
      console.log(`${name.padEnd(NAME_WIDTH)} ${arena.kind.padEnd(ARENA_WIDTH)} ${file.padEnd(32)} ${rule}`);
    }
    return 0;
  }
  const beginMs = performance.now();
  const rows = await huntAll(options);
  const control = await playUnbroken(rows, options);
  const seconds = (performance.now() - beginMs) / 1000;
  const survivors = rows.filter((row) => row.caught === null);
  const passed = survivors.length === 0 && control.failures.length === 0;
  if (options.json) console.log(JSON.stringify(reportOf(rows, control, seconds), null, 2));
  else {
    for (const { mutant, lastUncaught } of survivors) {
      console.log(
        `survived: ${mutant.name} (${mutant.rule})${lastUncaught ? `; last end: ${lastUncaught}` : ''}`,
      );
    }
    for (const failure of control.failures) console.log(`unbroken: ${failure}`);
    console.log(`unbroken copy: ${control.played} runs, ${control.failures.length} failed`);
    console.log(`${seconds.toFixed(0)} s`);
    console.log(`${rows.length - survivors.length} mutants caught, ${survivors.length} survived`);
  }
  return passed ? 0 : 1;
}

/** A few at a time, in the order of the list. */
async function huntAll(options: Options): Promise<Row[]> {
  const rows: Row[] = [];
  const waiting = [...options.mutants];
  const work = async (): Promise<void> => {
    for (let mutant = waiting.shift(); mutant !== undefined; mutant = waiting.shift()) {
      const row = { mutant, ...(await huntOne(mutant, options)) };
      rows.push(row);
      if (!options.json) console.log(describeRow(row));
    }
  };
  await Promise.all(Array.from({ length: options.children }, work));
  return rows;
}

async function huntOne(mutant: Mutant, options: Options): Promise<HuntResult> {
  const tree = makeTree(ROOT, editsOf(mutant));
  try {
    const seeds = Array.from({ length: options.seeds }, (_, i) => i + 1);
    return await hunt(tree, { arena: mutant.arena, seeds, secondsMax: options.seconds });
  } finally {
    removeTree(tree);
  }
}

function describeRow({ mutant, caught, played, seconds, uncaught }: Row): string {
  const facts = [
    mutant.name.padEnd(NAME_WIDTH),
    mutant.arena.kind.padEnd(ARENA_WIDTH),
    (caught === null ? 'SURVIVED' : caught.checker).padEnd(38),
    `seed ${caught?.seed ?? '-'}`.padEnd(9),
    `${seconds.toFixed(1)} s`.padStart(8),
    `${played} runs`.padStart(9),
  ];
  // Runs that ended otherwise: an assertion of the product came first.
  if (uncaught > 0) facts.push(`${uncaught} ended without a checker's word`);
  return facts.join('  ');
}

interface Control {
  readonly played: number;
  readonly failures: readonly string[];
}

/** Every seed that caught a mutant, on the source as it is. */
async function playUnbroken(rows: readonly Row[], options: Options): Promise<Control> {
  const arenas = new Map<string, { arena: ArenaOptions; seeds: Set<number> }>();
  for (const { mutant, caught } of rows) {
    if (caught === null) continue;
    const key = JSON.stringify(mutant.arena);
    const known = arenas.get(key) ?? { arena: mutant.arena, seeds: new Set() };
    known.seeds.add(caught.seed);
    arenas.set(key, known);
  }
  const waiting = [...arenas.values()];
  const failures: string[] = [];
  let played = 0;
  const tree = makeTree(ROOT, []);
  const work = async (): Promise<void> => {
    for (let one = waiting.shift(); one !== undefined; one = waiting.shift()) {
      const { arena } = one;
      const seeds = [...one.seeds];
      const result = await hunt(tree, { arena, seeds, secondsMax: options.seconds, all: true });
      played += result.played;
      const where = JSON.stringify(arena);
      if (result.caught !== null) {
        failures.push(`${where} seed ${result.caught.seed}: ${result.caught.what}`);
      }
      if (result.lastUncaught !== null) failures.push(`${where} ${result.lastUncaught}`);
      if (result.played < seeds.length)
        failures.push(`${where}: not all of ${seeds.length} seeds were played`);
    }
  };
  try {
    await Promise.all(Array.from({ length: options.children }, work));
  } finally {
    removeTree(tree);
  }
  return { played, failures };
}

function reportOf(rows: readonly Row[], control: Control, seconds: number): object {
  return {
    seconds,
    caught: rows.filter((row) => row.caught !== null).length,
    mutants: rows.map(({ mutant, ...result }) => ({
      name: mutant.name,
      rule: mutant.rule,
      file: mutant.file,
      arena: mutant.arena,
      ...result,
    })),
    unbroken: control,
  };
}

function parseOptions(): Options {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', multiple: true },
      seeds: { type: 'string' },
      seconds: { type: 'string' },
      children: { type: 'string' },
      list: { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
  });
  const only = values.only ?? [];
  for (const name of only) {
    if (!MUTANTS.some((mutant) => mutant.name === name))
      throw new Error(`--only: there is no mutant ${name}`);
  }
  return {
    mutants: only.length === 0 ? MUTANTS : MUTANTS.filter((mutant) => only.includes(mutant.name)),
    seeds: whole('--seeds', values.seeds, SEEDS_MAX),
    seconds: whole('--seconds', values.seconds, SECONDS_MAX),
    children: whole('--children', values.children, CHILDREN),
    list: values.list ?? false,
    json: values.json ?? false,
    help: values.help ?? false,
  };
}

function whole(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (text.trim() === '' || !Number.isSafeInteger(value) || value < 1) {
    throw new Error(`${name}: expected a whole number from 1, not ${text}`);
  }
  return value;
}

process.exitCode = await main();
