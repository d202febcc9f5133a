/**
 * Runs the reads of a replica whose index is applied (read-desk.ts gets them one), against the state as it is now.
 *
 * Invariants: under a lease the clock is looked at once more behind each read, before its answer leaves; a read that
 * depends on time which the log has not reached waits for a time entry at the leader, and later reads of its connection
 * behind it; who does not lead passes such a read on.
 */
import { entryStampMs, type ByteWriter, type MonoMs, type WallMs } from '../base/index.js';
import type { Entry } from '../raft/index.js';
import type { ClientWork } from './client-work.js';
import { ReadBatch, ReadWay, type ReadBatches } from './read-batches.js';
import type { ReadDesk } from './read-desk.js';
import type { Replica } from './replica.js';
import type { ReplicaHost } from './replica-host.js';
import type { CommandSink } from './sink.js';

export class ReadRunner {
  constructor(
    private readonly replica: Replica,
    private readonly host: ReplicaHost,
    private readonly reads: ReadBatches,
    private readonly desk: ReadDesk,
    private readonly work: ClientWork,
    /** The leader's log clock. */
    private readonly nowMs: () => WallMs,
    /** Where results are written, one after the other. */
    private readonly out: ByteWriter,
  ) {}

  /** Runs one batch of confirmed reads; false when none is ready, or its time was over before its end. */
  run(untilMonoMs: MonoMs): boolean {
    const batch = this.reads.takeRunnable(this.replica.appliedIndex);
    if (batch === null) return false;
    let isTimeOver = false;
    const leads = this.replica.raft.role === 'leader';
    const isOfNow = batch.way !== ReadWay.known && batch.way !== ReadWay.awaited;
    const nowMs = leads && isOfNow ? this.nowMs() : this.desk.wallMsOf(batch);
    let isLeaseLost = false;
    const out = this.out;
    let late: ReadBatch | null = null;
    while (batch.answered < batch.count && !isTimeOver && !isLeaseLost) {
      const i = batch.answered++;
      const start = batch.startOf(i);
      const end = batch.ends[i] as number;
      const sink = batch.sinks[i] as CommandSink;
      const token = batch.tokens[i] as number;
      out.reset();
      // Behind a read of the same connection that waits for time, a read waits too: else it would see less than that one.
      const isBehind = !batch.isLate && (late?.hasSink(sink) === true || this.isBehindLate(sink));
      const done =
        !isBehind && this.replica.machine.read(batch.commands.buffer, start, end, nowMs, out) === 'done';
      // Looked at after each read: one of them may take milliseconds (a large value, a page of a scan).
      const clockMs = this.host.clock.monoMs();
      isTimeOver = clockMs >= untilMonoMs;
      if (batch.way === ReadWay.lease && !this.desk.holds(batch, clockMs)) {
        isLeaseLost = true;
        batch.answered = i;
      } else if (done) {
        sink.onResult(token, out.buffer, 0, out.length);
      } else if (leads) {
        late ??= new ReadBatch(batch.id);
        late.isLate = true;
        late.add(batch.commands.buffer, start, end, sink, token);
      } else {
        sink.onRefused(token, 'NOT_LEADER', this.replica.leaderNode, batch.commands.buffer, start, end);
      }
    }
    if (late !== null) {
      this.work.addTimeReads(late);
      this.host.markDirty(this.replica);
    }
    if (isLeaseLost) {
      this.desk.askQuorum(batch);
      this.host.markDirty(this.replica);
      return true;
    }
    if (batch.answered === batch.count) return true;
    this.reads.putBack(batch);
    return false;
  }

  private isBehindLate(sink: CommandSink): boolean {
    return this.work.hasTimeReadOf(sink) || this.reads.hasLate(sink);
  }

  /** Whether a read asked up to `barrier` is still to be answered. */
  isOwed(barrier: number): boolean {
    if (barrier === 0) return false;
    return this.reads.pendingUpTo(barrier) || this.work.hasTimeReadUpTo(barrier);
  }

  /**
   * Reads that wait for time, and for which this entry waits: they run as of its stamp, before its commands. (Their
   * own time entry comes later in the log: waiting for it would wait for ever.)
   */
  runBefore(entry: Entry, barrier: number): boolean {
    const batch = this.work.takeTimeReadUpTo(barrier) ?? this.reads.takeOverdue(barrier, entry.index);
    if (batch === null) return false;
    batch.runAt(entryStampMs(entry.data), this.replica.machine, this.out);
    return true;
  }
}
