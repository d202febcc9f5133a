/**
 * How the reads of a replica get the index at which they may run (docs/decisions/0007-reads.md).
 *
 *   quorum   a leader's round                       lease   its commit index, while nobody else can lead
 *   leader   the leader's, asked by its follower    known   one asked for before, while it is fresh enough
 *
 * What is known. An index that was confirmed for a question asked at a time covers every write acknowledged before that
 * time: whoever has applied it can answer as of then, for ever. So the age of an answer is measured by this node's own
 * monotonic clock alone, and no other node's clock has to be believed. Half of the bound is kept in hand: a read that
 * finds the known index older than that has it asked anew, and does not wait.
 *
 * A lease is looked at once more after the state was read (`holds`): a process that was stopped in between must find out
 * before it answers. What is sent later than that was true when it was looked at, which is all that a read promises.
 */
import type { ErrorReason, GroupId, LogIndex, MonoMs, WallMs } from '../base/index.js';
import type { Raft, ReadOutcome } from '../raft/index.js';
import { Freshness, staleBoundOf } from './freshness.js';
import { ReadWay, type ReadBatch, type ReadBatches } from './read-batches.js';
import type { ReplicaHost } from './replica-host.js';

export class ReadDesk {
  /** The newest index that was asked for and confirmed, and when it was asked for. */
  private knownIndex: LogIndex = 0;
  private knownAsOfMs: MonoMs = -Infinity;
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
    const ageMs = this.host.clock.monoMs() - this.knownAsOfMs;
    if (ageMs > boundMs) return ReadWay.stale;
    if (ageMs > boundMs / 2) this.wantsRefresh = true;
    return ReadWay.known;
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
    if (batch.way === ReadWay.known) {
      batch.index = this.knownIndex;
      batch.asOfMs = this.knownAsOfMs;
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
    const ageMs = batch.way === ReadWay.known ? host.clock.monoMs() - batch.asOfMs : 0;
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
      if (outcome.kind === 'confirmed') this.learn(outcome.index, this.refreshAtMs);
      return;
    }
    const batch = this.reads.takeAsked(outcome.context);
    if (batch === null) return;
    if (outcome.kind === 'aborted') {
      batch.refuse(reasonOf(batch), this.nodeOf(outcome.leader));
      return;
    }
    batch.index = outcome.index;
    this.learn(outcome.index, batch.askedAtMs);
    this.confirm(batch);
    const { metrics, clock } = this.host;
    if (batch.way === ReadWay.quorum) metrics.readIndex.inc(batch.count);
    metrics.readIndexLatency.observe((clock.monoMs() - batch.askedAtMs) / 1000);
  }

  private confirm(batch: ReadBatch): void {
    this.reads.onConfirmed(batch);
    this.host.metrics.reads(batch.way).inc(batch.count);
  }

  private learn(index: LogIndex, asOfMs: MonoMs): void {
    if (asOfMs <= this.knownAsOfMs) return;
    this.knownIndex = index;
    this.knownAsOfMs = asOfMs;
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
  return batch.way === ReadWay.stale ? 'TOO_STALE' : 'NOT_LEADER';
}
