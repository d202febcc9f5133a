/**
 * What Quorate is to reach, as rules over results: each says which figure it judges and the bounds for a first and for
 * a later stage. What this benchmark can't measure yet is listed too, with what it waits for, so that a reader sees the
 * whole list and not the flattering part of it.
 */
import { median, ratioOf, spreadOf } from './statistics.js';
import type { Spread } from './statistics.js';
import type { Results, Sample } from './samples.js';

export interface Verdict {
  readonly what: string;
  /** The measured figure, or why there is none. */
  readonly measured: string;
  readonly first: string;
  readonly then: string;
  readonly state: 'then' | 'first' | 'missed' | 'not measured' | 'later';
}

interface Bound {
  readonly text: string;
  /** Null: nothing on this machine to compare with. */
  readonly limit: number | null;
}

interface Target {
  readonly what: string;
  /** Rows without which there is no figure; for the reason when it is missing. */
  readonly rows: readonly string[];
  readonly better: 'higher' | 'lower';
  readonly figure: (results: Results) => Spread | null;
  /** The figure and each bound are one number; when the later bound is about another figure, `thenFigure` gives it. */
  readonly thenFigure?: (results: Results) => Spread | null;
  readonly unit: string;
  readonly thenUnit?: string;
  readonly first: Bound;
  readonly then: Bound;
}

const rate = (sample: Sample): number => sample.perSecond;
const p50 = (sample: Sample): number => sample.p50Ms;
const p99 = (sample: Sample): number => sample.p99Ms;
const figureOf = (sample: Sample): number => sample.figure?.value ?? NaN;

function plain(row: string, pick: (sample: Sample) => number): (results: Results) => Spread | null {
  return (results) => {
    const values = results.of(row).map(pick);
    return values.length === 0 ? null : spreadOf(values);
  };
}

function ratio(row: string, other: string, pick = rate): (results: Results) => Spread | null {
  return (results) => ratioOf(results.byRound(row, pick), results.byRound(other, pick));
}

function writesAndReads(system: string, what: string): Target[] {
  return [
    {
      what: `writes, 64 clients, ${what}`,
      rows: [`${system}.writes.64x1`, 'etcd.writes.64x1'],
      better: 'higher',
      figure: ratio(`${system}.writes.64x1`, 'etcd.writes.64x1'),
      unit: 'x etcd',
      first: { text: '2.5 x etcd', limit: 2.5 },
      then: { text: '4 x etcd (and 2 x RedisRaft, not measured here)', limit: 4 },
    },
    {
      what: `writes, 64 x 16, ${what}`,
      rows: [`${system}.writes.64x16`],
      better: 'higher',
      figure: plain(`${system}.writes.64x16`, rate),
      unit: '/s',
      first: { text: '100,000/s', limit: 100_000 },
      then: { text: '200,000/s', limit: 200_000 },
    },
    {
      what: `linearizable reads, 64 clients, ${what}`,
      rows: [`${system}.reads.64x1`, 'etcd.reads.64x1'],
      better: 'higher',
      figure: ratio(`${system}.reads.64x1`, 'etcd.reads.64x1'),
      thenFigure: ratio(`${system}.reads.64x1`, 'bare.reads.64x1'),
      unit: 'x etcd',
      thenUnit: 'x bare',
      first: { text: '4 x etcd', limit: 4 },
      then: { text: '0.7 x a bare Node server', limit: 0.7 },
    },
    {
      what: `linearizable reads, 64 x 16, ${what}`,
      rows: [`${system}.reads.64x16`],
      better: 'higher',
      figure: plain(`${system}.reads.64x16`, rate),
      unit: '/s',
      first: { text: '200,000/s', limit: 200_000 },
      then: { text: '500,000/s', limit: 500_000 },
    },
  ];
}

/** Through one node: at least half of what clients with the map get, both driven by redis-benchmark. */
function throughOneNode(load: string, shape: string): Target {
  return {
    what: `${load}, ${shape.replace('x', ' x ')}, one node against clients with the map`,
    rows: [`node.${load}.${shape}`, `map.${load}.${shape}`],
    better: 'higher',
    figure: ratio(`node.${load}.${shape}`, `map.${load}.${shape}`),
    unit: 'x',
    first: { text: '0.5 x', limit: 0.5 },
    then: { text: '0.5 x', limit: 0.5 },
  };
}

function steady(load: string): Target {
  return {
    what: `p99 at half of the top rate, ${load}`,
    rows: [`paced.${load}.64x16`],
    better: 'lower',
    figure: plain(`paced.${load}.64x16`, p99),
    unit: ' ms',
    first: { text: '5 ms', limit: 5 },
    then: { text: '2 ms', limit: 2 },
  };
}

