/** Verdicts against the targets, and the report: what is missed, missing or refused must be seen as such. */
import { describe, expect, it } from 'vitest';

import { align, peerOf, perOperationUs, rowTable, verdictTable } from '../../../scripts/bench/report.js';
import { ROWS } from '../../../scripts/bench/rows.js';
import type { Row } from '../../../scripts/bench/rows.js';
import { Results } from '../../../scripts/bench/samples.js';
import type { Sample } from '../../../scripts/bench/samples.js';
import { judgeAll, LATER, TARGETS, topRate } from '../../../scripts/bench/targets.js';
import type { Verdict } from '../../../scripts/bench/targets.js';

function sample(perSecond: number, more: Partial<Sample> = {}): Sample {
  const figures = {
    operations: 1000,
    seconds: 1,
    p50Ms: 1,
    p99Ms: 2,
    clientCpuSeconds: 0.5,
    serverCpuSeconds: 2,
  };
  return { ...figures, perSecond, errors: 0, notes: [], ...more };
}

function row(id: string): Row {
  const found = ROWS.find((candidate) => candidate.id === id);
  if (found === undefined) throw new Error(`no row ${id}`);
  return found;
}

function verdict(results: Results, what: string): Verdict {
  const found = judgeAll(results).find((candidate) => candidate.what === what);
  if (found === undefined) throw new Error(`no target "${what}"`);
  return found;
}

const WRITES = 'writes, 64 clients, keys over all shards';

describe('a target', () => {
  it.each([
    [2499, 'missed'],
    [2500, 'first'],
    [3999, 'first'],
    [4000, 'then'],
  ])('that wants a ratio is judged by it: %i against 1000', (ours, state) => {
    const results = new Results();
    results.add('spread.writes.64x1', 0, sample(ours));
    results.add('etcd.writes.64x1', 0, sample(1000));
    expect(verdict(results, WRITES).state).toBe(state);
  });

  it.each([
    [5.1, 'missed'],
    [5, 'first'],
    [2, 'then'],
  ])('that wants less is judged the other way round: a p99 of %f ms', (p99Ms, state) => {
    const results = new Results();
    results.add('paced.reads.64x16', 0, sample(1, { p99Ms }));
    expect(verdict(results, 'p99 at half of the top rate, reads').state).toBe(state);
  });

  it('whose later stage asks for another figure needs that one', () => {
    const results = new Results();
    results.add('spread.reads.64x1', 0, sample(8000));
    results.add('etcd.reads.64x1', 0, sample(1000));
    const what = 'linearizable reads, 64 clients, keys over all shards';
    expect(verdict(results, what).state).toBe('first');
    results.add('bare.reads.64x1', 0, sample(10_000));
    expect(verdict(results, what)).toMatchObject({ state: 'then', measured: '8.00 x etcd, 0.80 x bare' });
  });

  it('without its rows is not measured, and says why', () => {
    const results = new Results();
    expect(verdict(results, WRITES)).toMatchObject({ state: 'not measured', measured: 'not asked for' });
    results.refuse('spread.writes.64x1', 'no listener');
    expect(verdict(results, WRITES)).toMatchObject({ state: 'not measured', measured: 'no listener' });
  });

  it('names rows that exist', () => {
    for (const target of TARGETS) for (const id of target.rows) expect(row(id).id).toBe(id);
  });

  it('that waits for a feature is listed with it', () => {
    const verdicts = judgeAll(new Results());
    expect(verdicts.filter(({ state }) => state === 'later')).toHaveLength(LATER.length);
    for (const { what } of LATER) expect(verdictTable(verdicts)).toContain(what);
  });
});

describe('the table of rows', () => {
  it('shows median, spread, ratio and CPU of each operation', () => {
    const results = new Results();
    for (const [round, rate] of [3000, 5000, 4000].entries()) {
      results.add('map.writes.64x1', round, sample(rate));
      results.add('etcd.writes.64x1', round, sample(2000));
    }
    const table = rowTable([row('map.writes.64x1')], results);
    expect(table).toContain('4,000 (3,000 to 5,000)');
    expect(table).toContain('2.00 x etcd');
    expect(table).toMatch(/ 500 +2,000$/m);
  });

  it('says what was refused and why, beside what was measured', () => {
    const results = new Results();
    results.refuse('map.reads.64x1', 'not linearizable: 0 of 10 reads');
    results.add('map.writes.64x1', 0, sample(1, { notes: ['the pace was not held'] }));
    const table = rowTable([row('map.reads.64x1'), row('map.writes.64x1')], results);
    expect(table).toContain('map.reads.64x1: not linearizable: 0 of 10 reads');
    expect(table).toContain('map.writes.64x1: the pace was not held');
    expect(rowTable([row('map.reads.64x1')], new Results())).toBe('Nothing was measured.');
  });

  it('shows a single figure with its unit', () => {
    const results = new Results();
    results.add(
      'idle.1000-shards',
      0,
      sample(0, { operations: 0, figure: { value: 2.5, unit: '% of a core' } }),
    );
    expect(rowTable([row('idle.1000-shards')], results)).toContain('2.50 % of a core (2.50 to 2.50)');
  });

  it('sets pipelined rows against the same clients of etcd, which cannot pipeline', () => {
    expect(peerOf(row('node.reads.64x16'))).toBe('etcd.reads.64x1');
    expect(peerOf(row('single.writes.50x16'))).toBe('redis.writes.50x16');
    expect(peerOf(row('etcd.reads.64x1'))).toBeNull();
    expect(perOperationUs(2, sample(1))).toBe(2000);
  });

  it('pads columns and leaves no blanks at the ends of lines', () => {
    expect(
      align([
        ['a', 'bb', ''],
        ['ccc', 'd', 'e'],
      ]),
    ).toBe('a    bb\nccc  d   e');
  });
});

describe('the top rate', () => {
  it('is the best median of the rows that were measured', () => {
    const results = new Results();
    expect(topRate(results, ['map.writes.64x16'])).toBe(0);
    for (const [round, rate] of [10, 90, 20].entries()) results.add('map.writes.64x16', round, sample(rate));
    results.add('spread.writes.64x16', 0, sample(15));
    expect(topRate(results, ['map.writes.64x16', 'spread.writes.64x16'])).toBe(20);
  });
});
