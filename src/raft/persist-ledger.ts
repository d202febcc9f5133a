/**
 * What was handed out to be persisted and has not been confirmed: one line per Ready, oldest first.
 *
 * A line's `lastIndex` reads: once this Ready is durable, the disk agrees with *today's* log up to there. So cutting
 * the log lowers every open line (`clamp`). Comparing terms at confirmation would not do:
 *   1. Ready 1 hands out 5@2.   2. A new leader overwrites it: Ready 2 hands out 5@3.
 *   3. A third leader, who has 5@2, overwrites again: Ready 3 hands out 5@2.
 *   4. Ready 1 is confirmed. The log's entry 5 has term 2, as Ready 1 said, and yet a crash now, between the writes
 *      of Ready 2 and Ready 3, would bring back 5@3.
 * Clamped at step 2, Ready 1 vouches for 4 only, and 5@2 counts when Ready 3 is durable.
 *
 * Bounded: on a disk that stands still, a new Ready joins the last line, which is then confirmed by the newer number.
 */
import type { LogIndex, ReadyNumber, ReplicaId, Term } from '../base/index.js';

interface Line {
  number: ReadyNumber;
  lastIndex: LogIndex;
  term: Term;
  vote: ReplicaId;
}

/** Far above what a healthy disk leaves open; a line is a few dozen bytes. */
const LINES_MAX = 256;

export class PersistLedger {
  private lines: Line[] = [];

  get length(): number {
    return this.lines.length;
  }

  add(number: ReadyNumber, lastIndex: LogIndex, term: Term, vote: ReplicaId): void {
    const last = this.lines.length >= LINES_MAX ? this.lines[this.lines.length - 1] : undefined;
    if (last === undefined) {
      this.lines.push({ number, lastIndex, term, vote });
      return;
    }
    last.number = number;
    last.lastIndex = lastIndex;
    last.term = term;
    last.vote = vote;
  }

  /** The log was cut behind `index`: no open line vouches for more. */
  clamp(index: LogIndex): void {
    for (const line of this.lines) if (line.lastIndex > index) line.lastIndex = index;
  }

  /** Takes the lines up to `number`; returns the newest of them, which says all that the older ones say and more. */
  takeUpTo(number: ReadyNumber): Readonly<Line> | null {
    let count = 0;
    while (count < this.lines.length && (this.lines[count] as Line).number <= number) count++;
    if (count === 0) return null;
    const newest = this.lines[count - 1] as Line;
    this.lines.splice(0, count);
    return newest;
  }
}
