/**
 * When a replica writes a checkpoint, what it keeps, and who gets it as a snapshot.
 *
 * A checkpoint is due when the log applied since the last one exceeds max(`bytes`, the last checkpoint's size) or
 * `entries`. Two are kept; the log is truncated to the older one, but never past a snapshot that is being streamed
 * or whose receiver is still catching up.
 */
import { assert, type LogIndex, type NodeId, type ReplicaId } from '../base/index.js';
import type { Logger } from '../ports/index.js';
import type { RaftStatus, SnapshotMeta } from '../raft/index.js';
import type { CheckpointMeta, CheckpointPointer } from '../storage/index.js';
import type { Replica } from './replica.js';
import type { ReplicaHost } from './replica-host.js';
import { SnapshotSender } from './snapshot-sender.js';

/** How long the log is kept for a follower to catch up behind its snapshot. */
const CATCH_UP_MS = 60_000;

export interface CheckpointLimits {
  readonly bytes: number;
  readonly entries: number;
  /** The log is kept for a slow receiver up to this size. */
  readonly logBytesMax: number;
}

export class CheckpointPolicy {
  private pointers: CheckpointPointer[] = [];
  private bytesSince = 0;
  private entriesSince = 0;
  private lastBytes = 0;
  private writing = false;
  private stopped = false;
  private readonly senders = new Map<ReplicaId, SnapshotSender>();
  /** Followers that got a snapshot, and since when: the log behind it is theirs to catch up with. */
  private readonly catchingUp = new Map<ReplicaId, number>();
  /** Followers that need a snapshot as soon as there is a checkpoint. */
  private readonly waiting = new Set<ReplicaId>();
  /** Set by the receiver once a file is complete: what `loadReceived` installs. */
  private received: { meta: CheckpointMeta; pointer: CheckpointPointer } | null = null;
  written = 0;

  constructor(
    private readonly replica: Replica,
    private readonly host: ReplicaHost,
    private readonly logger: Logger,
    private readonly limits: CheckpointLimits,
  ) {}

  /** What recovery found, newest first; `bytesBehind` and `entriesBehind` are the log after the newest. */
  restore(pointers: readonly CheckpointPointer[], entriesBehind: number, bytesBehind: number): void {
    this.pointers = [...pointers];
    this.entriesSince = entriesBehind;
    this.bytesSince = bytesBehind;
  }

  onApplied(entryBytes: number): void {
    this.bytesSince += entryBytes;
    this.entriesSince++;
  }

  maybeStart(): void {
    const due =
      this.bytesSince > Math.max(this.limits.bytes, this.lastBytes) ||
      this.entriesSince > this.limits.entries;
    if (due) this.start();
  }

  /** Writes a checkpoint of the applied state, when none is being written. */
  start(): void {
    if (this.writing || this.stopped) return;
    this.writing = true;
    this.host.queueCheckpoint(this.replica, (done) => {
      this.write(() => {
        this.writing = false;
        done();
      });
    });
  }

  private write(finished: () => void): void {
    const replica = this.replica;
    if (this.stopped || replica.installing || replica.appliedIndex <= this.newestIndex()) {
      finished();
      return;
    }
    const index = replica.appliedIndex;
    const meta: CheckpointMeta = {
      group: replica.group,
      index,
      term: replica.raft.termAt(index),
      configuration: replica.configuration,
      stateHash: replica.machine.stateHash(),
    };
    if (meta.term === 0) {
      // A snapshot has replaced the log and waits for its installation: it is the newer checkpoint.
      finished();
      return;
    }
    const bytesBefore = this.bytesSince;
    const entriesBefore = this.entriesSince;
    this.host.checkpoints.write(meta, replica.machine.snapshot(), (error, pointer, bytes) => {
      finished();
      if (this.stopped) return;
      if (error !== null || pointer === null) {
        this.host.fatal('disk', `writing a checkpoint of group ${replica.group} failed`, error);
        return;
      }
      // A snapshot installed meanwhile is newer: this file is then only a leftover, and pruned.
      if (pointer.index <= this.newestIndex()) return;
      this.lastBytes = bytes;
      this.bytesSince -= bytesBefore;
      this.entriesSince -= entriesBefore;
      this.written++;
      this.host.store.saveCheckpoint(replica.group, pointer);
      this.pointers = [pointer, ...this.pointers].slice(0, 2);
      this.truncate();
      this.prune();
      this.host.markDirty(replica);
      for (const to of this.waiting) this.streamTo(to);
    });
  }

  private newestIndex(): LogIndex {
    return this.pointers[0]?.index ?? 0;
  }

  /** Truncates the log to the older checkpoint, as far as streams allow. */
  private truncate(): void {
    const older = this.pointers[1];
    if (older === undefined) return;
    const held = [...this.senders.values()].filter((sender) => sender.index < older.index);
    if (held.length > 0) {
      const logBytes = this.host.store.logBytes(this.replica.group);
      if (logBytes <= this.limits.logBytesMax) return;
      this.logger.warn('snapshot given up: the log grew past its bound', {
        group: this.replica.group,
        logBytes,
      });
      for (const sender of held) sender.fail(); // each end comes back here; with the last one gone the log goes
      return;
    }
    const status = this.replica.raft.status();
    if (status.firstIndex > older.index || this.someoneCatchesUp(status, older.index)) return;
    this.host.store.truncatePrefix(this.replica.group, older.index, older.term);
    this.replica.raft.onCompacted(older.index);
  }

