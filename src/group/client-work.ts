/**
 * Client work of a replica between being handed in and standing in the log: writes collected into batches, and reads
 * that wait for a time entry. Nothing here was appended, so all of it can still be refused, definitely.
 *
 * Held back. A leader that hands over, or whose first entry is not committed yet, keeps what comes instead of refusing
 * it: a refused command would look for the leader while nobody can tell it. What is held is proposed when the hand-over
 * fails or the first entry is committed, and refused, naming the new leader if it is known, when leadership is lost.
 * Bounds: `HELD_BATCHES_MAX` full batches and `HOLD_MS_MAX`; past either all of it is refused, until the hold has ended.
 */
import type { ErrorReason, LogIndex, MonoMs, NodeId, ReplicaId } from '../base/index.js';
import type { Raft } from '../raft/index.js';
import type { Proposals } from './proposals.js';
import type { ReadBatch, ReadBatches } from './read-batches.js';
import type { ReplicaHost } from './replica-host.js';
import type { Room } from './room.js';
import type { CommandSink } from './sink.js';
import { refuseBatch, WriteBatchBuilder, type WriteBatch } from './write-batch.js';

/** Commit may run this many entries ahead of apply before new work is refused (as etcd does). */
const APPLY_BACKLOG_MAX = 5000;
/** Closed batches held back: 4 MiB or 4,096 commands, more only when single commands are larger than a batch. */
export const HELD_BATCHES_MAX = 16;
/** Above a transfer's own time-out at the usual settings; half of what the gateway waits for answers of an old leader. */
export const HOLD_MS_MAX = 500;

export interface ClientWorkOwner {
  readonly id: ReplicaId;
  readonly raft: Raft;
  readonly appliedIndex: LogIndex;
  readonly leaderNode: NodeId;
}

export class ClientWork {
  private readonly open = new WriteBatchBuilder();
  /** Batches closed because they were full, waiting for the turn. */
  private sealed: WriteBatch[] = [];
  /** Reads whose answer depends on time that the log has not reached: they wait for a time entry. */
  private timeReads: ReadBatch[] = [];
  /** When the hold that lasts was first seen by a tick. */
  private heldSinceMs: MonoMs | null = null;
  /** The hold that lasts went past a bound. */
  private isGivenUp = false;

  constructor(
    private readonly owner: ClientWorkOwner,
    private readonly host: ReplicaHost,
    private readonly proposals: Proposals,
    private readonly reads: ReadBatches,
    /** The leader's log clock: what a batch is stamped with. */
    private readonly nowMs: () => number,
    private readonly room: Room,
  ) {}

  /** Whether anything waits to be proposed, held back or not. */
  get hasAny(): boolean {
    return this.open.count > 0 || this.sealed.length > 0 || this.timeReads.length > 0 || this.room.isDue;
  }

  /** Whether the next turn has something to propose, or to refuse. */
  get isDue(): boolean {
    return this.hasAny && (!this.isHeld || this.isGivenUp || this.sealed.length > HELD_BATCHES_MAX);
  }

  /** Whether a leader takes commands in: it proposes them now, or as soon as it may. */
  get takesMore(): boolean {
    return !this.isHeld || !this.isGivenUp;
  }

  private get isHeld(): boolean {
    const { raft } = this.owner;
    return raft.role === 'leader' && (raft.handingOver || !raft.leaderReady);
  }

  addWrite(
    command: Uint8Array,
    start: number,
    end: number,
    readBarrier: number,
    sink: CommandSink,
    token: number,
    isRead: boolean,
    isAlone: boolean,
  ): void {
    if (!this.open.fits(end - start)) this.seal();
    const isUrgent = isAlone && this.room.isNoRoomNeeded(command, start, end);
    this.open.add(command, start, end, readBarrier, sink, token, isRead, isUrgent);
  }

  addTimeReads(batch: ReadBatch): void {
    this.timeReads.push(batch);
  }

