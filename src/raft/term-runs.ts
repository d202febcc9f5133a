/**
 * The terms of a whole log in a few numbers: one run per term that wrote to it, over a base, the truncation point.
 *
 * Invariants: runs begin right behind the base and follow each other without a gap; terms rise strictly from run to
 * run and are at least the base's. A log has as many runs as it saw leaders since its truncation point, so every
 * operation is short; the usual questions (the last entry's term, one just below it) are answered by the last run.
 */
import { assert } from '../base/index.js';
import type { LogIndex, Term } from '../base/index.js';
import type { TermRun } from './types.js';

export class TermRuns {
  private starts: LogIndex[] = [];
  private terms: Term[] = [];
  /** Everything up to here is gone; its term is still known, because the next entry's check needs it. */
  baseIndex: LogIndex;
  baseTerm: Term;
  lastIndex: LogIndex;

  constructor(baseIndex: LogIndex, baseTerm: Term, runs: readonly TermRun[], lastIndex: LogIndex) {
    assert(lastIndex >= baseIndex, `last index ${lastIndex} below truncation point ${baseIndex}`);
    assert(
      runs.length > 0 === lastIndex > baseIndex,
      `${runs.length} term runs for (${baseIndex}, ${lastIndex}]`,
    );
    this.baseIndex = baseIndex;
    this.baseTerm = baseTerm;
    this.lastIndex = baseIndex;
    for (const run of runs) {
      const isNext = this.starts.length === 0 ? run.index === baseIndex + 1 : run.index > this.lastIndex;
      assert(isNext, `term run at ${run.index} does not follow ${this.lastIndex}`);
      assert(run.index <= lastIndex, `term run at ${run.index} beyond the last index ${lastIndex}`);
      this.lastIndex = run.index - 1;
      this.append(run.index, run.term);
    }
    this.lastIndex = lastIndex;
  }

  get lastTerm(): Term {
    return this.terms.length === 0 ? this.baseTerm : (this.terms[this.terms.length - 1] as Term);
  }

  /** 0 outside of [baseIndex, lastIndex]. */
  termAt(index: LogIndex): Term {
    if (index > this.lastIndex || index < this.baseIndex) return 0;
    if (index === this.baseIndex) return this.baseTerm;
    let run = this.starts.length - 1;
    while ((this.starts[run] as LogIndex) > index) run--;
    return this.terms[run] as Term;
  }

  append(index: LogIndex, term: Term): void {
    if (index !== this.lastIndex + 1) assert(false, `entry ${index} does not follow ${this.lastIndex}`);
    const lastTerm = this.lastTerm;
    if (term < lastTerm) assert(false, `entry ${index} of term ${term} behind one of term ${lastTerm}`);
    this.lastIndex = index;
    if (this.terms.length > 0 && term === lastTerm) return;
    this.starts.push(index);
    this.terms.push(term);
  }

  /** Forgets `index` and all behind it. */
  truncateFrom(index: LogIndex): void {
    assert(index > this.baseIndex, `cannot cut at ${index}: truncated to ${this.baseIndex}`);
    while (this.starts.length > 0 && (this.starts[this.starts.length - 1] as LogIndex) >= index) {
      this.starts.pop();
      this.terms.pop();
    }
    this.lastIndex = Math.min(this.lastIndex, index - 1);
  }

  /** Moves the base up to `index`, which is in the log. */
  compactTo(index: LogIndex): void {
    assert(index <= this.lastIndex, `cannot compact to ${index}: the log ends at ${this.lastIndex}`);
    if (index <= this.baseIndex) return;
    this.baseTerm = this.termAt(index);
    this.baseIndex = index;
    let gone = 0;
    while (gone + 1 < this.starts.length && (this.starts[gone + 1] as LogIndex) <= index + 1) gone++;
    this.starts.splice(0, gone);
    this.terms.splice(0, gone);
    if (index === this.lastIndex) {
      this.starts.length = 0;
      this.terms.length = 0;
    } else {
      this.starts[0] = index + 1;
    }
  }

  /** An empty log behind a new base: a snapshot took the log's place. */
  reset(baseIndex: LogIndex, baseTerm: Term): void {
    this.starts.length = 0;
    this.terms.length = 0;
    this.baseIndex = baseIndex;
    this.baseTerm = baseTerm;
    this.lastIndex = baseIndex;
  }

  /**
   * The greatest index up to `index` whose term is at most `term`: whatever lies between it and `index` cannot be
   * in a log that has `term` there, so a conflict is skipped a run at a time. The base is never passed.
   */
  greatestUpTo(index: LogIndex, term: Term): LogIndex {
    let at = Math.min(index, this.lastIndex);
    for (let run = this.starts.length - 1; run >= 0; run--) {
      const start = this.starts[run] as LogIndex;
      if (start > at) continue;
      if ((this.terms[run] as Term) <= term) return at;
      at = start - 1;
    }
    return at;
  }
}
