/**
 * What a replica knows of the group's commit index, and as of when (docs/decisions/0007-reads.md): an index that was
 * confirmed for a question asked at a time covers every write acknowledged before that time.
 *
 * Two kinds: `applied` serves at once; what is newer and not applied yet has to be waited for, and may never be applied
 * when the entries up to it don't arrive. It replaces the other only once it is applied. So that a stream of ever newer
 * indexes can't keep the applied one from moving, the oldest that waits stays until its turn has come.
 */
import type { LogIndex, MonoMs } from '../base/index.js';

export interface IndexAt {
  readonly index: LogIndex;
  readonly asOfMs: MonoMs;
}

const NEVER: IndexAt = { index: 0, asOfMs: -Infinity };

export class KnownIndex {
  private last: IndexAt = NEVER;
  /** Becomes the applied one next; it is that one when none waits. */
  private next: IndexAt = NEVER;
  private newest: IndexAt = NEVER;

  learn(index: LogIndex, asOfMs: MonoMs, appliedIndex: LogIndex): void {
    if (asOfMs <= this.newest.asOfMs) return;
    const last = this.applied(appliedIndex);
    this.newest = { index, asOfMs };
    if (this.next === last) this.next = this.newest;
  }

  /** The newest that is applied. */
  applied(appliedIndex: LogIndex): IndexAt {
    if (this.newest.index <= appliedIndex) {
      this.last = this.newest;
      this.next = this.newest;
    } else if (this.next.index <= appliedIndex) {
      this.last = this.next;
      this.next = this.newest;
    }
    return this.last;
  }

  /** The newest, applied or not. */
  get confirmed(): IndexAt {
    return this.newest;
  }
}
