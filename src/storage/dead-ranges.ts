/**
 * Entries that a truncation point hides and whose records are still there. They are deleted a slice at a time with
 * batches that are written anyway, because deleting a long range at once stalls the store. A crash loses the list
 * and nothing else: recovery finds the dead records again.
 */
import type { GroupId, LogIndex } from '../base/index.js';

interface DeadRange {
  readonly group: GroupId;
  from: LogIndex;
  /** Excluded. */
  end: LogIndex;
}

export class DeadRanges {
  private ranges: DeadRange[] = [];

  get isEmpty(): boolean {
    return this.ranges.length === 0;
  }

  /** [from, end) of the group is dead. Adjoining ranges become one, so that there are few per group. */
  add(group: GroupId, from: LogIndex, end: LogIndex): void {
    if (from >= end) return;
    for (const range of this.ranges) {
      if (range.group === group && range.end === from) {
        range.end = end;
        return;
      }
    }
    this.ranges.push({ group, from, end });
  }

  /** Hands out up to `countMax` entries, each once; answers how many. */
  take(countMax: number, visit: (group: GroupId, index: LogIndex) => void): number {
    let left = countMax;
    while (left > 0) {
      const range = this.ranges[0];
      if (!range) break;
      for (; left > 0 && range.from < range.end; left--) visit(range.group, range.from++);
      if (range.from === range.end) this.ranges.shift();
    }
    return countMax - left;
  }

  /** Hands out all entries of one group and forgets them. */
  takeGroup(group: GroupId, visit: (group: GroupId, index: LogIndex) => void): void {
    for (const range of this.ranges) {
      if (range.group !== group) continue;
      for (let index = range.from; index < range.end; index++) visit(group, index);
    }
    this.ranges = this.ranges.filter((range) => range.group !== group);
  }
}