  /** Whether a read of this sink waits for time. */
  hasTimeReadOf(sink: CommandSink): boolean {
    return this.timeReads.some((batch) => batch.hasSink(sink));
  }

  /** Whether a read asked up to `barrier` waits for time. */
  hasTimeReadUpTo(barrier: number): boolean {
    return this.timeReads.some((batch) => batch.id <= barrier);
  }

  takeTimeReadUpTo(barrier: number): ReadBatch | null {
    const at = this.timeReads.findIndex((batch) => batch.id <= barrier);
    return at < 0 ? null : (this.timeReads.splice(at, 1)[0] as ReadBatch);
  }

  /** Leadership was won: another hold begins. */
  restart(): void {
    this.heldSinceMs = null;
    this.isGivenUp = false;
  }

  /** Once a tick. True when the next turn has something to do. */
  poll(nowMs: MonoMs): boolean {
    if (!this.isHeld) this.restart();
    else if (this.heldSinceMs === null) this.heldSinceMs = nowMs;
    else if (nowMs - this.heldSinceMs > HOLD_MS_MAX) this.isGivenUp = true;
    return this.isDue;
  }

  /** Proposes what was collected; returns the bytes proposed. */
  propose(): number {
    if (this.isHeld) {
      this.isGivenUp = true;
      this.refuse('NOT_LEADER');
      return 0;
    }
    if (this.open.count > 0 || this.timeReads.length > 0) this.seal();
    const sealed = this.sealed;
    this.sealed = [];
    let bytes = 0;
    let lastIndex: LogIndex = 0;
    const leads = this.owner.raft.role === 'leader';
    for (const batch of leads ? this.room.pass(sealed, this.nowMs()) : sealed) {
      bytes += batch.data.length;
      lastIndex = this.proposeBatch(batch);
    }
    // Writes that wait for room are no reason for reads to wait.
    if (lastIndex === 0 && this.timeReads.length > 0)
      lastIndex = this.proposeBatch(this.open.close(this.nowMs()));
    this.settleTimeReads(lastIndex);
    return bytes;
  }

  /** Everything that was handed in and not appended goes back to its sinks. */
  refuse(reason: ErrorReason): void {
    if (this.open.count > 0) this.seal();
    const batches = [...this.room.takeWaiting(), ...this.sealed];
    this.sealed = [];
    for (const batch of batches) refuseBatch(batch, reason, this.owner.leaderNode);
    const waiting = this.timeReads;
    this.timeReads = [];
    for (const reads of waiting) reads.refuse(reason, this.owner.leaderNode);
  }

  private seal(): void {
    this.sealed.push(this.open.close(this.nowMs()));
  }

  /** Index of the appended entry, or 0 when it was refused. */
  private proposeBatch(batch: WriteBatch): LogIndex {
    const { host, owner } = this;
    const backlog = owner.raft.commit - owner.appliedIndex;
    const result =
      backlog > APPLY_BACKLOG_MAX
        ? ({ kind: 'dropped', reason: 'overloaded', leader: owner.id } as const)
        : owner.raft.propose(batch.data);
    if (result.kind === 'appended') {
      host.metrics.proposals.inc();
      this.proposals.add(result.index, result.term, batch, host.clock.monoMs());
      return result.index;
    }
    host.metrics.proposalsFailed(result.reason).inc();
    this.room.release(batch);
    refuseBatch(batch, result.reason === 'overloaded' ? 'OVERLOADED' : 'NOT_LEADER', owner.leaderNode);
    return 0;
  }

  /** Reads that wait for time go on once the last entry of this turn, stamped after they were asked, is applied. */
  private settleTimeReads(index: LogIndex): void {
    const waiting = this.timeReads;
    this.timeReads = [];
    for (const reads of waiting) {
      reads.index = index;
      if (index === 0) reads.refuse('NOT_LEADER', this.owner.leaderNode);
      else this.reads.onConfirmed(reads);
    }
  }
}
