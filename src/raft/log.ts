/**
 * A replica's log as the core sees it: the terms of all of it, the recent entries of it, and how far it has come.
 *
 *   truncated <= applied <= applying <= commit <= last      persisted <= handed <= last
 *   applying <= persisted, but for a snapshot that is being installed
 *
 * Uncommitted and unpersisted entries are always in the tail: they may be sent, cut or counted at any moment.
 */
import { assert } from '../base/index.js';
import type { LogIndex, Term } from '../base/index.js';
import { entryBytes } from './entry-size.js';
import { PersistLedger } from './persist-ledger.js';
import { Tail } from './tail.js';
import { TermRuns } from './term-runs.js';
import type { Entry, RaftInitial } from './types.js';

export class RaftLog {
  readonly tail: Tail;
  readonly ledger = new PersistLedger();
  private readonly runs: TermRuns;
  /** Moved by a leader that counts, by a leader's message, or by a snapshot; never falls. */
  commit: LogIndex;
  /** Told by the host; never falls. */
  applied: LogIndex;
  /** Handed out to be applied. */
  applying: LogIndex;
  /** The log up to here, as it is now, survives a crash. Falls when a suffix is cut. */
  persisted: LogIndex;
  /** Handed out to be persisted. Falls when a suffix is cut. */
  handed: LogIndex;
  /** Bytes of the tail's entries above `commit`. */
  uncommittedBytes = 0;

  constructor(
    initial: RaftInitial,
    commit: LogIndex,
    applied: LogIndex,
    private readonly tailBytesMax: number,
  ) {
    this.runs = new TermRuns(
      initial.truncatedIndex,
      initial.truncatedTerm,
      initial.termRuns,
      initial.lastIndex,
    );
    this.tail = new Tail(initial.lastIndex + 1);
    assert(commit <= initial.lastIndex, `commit ${commit} beyond the log's end ${initial.lastIndex}`);
    assert(
      applied >= initial.truncatedIndex,
      `applied ${applied} below truncation ${initial.truncatedIndex}`,
    );
    assert(applied <= commit, `applied ${applied} beyond commit ${commit}`);
    this.commit = commit;
    this.applied = applied;
    this.applying = applied;
    this.persisted = initial.lastIndex;
    this.handed = initial.lastIndex;
  }

  get truncatedIndex(): LogIndex {
    return this.runs.baseIndex;
  }

  get lastIndex(): LogIndex {
    return this.runs.lastIndex;
  }

  get lastTerm(): Term {
    return this.runs.lastTerm;
  }

  termAt(index: LogIndex): Term {
    return this.runs.termAt(index);
  }

  /** Whether the log has this very entry, the truncation point included. */
  matches(index: LogIndex, term: Term): boolean {
    return index >= this.truncatedIndex && index <= this.lastIndex && this.runs.termAt(index) === term;
  }

  /** Raft paper, section 5.4.1: whether a log that ends so holds at least all that this one may have committed. */
  isUpToDate(lastIndex: LogIndex, lastTerm: Term): boolean {
    return lastTerm > this.lastTerm || (lastTerm === this.lastTerm && lastIndex >= this.lastIndex);
  }

  greatestUpTo(index: LogIndex, term: Term): LogIndex {
    return this.runs.greatestUpTo(index, term);
  }

  append(entry: Entry): void {
    this.runs.append(entry.index, entry.term);
    this.tail.push(entry);
    this.uncommittedBytes += entryBytes(entry);
    this.evict();
  }

  /** Cuts `index` and all behind it; a committed entry never goes. */
  truncateFrom(index: LogIndex): void {
    assert(index > this.commit, `entry ${index} is committed (commit ${this.commit}): it cannot be cut`);
    for (let i = Math.max(index, this.tail.first); i < this.tail.next; i++) {
      this.uncommittedBytes -= entryBytes(this.tail.get(i));
    }
    this.runs.truncateFrom(index);
    this.tail.truncateFrom(index);
    this.handed = Math.min(this.handed, index - 1);
    this.persisted = Math.min(this.persisted, index - 1);
    this.ledger.clamp(index - 1);
  }

  /** Returns whether `commit` moved. */
  commitTo(index: LogIndex): boolean {
    if (index <= this.commit) return false;
    if (index > this.lastIndex) {
      assert(false, `commit ${index} beyond the log's end ${this.lastIndex}: acknowledged entries are lost`);
    }
    for (let i = Math.max(this.commit + 1, this.tail.first); i <= index; i++) {
      this.uncommittedBytes -= entryBytes(this.tail.get(i));
    }
    this.commit = index;
    this.evict();
    return true;
  }

  persistTo(index: LogIndex): void {
    if (index <= this.persisted) return;
    assert(index <= this.handed, `persisted ${index} was never handed out (handed ${this.handed})`);
    this.persisted = index;
    this.evict();
  }

  applyTo(index: LogIndex): void {
    if (index <= this.applied) return;
    assert(index <= this.applying, `applied ${index} was never handed out (applying ${this.applying})`);
    this.applied = index;
  }

  /** The next entries to persist. */
  takeUnhanded(): Entry[] {
    const entries = this.tail.slice(this.handed + 1, this.lastIndex, Infinity);
    this.handed = this.lastIndex;
    return entries;
  }

  /** The last index that may be applied now. */
  get applicable(): LogIndex {
    return Math.min(this.commit, this.persisted);
  }

  compactTo(index: LogIndex): void {
    assert(index <= this.applied, `cannot compact to ${index}: applied is ${this.applied}`);
    if (index <= this.truncatedIndex) return;
    this.runs.compactTo(index);
    while (this.tail.first < this.tail.next && this.tail.first <= index) this.tail.evictFirst();
  }

  /**
   * A snapshot takes the place of the log. What the disk holds still ends at the old state until the host says
   * otherwise; it agrees with the snapshot as far as it was committed.
   */
  restore(index: LogIndex, term: Term): void {
    assert(index > this.commit, `snapshot at ${index} is not beyond commit ${this.commit}`);
    this.ledger.clamp(this.commit);
    this.persisted = Math.min(this.persisted, this.commit);
    this.runs.reset(index, term);
    this.tail.reset(index + 1);
    this.uncommittedBytes = 0;
    this.handed = index;
    this.commit = index;
    this.applied = index;
    this.applying = index;
  }

  private evict(): void {
    const last = Math.min(this.persisted, this.commit);
    while (
      this.tail.bytes > this.tailBytesMax &&
      this.tail.first <= last &&
      this.tail.first < this.tail.next
    ) {
      this.tail.evictFirst();
    }
  }
}
