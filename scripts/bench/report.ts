/** Results as text: the table of rows, the verdicts, the conditions. Pure. */
import type { Row } from './rows.js';
import { SYSTEMS } from './rows.js';
import type { Results, Sample } from './samples.js';
import { median, ratioOf, spreadOf } from './statistics.js';
import type { Verdict } from './targets.js';

/** Which row of the same run a row is set against. */
export function peerOf(row: Row): string | null {
  if (row.load !== 'writes' && row.load !== 'reads') return null;
  switch (row.system) {
    case 'map':
    case 'spread':
    case 'node':
    case 'grpc':
      return `etcd.${row.load}.${row.clients}x1`;
    case 'single':
      return `redis.${row.load}.${row.clients}x${row.pipeline}`;
    default:
      return null;
  }
}

const HEAD = [
  'row',
  'per second, median (lowest to highest)',
  'p50 ms',
  'p99 ms',
  'ratio',
  'CPU us/op: client',
  'servers',
];

export function rowTable(rows: readonly Row[], results: Results): string {
  const lines: string[][] = [];
  const notes: string[] = [];
  for (const row of rows) {
    const samples = results.of(row.id);
    for (const why of results.whyNot(row.id)) notes.push(`${row.id}: ${why}`);
    for (const note of new Set(samples.flatMap((sample) => sample.notes))) notes.push(`${row.id}: ${note}`);
    if (samples.length > 0) lines.push(cellsOf(row, samples, results));
  }
  const table = lines.length === 0 ? 'Nothing was measured.' : align([HEAD, ...lines]);
  return notes.length === 0 ? table : `${table}\n\n${notes.join('\n')}`;
}

function cellsOf(row: Row, samples: readonly Sample[], results: Results): string[] {
  const pick = (of: (sample: Sample) => number): number => median(samples.map(of));
  const first = samples[0] as Sample;
  if (first.figure !== undefined) {
    const { low, high, median: middle } = spreadOf(samples.map((sample) => sample.figure?.value ?? NaN));
    return [
      row.id,
      `${decimals(middle)} ${first.figure.unit} (${decimals(low)} to ${decimals(high)})`,
      '',
      '',
      '',
      '',
      '',
    ];
  }
  const { low, high, median: middle } = spreadOf(samples.map((sample) => sample.perSecond));
  return [
    row.id,
    `${whole(middle)} (${whole(low)} to ${whole(high)})`,
    decimals(pick((sample) => sample.p50Ms)),
    decimals(pick((sample) => sample.p99Ms)),
    ratioCell(row, results),
    decimals(pick((sample) => perOperationUs(sample.clientCpuSeconds, sample))),
    decimals(pick((sample) => perOperationUs(sample.serverCpuSeconds, sample))),
  ];
}

function ratioCell(row: Row, results: Results): string {
  const peer = peerOf(row);
  if (peer === null) return '';
  const rate = (sample: Sample): number => sample.perSecond;
  const ratio = ratioOf(results.byRound(row.id, rate), results.byRound(peer, rate));
  return ratio === null ? '' : `${ratio.median.toFixed(2)} x ${peer.split('.')[0]}`;
}

export function perOperationUs(cpuSeconds: number, sample: Sample): number {
  return sample.operations === 0 ? 0 : (cpuSeconds * 1e6) / sample.operations;
}

const MARKS: Readonly<Record<Verdict['state'], string>> = {
  then: 'reached, both',
  first: 'reached, first',
  missed: 'MISSED',
  'not measured': 'not measured',
  later: 'later',
};

export function verdictTable(verdicts: readonly Verdict[]): string {
  const lines = verdicts.map((verdict) => [
    verdict.what,
    verdict.measured,
    verdict.first,
    verdict.then,
    MARKS[verdict.state],
  ]);
  return align([['target', 'measured', 'first', 'then', 'verdict'], ...lines]);
}

/** What the systems in these rows are. */
export function systemsText(rows: readonly Row[]): string {
  const names = [...new Set(rows.map((row) => row.system))];
  return align(names.map((name) => [name, SYSTEMS[name] ?? '']));
}

/** Columns as wide as their widest cell; the last one isn't padded. */
export function align(lines: readonly (readonly string[])[]): string {
  const widths: number[] = [];
  for (const line of lines) line.forEach((cell, i) => (widths[i] = Math.max(widths[i] ?? 0, cell.length)));
  return lines
    .map((line) =>
      line
        .map((cell, i) => (i === line.length - 1 ? cell : cell.padEnd(widths[i] ?? 0)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function whole(value: number): string {
  return Math.round(value).toLocaleString('en');
}

function decimals(value: number): string {
  return value >= 100 ? whole(value) : value.toFixed(2);
}
