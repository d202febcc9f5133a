/** The command line of `npm run bench:hitrate`: words in, options or a problem out. Pure. */

export interface HitrateOptions {
  readonly keys: number;
  /** To warm up, and as many again that count. */
  readonly requests: number;
  /** Sizes of the cache in percent of the keys. */
  readonly shares: readonly number[];
  readonly only: readonly string[];
  /** Parts of names of caches; none: all. */
  readonly caches: readonly string[];
  readonly redis: boolean;
  readonly help: boolean;
  /** Empty: none is written. */
  readonly jsonFile: string;
}

export type ParsedHitrateOptions =
  { readonly ok: true; readonly options: HitrateOptions } | { readonly ok: false; readonly problem: string };

export const HITRATE_HELP = `npm run bench:hitrate -- [options]

Hit rates of Quorate (its state machine with table and policies, in this process), of lru-cache and of redis-server
(allkeys-lru, allkeys-lfu) on the same streams of keys, each cache with room for 1, 10 and 50 % of the keys; beside
them what the best fixed choice of keys would hit, and a verdict for each.

  --keys N        keys (default 1000000)
  --requests N    requests to warm up, and as many again that count (default 10 for each key)
  --quick         20000 keys: some minutes
  --shares LIST   sizes in percent, separated by commas (default 1,10,50)
  --only WORDS    streams by name, separated by commas: --only zipf,leaders
  --caches WORDS  caches by name, separated by commas: --caches 's3fifo,lru-cache' (default all)
  --no-redis      without redis-server
  --json FILE     also write what was measured to FILE
  --help          this text

Exit codes: 0 measured, whatever the verdicts; 2 usage.`;

const KEYS_DEFAULT = 1_000_000;
const KEYS_QUICK = 20_000;
const REQUESTS_PER_KEY = 10;

export function parseHitrateOptions(words: readonly string[]): ParsedHitrateOptions {
  let keys = KEYS_DEFAULT;
  let requests = 0;
  let shares = [1, 10, 50];
  let only: string[] = [];
  let caches: string[] = [];
  let redis = true;
  let help = false;
  let jsonFile = '';
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    if (word === '--help' || word === '-h') help = true;
    else if (word === '--quick') keys = KEYS_QUICK;
    else if (word === '--no-redis') redis = false;
    else if (!VALUED.has(word)) return { ok: false, problem: `${word}: no such option; --help shows all` };
    else {
      const value = words[++i] ?? '';
      if (value === '' || value.startsWith('--')) return { ok: false, problem: `${word}: expected a value` };
      if (word === '--only') only = partsOf(value);
      else if (word === '--caches') caches = partsOf(value);
      else if (word === '--json') jsonFile = value;
      else {
        const numbers = value.split(',').map(Number);
        const [low, high] = word === '--shares' ? [0.1, 100] : [1000, 1_000_000_000];
        if (!numbers.every((number) => number >= low && number <= high))
          return { ok: false, problem: `${word}: expected numbers from ${low} to ${high}, not ${value}` };
        if (word === '--shares') shares = numbers;
        else if (numbers.length !== 1 || !Number.isInteger(numbers[0]))
          return { ok: false, problem: `${word}: expected a whole number, not ${value}` };
        else if (word === '--keys') keys = numbers[0] as number;
        else requests = numbers[0] as number;
      }
    }
  }
  if (requests === 0) requests = keys * REQUESTS_PER_KEY;
  return { ok: true, options: { keys, requests, shares, only, caches, redis, help, jsonFile } };
}

const VALUED: ReadonlySet<string> = new Set([
  '--keys',
  '--requests',
  '--shares',
  '--only',
  '--caches',
  '--json',
]);

function partsOf(list: string): string[] {
  return list.split(',').filter((part) => part !== '');
}