  /** Whether a follower still needs entries up to `index` after its snapshot, within bounds of time and size. */
  private someoneCatchesUp(status: RaftStatus, index: LogIndex): boolean {
    const nowMs = this.host.clock.monoMs();
    for (const [id, sinceMs] of this.catchingUp) {
      const follower = status.followers.find((f) => f.id === id);
      const done = follower === undefined || follower.match >= index;
      if (done || nowMs - sinceMs > CATCH_UP_MS) this.catchingUp.delete(id);
    }
    return (
      this.catchingUp.size > 0 && this.host.store.logBytes(this.replica.group) <= this.limits.logBytesMax
    );
  }

  /** Only once the new pointers are durable: until then a crash comes back to the old ones. */
  private prune(): void {
    const keep = this.pointers;
    this.host.whenDurable(() => {
      if (!this.stopped) this.pruneAllBut(keep);
    });
  }

  private pruneAllBut(keep: readonly CheckpointPointer[]): void {
    this.host.checkpoints.prune(this.replica.group, keep, (error) => {
      if (error !== null)
        this.logger.warn('pruning checkpoints failed', { group: this.replica.group, error: String(error) });
    });
  }

  // ---- sending -------------------------------------------------------------------------------------------------

  /** A follower needs entries that are gone: stream it the newest checkpoint. */
  streamTo(to: ReplicaId): void {
    const pointer = this.pointers[0];
    if (pointer === undefined) {
      this.waiting.add(to);
      this.start();
      return;
    }
    this.waiting.delete(to);
    this.senders.get(to)?.stop();
    const node = this.host.nodeOf(this.replica.group, to);
    const sender = new SnapshotSender(this.host, this.replica, to, node, pointer, (ok) => {
      if (this.senders.get(to) === sender) this.senders.delete(to);
      if (this.stopped) return;
      this.logger.info('snapshot streamed', { group: this.replica.group, to, index: pointer.index, ok });
      if (ok) this.catchingUp.set(to, this.host.clock.monoMs());
      this.replica.raft.onSnapshotSent(to, pointer.index, ok);
      this.truncate();
      this.host.markDirty(this.replica);
    });
    this.senders.set(to, sender);
    sender.start();
  }

  senderOf(transfer: number): SnapshotSender | null {
    for (const sender of this.senders.values()) if (sender.transfer === transfer) return sender;
    return null;
  }

  /** Nothing here waits for time to pass. (The log kept for who catches up goes with a later checkpoint.) */
  get isQuiet(): boolean {
    return this.senders.size === 0 && this.waiting.size === 0 && !this.writing;
  }

  /** Time passes: streams without an answer end. */
  tick(nowMonoMs: number): void {
    for (const sender of this.senders.values()) sender.tick(nowMonoMs);
    if (this.catchingUp.size > 0) this.truncate();
  }

  onLinkDown(node: NodeId): void {
    for (const sender of this.senders.values()) if (sender.node === node) sender.fail();
  }

  onBulkDrain(node: NodeId): void {
    for (const sender of this.senders.values()) if (sender.node === node) sender.pump();
  }

  // ---- receiving -----------------------------------------------------------------------------------------------

  /** A verified file stands on disk; the core decides whether to install it. */
  onReceived(meta: CheckpointMeta, pointer: CheckpointPointer): void {
    if (this.received !== null && this.received.meta.index > meta.index) return;
    this.received = { meta, pointer };
  }

  /** Loads the received file into the state machine. */
  loadReceived(snapshot: SnapshotMeta, done: (pointer: CheckpointPointer) => void): void {
    const received = this.received;
    assert(
      received !== null && received.meta.index === snapshot.index && received.meta.term === snapshot.term,
      `group ${this.replica.group}: no received file for snapshot ${snapshot.index}`,
    );
    this.received = null;
    const loader = this.replica.machine.loader();
    this.host.checkpoints.load(this.replica.group, received.pointer, loader, (error, meta) => {
      if (this.stopped) return;
      if (error !== null || meta === null) {
        // The file was verified a moment ago: the disk lies, and nothing was installed. End, and start over.
        this.host.fatal('disk', `loading a received snapshot of group ${this.replica.group} failed`, error);
        return;
      }
      assert(
        this.replica.machine.stateHash() === received.meta.stateHash,
        `group ${this.replica.group}: snapshot ${snapshot.index} gives another state than its sender's`,
      );
      this.pointers = [received.pointer];
      this.bytesSince = 0;
      this.entriesSince = 0;
      done(received.pointer);
      this.prune();
    });
  }

  /** Leadership is over: whoever leads now streams what is needed. */
  stopStreams(): void {
    for (const sender of this.senders.values()) sender.stop();
    this.senders.clear();
    this.waiting.clear();
    this.catchingUp.clear();
  }

  stop(): void {
    this.stopped = true;
    this.stopStreams();
  }
}