export const TARGETS: readonly Target[] = [
  ...writesAndReads('map', 'redis-benchmark --cluster'),
  ...writesAndReads('spread', 'keys over all shards'),
  {
    what: 'writes, 1 client: p50',
    rows: ['map.writes.1x1', 'etcd.writes.1x1'],
    better: 'lower',
    figure: ratio('map.writes.1x1', 'etcd.writes.1x1', p50),
    unit: "x etcd's",
    first: { text: "no more than etcd's", limit: 1 },
    then: { text: "no more than RedisRaft's, not measured here", limit: null },
  },
  {
    what: 'SDK over gRPC, pipelined, 50/50 mix',
    rows: ['sdk.mix.64x16'],
    better: 'higher',
    figure: plain('sdk.mix.64x16', rate),
    unit: '/s',
    first: { text: '50,000/s', limit: 50_000 },
    then: { text: '200,000/s', limit: 200_000 },
  },
  {
    what: 'one node, one replica, fsync, 50 x 16 writes',
    rows: ['single.writes.50x16', 'redis.writes.50x16'],
    better: 'higher',
    figure: ratio('single.writes.50x16', 'redis.writes.50x16'),
    unit: 'x Redis',
    first: { text: '0.25 x Redis, AOF always', limit: 0.25 },
    then: { text: '0.6 x', limit: 0.6 },
  },
  steady('writes'),
  steady('reads'),
  throughOneNode('writes', '64x1'),
  throughOneNode('writes', '64x16'),
  throughOneNode('reads', '64x1'),
  throughOneNode('reads', '64x16'),
  {
    what: 'leader killed: time until its shards write again',
    rows: ['failover.leader-killed'],
    better: 'lower',
    figure: plain('failover.leader-killed', figureOf),
    unit: ' ms',
    first: { text: '2 s', limit: 2000 },
    then: { text: '1 s', limit: 1000 },
  },
  {
    what: 'leader moved on purpose: longest write pause',
    rows: ['transfer.leader-moved'],
    better: 'lower',
    figure: plain('transfer.leader-moved', figureOf),
    unit: ' ms',
    first: { text: '100 ms', limit: 100 },
    then: { text: '20 ms', limit: 20 },
  },
  {
    what: '1,000 idle shards on one node: CPU',
    rows: ['idle.1000-shards'],
    better: 'lower',
    figure: plain('idle.1000-shards', figureOf),
    unit: ' % of a core',
    first: { text: '3 %', limit: 3 },
    then: { text: '1 %', limit: 1 },
  },
  {
    what: '1,000 idle shards on each of three nodes: CPU of one',
    rows: ['idle.3x1000'],
    better: 'lower',
    figure: plain('idle.3x1000', figureOf),
    unit: ' % of a core',
    first: { text: '3 %', limit: 3 },
    then: { text: '1 %', limit: 1 },
  },
  {
    what: '1,000 idle shards, a node killed: time until all are led',
    rows: ['idle.node-killed'],
    better: 'lower',
    figure: plain('idle.node-killed', figureOf),
    unit: ' ms',
    first: { text: '5 s', limit: 5000 },
    then: { text: '2 s', limit: 2000 },
  },
];

/** On the list, and not measured by this program yet. */
export const LATER: readonly {
  readonly what: string;
  readonly first: string;
  readonly then: string;
  readonly waitsFor: string;
}[] = [
  {
    what: 'memory over keys and values, 1 M keys',
    first: '16 bytes a key',
    then: '10 bytes a key',
    waitsFor: 'the metric cache_overhead_bytes',
  },
  {
    what: 'restart with 1 M keys and 10,000 entries behind',
    first: '5 s',
    then: '2 s',
    waitsFor: 'a loader of that state',
  },
  {
    what: 'checkpoint of 1 M keys under load: p99 of writes meanwhile',
    first: '2 x',
    then: '1.2 x',
    waitsFor: 'checkpoints by command',
  },
  {
    what: 'moving a shard of 100 MB under load: p99 of writes meanwhile',
    first: '2 x',
    then: '1.3 x',
    waitsFor: 'moving replicas',
  },
];

export function judge(results: Results, target: Target): Verdict {
  const { what } = target;
  const first = target.first.text;
  const then = target.then.text;
  const spread = target.figure(results);
  if (spread === null) {
    const why = target.rows.flatMap((row) => results.whyNot(row));
    return { what, measured: why[0] ?? 'not asked for', first, then, state: 'not measured' };
  }
  const holds = (value: number, limit: number | null): boolean =>
    limit !== null && (target.better === 'higher' ? value >= limit : value <= limit);
  const later = target.thenFigure === undefined ? spread : target.thenFigure(results);
  const parts = [`${describe(spread.median)}${unitOf(target.unit)}`];
  if (later !== null && later !== spread)
    parts.push(`${describe(later.median)}${unitOf(target.thenUnit ?? '')}`);
  const isFirst = holds(spread.median, target.first.limit);
  const isThen = isFirst && later !== null && holds(later.median, target.then.limit);
  return {
    what,
    measured: parts.join(', '),
    first,
    then,
    state: isThen ? 'then' : isFirst ? 'first' : 'missed',
  };
}

export function judgeAll(results: Results): Verdict[] {
  return [
    ...TARGETS.map((target) => judge(results, target)),
    ...LATER.map(({ what, first, then, waitsFor }): Verdict => ({
      what,
      measured: `later: ${waitsFor}`,
      first,
      then,
      state: 'later',
    })),
  ];
}

/** The highest rate of these rows that was measured so far, by median; 0 when none was. */
export function topRate(results: Results, rows: readonly string[]): number {
  return Math.max(
    0,
    ...rows.map((row) => {
      const rates = results.of(row).map(rate);
      return rates.length === 0 ? 0 : median(rates);
    }),
  );
}

function unitOf(unit: string): string {
  return unit.startsWith('/') || unit.startsWith(' ') || unit === '' ? unit : ` ${unit}`;
}

/** Whole numbers from 1,000 on, two digits behind the point below. */
function describe(value: number): string {
  return value >= 1000 ? Math.round(value).toLocaleString('en') : value.toFixed(2);
}
