/** What the load generators print, read as figures; and whatever they print instead, refused. */
import { describe, expect, it } from 'vitest';

import { sumOfMetric } from '../../../scripts/bench/parse-metrics.js';
import {
  parseEtcdLoad,
  parseFailover,
  parseProcStat,
  parseRedisBenchmark,
} from '../../../scripts/bench/parse-output.js';

const HEADER =
  '"test","rps","avg_latency_ms","min_latency_ms","p50_latency_ms","p95_latency_ms","p99_latency_ms","max_latency_ms"';

describe('redis-benchmark', () => {
  it('is read by the names of its columns', () => {
    const row = '"SET","11952.19","0.166","0.024","0.079","0.319","1.247","10.975"';
    const expected = { perSecond: 11952.19, p50Ms: 0.079, p99Ms: 1.247, errors: 0 };
    expect(parseRedisBenchmark(`${HEADER}\n${row}\n`, 'SET')).toEqual(expected);
    const swapped = '"test","p99_latency_ms","rps","p50_latency_ms"\n"GET","9","100","4"\n';
    expect(parseRedisBenchmark(swapped, 'GET')).toEqual({ perSecond: 100, p50Ms: 4, p99Ms: 9, errors: 0 });
  });

  it('is read behind the lines that --cluster puts first', () => {
    const preface = 'Cluster has 3 master nodes:\n\nMaster 0: 83e8 127.0.0.1:21902\n\n';
    const row = '"GET","2645.50","0.282","0.024","0.167","0.671","1.383","7.919"';
    expect(parseRedisBenchmark(`${preface}${HEADER}\n${row}\n`, 'GET').perSecond).toBe(2645.5);
  });

  it.each([
    ['nothing', ''],
    ['an error', 'Could not connect to server\n'],
    ['another test', `${HEADER}\n"GET","1","1","1","1","1","1","1"\n`],
    ['a missing column', '"test","rps"\n"SET","10"\n'],
    ['a rate of zero', `${HEADER}\n"SET","0.00","0","0","0","0","0","0"\n`],
    ['no number', `${HEADER}\n"SET","nan","0","0","0","0","0","0"\n`],
  ])('is refused when it printed %s', (_, output) => {
    expect(() => parseRedisBenchmark(output, 'SET')).toThrow('redis-benchmark gave');
  });
});

describe('etcdload', () => {
  it('is read with its errors', () => {
    const line = '{"mode":"put","clients":64,"ops_per_s":8836,"p50_ms":6.8,"p99_ms":16.1,"errors":2}\n';
    expect(parseEtcdLoad(line)).toEqual({ perSecond: 8836, p50Ms: 6.8, p99Ms: 16.1, errors: 2 });
  });

  it('is refused when a figure is missing', () => {
    expect(() => parseEtcdLoad('{"ops_per_s":8836}')).toThrow('etcdload gave');
    expect(() => parseEtcdLoad('panic: no')).toThrow('no result');
  });
});

describe('the test of killed nodes', () => {
  it('gives the time of each kill', () => {
    const output =
      'x\nnode 1 killed: every shard writable again after 307 ms\nnode 2 killed: every shard writable again after 489 ms\n';
    expect(parseFailover(output)).toEqual([307, 489]);
    expect(() => parseFailover('1 failed')).toThrow('no kill');
  });
});

describe("a process' times", () => {
  const fields = ['S', ...Array.from({ length: 10 }, () => '7'), '150', '50', '20', '30', '20', '0'];

  it('are found behind a name that holds blanks and parentheses', () => {
    expect(parseProcStat(`42 (a (b) c) ${fields.join(' ')}`)).toEqual({ own: 2, endedChildren: 0.5 });
  });

  it('are refused where there are none', () => {
    expect(() => parseProcStat('42 (a) S 1 2')).toThrow('no process times');
  });
});

describe('a metric', () => {
  const page =
    '# HELP reads_total x\nreads_total{shard="1"} 3\nreads_total{shard="2"} 4.5\nreads_total_more 100\nother 1\n';

  it('is summed over its labels, and not mixed with names that begin alike', () => {
    expect(sumOfMetric(page, 'reads_total')).toBe(7.5);
    expect(sumOfMetric(page, 'other')).toBe(1);
  });

  it('is null where it is missing, which is not zero', () => {
    expect(sumOfMetric(page, 'writes_total')).toBeNull();
    expect(sumOfMetric('writes_total 0\n', 'writes_total')).toBe(0);
  });
});
