/** Rows of the hit-rate table, and what is judged in them. Pure. */

export interface Rate {
  readonly name: string;
  readonly percent: number;
  /** Held at the end. */
  readonly items: number;
}

export interface Cell {
  readonly stream: string;
  /** Size of the cache in percent of the keys. */
  readonly share: number;
  readonly room: number;
  readonly optimum: number;
  readonly gapMax: number | null;
  readonly rates: readonly Rate[];
}

const SHARDED = '4 shards';
const COLUMNS = ['quorate s3fifo', SHARDED, 'quorate lru', 'lru-cache', 'redis lru', 'redis lfu'];
const OURS = 'quorate s3fifo';
const OURS_LRU = 'quorate lru';
const NAMES_OF_OURS: ReadonlySet<string> = new Set([OURS, SHARDED, OURS_LRU]);
const REDIS_LRU = 'redis lru';
/** Points that Quorate may be under the best of the others. */
const BEHIND_MAX = 1;
/** What is asked of Zipf 1.1 with room for 10 %, where it can be had: of fewer keys the best 10 % are asked for less. */
const ZIPF_11_MIN = 90;
const ZIPF_11_OPTIMUM = 91.5;
/** Redis may hold so much more or less than it should before the cell says so. */
const ITEMS_OFF_MAX = 0.02;

export const HEAD = [
  `| stream | room | optimum | ${COLUMNS.join(' | ')} | verdict |`,
  `|---|---|---|${COLUMNS.map(() => '---|').join('')}---|`,
].join('\n');

export interface Verdict {
  readonly missed: readonly string[];
  readonly notes: readonly string[];
}

export function judge(cell: Cell): Verdict {
  const missed: string[] = [];
  const percentOf = (name: string): number | null =>
    cell.rates.find((rate) => rate.name === name)?.percent ?? null;
  const ours = percentOf(OURS);
  const others = cell.rates.filter(({ name }) => !NAMES_OF_OURS.has(name));
  const best = Math.max(...others.map(({ percent }) => percent));
  const expect = (what: string, least: number, value: number | null): void => {
    if (value !== null && value < least) missed.push(`${what} missed by ${(least - value).toFixed(2)}`);
  };
  expect('best of the others', best - BEHIND_MAX, ours);
  expect('the same in 4 shards', best - BEHIND_MAX, percentOf(SHARDED));
  if (cell.gapMax !== null) expect('optimum', cell.optimum - cell.gapMax, ours);
  if (cell.stream === 'zipf 1.1' && cell.share === 10 && cell.optimum >= ZIPF_11_OPTIMUM)
    expect('90 %', ZIPF_11_MIN, ours);
  const redisLru = percentOf(REDIS_LRU);
  if (redisLru !== null) expect("lru beside Redis' lru", redisLru - BEHIND_MAX, percentOf(OURS_LRU));
  const notes = others
    .filter(({ items }) => Math.abs(items - cell.room) > cell.room * ITEMS_OFF_MAX)
    .map(({ name, items }) => `${name} holds ${items} of ${cell.room}`);
  return { missed, notes };
}

export function cellLine(cell: Cell): string {
  const { missed, notes } = judge(cell);
  const rates = COLUMNS.map((name) => {
    const rate = cell.rates.find((other) => other.name === name);
    return rate === undefined ? '-' : rate.percent.toFixed(2);
  });
  // Without Quorate's own column, or without the others', nothing is judged.
  const isJudged =
    cell.rates.some(({ name }) => name === OURS) && cell.rates.some(({ name }) => !NAMES_OF_OURS.has(name));
  const verdict = isJudged ? 'reached' : 'not judged';
  const words = [...(missed.length === 0 ? [verdict] : missed), ...notes].join('; ');
  return `| ${cell.stream} | ${cell.share} % | ${cell.optimum.toFixed(2)} | ${rates.join(' | ')} | ${words} |`;
}
