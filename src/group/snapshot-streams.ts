/**
 * The snapshots that a leader owes to followers whose entries are gone: who gets one, from which file, and how much of
 * the log stays meanwhile. Lives for one leadership; the core asks (`streamTo`) and is told (`onSnapshotSent`).
 *
 *   wanted --checkpoint, pause over--> streaming --sent--> catching up --has the log's begin--> forgotten
 *     ^                                 |                       |
 *     |   cut off: the file is kept ----+                       |
 *     +---- the core asks again --------+------- log gone ------+    a restart: counted, told, and given more room
 *
 * A restart costs a whole transfer, so it must not go on for ever: each doubles the log that is kept for this follower
 * and the time that it may take, three times; after that every further one is an error in the log and the metrics,
 * and attempts come further and further apart.
 */
import { type LogIndex, type MonoMs, type NodeId, type ReplicaId } from '../base/index.js';
import type { Logger } from '../ports/index.js';
import type { CheckpointPointer, CheckpointStream } from '../storage/index.js';
import type { Replica } from './replica.js';
import type { ReplicaHost } from './replica-host.js';
import { SnapshotSender, type SendOutcome } from './snapshot-sender.js';

/** How long the log is kept for a follower to catch up behind its snapshot. */
const CATCH_UP_MS = 60_000;
/** How long file and log are kept for a stream that was cut off. */
const RESUME_MS = 60_000;
const DOUBLINGS_MAX = 3;
/** So close behind a follower is like any other: what it needs of the log is there. */
const CAUGHT_UP_ENTRIES = 64;
const PAUSE_MS_MIN = 200;
const PAUSE_MS_MAX = 5_000;

/** One follower that needs, or just got, a snapshot. */
interface Follower {
  readonly id: ReplicaId;
  /** The core asked, and no stream has begun. */
  wanted: boolean;
  sender: SnapshotSender | null;
  /** The open file of a stream that was cut off: the next attempt goes on with it. */
  kept: {
    readonly pointer: CheckpointPointer;
    readonly stream: CheckpointStream;
    readonly untilMs: MonoMs;
  } | null;
  /** Since when it has the snapshot, and of which index; 0 before. */
  gotAtMs: MonoMs | null;
  gotIndex: LogIndex;
  /** Attempts on end that got nowhere. */
  failures: number;
  /** Whole transfers that were for nothing, because the log behind them was gone. */
  restarts: number;
  notBeforeMs: MonoMs;
}

export interface StreamStatus {
  readonly to: ReplicaId;
  readonly state: 'waiting' | 'streaming' | 'catching_up';
  readonly index: LogIndex;
  readonly sentBytes: number;
  readonly totalBytes: number;
  readonly resumedFrom: number;
  readonly restarts: number;
}

/** What the streams need of the checkpoint policy. */
export interface CheckpointSource {
  /** Newest first. */
  readonly pointers: readonly CheckpointPointer[];
  /** Writes a checkpoint when there is anything new to write. */
  start(): void;
  /** A stream ended: perhaps the log can be truncated now. */
  truncate(): void;
}

export class SnapshotStreams {
  private readonly followers = new Map<ReplicaId, Follower>();
  /** Files that could not be read, or that a receiver found damaged: they are not sent again. */
  private readonly bad = new Set<string>();
  private stopped = false;

  constructor(
    private readonly replica: Replica,
    private readonly host: ReplicaHost,
    private readonly logger: Logger,
    private readonly source: CheckpointSource,
    private readonly logBytesMax: number,
  ) {}

  // ---- what the core, the policy and the host say -----------------------------------------------------------------

  /** A follower needs entries that are gone. */
  streamTo(id: ReplicaId): void {
    const follower = this.followerOf(id);
    const isLogGone = follower.gotIndex < this.replica.raft.status().firstIndex - 1;
    if (follower.gotAtMs !== null && isLogGone)
      this.countRestart(follower, 'the log behind its snapshot is gone');
    follower.gotAtMs = null;
    this.stopSender(follower);
    follower.wanted = true;
    this.maybeBegin(follower);
  }

  /** There is a new checkpoint, perhaps in the place of a bad one of the same name. */
  onCheckpoint(pointer: CheckpointPointer): void {
    this.bad.delete(pointer.file);
    for (const follower of this.followers.values()) this.maybeBegin(follower);
  }

  isBad(pointer: CheckpointPointer): boolean {
    return this.bad.has(pointer.file);
  }

