/**
 * What the log store remembers of one group between batches: where its log begins and ends, its checkpoints, and
 * what of it is not written yet. Plain state; the log store moves it.
 *
 * Relations: truncatedIndex <= lastIndex; sizes.length = lastIndex - truncatedIndex.
 */
import type { GroupId, LogIndex, ReplicaId, Term } from '../base/index.js';
import type { CheckpointPointer } from './api.js';
import { EntrySizes } from './entry-sizes.js';

export const NOTHING_UNWRITTEN = Number.POSITIVE_INFINITY;

export class GroupLog {
  truncatedIndex: LogIndex = 0;
  truncatedTerm: Term = 0;
  lastIndex: LogIndex = 0;
  sizes = new EntrySizes();
  /** Two slots; the newest checkpoint is the one with the higher index. */
  readonly checkpoints: (CheckpointPointer | null)[] = [null, null];
  /** First index that the open batch, and the one in flight, write or delete. */
  openFrom = NOTHING_UNWRITTEN;
  inFlightFrom = NOTHING_UNWRITTEN;

  constructor(
    readonly group: GroupId,
    /** Recovery sets it once it met the record. */
    public replica: ReplicaId,
  ) {}

  /** Entries below this index can be read from the store. */
  get writtenEnd(): LogIndex {
    return Math.min(this.openFrom, this.inFlightFrom, this.lastIndex + 1);
  }

  newestCheckpoint(): CheckpointPointer | null {
    const [a, b] = this.checkpoints;
    if (!a || !b) return a ?? b ?? null;
    return a.index > b.index ? a : b;
  }

  /** Newest first; one that ends before the log begins can't be followed up, and is not among them. */
  usableCheckpoints(): CheckpointPointer[] {
    return this.checkpoints
      .filter((pointer) => pointer !== null)
      .filter((pointer) => pointer.index >= this.truncatedIndex)
      .sort((a, b) => b.index - a.index);
  }

  /** The slot for a new pointer: that of the same index, an empty one, or the older one's. */
  slotFor(checkpoint: CheckpointPointer): number {
    const [a, b] = this.checkpoints;
    if (a?.index === checkpoint.index) return 0;
    if (b?.index === checkpoint.index) return 1;
    if (!a) return 0;
    if (!b) return 1;
    return a.index < b.index ? 0 : 1;
  }
}
