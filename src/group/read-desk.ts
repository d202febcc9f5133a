/**
 * How the reads of a replica get the index at which they may run (docs/decisions/0007-reads.md).
 *
 *   quorum   a leader's round                       lease   its commit index, while nobody else can lead
 *   leader   the leader's, asked by its follower    known   one asked for before, while it is fresh enough
 *
 * What is known. An index that was confirmed for a question asked at a time covers every write acknowledged before that
 * time: whoever has applied it can answer as of then, for ever. So the age of an answer is measured by this node's own
 * monotonic clock alone, and no other node's clock has to be believed. Half of the bound is kept in hand: a read that
 * finds the known index older than that has it asked anew, and does not wait. One that is not applied yet is waited for
 * only when the newest that is applied is too old (known-index.ts).
 *
 * The entries up to what a leader named may not come: they are on a slow way, or a snapshot takes their place. Reads that
 * wait for them end in a definite refusal after `APPLY_WAIT_MS_MAX`, and go to the leader, or are `TOO_STALE`.
 *
 * A lease is looked at once more after the state was read (`holds`): a process that was stopped in between must find out
 * before it answers. What is sent later than that was true when it was looked at, which is all that a read promises.
 */
import type { ErrorReason, GroupId, LogIndex, MonoMs, WallMs } from '../base/index.js';
import type { Raft, ReadOutcome } from '../raft/index.js';
import { Freshness, staleBoundOf } from './freshness.js';
import { KnownIndex } from './known-index.js';
import { ReadWay, type ReadBatch, type ReadBatches } from './read-batches.js';
import type { ReplicaHost } from './replica-host.js';

/** So long a read waits for the entries up to an index that a leader named; well within a request's usual time-out. */
export const APPLY_WAIT_MS_MAX = 1000;

export class ReadDesk {
  private readonly known = new KnownIndex();
  private wantsRefresh = false;
  /** Context of the question under way that no read waits for; 0: none. */
  private refreshId = 0;
  private refreshAtMs: MonoMs = 0;

  constructor(
    private readonly group: GroupId,
    private readonly raft: Raft,
    private readonly reads: ReadBatches,
    private readonly host: ReplicaHost,
    private readonly usesLeases: boolean,
    private readonly appliedIndex: () => LogIndex,
  ) {}

  wayOf(freshness: number): ReadWay {
    switch (freshness) {
      case Freshness.quorum:
        return ReadWay.quorum;
      case Freshness.linearizable:
      case Freshness.lease:
        return this.usesLeases ? ReadWay.lease : ReadWay.quorum;
      case Freshness.follower:
        return ReadWay.leader;
      default:
        return this.wayOfStale(staleBoundOf(freshness));
    }
  }

  private wayOfStale(boundMs: number): ReadWay {
    const nowMs = this.host.clock.monoMs();
    const applied = this.known.applied(this.appliedIndex());
    const ageMs = nowMs - this.known.confirmed.asOfMs;
    if (ageMs > boundMs) return ReadWay.stale;
    if (ageMs > boundMs / 2) this.wantsRefresh = true;
    return nowMs - applied.asOfMs > boundMs ? ReadWay.awaited : ReadWay.known;
  }

  /** Asks for the index of everything that was handed in since the last turn. */
  askAll(): void {
    for (let batch = this.reads.takeOpen(); batch !== null; batch = this.reads.takeOpen()) this.ask(batch);
    if (this.wantsRefresh) this.refresh();
  }