  /** A snapshot is owed or on its way, or its receiver still catches up. */
  get isBusy(): boolean {
    return this.followers.size > 0;
  }

  tick(nowMs: MonoMs): void {
    if (this.followers.size === 0) return;
    const { followers, commit } = this.replica.raft.status();
    for (const follower of [...this.followers.values()]) {
      const progress = followers.find((f) => f.id === follower.id);
      // Without a stream, too: of one that was cut off the core may have learned that the log serves the follower.
      const isServed = follower.sender === null && progress?.state === 'replicate';
      const isCaughtUp =
        (follower.gotAtMs !== null || isServed) && commit - (progress?.match ?? 0) <= CAUGHT_UP_ENTRIES;
      if (progress === undefined || isCaughtUp) {
        this.forget(follower);
        continue;
      }
      follower.sender?.tick(nowMs);
      if (follower.kept !== null && nowMs > follower.kept.untilMs) this.dropKept(follower);
      this.maybeBegin(follower);
    }
    this.source.truncate();
  }

  onLinkDown(node: NodeId): void {
    for (const { sender } of [...this.followers.values()]) if (sender?.node === node) sender.fail('cut_off');
  }

  onBulkDrain(node: NodeId): void {
    for (const { sender } of [...this.followers.values()]) if (sender?.node === node) sender.pump();
  }

  senderOf(transfer: number): SnapshotSender | null {
    for (const { sender } of this.followers.values()) if (sender?.transfer === transfer) return sender;
    return null;
  }

  /**
   * Whether entries up to `index`, of so many bytes, must stay for somebody. A stream whose share of the log is used
   * up is given up, and a follower that doesn't catch up in its time is left to need another snapshot.
   */
  holdsLog(index: LogIndex, logBytes: number): boolean {
    let holds = false;
    for (const follower of [...this.followers.values()]) {
      if (this.needsLog(follower, index) && !this.isPastBound(follower, logBytes)) holds = true;
    }
    return holds;
  }

  status(): StreamStatus[] {
    return [...this.followers.values()].map((follower) => {
      const { sender, kept } = follower;
      return {
        to: follower.id,
        state: follower.gotAtMs !== null ? 'catching_up' : sender === null ? 'waiting' : 'streaming',
        index: sender?.index ?? kept?.pointer.index ?? follower.gotIndex,
        sentBytes: sender?.ackedBytes ?? 0,
        totalBytes: sender?.totalBytes ?? kept?.stream.bytes ?? 0,
        resumedFrom: sender?.resumedFrom ?? 0,
        restarts: follower.restarts,
      };
    });
  }

  /** Leadership is over: whoever leads now streams what is needed. */
  clear(): void {
    for (const follower of [...this.followers.values()]) this.forget(follower);
  }

  stop(): void {
    this.stopped = true;
    this.clear();
  }

  // ---- one follower -----------------------------------------------------------------------------------------------

  private followerOf(id: ReplicaId): Follower {
    let follower = this.followers.get(id);
    if (follower === undefined) {
      follower = {
        id,
        wanted: false,
        sender: null,
        kept: null,
        gotAtMs: null,
        gotIndex: 0,
        failures: 0,
        restarts: 0,
        notBeforeMs: 0,
      };
      this.followers.set(id, follower);
    }
    return follower;
  }

  private forget(follower: Follower): void {
    this.followers.delete(follower.id);
    this.stopSender(follower);
    this.dropKept(follower);
  }

  private stopSender(follower: Follower): void {
    follower.sender?.stop();
    follower.sender = null;
    this.host.traffic.slots.release(follower);
  }

  private maybeBegin(follower: Follower): void {
    if (!follower.wanted || this.stopped || this.host.clock.monoMs() < follower.notBeforeMs) return;
    if (this.pointerFor(follower) === null) this.source.start();
    else this.host.traffic.slots.acquire(follower, () => this.begin(follower));
  }

  private pointerFor(follower: Follower): CheckpointPointer | null {
    return follower.kept?.pointer ?? this.source.pointers.find((p) => !this.isBad(p)) ?? null;
  }

  /** It has a place among the node's streams; the file is chosen now, so that nobody holds the log while waiting. */
  private begin(follower: Follower): void {
    const { kept } = follower;
    const pointer = this.pointerFor(follower);
    if (pointer === null) {
      this.host.traffic.slots.release(follower);
      return;
    }
    follower.wanted = false;
    follower.kept = null;
    const node = this.host.nodeOf(this.replica.group, follower.id);
    const sender = new SnapshotSender(this.host, this.replica, follower.id, node, pointer, (outcome) =>
      this.onEnded(follower, sender, outcome, kept?.untilMs ?? 0),
    );
    follower.sender = sender;
    sender.start(kept?.stream ?? null);
  }

