/**
 * Those who asked for a checkpoint by hand and wait for one that holds what was applied when they asked. Bounded: more
 * are refused. Every one of them is answered once, whatever happens to the replica.
 */
import type { LogIndex } from '../base/index.js';
import type { CheckpointPointer } from '../storage/index.js';

export type CheckpointOutcome =
  /** There is one that holds all that was applied; `isNew`: it was written for this. */
  | {
      readonly kind: 'done';
      readonly isNew: boolean;
      readonly pointer: CheckpointPointer;
      readonly bytes: number;
    }
  /** Nothing was ever applied: there is nothing to hold. */
  | { readonly kind: 'empty' }
  | { readonly kind: 'refused'; readonly reason: string };

type Answer = (outcome: CheckpointOutcome) => void;

const WAITING_MAX = 64;

export class CheckpointRequests {
  private waiting: { readonly index: LogIndex; readonly answer: Answer }[] = [];

  get any(): boolean {
    return this.waiting.length > 0;
  }

  add(index: LogIndex, answer: Answer): void {
    if (this.waiting.length < WAITING_MAX) this.waiting.push({ index, answer });
    else answer({ kind: 'refused', reason: `${WAITING_MAX} requests wait for a checkpoint already` });
  }

  /** Answers all that a checkpoint up to this index serves. */
  onCheckpoint(pointer: CheckpointPointer, bytes: number): void {
    const served = this.waiting.filter(({ index }) => index <= pointer.index);
    this.waiting = this.waiting.filter(({ index }) => index > pointer.index);
    for (const { answer } of served) answer({ kind: 'done', isNew: true, pointer, bytes });
  }

  refuseAll(reason: string): void {
    const refused = this.waiting;
    this.waiting = [];
    for (const { answer } of refused) answer({ kind: 'refused', reason });
  }
}
