/**
 * Reads of one group: those of a turn that get their index in the same way share a batch, and with it one ReadIndex
 * context. A batch is `open` while it collects, `asked` while its round is under way, `confirmed` until its index is
 * applied, then it runs.
 */
import {
  ByteWriter,
  type ErrorReason,
  type LogIndex,
  type MonoMs,
  type NodeId,
  type Term,
} from '../base/index.js';
import type { Machine } from './machine.js';
import type { CommandSink } from './sink.js';

/** How a batch gets its index (read-desk.ts). */
export const ReadWay = {
  /** A round of this leader. */
  quorum: 0,
  /** This leader's commit index, under a lease. */
  lease: 1,
  /** Asked of the leader, whoever that is. */
  leader: 2,
  /** As `leader`; a read that fails here was too stale. */
  stale: 3,
  /** One that was asked for not too long ago, and is applied. */
  known: 4,
  /** As `known`, and not applied yet. */
  awaited: 5,
} as const;
export type ReadWay = (typeof ReadWay)[keyof typeof ReadWay];

const WAYS: readonly ReadWay[] = [
  ReadWay.quorum,
  ReadWay.lease,
  ReadWay.leader,
  ReadWay.stale,
  ReadWay.known,
  ReadWay.awaited,
];

/** Whether a batch's index was a leader's word to one that does not lead, whose entries may be long in coming. */
export function isWordOfLeader(way: ReadWay): boolean {
  return way === ReadWay.leader || way === ReadWay.stale || way === ReadWay.awaited;
}

export class ReadBatch {
  readonly commands = new ByteWriter(256);
  readonly ends: number[] = [];
  readonly sinks: CommandSink[] = [];
  readonly tokens: number[] = [];
  /** Set once confirmed. */
  index: LogIndex = 0;
  askedAtMs: MonoMs = 0;
  /** `lease`: the term of the leader that holds it. */
  term: Term = 0;
  /** `known` and `awaited`: its answers are of that time or later. */
  asOfMs: MonoMs = 0;
  /** Its reads wait for time: later reads of their connections wait for them. */
  isLate = false;
  /** Commands answered so far: a batch with large answers runs over several turns. */
  answered = 0;

  constructor(
    readonly id: number,
    public way: ReadWay = ReadWay.quorum,
  ) {}

  get count(): number {
    return this.ends.length;
  }

  add(command: Uint8Array, start: number, end: number, sink: CommandSink, token: number): void {
    this.commands.bytes(command, start, end);
    this.ends.push(this.commands.length);
    this.sinks.push(sink);
    this.tokens.push(token);
  }

  /** Whether a read of this sink is in it, unanswered. */
  hasSink(sink: CommandSink): boolean {
    return this.sinks.indexOf(sink, this.answered) >= 0;
  }

  startOf(position: number): number {
    return position === 0 ? 0 : (this.ends[position - 1] as number);
  }

  /** Answers what is left as of `stampMs`, the stamp of the entry that is about to be applied. */
  runAt(stampMs: number, machine: Machine, out: ByteWriter): void {
    for (let i = this.answered; i < this.count; i++) {
      out.reset();
      machine.readAt(this.commands.buffer, this.startOf(i), this.ends[i] as number, stampMs, out);
      (this.sinks[i] as CommandSink).onResult(this.tokens[i] as number, out.buffer, 0, out.length);
    }
  }

  refuse(reason: ErrorReason, leaderNode: NodeId): void {
    for (let i = this.answered; i < this.count; i++) {
      (this.sinks[i] as CommandSink).onRefused(
        this.tokens[i] as number,
        reason,
        leaderNode,
        this.commands.buffer,
        this.startOf(i),
        this.ends[i] as number,
      );
    }
  }
}

export class ReadBatches {
  /** By way. */
  private readonly open: (ReadBatch | null)[] = WAYS.map(() => null);
  private lastId = 0;
  private readonly asked = new Map<number, ReadBatch>();
  /** In the order of their indexes. */
  private confirmed: ReadBatch[] = [];

  /** Commands waiting in open batches. */
  openCount = 0;

  get waiting(): boolean {
    return this.openCount > 0 || this.asked.size > 0 || this.confirmed.length > 0;
  }

  /** Id that a write must not overtake: everything asked up to now. */
  get barrier(): number {
    return this.lastId;
  }