  /** `untilMs`: how long the file is kept if this attempt got nowhere. */
  private onEnded(follower: Follower, sender: SnapshotSender, outcome: SendOutcome, untilMs: MonoMs): void {
    follower.sender = null;
    this.host.traffic.slots.release(follower);
    const stream = sender.takeStream();
    const { pointer, ackedBytes, resumedFrom } = sender;
    const nowMs = this.host.clock.monoMs();
    this.logger.info('snapshot stream ended', {
      group: this.replica.group,
      to: follower.id,
      index: pointer.index,
      outcome,
      bytes: ackedBytes,
      resumedFrom,
      ...(sender.reason === '' ? {} : { reason: sender.reason }),
    });
    const gotOn = ackedBytes > resumedFrom;
    follower.failures = outcome === 'sent' || gotOn ? 0 : follower.failures + 1;
    const keptUntilMs = gotOn ? nowMs + RESUME_MS : untilMs;
    if (outcome === 'cut_off' && stream !== null && nowMs < keptUntilMs)
      follower.kept = { pointer, stream, untilMs: keptUntilMs };
    else stream?.release();
    if (outcome === 'sent') {
      follower.gotAtMs = nowMs;
      follower.gotIndex = pointer.index;
    } else if (outcome === 'bad_file') this.onBadFile(pointer);
    else if (outcome === 'log_bound') this.countRestart(follower, 'the log grew past its bound');
    follower.notBeforeMs =
      nowMs + pauseMs(Math.max(follower.failures - 1, follower.restarts - DOUBLINGS_MAX));
    this.replica.raft.onSnapshotSent(follower.id, pointer.index, outcome === 'sent');
    if (outcome !== 'log_bound') this.source.truncate(); // else it is being decided about this very moment
    this.host.markDirty(this.replica);
  }

  private onBadFile(pointer: CheckpointPointer): void {
    this.bad.add(pointer.file);
    this.host.metrics.snapshotsFailed('send').inc();
    this.logger.error('checkpoint can not be sent, another one is written', {
      group: this.replica.group,
      file: pointer.file,
    });
    this.source.start();
  }

  private countRestart(follower: Follower, why: string): void {
    follower.restarts++;
    this.host.metrics.snapshotsFailed('log_bound').inc();
    const fields = {
      group: this.replica.group,
      to: follower.id,
      why,
      restarts: follower.restarts,
      logBytesKept: this.logBytesMax * roomFactor(follower.restarts),
    };
    if (follower.restarts > DOUBLINGS_MAX)
      this.logger.error(
        'a follower can not be caught up: raise log.bytesMax or snapshot.bytesPerSecondMax',
        fields,
      );
    else this.logger.warn('snapshot starts anew', fields);
  }

  // ---- the log that stays -----------------------------------------------------------------------------------------

  private needsLog(follower: Follower, index: LogIndex): boolean {
    const { sender, kept } = follower;
    if (sender !== null) return sender.index < index;
    if (kept !== null) return kept.pointer.index < index;
    if (follower.gotAtMs === null) return false;
    const progress = this.replica.raft.status().followers.find((f) => f.id === follower.id);
    if (progress === undefined || progress.match >= index) {
      this.followers.delete(follower.id);
      return false;
    }
    return true;
  }

  /** Gives up what holds the log when it had its share; called only for followers that hold it. */
  private isPastBound(follower: Follower, logBytes: number): boolean {
    const factor = roomFactor(follower.restarts);
    const { gotAtMs, sender } = follower;
    const isLate = gotAtMs !== null && this.host.clock.monoMs() - gotAtMs > CATCH_UP_MS * factor;
    if (!isLate && logBytes <= this.logBytesMax * factor) return false;
    if (sender !== null) sender.fail('log_bound');
    this.dropKept(follower);
    return true;
  }

  private dropKept(follower: Follower): void {
    follower.kept?.stream.release();
    follower.kept = null;
  }
}

function roomFactor(restarts: number): number {
  return 2 ** Math.min(restarts, DOUBLINGS_MAX);
}

/** None for the first, then 200 ms, doubled up to 5 s. */
function pauseMs(count: number): number {
  return count <= 0 ? 0 : Math.min(PAUSE_MS_MAX, PAUSE_MS_MIN * 2 ** Math.min(10, count - 1));
}
