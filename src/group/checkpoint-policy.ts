/**
 * When a replica writes a checkpoint, and what it keeps; who gets one as a snapshot is decided in snapshot-streams.ts.
 *
 * A checkpoint is written when one is due (checkpoint-due.ts), when somebody asks for it, and, by the node's clock, when
 * the last one is old. Two are kept; the log is truncated to the older one, but never past a snapshot that is being streamed
 * or whose receiver is still catching up.
 */
import { assert, unknownVersionIn, type LogIndex, type MonoMs } from '../base/index.js';
import type { Logger } from '../ports/index.js';
import type { SnapshotMeta } from '../raft/index.js';
import type { CheckpointMeta, CheckpointPointer } from '../storage/index.js';
import { CheckpointDue } from './checkpoint-due.js';
import { CheckpointRequests, type CheckpointOutcome } from './checkpoint-requests.js';
import type { Replica } from './replica.js';
import type { ReplicaHost } from './replica-host.js';
import { SnapshotStreams, type CheckpointSource } from './snapshot-streams.js';

export interface CheckpointLimits {
  readonly bytes: number;
  readonly entries: number;
  /** So much of the log at most is kept for slow receivers of snapshots, besides what is kept anyway. */
  readonly logBytesMax: number;
}

/** Received files that wait for the core's word; it takes the one it was told of last, if any. */
const RECEIVED_MAX = 4;

export class CheckpointPolicy implements CheckpointSource {
  readonly streams: SnapshotStreams;
  /** Newest first; at most two. */
  pointers: readonly CheckpointPointer[] = [];
  private readonly due = new CheckpointDue();
  private readonly requests = new CheckpointRequests();
  /** When the newest one was begun; at first, when the replica started. */
  private newestAtMs: MonoMs;
  /** Log bytes between the older checkpoint and the newest. */
  private bytesBetween = 0;
  private writing = false;
  private stopped = false;
  /** Set by the receiver once a file is complete: what `loadReceived` installs. */
  private received: { readonly meta: CheckpointMeta; readonly pointer: CheckpointPointer }[] = [];
  written = 0;

  constructor(
    private readonly replica: Replica,
    private readonly host: ReplicaHost,
    private readonly logger: Logger,
    private readonly limits: CheckpointLimits,
  ) {
    this.streams = new SnapshotStreams(replica, host, logger, this, limits.logBytesMax);
    this.newestAtMs = host.clock.monoMs();
  }

  /** What recovery found, newest first; `bytes` is the size of the newest. The log behind it is still to be applied. */
  restore(pointers: readonly CheckpointPointer[], bytes: number): void {
    this.pointers = [...pointers];
    this.due.clear(bytes);
    const newest = pointers[0];
    const { store } = this.host;
    if (newest !== undefined)
      this.bytesBetween =
        store.logBytes(this.replica.group) - store.logBytes(this.replica.group, newest.index);
    // Leftovers of earlier lives; but a replica without a state may have begun to receive its first.
    if (pointers.length > 0) this.prune();
  }

  onApplied(entryBytes: number, tookMs: number): void {
    this.due.onApplied(entryBytes, tookMs);
  }

  maybeStart(): void {
    if (this.due.isDue(this.limits)) this.start();
  }

  /** Writes one if the newest is older than that and anything was applied since. */
  startIfOlder(ageMs: number, nowMs: MonoMs): void {
    if (this.due.hasNews && nowMs - this.newestAtMs >= ageMs) this.start();
  }

  /** Asks for a checkpoint that holds everything applied now. `answer` comes once, perhaps from inside the call. */
  request(answer: (outcome: CheckpointOutcome) => void): void {
    const { suspect, appliedIndex } = this.replica;
    const newest = this.pointers[0];
    if (this.stopped) answer({ kind: 'refused', reason: 'the replica has stopped' });
    else if (suspect !== null) answer({ kind: 'refused', reason: `the replica is suspect: ${suspect}` });
    else if (newest !== undefined && !this.isNews(appliedIndex))
      answer({ kind: 'done', isNew: false, pointer: newest, bytes: this.due.checkpointBytes });
    else if (appliedIndex === 0) answer({ kind: 'empty' });
    else {
      this.requests.add(appliedIndex, answer);
      this.start();
    }
  }

  /**
   * Writes a checkpoint of the applied state, when none is being written. A suspect replica writes none: the next start
   * would take its state for whole.
   */
  start(): void {
    if (this.writing || this.stopped || this.replica.suspect !== null) return;
    this.writing = true;
    this.host.queueCheckpoint(this.replica, (done) => {
      this.write(() => {
        this.writing = false;
        done();
      });
    });
  }

