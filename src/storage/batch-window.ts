/**
 * Batch numbers: how a batch that LevelDB silently dropped is noticed.
 *
 * Every batch carries the node's next number as a record of its own. A flipped bit in LevelDB's log file drops whole
 * batches, in the middle or at the end, and with them their number records; so at opening the numbers must run
 * without a gap from the low mark to the watermark. One counter, overwritten by each batch, would prove nothing: a
 * later batch restores it. A number record may go once its batch can't be dropped any more, that is once the store
 * has surely moved it from its log file into tables. That is so
 *  - for all batches of earlier lives: opening the store moves them; and
 *  - after the store changed its write buffer twice (it writes the older one out before it changes again).
 *
 * `BatchWindow` counts the latter without looking into the store. A generation ends when its batches add up to a
 * whole buffer. The buffer may have been partly full when the generation began, so k generations in a row saw at
 * least k - 1 changes; hence three whole generations lie between a batch and its number's deletion.
 */
import type { BatchNumber } from '../base/index.js';
import type { WatermarkFound } from './watermark.js';

const GENERATIONS_KEPT = 3;

export class BatchWindow {
  /** First batch of each of the newest generations, ascending; the last one is being filled. */
  private readonly starts: BatchNumber[];
  private bytes = 0;

  /** `low`: the lowest number that must be there, from now on. */
  constructor(
    public low: BatchNumber,
    private readonly generationBytes: number,
  ) {
    this.starts = [low];
  }

  /** A batch was written; true when the low mark rose. */
  onWritten(batch: BatchNumber, bytes: number): boolean {
    this.bytes += bytes;
    if (this.bytes < this.generationBytes) return false;
    this.bytes = 0;
    this.starts.push(batch + 1);
    if (this.starts.length <= GENERATIONS_KEPT + 1) return false;
    this.starts.shift();
    this.low = this.starts[0] as BatchNumber;
    return true;
  }
}

/** What a scan of the store saw of the batch numbers; fed in ascending order. */
export class BatchScan {
  /** Null until seen; without it nothing says where the numbers begin. */
  low: BatchNumber | null = null;
  /** The lowest number seen at all: number records below the low mark wait for deletion. */
  lowest: BatchNumber | null = null;
  last: BatchNumber = 0;
  /** The first gap, both ends included. */
  gap: { readonly from: BatchNumber; readonly to: BatchNumber } | null = null;

  onLowMark(low: BatchNumber): void {
    this.low = low;
  }

  onBatch(batch: BatchNumber): void {
    this.lowest ??= batch;
    if (this.low !== null && batch >= this.low) {
      const expected = Math.max(this.low, this.last + 1);
      if (batch > expected && !this.gap) this.gap = { from: expected, to: batch - 1 };
    }
    this.last = batch;
  }
}

export type BatchVerdict =
  /** Nothing was ever written here. */
  | { readonly kind: 'fresh' }
  /** Nothing acknowledged is missing, as far as numbers can tell. */
  | { readonly kind: 'whole'; readonly next: BatchNumber }
  /** Batches are missing, or nobody can say: every replica of the node is suspect. */
  | { readonly kind: 'gap'; readonly next: BatchNumber; readonly reason: string }
  /** The watermark speaks of batches and the store is empty. */
  | { readonly kind: 'missing' };

/** The table of docs/formats.md, "What recovery concludes". `next` is above every number ever used. */
export function judgeBatches(
  scan: BatchScan,
  watermark: WatermarkFound,
  storeIsEmpty: boolean,
): BatchVerdict {
  const mark = watermark.kind === 'batch' ? watermark.batch : 0;
  if (storeIsEmpty) return mark > 0 ? { kind: 'missing' } : { kind: 'fresh' };
  const next = Math.max(scan.last, mark) + 1;
  const gap = (reason: string): BatchVerdict => ({ kind: 'gap', next, reason });
  if (watermark.kind === 'absent') return gap('the watermark file is missing');
  if (watermark.kind === 'damaged') return gap('the watermark file is damaged');
  if (scan.low === null) return gap('the low mark of the batch numbers is missing or damaged');
  if (scan.gap) {
    return gap(`log batches ${scan.gap.from} to ${scan.gap.to} are missing (the last one is ${scan.last})`);
  }
  if (scan.last < Math.max(mark, scan.low)) {
    return gap(`the log ends at batch ${scan.last}, but batch ${Math.max(mark, scan.low)} was durable`);
  }
  return { kind: 'whole', next };
}
