/** The mutants' list fits the source of today, and only a checker's word counts as a catch. */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { InvariantError } from '../../../src/base/index.js';
import { MUTANTS } from '../../sim/mutants/list.js';
import { editsOf, plant } from '../../sim/mutants/mutant.js';
import { judgeNodeRun, judgeThrown } from '../../sim/mutants/verdict.js';
import { RaftViolation } from '../../support/raft-violation.js';

const ROOT = new URL('../../../', import.meta.url);
const sources = new Map<string, string>();

function sourceOf(file: string): string {
  const known = sources.get(file) ?? readFileSync(new URL(file, ROOT), 'utf8');
  sources.set(file, known);
  return known;
}

describe('the list', () => {
  it('has at least 24 mutants, each with a name of its own', () => {
    const names = MUTANTS.map((mutant) => mutant.name);
    expect(names.length).toBeGreaterThanOrEqual(24);
    expect(new Set(names).size).toBe(names.length);
  });

  for (const mutant of MUTANTS) {
    it(`${mutant.name} finds its place in the source, once, and changes it`, () => {
      const changed = new Map<string, string>();
      for (const edit of editsOf(mutant)) {
        expect(edit.file).toMatch(/^src\/.*\.ts$/);
        const before = changed.get(edit.file) ?? sourceOf(edit.file);
        const after = plant(before, edit);
        expect(after).not.toBe(before);
        changed.set(edit.file, after);
      }
    });
  }
});

describe('plant', () => {
  const edit = { file: 'a.ts', find: 'x < y', replace: 'x <= y' };

  it('replaces the one place', () => {
    expect(plant('if (x < y) stop();', edit)).toBe('if (x <= y) stop();');
  });

  it('fails when the place is gone', () => {
    expect(() => plant('if (x > y) stop();', edit)).toThrow('a.ts: the place to edit is gone');
  });

  it('fails when there are two', () => {
    expect(() => plant('x < y; x < y;', edit)).toThrow('a.ts: there is more than one place to edit');
  });
});

describe('a catch', () => {
  it('is the word of a checker, by name', () => {
    expect(judgeNodeRun('SafetyViolation: S1: replicas 1 and 2 both lead')?.checker).toBe(
      'one leader a term',
    );
    expect(judgeNodeRun('HistoryViolation: key a: no order explains\nlines')?.checker).toBe(
      'linearizability',
    );
    expect(judgeThrown(new RaftViolation('log matching', 'two logs differ'))?.checker).toBe('log matching');
  });

  it('is neither an assertion, nor a node that ended, nor lack of time, nor a search that gave up', () => {
    expect(judgeNodeRun('InvariantError: commit 7 beyond the log\n    at x')).toBe(null);
    expect(judgeNodeRun('NodeFailure: node 2 ended: disk')).toBe(null);
    expect(judgeNodeRun('LivenessFailure: after 30000 ms without faults: 2 leaders')).toBe(null);
    expect(judgeNodeRun('HistoryViolation: key a: undecided after 2000000 steps')).toBe(null);
    expect(judgeThrown(new InvariantError('entry 7 is committed'))).toBe(null);
  });
});
