/** The benchmark's command line, and which rows it chooses. */
import { describe, expect, it } from 'vitest';

import { HELP, parseOptions } from '../../../scripts/bench/options.js';
import type { Options } from '../../../scripts/bench/options.js';
import { rotate, ROWS, selectRows, SYSTEMS } from '../../../scripts/bench/rows.js';

function options(...words: string[]): Options {
  const parsed = parseOptions(words);
  if (!parsed.ok) throw new Error(parsed.problem);
  return parsed.options;
}

function problem(...words: string[]): string {
  const parsed = parseOptions(words);
  return parsed.ok ? 'accepted' : parsed.problem;
}

describe('options', () => {
  it('are five rounds of everything by default', () => {
    expect(options()).toMatchObject({
      rounds: 5,
      seconds: 3,
      keys: 100_000,
      valueBytes: 128,
      quick: false,
      only: [],
    });
  });

  it('are fewer and shorter rounds when it should be quick, unless they are given', () => {
    expect(options('--quick')).toMatchObject({ rounds: 2, seconds: 0.7, quick: true });
    expect(options('--quick', '--rounds', '4')).toMatchObject({ rounds: 4, seconds: 0.7 });
  });

  it('take lists and files', () => {
    expect(options('--only', 'map,etcd,writes').only).toEqual(['map', 'etcd', 'writes']);
    expect(options('--json', 'out.json').jsonFile).toBe('out.json');
  });

  it('that nobody knows, or that make no sense, are refused by name', () => {
    expect(problem('--fast')).toContain('--fast: no such option');
    expect(problem('--rounds')).toContain('--rounds: expected a value');
    expect(problem('--rounds', '0')).toContain('from 1 to 100');
    expect(problem('--rounds', '2.5')).toContain('from 1 to 100');
    expect(problem('--keys', 'many')).toContain('--keys: expected a number');
    expect(problem('--json', '--quick')).toContain('--json: expected a value');
  });

  it('all stand in the help', () => {
    for (const name of [
      'quick',
      'rounds',
      'seconds',
      'only',
      'list',
      'json',
      'keys',
      'value-bytes',
      'program',
      'profile',
    ])
      expect(HELP).toContain(`--${name} `);
  });
});

describe('rows', () => {
  const ids = (...words: string[]): string[] => {
    const selection = selectRows(ROWS, words);
    if (!selection.ok) throw new Error(selection.problem);
    return selection.rows.map((row) => row.id);
  };

  it('have names of their own and systems that are explained', () => {
    expect(new Set(ROWS.map((row) => row.id)).size).toBe(ROWS.length);
    for (const row of ROWS) expect(SYSTEMS[row.system]).toBeDefined();
  });

  it('are chosen by words, of which those of one kind add up and kinds narrow each other', () => {
    expect(ids('map', 'etcd', 'writes', '64x1')).toEqual(['etcd.writes.64x1', 'map.writes.64x1']);
    expect(ids('node.reads.1x1')).toEqual(['node.reads.1x1']);
    expect(ids('sdk', 'node.reads.1x1')).toContain('node.reads.1x1');
    expect(ids('sdk', 'node.reads.1x1')).toContain('sdk.mix.64x16');
    expect(ids()).toEqual(ROWS.map((row) => row.id));
  });

  it('that do not exist are a problem', () => {
    expect(selectRows(ROWS, ['mapp'])).toMatchObject({ ok: false });
    expect(selectRows(ROWS, ['sdk', 'writes'])).toMatchObject({ ok: false });
  });

  it('include every shape that is asked of both ways to reach the cluster', () => {
    for (const system of ['map', 'node'])
      for (const load of ['writes', 'reads'])
        for (const shape of ['1x1', '64x1', '256x1', '1x16', '64x16', '256x16'])
          expect(ROWS.map((row) => row.id)).toContain(`${system}.${load}.${shape}`);
  });
});

describe('the order of a round', () => {
  it('begins with another one each time', () => {
    expect([0, 1, 2, 3].map((round) => rotate(['a', 'b', 'c'], round).join(''))).toEqual([
      'abc',
      'bca',
      'cab',
      'abc',
    ]);
    expect(rotate([], 3)).toEqual([]);
  });
});
