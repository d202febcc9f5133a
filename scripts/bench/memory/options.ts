/** The command line of `npm run bench:memory`. Pure. */

export const HELP = `npm run bench:memory -- [options]

Bytes that the table takes for each key besides key (16 bytes) and value (32), versions included: resident memory
after, less before, less keys and values, in a fresh process each; fresh, and after as many overwrites as keys, a fifth
deleted, and an idle time. Beside a Map<string, Buffer>, redis-server and a whole node. Then get and set beside the Map
(CPU time), and the longest single steps.

  --keys N     keys (default 1000000)
  --only WORDS memory, servers, speed, steps; separated by commas (default all)
  --json       the last line is {"overhead_bytes_per_key":…,"with_expiry":…,"live_node":…}; null for what wasn't measured
  --help       this text

redis-server is Debian's; where it is missing its row says so. Exit codes: 0 measured; 1 failed; 2 usage.`;

const PARTS = ['memory', 'servers', 'speed', 'steps'];

export interface MemoryOptions {
  readonly keys: number;
  readonly parts: readonly string[];
  readonly json: boolean;
  readonly help: boolean;
}

/** The options, or what is wrong with them. */
export function parseMemoryOptions(words: readonly string[]): MemoryOptions | string {
  let keys = 1_000_000;
  let parts: readonly string[] = PARTS;
  let [json, help] = [false, false];
  for (let i = 0; i < words.length; i++) {
    const word = words[i] as string;
    if (word === '--json') json = true;
    else if (word === '--help' || word === '-h') help = true;
    else if (word === '--keys') {
      keys = Number(words[++i]);
      if (!Number.isInteger(keys) || keys < 1000 || keys > 50_000_000)
        return '--keys: expected a number from 1000 to 50000000';
    } else if (word === '--only') {
      parts = (words[++i] ?? '').split(',');
      const unknown = parts.find((part) => !PARTS.includes(part));
      if (unknown !== undefined) return `--only: "${unknown}" is none of ${PARTS.join(', ')}`;
    } else return `${word}: no such option; --help shows all`;
  }
  return { keys, parts, json, help };
}