  add(
    command: Uint8Array,
    start: number,
    end: number,
    sink: CommandSink,
    token: number,
    way: ReadWay = ReadWay.quorum,
  ): void {
    const batch = (this.open[way] ??= new ReadBatch(this.freshId(), way));
    batch.add(command, start, end, sink, token);
    this.openCount++;
  }

  /** An id that no batch has or had. */
  freshId(): number {
    return ++this.lastId;
  }

  /** The next batch to be asked for; null when there is none. */
  takeOpen(): ReadBatch | null {
    if (this.openCount === 0) return null;
    for (const way of WAYS) {
      const batch = this.takeOpenOf(way);
      if (batch !== null) return batch;
    }
    return null;
  }

  private takeOpenOf(way: ReadWay): ReadBatch | null {
    const batch = this.open[way] ?? null;
    if (batch === null) return null;
    this.open[way] = null;
    this.openCount -= batch.count;
    return batch;
  }

  onAsked(batch: ReadBatch): void {
    this.asked.set(batch.id, batch);
  }

  takeAsked(id: number): ReadBatch | null {
    const batch = this.asked.get(id) ?? null;
    this.asked.delete(id);
    return batch;
  }

  /** A batch that may run once `batch.index` is applied. */
  onConfirmed(batch: ReadBatch): void {
    let at = this.confirmed.length;
    while (at > 0 && (this.confirmed[at - 1] as ReadBatch).index > batch.index) at--;
    this.confirmed.splice(at, 0, batch);
  }

  /** A batch that could not be run to its end goes on first. */
  putBack(batch: ReadBatch): void {
    this.confirmed.unshift(batch);
  }

  /** Whether a late read of this sink is still to run. */
  hasLate(sink: CommandSink): boolean {
    return this.confirmed.some((batch) => batch.isLate && batch.hasSink(sink));
  }

  /** Whether a batch waits whose index is applied. */
  isRunnable(applied: LogIndex): boolean {
    const first = this.confirmed[0];
    return first !== undefined && first.index <= applied;
  }

  /** The next batch whose index is applied, or null. */
  takeRunnable(applied: LogIndex): ReadBatch | null {
    const first = this.confirmed[0];
    if (first === undefined || first.index > applied) return null;
    this.confirmed.shift();
    return first;
  }

  /** A batch asked for before that time whose index, a leader's word, is still not applied; null when there is none. */
  takeStuck(askedBeforeMs: MonoMs, applied: LogIndex): ReadBatch | null {
    const at = this.confirmed.findIndex(
      (batch) => batch.askedAtMs < askedBeforeMs && batch.index > applied && isWordOfLeader(batch.way),
    );
    return at < 0 ? null : (this.confirmed.splice(at, 1)[0] as ReadBatch);
  }

  /**
   * A confirmed batch asked up to `barrier` that waits for an entry from `index` on: a time entry that the barrier's
   * own entry now stands in for.
   */
  takeOverdue(barrier: number, index: LogIndex): ReadBatch | null {
    const at = this.confirmed.findIndex((batch) => batch.id <= barrier && batch.index >= index);
    return at < 0 ? null : (this.confirmed.splice(at, 1)[0] as ReadBatch);
  }

  /** Whether a read asked up to `barrier` is still unanswered. */
  pendingUpTo(barrier: number): boolean {
    if (barrier === 0) return false;
    for (const batch of this.open) if (batch !== null && batch.id <= barrier) return true;
    for (const id of this.asked.keys()) if (id <= barrier) return true;
    for (const batch of this.confirmed) if (batch.id <= barrier) return true;
    return false;
  }

  /** Refuses everything that is not confirmed yet. */
  refuseAll(reason: ErrorReason, leaderNode: NodeId): void {
    const batches = [...this.asked.values()];
    this.asked.clear();
    for (let batch = this.takeOpen(); batch !== null; batch = this.takeOpen()) batches.push(batch);
    for (const batch of batches) batch.refuse(reason, leaderNode);
  }

  /** Refuses what is not asked for yet and only a leader may answer. */
  refuseOpenOfLeader(reason: ErrorReason, leaderNode: NodeId): void {
    this.takeOpenOf(ReadWay.quorum)?.refuse(reason, leaderNode);
    this.takeOpenOf(ReadWay.lease)?.refuse(reason, leaderNode);
  }

  refuseConfirmed(reason: ErrorReason, leaderNode: NodeId): void {
    const batches = this.confirmed;
    this.confirmed = [];
    for (const batch of batches) batch.refuse(reason, leaderNode);
  }
}