  private ask(batch: ReadBatch): void {
    const nowMs = this.host.clock.monoMs();
    batch.askedAtMs = nowMs;
    if (this.usesLeases) this.raft.noteTime(nowMs);
    if (batch.way === ReadWay.known || batch.way === ReadWay.awaited) {
      const { known } = this;
      const { index, asOfMs } =
        batch.way === ReadWay.known ? known.applied(this.appliedIndex()) : known.confirmed;
      batch.index = index;
      batch.asOfMs = asOfMs;
      this.confirm(batch);
    } else if (batch.way === ReadWay.lease && nowMs < this.raft.leaseUntilMs) {
      batch.index = this.raft.commit;
      batch.term = this.raft.term;
      this.confirm(batch);
    } else {
      if (batch.way === ReadWay.lease) batch.way = ReadWay.quorum;
      const result = this.raft.readIndex(batch.id, batch.way !== ReadWay.quorum);
      if (result.kind === 'accepted') this.reads.onAsked(batch);
      else if (result.reason === 'overloaded') batch.refuse('OVERLOADED', this.nodeOf(result.leader));
      else batch.refuse(reasonOf(batch), this.nodeOf(result.leader));
    }
  }

  /** When the items that its reads meet are judged: now, or when what they may see was up to date. */
  wallMsOf(batch: ReadBatch): WallMs {
    const { host } = this;
    const isOlder = batch.way === ReadWay.known || batch.way === ReadWay.awaited;
    const ageMs = isOlder ? host.clock.monoMs() - batch.asOfMs : 0;
    return Math.floor(host.trustedWallMs() - ageMs);
  }

  /** Whether a batch that was confirmed under a lease may be answered by what was just read. */
  holds(batch: ReadBatch, nowMs: MonoMs): boolean {
    return batch.term === this.raft.term && nowMs < this.raft.leaseUntilMs;
  }

  /** The lease ended before the answer: a quorum is asked for what is left of the batch. */
  askQuorum(batch: ReadBatch): void {
    batch.way = ReadWay.quorum;
    this.ask(batch);
    this.host.metrics.leasesLost.inc();
  }

  onOutcome(outcome: ReadOutcome): void {
    if (outcome.context === this.refreshId) {
      this.refreshId = 0;
      if (outcome.kind === 'confirmed')
        this.known.learn(outcome.index, this.refreshAtMs, this.appliedIndex());
      return;
    }
    const batch = this.reads.takeAsked(outcome.context);
    if (batch === null) return;
    if (outcome.kind === 'aborted') {
      batch.refuse(reasonOf(batch), this.nodeOf(outcome.leader));
      return;
    }
    batch.index = outcome.index;
    this.known.learn(outcome.index, batch.askedAtMs, this.appliedIndex());
    this.confirm(batch);
    const { metrics, clock } = this.host;
    if (batch.way === ReadWay.quorum) metrics.readIndex.inc(batch.count);
    metrics.readIndexLatency.observe((clock.monoMs() - batch.askedAtMs) / 1000);
  }

  /** Once a tick: what waits too long for the entries up to a leader's word waits no more. */
  expire(): void {
    const askedBeforeMs = this.host.clock.monoMs() - APPLY_WAIT_MS_MAX;
    for (;;) {
      const batch = this.reads.takeStuck(askedBeforeMs, this.appliedIndex());
      if (batch === null) return;
      batch.refuse(reasonOf(batch), this.nodeOf(this.raft.leader));
    }
  }

  private confirm(batch: ReadBatch): void {
    this.reads.onConfirmed(batch);
    this.host.metrics.reads(batch.way).inc(batch.count);
  }

  private refresh(): void {
    this.wantsRefresh = false;
    if (this.refreshId !== 0) return;
    const id = this.reads.freshId();
    if (this.raft.readIndex(id, true).kind !== 'accepted') return;
    this.refreshId = id;
    this.refreshAtMs = this.host.clock.monoMs();
  }

  private nodeOf(leader: number): number {
    return leader === 0 ? 0 : this.host.nodeOf(this.group, leader);
  }
}

/** Why a batch that got no index was not run. */
function reasonOf(batch: ReadBatch): ErrorReason {
  const isStale = batch.way === ReadWay.stale || batch.way === ReadWay.awaited;
  return isStale ? 'TOO_STALE' : 'NOT_LEADER';
}
