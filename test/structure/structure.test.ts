/**
 * The house rules. Each check runs on the sources, and on small trees that break one rule each: a check that finds
 * nothing there would find nothing here either. And each must fail on an empty tree.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { checkImports } from './checks/imports.js';
import { checkPurity } from './checks/purity.js';
import { checkShape } from './checks/shape.js';
import type { StructureCheck } from './checks/tree.js';
import { judge } from './checks/tree.js';
import { checkWords } from './checks/words.js';

interface Rule {
  readonly check: StructureCheck;
  readonly about: string;
  /** Breaking tree -> what has to be said of it, each at least once. */
  readonly breaking: Readonly<Record<string, readonly string[]>>;
}

const RULES: Readonly<Record<string, Rule>> = {
  imports: {
    check: checkImports,
    about: 'a folder imports only lower levels, through their index, without circles',
    breaking: {
      'higher-level': ['lower-levels-only-raft', 'sees-only-raft'],
      'same-level': ['lower-levels-only-kv', 'sees-only-kv'],
      circle: ['no-circle'],
      'type-of-higher-level': ['lower-levels-only-base'],
      'adapter-inside': ['adapters-from-roots'],
      'past-the-index': ['through-the-index:'],
      'root-past-the-index': ['through-the-index-from-roots'],
      'root-imported': ['nobody-imports-roots'],
      'ports-as-values': ['ports-as-types'],
      'client-sees-server': ['sees-only-client'],
      'second-entry-behind': [
        'through-the-index: src/client/index.ts',
        'through-the-index-from-roots: src/sdk.ts',
      ],
      'cache-codec-mixed': [
        'cache-codec-sees-base-alone',
        'cache-codec-users: src/codec',
        'cache-codec-users: src/host',
      ],
      'client-sees-frames': ['client-sees-cache-codec-alone'],
      'node-inside': ['node-at-the-edge'],
      'package-inside': ['packages-storage'],
      'folder-without-level': ['every-folder-has-a-level'],
      unresolvable: ['resolvable'],
    },
  },
  purity: {
    check: checkPurity,
    about: 'the pure levels compile without Node and without a browser',
    breaking: {
      impure: [
        "'setTimeout'",
        "'queueMicrotask'",
        "'console'",
        "'process'",
        "'performance'",
        "'crypto'",
        "'Buffer'",
      ],
    },
  },
  words: {
    check: checkWords,
    about: 'clocks, dice, timers, Node and promises stay at the edges, and state machines are deterministic',
    breaking: {
      'clock-in-core': ['Date', 'Math.random'],
      'order-in-core': ['sort() without', 'localeCompare', 'toLocaleString'],
      'world-inside': [
        'import of crypto',
        ':5: setTimeout',
        'setInterval',
        'setImmediate',
        'queueMicrotask',
        ':9: process',
        'globalThis.setTimeout',
        'Date',
        'performance',
        'Math.random',
        ':11: process',
      ],
      'promise-below-the-edge': ['async', 'await', 'Promise', 'then'],
    },
  },
  shape: {
    check: checkShape,
    about: 'files have a header, one subject, a name, and no leftovers',
    breaking: {
      'no-header': ['has no comment at its top'],
      leftovers: ['TODO'],
      'wrong-words': ['name the file', '"masterRegion"', '"slave_node"'],
      'default-export': ['enum Colour', 'namespace Inner', 'default export'],
      'too-long': ['621 lines'],
    },
  },
};

const BREAKING = path.join('test', 'structure', 'breaking');

describe.each(Object.entries(RULES))('%s', (_, { check, about, breaking }) => {
  let empty = '';
  beforeAll(() => {
    empty = mkdtempSync(path.join(os.tmpdir(), 'quorate-empty-'));
    mkdirSync(path.join(empty, 'src'));
  });
  afterAll(() => rmSync(empty, { recursive: true }));

  it(`holds in the sources: ${about}`, async () => {
    expect(await judge(check, '.')).toEqual([]);
  });

  it.each(Object.entries(breaking))('is caught breaking: %s', async (tree, expected) => {
    const problems = await judge(check, path.join(BREAKING, tree));
    for (const words of expected)
      expect(problems.filter((problem) => problem.includes(words))).not.toEqual([]);
  });

  it('fails where there is nothing to check', async () => {
    expect(await judge(check, empty)).toEqual(['no file was checked']);
    expect(await judge(check, path.join(empty, 'nowhere'))).toEqual(['no file was checked']);
  });
});

describe('the breaking trees', () => {
  it('are all used', () => {
    const used = Object.values(RULES).flatMap((rule) => Object.keys(rule.breaking));
    expect(readdirSync(BREAKING).sort()).toEqual(used.sort());
  });
});
