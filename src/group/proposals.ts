/**
 * Batches in the log whose outcome is not known yet, in index order.
 *
 * A waiter is bound to index **and** term: when another entry was committed at its index, its own was rolled back,
 * and it gets OUTCOME_UNKNOWN, never the reply of what replaced it. Losing leadership answers nobody: the entry may
 * still commit, and is answered when its index is applied. The gateway's deadline bounds the wait.
 */
import { assert, ByteWriter, type LogIndex, type Term } from '../base/index.js';
import { putFailed } from '../kv/index.js';
import type { CommandSink } from './sink.js';
import type { WriteBatch } from './write-batch.js';

interface Proposal {
  readonly index: LogIndex;
  readonly term: Term;
  readonly batch: WriteBatch;
  readonly proposedAtMs: number;
}

export class Proposals {
  private queue: Proposal[] = [];
  private head = 0;
  private readonly scratch = new ByteWriter(128);

  get length(): number {
    return this.queue.length - this.head;
  }

  add(index: LogIndex, term: Term, batch: WriteBatch, proposedAtMs: number): void {
    // A leader that lost and won leadership again may propose at an index below its old, rolled back proposals.
    while (this.length > 0) {
      const last = this.queue[this.queue.length - 1] as Proposal;
      if (last.index < index) break;
      this.queue.pop();
      this.answerUnknown(last.batch, 'the entry was rolled back');
    }
    this.queue.push({ index, term, batch, proposedAtMs });
  }

  /** The batch of the entry that is about to be applied, or null when this replica did not propose it. */
  peek(index: LogIndex, term: Term): WriteBatch | null {
    this.answerUpTo(index - 1);
    const first = this.queue[this.head];
    return first !== undefined && first.index === index && first.term === term ? first.batch : null;
  }

  /** Removes the batch that `peek` returned; gives the time of its proposal. */
  take(index: LogIndex): number {
    const first = this.queue[this.head];
    assert(first !== undefined && first.index === index, `no proposal at ${index}`);
    this.drop();
    return first.proposedAtMs;
  }

  /** An index passed (applied as something else, or skipped by a snapshot): what waited for it stays unknown. */
  answerUpTo(index: LogIndex): void {
    for (;;) {
      const first = this.queue[this.head];
      if (first === undefined || first.index > index) return;
      this.drop();
      this.answerUnknown(first.batch, 'another entry took its place in the log');
    }
  }

  /** The node stops: nobody will learn more here. */
  answerAll(message: string): void {
    for (let i = this.head; i < this.queue.length; i++) {
      this.answerUnknown((this.queue[i] as Proposal).batch, message);
    }
    this.queue = [];
    this.head = 0;
  }

  private drop(): void {
    this.head++;
    if (this.head > 64 && this.head * 2 > this.queue.length) {
      this.queue = this.queue.slice(this.head);
      this.head = 0;
    }
  }

  private answerUnknown(batch: WriteBatch, message: string): void {
    const scratch = this.scratch;
    scratch.reset();
    putFailed(scratch, 'OUTCOME_UNKNOWN', message, 0);
    for (let i = 0; i < batch.count; i++) {
      (batch.sinks[i] as CommandSink).onResult(batch.tokens[i] as number, scratch.buffer, 0, scratch.length);
    }
  }
}
