/**
 * Leases: reads that a leader answers without asking a quorum each time (docs/decisions/0007-reads.md).
 *
 * A voter that answers a read round promises to elect nobody else for `promiseMs`, counted from when it handled the
 * round. A leader whose round a quorum answered so may rely on it for `holdMs` from when it opened the round, which was
 * earlier; `holdMs` is shorter by what two monotonic clocks may drift apart. Every election needs a voter of that
 * quorum, so nobody else leads before the lease is over.
 *
 * Both sides are here, since a replica is now one and now the other. The host says what time it is (`noteTime`) before
 * what it hands in: a time that is told late makes a lease shorter, and a promise told to a message that came earlier
 * is no shorter than it has to be.
 *
 * Void: with the leadership, with a change of configuration, and for the rest of the term once `timeout_now` was sent,
 * because the election that it starts asks nobody for patience, and it may arrive at any time.
 */
import { assert } from '../base/index.js';
import type { MonoMs, Term } from '../base/index.js';
import type { LeaseOptions } from './types.js';

interface OpenedRound {
  readonly number: number;
  readonly atMs: MonoMs;
}

/** Rounds without an answer that are remembered; the newest count. */
const ROUNDS_KEPT_MAX = 64;

export class Lease {
  /** Leader: reads may be answered before; 0: no lease. */
  untilMs: MonoMs = 0;
  private nowMs: MonoMs;
  private promisedUntilMs: MonoMs = 0;
  /** Oldest first. */
  private opened: OpenedRound[] = [];
  /** A term in which a successor was told to campaign. */
  private barredTerm: Term = 0;

  /** `hasPast`: this replica was in a term before it started, so it may have promised. */
  constructor(
    private readonly options: LeaseOptions,
    hasPast: boolean,
  ) {
    const { promiseMs, holdMs, startedAtMs } = options;
    assert(holdMs > 0 && holdMs < promiseMs, `a lease of ${holdMs} ms on a promise of ${promiseMs} ms`);
    this.nowMs = startedAtMs;
    if (hasPast) this.promise();
  }

  noteTime(nowMs: MonoMs): void {
    if (nowMs > this.nowMs) this.nowMs = nowMs;
  }

  /** The promise of a voter that answers a round now. */
  promise(): void {
    this.promisedUntilMs = this.nowMs + this.options.promiseMs;
  }

  get isPromised(): boolean {
    return this.nowMs < this.promisedUntilMs;
  }

  /** A leader sends a round. */
  open(number: number, term: Term): void {
    if (term === this.barredTerm) return;
    if (this.opened.length >= ROUNDS_KEPT_MAX) this.opened.shift();
    this.opened.push({ number, atMs: this.nowMs });
  }

  /** A quorum promised in answer to this round, or to a later one. */
  confirm(number: number): void {
    let count = 0;
    while (count < this.opened.length && (this.opened[count] as OpenedRound).number <= number) count++;
    if (count === 0) return;
    const newest = this.opened[count - 1] as OpenedRound;
    this.opened.splice(0, count);
    this.untilMs = newest.atMs + this.options.holdMs;
  }

  /** What was confirmed, and what is under way, counts no more. */
  void(): void {
    this.untilMs = 0;
    this.opened = [];
  }

  bar(term: Term): void {
    this.barredTerm = term;
    this.void();
  }
}
