/** The command line of the benchmark: words in, options or a problem out. Pure. */

export interface Options {
  readonly rounds: number;
  /** How long a row is measured, about. */
  readonly seconds: number;
  readonly keys: number;
  readonly valueBytes: number;
  readonly quick: boolean;
  readonly only: readonly string[];
  readonly list: boolean;
  readonly help: boolean;
  readonly profile: boolean;
  /** Empty: none is written. */
  readonly jsonFile: string;
  /** quorate.js of the build that is measured; empty: this checkout's. */
  readonly program: string;
}

export type ParsedOptions =
  { readonly ok: true; readonly options: Options } | { readonly ok: false; readonly problem: string };

export const HELP = `npm run bench -- [options]

Measures Quorate beside etcd and Redis, in turn, on this machine, and prints medians, spreads, ratios and CPU.

  --quick           about a minute: fewer rows, 2 rounds, 0.7 s each. Rough: good to see that nothing broke
  --rounds N        rounds, in each of which every system has one turn (default 5)
  --seconds N       how long each row is measured (default 3)
  --only WORDS      rows by system, load, shape or name, separated by commas: --only map,etcd,writes
  --list            print the rows and end
  --json FILE       also write everything that was measured to FILE
  --keys N          keys that are written and read (default 100000)
  --value-bytes N   size of a value (default 128)
  --program FILE    quorate.js to measure, instead of this checkout's build
  --profile         run one row (default spread.writes.64x1; choose with --only) with CPU profiles of the three
                    nodes, and print where their time went
  --help            this text

etcd needs Debian's etcd-server, golang and golang-etcd-server-dev; Redis and most loads need redis-server and
redis-tools. What is missing is named, and the rest is measured. Exit codes: 0 measured; 1 nothing was; 2 usage.`;

const COUNTS = {
  '--rounds': { name: 'rounds', min: 1, max: 100 },
  '--seconds': { name: 'seconds', min: 0.1, max: 600 },
  '--keys': { name: 'keys', min: 100, max: 10_000_000 },
  '--value-bytes': { name: 'valueBytes', min: 1, max: 1_000_000 },
} as const;

const FLAGS = {
  '--quick': 'quick',
  '--list': 'list',
  '--help': 'help',
  '-h': 'help',
  '--profile': 'profile',
} as const;
const TEXTS = { '--json': 'jsonFile', '--program': 'program' } as const;

export function parseOptions(words: readonly string[]): ParsedOptions {
  const given: { -readonly [K in keyof Options]?: Options[K] } = {};
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    if (word in FLAGS) {
      given[FLAGS[word as keyof typeof FLAGS]] = true;
      continue;
    }
    const value = words[++i];
    if (!(word in COUNTS) && !(word in TEXTS) && word !== '--only') {
      return { ok: false, problem: `${word}: no such option; --help shows all` };
    }
    if (value === undefined || value === '' || value.startsWith('--')) {
      return { ok: false, problem: `${word}: expected a value` };
    }
    if (word === '--only') given.only = value.split(',').filter((part) => part !== '');
    else if (word in TEXTS) given[TEXTS[word as keyof typeof TEXTS]] = value;
    else {
      const { name, min, max } = COUNTS[word as keyof typeof COUNTS];
      const number = Number(value);
      const isWhole = name === 'seconds' || Number.isInteger(number);
      if (!(isWhole && number >= min && number <= max)) {
        return { ok: false, problem: `${word}: expected a number from ${min} to ${max}, got "${value}"` };
      }
      given[name] = number;
    }
  }
  const quick = given.quick ?? false;
  const defaults: Options = {
    rounds: quick ? 2 : 5,
    seconds: quick ? 0.7 : 3,
    keys: 100_000,
    valueBytes: 128,
    quick,
    only: [],
    list: false,
    help: false,
    profile: false,
    jsonFile: '',
    program: '',
  };
  return { ok: true, options: { ...defaults, ...given } };
}
