/**
 * Reads that wait for a leader to be confirmed (Raft thesis, section 6.4), gathered into rounds.
 *
 * A round covers the reads that arrived before its messages were built, all at the commit index of that moment. A
 * peer that answers round r had the leader's term after r was built, hence after every earlier round was: so one
 * number per peer, the newest round answered, decides for all rounds up to it, and a lost round needs no repetition:
 * a later one confirms its reads too. Round numbers are never used twice in a replica's life, and never in another
 * one's term, since the answer bears the term.
 *
 * Reads are this replica's own, or `remote`: asked for by one that does not lead (index-requests.ts).
 */
import { assert } from '../base/index.js';
import type { LogIndex, ReplicaId } from '../base/index.js';
import type { ReadOutcome } from './types.js';

/** A read at another replica: its context is that one's. */
export interface RemoteRead {
  readonly from: ReplicaId;
  readonly context: number;
}

interface Round {
  readonly number: number;
  readonly index: LogIndex;
  contexts: number[];
  remotes: RemoteRead[];
}

/** A remote read that is confirmed: to be told to its replica. */
export interface RemoteAnswer {
  readonly read: RemoteRead;
  readonly index: LogIndex;
}

/** Shared by rounds without remote reads. Never written to. */
const NO_REMOTES: RemoteRead[] = [];

/** Rounds that reads alone may have on their way; more reads join the next. Enough for a round per turn at 10 ms. */
const ROUNDS_FOR_READS_MAX = 16;
/** Rounds on their way at all. The rest is room for retries, one per heartbeat: far longer than any answer takes. */
const ROUNDS_MAX = 64;

export class ReadRounds {
  /** Contexts that no round covers yet. */
  private pending: number[] = [];
  private pendingRemotes: RemoteRead[] = [];
  /** Oldest first. */
  private rounds: Round[] = [];
  private lastNumber = 0;
  /** Filled by `confirmUpTo`, emptied by who sends them. */
  readonly answers: RemoteAnswer[] = [];
  /** A heartbeat is due and reads still wait: their round's messages may be lost. */
  private retryDue = false;
  /** Reads waiting, in rounds or not. */
  waiting = 0;

  get lastRound(): number {
    return this.lastNumber;
  }

  get wantsRound(): boolean {
    if (this.retryDue) return true;
    return (
      (this.pending.length > 0 || this.pendingRemotes.length > 0) && this.rounds.length < ROUNDS_FOR_READS_MAX
    );
  }

  add(context: number): void {
    this.pending.push(context);
    this.waiting++;
  }

  addRemote(read: RemoteRead): void {
    this.pendingRemotes.push(read);
    this.waiting++;
  }

  /** `always`: a round is wanted even when nobody waits for one. */
  /** No read waits, and nobody needs a round for anything else any more. */
  cancelRetry(): void {
    assert(this.waiting === 0, 'reads wait for a round');
    this.retryDue = false;
  }

  requestRetry(always: boolean): void {
    if (always || this.rounds.length > 0) this.retryDue = true;
  }

  /** The members changed: rounds that are under way count no more, and a later one covers their reads. */
  restart(): void {
    if (this.rounds.length === 0) return;
    const rounds = this.rounds;
    this.rounds = [];
    this.pending = rounds.flatMap((round) => round.contexts).concat(this.pending);
    this.pendingRemotes = rounds.flatMap((round) => round.remotes).concat(this.pendingRemotes);
    this.retryDue = false;
  }

  /** Opens a round over all pending reads, to be served at `index`; returns its number. */
  open(index: LogIndex): number {
    assert(this.wantsRound, 'a read round that nobody waits for');
    this.retryDue = false;
    if (this.rounds.length >= ROUNDS_MAX) this.mergeOldest();
    this.lastNumber++;
    const hasRemotes = this.pendingRemotes.length > 0;
    const remotes = hasRemotes ? this.pendingRemotes : NO_REMOTES;
    this.rounds.push({ number: this.lastNumber, index, contexts: this.pending, remotes });
    this.pending = [];
    if (hasRemotes) this.pendingRemotes = [];
    return this.lastNumber;
  }

  /** Rounds up to `number` are confirmed. */
  confirmUpTo(number: number, outcomes: ReadOutcome[]): void {
    let count = 0;
    for (; count < this.rounds.length; count++) {
      const round = this.rounds[count] as Round;
      if (round.number > number) break;
      for (const context of round.contexts) outcomes.push({ kind: 'confirmed', context, index: round.index });
      for (const read of round.remotes) this.answers.push({ read, index: round.index });
      this.waiting -= round.contexts.length + round.remotes.length;
    }
    if (count > 0) this.rounds.splice(0, count);
    if (this.rounds.length === 0) this.retryDue = false;
  }

  /** No read that waits can be confirmed any more. Remote ones end with their replica's word of a new leader. */
  abort(leader: ReplicaId, outcomes: ReadOutcome[]): void {
    for (const round of this.rounds) {
      for (const context of round.contexts) outcomes.push({ kind: 'aborted', context, leader });
    }
    for (const context of this.pending) outcomes.push({ kind: 'aborted', context, leader });
    this.rounds = [];
    this.pending = [];
    this.pendingRemotes = [];
    this.retryDue = false;
    this.waiting = 0;
  }

  /** The oldest round's reads are left to the second oldest: later, but still a round after they arrived. */
  private mergeOldest(): void {
    const oldest = this.rounds.shift();
    const heir = this.rounds[0];
    assert(oldest !== undefined && heir !== undefined, 'no rounds to merge');
    heir.contexts = oldest.contexts.concat(heir.contexts);
    if (oldest.remotes.length > 0) heir.remotes = oldest.remotes.concat(heir.remotes);
  }
}
