/** What load generators print, as figures. Pure; whatever isn't understood is an error and never a zero. */

export interface Rate {
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly errors: number;
}

/** redis-benchmark 7.0 with --csv: a header line and a row per test; with --cluster, lines about nodes before them. */
export function parseRedisBenchmark(output: string, test: 'SET' | 'GET'): Rate {
  const lines = output.split('\n').map((line) => line.trim());
  const header = lines.find((line) => line.startsWith('"test"'));
  const row = lines.find((line) => line.startsWith(`"${test}"`));
  if (header === undefined || row === undefined) {
    throw new Error(`redis-benchmark gave no row for ${test}: ${tail(output)}`);
  }
  const names = cells(header);
  const values = cells(row);
  const figure = (name: string): number => {
    const value = Number(values[names.indexOf(name)]);
    if (!names.includes(name) || !Number.isFinite(value)) {
      throw new Error(`redis-benchmark gave no ${name}: ${row}`);
    }
    return value;
  };
  const perSecond = figure('rps');
  if (perSecond <= 0) throw new Error(`redis-benchmark gave the rate ${perSecond}: ${row}`);
  return { perSecond, p50Ms: figure('p50_latency_ms'), p99Ms: figure('p99_latency_ms'), errors: 0 };
}

/** etcdload: one line of JSON. */
export function parseEtcdLoad(output: string): Rate {
  const line = output.split('\n').find((text) => text.startsWith('{'));
  if (line === undefined) throw new Error(`etcdload gave no result: ${tail(output)}`);
  const {
    ops_per_s: perSecond,
    p50_ms: p50Ms,
    p99_ms: p99Ms,
    errors,
  } = JSON.parse(line) as Record<string, unknown>;
  for (const value of [perSecond, p50Ms, p99Ms, errors]) {
    if (typeof value !== 'number' || !Number.isFinite(value)) throw new Error(`etcdload gave ${line}`);
  }
  return { perSecond, p50Ms, p99Ms, errors } as Rate;
}

/** The test of killed nodes: how long each kill kept some shard from being written, in ms. */
export function parseFailover(output: string): number[] {
  const found = [...output.matchAll(/node \d+ killed: every shard writable again after (\d+) ms/g)];
  if (found.length === 0) throw new Error(`no kill was measured: ${tail(output)}`);
  return found.map((match) => Number(match[1]));
}

/** User and system time of a /proc/<pid>/stat line, and of its ended children, in seconds. */
export function parseProcStat(line: string): { readonly own: number; readonly endedChildren: number } {
  // The name in parentheses may hold blanks and parentheses itself; the fields start behind the last one.
  const fields = line.slice(line.lastIndexOf(')') + 2).split(' ');
  const at = (index: number): number => {
    const value = Number(fields[index]);
    if (!Number.isFinite(value)) throw new Error(`no process times in: ${line}`);
    return value / CLOCK_TICKS_PER_SECOND;
  };
  return { own: at(11) + at(12), endedChildren: at(13) + at(14) };
}

/** USER_HZ, which Linux fixes at 100 for programs on every common machine. */
const CLOCK_TICKS_PER_SECOND = 100;

function cells(line: string): string[] {
  return line.split(',').map((cell) => cell.replaceAll('"', ''));
}

function tail(text: string): string {
  return text.trim().slice(-300) || '(nothing printed)';
}