  /** Those that still wait asked while the last one was being written. */
  private onWritten(pointer: CheckpointPointer, bytes: number): void {
    this.requests.onCheckpoint(pointer, bytes);
    if (this.requests.any) this.start();
  }

  private write(finished: () => void): void {
    const replica = this.replica;
    if (this.stopped || replica.installing || !this.isNews(replica.appliedIndex)) {
      this.onNothingToWrite();
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
      this.onNothingToWrite();
      finished();
      return;
    }
    this.due.begin();
    this.newestAtMs = this.host.clock.monoMs();
    this.host.checkpoints.write(meta, replica.machine.snapshot(), (error, pointer, bytes) => {
      finished();
      if (this.stopped) return;
      if (error !== null || pointer === null) {
        this.host.fatal('disk', `writing a checkpoint of group ${replica.group} failed`, error);
        return;
      }
      // A snapshot installed meanwhile is newer: this file is then only a leftover, and pruned.
      if (!this.isNews(pointer.index)) return;
      this.bytesBetween = this.due.end(bytes);
      this.written++;
      this.host.store.saveCheckpoint(replica.group, pointer);
      this.pointers = [pointer, ...this.pointers.filter((p) => p.index < pointer.index)].slice(0, 2);
      this.truncate();
      this.prune();
      this.host.markDirty(replica);
      this.streams.onCheckpoint(pointer);
      this.host.whenDurable(() => this.onWritten(pointer, bytes));
    });
  }

  /** The newest holds everything already, or a snapshot is taking the place of the state. */
  private onNothingToWrite(): void {
    const newest = this.pointers[0];
    if (newest !== undefined) this.requests.onCheckpoint(newest, this.due.checkpointBytes);
    this.requests.refuseAll('a snapshot is taking the place of the state: ask again');
  }

  /** Whether a checkpoint at this index would be the newest, or take the place of one that can't be read. */
  private isNews(index: LogIndex): boolean {
    const newest = this.pointers[0];
    if (newest === undefined) return index > 0;
    return index > newest.index || (index === newest.index && this.streams.isBad(newest));
  }

  /** Truncates the log to the older checkpoint, as far as streams allow. */
  truncate(): void {
    const older = this.pointers[1];
    if (older === undefined || this.stopped) return;
    const { replica, host } = this;
    if (replica.raft.status().firstIndex > older.index) return;
    // What stands before the older checkpoint is there for nobody but them.
    const sparedBytes = host.store.logBytes(replica.group) - this.bytesBetween - this.due.bytes;
    if (this.streams.holdsLog(older.index, sparedBytes)) return;
    host.store.truncatePrefix(replica.group, older.index, older.term);
    replica.raft.onCompacted(older.index);
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

  /** Nothing here waits for time to pass. */
  get isQuiet(): boolean {
    return !this.streams.isBusy && !this.writing;
  }

  // ---- receiving -----------------------------------------------------------------------------------------------

  /** A verified file stands on disk; the core decides whether to install it. */
  onReceived(meta: CheckpointMeta, pointer: CheckpointPointer): void {
    // Several: the core may refuse one (of a leader that is none any more), and take one of a lower index then.
    this.received = [...this.received.slice(1 - RECEIVED_MAX), { meta, pointer }];
  }

  /** Loads the received file into the state machine. */
  loadReceived(snapshot: SnapshotMeta, done: (pointer: CheckpointPointer) => void): void {
    const received = this.received.findLast(
      ({ meta }) => meta.index === snapshot.index && meta.term === snapshot.term,
    );
    assert(
      received !== undefined,
      `group ${this.replica.group}: no received file for snapshot ${snapshot.index}`,
    );
    this.received = [];
    const loader = this.replica.machine.loader();
    this.host.checkpoints.load(this.replica.group, received.pointer, loader, (error, meta, bytes) => {
      if (this.stopped) return;
      const unknown = unknownVersionIn(error);
      if (unknown !== null) {
        this.host.fatal('refused', `a snapshot of group ${this.replica.group}: ${unknown.message}`, unknown);
        return;
      }
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
      this.due.clear(bytes);
      this.newestAtMs = this.host.clock.monoMs();
      this.bytesBetween = 0;
      this.requests.onCheckpoint(received.pointer, bytes);
      done(received.pointer);
      this.prune();
    });
  }

  stop(): void {
    this.stopped = true;
    this.requests.refuseAll('the replica has stopped');
    this.streams.stop();
  }
}
