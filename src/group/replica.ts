/**
 * One replica of a group: drives the consensus core and its state machine.
 *
 *   client commands -> open batch -> propose ┐                    ┌-> messages, entries (host, storage)
 *   peers' messages -> step ─────────────────┴-> core -> Ready ───┼-> committed entries -> apply -> replies
 *   ticks ───────────────────────────────────────┘                └-> confirmed reads -> read -> replies
 *
 * Everything happens inside the host's turn; this class starts no timer. Invariants: entries are applied in index
 * order without gaps; a reply to a write leaves only after its entry was applied here; reads run only when their
 * confirmed index is applied; a batch is not applied before reads asked earlier on the same connection were answered.
 */
import {
  assert,
  ByteWriter,
  unknownVersionIn,
  type ErrorReason,
  type GroupId,
  type LogIndex,
  type NodeId,
  type ReplicaId,
  type WallMs,
} from '../base/index.js';
import type { EntryResults, Logger } from '../ports/index.js';
import {
  EntryKind,
  type ChangeResult,
  type Configuration,
  type Entry,
  type HardState,
  type MembershipChange,
  type Message,
  type Raft,
  type Ready,
  type StepVerdict,
} from '../raft/index.js';
import { FeedDesk } from './feed-desk.js';
import { Freshness } from './freshness.js';
import { CheckpointPolicy, type CheckpointLimits } from './checkpoint-policy.js';
import { ClientWork } from './client-work.js';
import { LogClock } from './log-clock.js';
import { ConfigurationSteps } from './configuration-steps.js';
import type { Machine } from './machine.js';
import { Proposals } from './proposals.js';
import { ReadBatches } from './read-batches.js';
import { ReadDesk } from './read-desk.js';
import { ReadRunner } from './read-runner.js';
import { Reaper } from './reaper.js';
import { Quietness } from './quietness.js';
import { Room } from './room.js';
import type { ReplicaHost } from './replica-host.js';
import { ReplicationLag } from './replication-lag.js';
import type { CommandSink } from './sink.js';
import type { WriteBatch } from './write-batch.js';

/** Items of the table that a tick moves together while nothing else is to do: about a tenth of a millisecond. */
const MAINTAIN_ITEMS_MAX = 200;

export interface ReplicaOptions {
  readonly group: GroupId;
  readonly id: ReplicaId;
  readonly raft: Raft;
  readonly machine: Machine;
  readonly appliedIndex: LogIndex;
  readonly suspect: string | null;
  readonly checkpointLimits: CheckpointLimits;
  readonly host: ReplicaHost;
  readonly logger: Logger;
  /** The core has leases: it is told the time, and reads may be answered under them. */
  readonly usesLeases?: boolean;
}

export class Replica implements EntryResults {
  readonly group: GroupId;
  readonly id: ReplicaId;
  readonly raft: Raft;
  readonly machine: Machine;
  suspect: string | null;
  readonly policy: CheckpointPolicy;
  readonly lag = new ReplicationLag();
  readonly feed: FeedDesk;
  readonly members: ConfigurationSteps;
  private readonly host: ReplicaHost;
  private readonly logger: Logger;
  private readonly clock = new LogClock();
  private readonly proposals = new Proposals();
  private readonly reads = new ReadBatches();
  private readonly desk: ReadDesk;
  private readonly usesLeases: boolean;
  private readonly room: Room;
  private readonly work: ClientWork;
  private readonly runner: ReadRunner;
  private applyQueue: Entry[] = [];
  private applyHead = 0;
  private readonly out = new ByteWriter(1024);
  private applying: WriteBatch | null = null;
  private stopped = false;
  /** Raised while a snapshot replaces the state: nothing is taken from the core meanwhile. */
  installing = false;
  appliedIndex: LogIndex;
  snapshotsInstalled = 0;
  /** Whether this replica stands on the host's list for the coming turn. */
  dirty = false;
  private unsavedHardState: HardState | null = null;
  private wasLeader = false;
  private leadsSinceMs = 0;
  private knownLeader: ReplicaId = 0;
  private readonly reaper: Reaper;
  readonly quietness: Quietness;

  constructor(options: ReplicaOptions) {
    this.group = options.group;
    this.id = options.id;
    this.raft = options.raft;
    this.machine = options.machine;
    this.suspect = options.suspect;
    this.host = options.host;
    this.logger = options.logger;
    this.appliedIndex = options.appliedIndex;
    this.usesLeases = options.usesLeases === true;
    const applied = (): LogIndex => this.appliedIndex;
    this.desk = new ReadDesk(this.group, this.raft, this.reads, this.host, this.usesLeases, applied);
    const nowMs = (): WallMs => this.nowMs();
    this.room = new Room(this, options.host);
    this.work = new ClientWork(this, this.host, this.proposals, this.reads, nowMs, this.room);
    this.runner = new ReadRunner(this, this.host, this.reads, this.desk, this.work, nowMs, this.out);
    this.reaper = new Reaper(this, options.host.metrics.expired, nowMs);
    this.members = new ConfigurationSteps(this, options.host);
    this.feed = new FeedDesk(this, options.host.metrics.feedResyncs);
    this.feed.place(this.appliedIndex, this.raft.termAt(this.appliedIndex));
    const isBusy = (): boolean =>
      this.reads.waiting || this.applyQueue.length > 0 || this.reaper.isBusy || this.room.isBusy;
    this.quietness = new Quietness(this, options.host, isBusy, nowMs);
    this.policy = new CheckpointPolicy(this, options.host, options.logger, options.checkpointLimits);
  }

  /** Leads, and has committed an entry of its own term. */
  get serves(): boolean {
    return this.raft.leaderReady && !this.installing && !this.stopped;
  }

  /** Leads: reads and writes may be handed in. They may have to wait for the first entry of its term (client-work.ts). */
  get accepts(): boolean {
    // `wasLeader`: its clock, by which commands are stamped, was set for this leadership.
    const leads = this.wasLeader && this.raft.role === 'leader';
    return leads && !this.installing && !this.stopped && this.work.takesMore;
  }

  /** Reads that any replica may answer may be handed in. */
  get servesAnyReads(): boolean {
    return this.suspect === null && !this.installing && !this.stopped;
  }

  /** The one in force. */
  get configuration(): Configuration {
    return this.raft.configuration;
  }

  get leaderNode(): NodeId {
    return this.raft.leader === 0 || this.stopped ? 0 : this.host.nodeOf(this.group, this.raft.leader);
  }

  /** Whether the next turn has client work to propose. */
  get hasClientWork(): boolean {
    return this.stopped ? this.work.hasAny : this.work.isDue;
  }

  get hasOpenReads(): boolean {
    return this.reads.openCount > 0;
  }

  // ---- client work, handed in between turns --------------------------------------------------------------------

  /**
   * Queues a write (or a read that must come after its connection's pending writes: it then rides in the log).
   * `afterReads`: the connection has reads pending; this command must not be applied before them. `isRead`: it is one.
   * `isAlone`: the connection has nothing pending, so that the command may go before all that waits here.
   */
  submitWrite(
    command: Uint8Array,
    start: number,
    end: number,
    afterReads: boolean,
    sink: CommandSink,
    token: number,
    isRead = false,
    isAlone = false,
  ): void {
    const barrier = afterReads ? this.reads.barrier : 0;
    this.work.addWrite(command, start, end, barrier, sink, token, isRead, isAlone);
    this.host.markDirty(this);
  }

  /** `freshness`: a number of freshness.ts. */
  submitRead(
    command: Uint8Array,
    start: number,
    end: number,
    sink: CommandSink,
    token: number,
    freshness: number = Freshness.linearizable,
  ): void {
    this.reads.add(command, start, end, sink, token, this.desk.wayOf(freshness));
    this.host.markDirty(this);
  }

  // ---- one turn, called by the host ----------------------------------------------------------------------------

  step(message: Message): StepVerdict {
    if (this.stopped) {
      if (this.suspect !== null && message.type === 'heartbeat') this.members.askForSuccessor(message);
      return 'taken';
    }
    if (this.usesLeases) this.raft.noteTime(this.host.clock.monoMs());
    const verdict = this.raft.step(message);
    this.host.markDirty(this);
    if (message.type === 'suspect' && verdict === 'taken') this.host.onSuspect(this);
    return verdict;
  }

  /** Changes the group's members, when this replica leads it: see `Raft.proposeChange`. */
  changeMembers(change: MembershipChange): ChangeResult {
    if (this.stopped || this.installing)
      return { kind: 'refused', reason: 'not_leader', problem: 'the replica does not run' };
    const result = this.raft.proposeChange(change);
    this.host.markDirty(this);
    return result;
  }

  /** False when no further ticks are needed, until something wakes it. */
  tick(decide: boolean): boolean {
    if (this.stopped || this.raft.quiesced) return false;
    if (this.usesLeases) this.raft.noteTime(this.host.clock.monoMs());
    this.raft.tick(decide);
    if (this.raft.role === 'leader') {
      this.lag.note(this.raft.lastIndex, this.host.clock.monoMs());
      this.reaper.poll();
      this.room.tick();
      this.quietness.poll();
    }
    if (!this.hasClientWork && this.applyQueue.length === 0) this.machine.maintain?.(MAINTAIN_ITEMS_MAX);
    this.desk.expire();
    if (this.work.poll(this.host.clock.monoMs()) || this.raft.hasReady()) this.host.markDirty(this);
    return !this.raft.quiesced;
  }

  /** Proposes what was collected; returns the bytes proposed. Called when no log write is in flight. */
  propose(): number {
    if (!this.hasClientWork) return 0;
    if (this.stopped) {
      this.refuseUnproposed('UNAVAILABLE');
      return 0;
    }
    return this.work.propose();
  }

  /** Asks for a read index for the reads collected since the last turn. */
  askReads(): void {
    if (!this.hasOpenReads) return;
    if (this.stopped) this.reads.refuseAll('UNAVAILABLE', 0);
    else this.desk.askAll();
  }

  /** Whether `collect` has something to take. What the core of a replica that ended would say stays unsaid. */
  get hasReady(): boolean {
    return !this.installing && !this.stopped && this.raft.hasReady();
  }

  /** Takes everything the core has to say. */
  collect(): void {
    while (this.hasReady) this.handleReady(this.raft.ready());
  }

  onPersisted(number: number): void {
    if (this.stopped) return;
    this.raft.onPersisted(number);
    this.host.markDirty(this);
  }

  /** Applies committed entries and answers reads until `untilMonoMs`; true when work is left. */
  applySlice(untilMonoMs: number): boolean {
    if (this.stopped) return false;
    let applied = 0;
    /** For a configuration's record to be durable, which wakes this replica. */
    let isWaiting = false;
    while (this.applyHead < this.applyQueue.length && !this.installing) {
      const entry = this.applyQueue[this.applyHead] as Entry;
      const batch = this.proposals.peek(entry.index, entry.term);
      if (batch !== null && this.runner.isOwed(batch.readBarrier)) {
        // Reads asked before these writes come first. Those already confirmed can run now; the others are on
        // their way, and their answer wakes this replica.
        if (this.runner.run(untilMonoMs)) continue;
        if (this.host.clock.monoMs() >= untilMonoMs || !this.runner.runBefore(entry, batch.readBarrier))
          break;
        continue;
      }
      if (entry.kind === EntryKind.configuration && !this.members.isReady(entry)) {
        isWaiting = true;
        break;
      }
      this.applyHead++;
      this.applyEntry(entry, batch);
      if (this.stopped) return false;
      applied++;
      if (this.host.clock.monoMs() >= untilMonoMs) break;
    }
    if (this.applyHead === this.applyQueue.length && this.applyHead > 0) {
      this.applyQueue = [];
      this.applyHead = 0;
    }
    if (applied > 0) {
      this.raft.onApplied(this.appliedIndex);
      this.policy.maybeStart();
      this.feed.afterSlice();
    }
    // One slice of reads even when applying took all of the time: else a load of writes would starve them.
    while (this.runner.run(untilMonoMs) && this.host.clock.monoMs() < untilMonoMs) {
      /* each call runs one batch */
    }
    const isTimeOver = this.host.clock.monoMs() >= untilMonoMs;
    const moreToApply = !isWaiting && this.applyHead < this.applyQueue.length && (applied > 0 || isTimeOver);
    return moreToApply || this.reads.isRunnable(this.appliedIndex);
  }

  // ---- Ready ---------------------------------------------------------------------------------------------------

  private handleReady(ready: Ready): void {
    const host = this.host;
    if (ready.snapshot === null) for (const message of ready.messages) host.send(this.group, message);
    if (ready.roleChange !== null) this.onRoleChange(ready);
    if (ready.snapshot !== null) {
      this.installSnapshot(ready);
      return;
    }
    this.persist(ready);
    for (const entry of ready.committed) this.applyQueue.push(entry);
    if (ready.committed.length > 0 && host.observer !== null) {
      host.observer.onCommit(host.nodeId, this.group, this.id, this.raft.commit, this.raft.term);
    }
    for (const outcome of ready.reads) this.desk.onOutcome(outcome);
    for (const request of ready.fetches) {
      host.store.fetch(this.group, request.lo, request.hi, request.bytesMax, (error, entries) => {
        if (this.stopped) return;
        if (error !== null && 'code' in error && error.code === 'DAMAGED_ENTRY') {
          this.fallSilent(`a record of its log is damaged: ${error.message}`);
          return;
        }
        if (error !== null) {
          host.fatal('disk', `reading the log of group ${this.group} failed`, error);
          return;
        }
        this.raft.onFetched(request.id, entries);
        host.markDirty(this);
      });
    }
    for (const to of ready.snapshotsWanted) this.policy.streams.streamTo(to);
    if (ready.removedFromVersion > 0) host.onRemoved(this, ready.removedFromVersion);
  }

  private persist(ready: Ready): void {
    const host = this.host;
    if (ready.entries.length > 0) {
      if (host.observer !== null) {
        host.observer.onAppend(host.nodeId, this.group, this.id, ready.entries);
      }
      host.store.append(this.group, ready.entries);
    }
    // A commit index that moved alone is not worth an fsync: it goes along with the next thing that is.
    if (ready.hardState !== null) this.unsavedHardState = ready.hardState;
    if (ready.mustPersist && this.unsavedHardState !== null) {
      host.store.saveHardState(this.group, this.unsavedHardState);
      this.unsavedHardState = null;
    }
    host.afterPersist(this, ready.number, ready.mustPersist, ready.messagesAfterPersist);
  }

  private onRoleChange(ready: Ready): void {
    const change = ready.roleChange;
    assert(change !== null, 'role change expected');
    const host = this.host;
    const leads = change.role === 'leader';
    if (leads && !this.wasLeader) {
      this.clock.restart(this.machine.timestampMs(), host.trustedWallMs(), host.clock.monoMs());
      host.metrics.elections('won').inc();
      this.leadsSinceMs = host.clock.monoMs();
      this.lag.clear();
      this.reaper.restart();
      this.work.restart();
      this.room.restart();
    } else if (change.role === 'precandidate' || change.role === 'candidate') {
      host.metrics.elections(change.role === 'candidate' ? 'campaign' : 'timeout').inc();
    }
    if (this.wasLeader && !leads) {
      host.metrics.leaderTenure.observe((host.clock.monoMs() - this.leadsSinceMs) / 1000);
      this.refuseUnproposed('NOT_LEADER');
      this.policy.streams.clear();
    }
    this.wasLeader = leads;
    if (change.leader !== 0 && change.leader !== this.knownLeader) {
      host.metrics.leaderChanges.inc();
      this.knownLeader = change.leader;
    }
    host.observer?.onRole(host.nodeId, this.group, this.id, change.role, change.term);
    host.onRoleChange(this, change);
  }

  private nowMs(): number {
    const { clock } = this.host;
    return this.clock.now(clock.monoMs(), this.host.trustedWallMs(), this.machine.timestampMs());
  }

  /** Everything that was handed in and not appended goes back to its sinks. */
  private refuseUnproposed(reason: ErrorReason): void {
    this.work.refuse(reason);
    this.reads.refuseOpenOfLeader(reason, this.leaderNode);
  }

  // ---- applying ------------------------------------------------------------------------------------------------

  private applyEntry(entry: Entry, batch: WriteBatch | null): void {
    assert(
      entry.index === this.appliedIndex + 1,
      `group ${this.group}: entry ${entry.index} after ${this.appliedIndex}`,
    );
    const beganMs = this.host.clock.monoMs();
    if (entry.kind === EntryKind.normal) {
      this.applying = batch;
      const isApplied = this.applyTo(this.machine, entry);
      this.applying = null;
      if (!isApplied) return;
      if (batch !== null) {
        const proposedAtMs = this.proposals.take(entry.index);
        this.host.metrics.proposeLatency.observe((this.host.clock.monoMs() - proposedAtMs) / 1000);
        this.host.metrics.readsInLog.inc(batch.reads);
        this.room.release(batch);
      }
    } else {
      this.feed.pass(entry.index, entry.term);
    }
    if (batch === null) this.proposals.answerUpTo(entry.index);
    if (entry.kind === EntryKind.configuration) this.members.apply(entry);
    this.appliedIndex = entry.index;
    this.room.onApplied(entry.index);
    this.policy.onApplied(entry.data.length, this.host.clock.monoMs() - beganMs);
    const observer = this.host.observer;
    if (observer !== null) {
      observer.onApply(this.host.nodeId, this.group, this.id, entry, () => this.machine.stateHash());
    }
  }

  /** False: the node ends. The entry has a meaning that this build does not know, and no later one is applied either. */
  private applyTo(machine: Machine, entry: Entry): boolean {
    try {
      machine.apply(entry.index, entry.term, entry.data, this);
      return true;
    } catch (error) {
      const unknown = unknownVersionIn(error);
      if (unknown === null) throw error;
      this.stopped = true;
      this.host.fatal('refused', `group ${this.group}, entry ${entry.index}: ${unknown.message}`, unknown);
      return false;
    }
  }

  /** `EntryResults`: the n-th command of the entry being applied. */
  onResult(position: number, bytes: Uint8Array, start: number, end: number): void {
    const batch = this.applying;
    if (batch === null || position >= batch.count) return;
    (batch.sinks[position] as CommandSink).onResult(batch.tokens[position] as number, bytes, start, end);
  }

  // ---- snapshots -----------------------------------------------------------------------------------------------

  /** The file is on disk and verified: load it, then persist that it replaced the log, then go on. */
  private installSnapshot(ready: Ready): void {
    const snapshot = ready.snapshot;
    assert(snapshot !== null, 'snapshot expected');
    this.installing = true;
    this.policy.loadReceived(snapshot, (pointer) => {
      if (this.stopped) return;
      // The configuration in force may be newer than the snapshot's; it never goes back.
      const { configuration } = this;
      this.host.store.installSnapshot(this.group, { ...snapshot, configuration }, pointer);
      this.applyQueue = [];
      this.applyHead = 0;
      this.appliedIndex = snapshot.index;
      this.feed.place(snapshot.index, snapshot.term);
      this.proposals.answerUpTo(snapshot.index);
      this.snapshotsInstalled++;
      this.logger.info('snapshot installed', { group: this.group, index: snapshot.index });
      const { index, term } = snapshot;
      const hash = this.machine.stateHash();
      this.host.observer?.onSnapshot(this.host.nodeId, this.group, this.id, index, term, hash);
      // Messages tell the configuration that the snapshot brought: nobody is to rely on it before it is durable.
      this.persist({ ...ready, messagesAfterPersist: [...ready.messages, ...ready.messagesAfterPersist] });
      this.host.whenDurable(() => {
        if (this.stopped) return;
        this.installing = false;
        this.feed.onAvailability();
        for (const entry of ready.committed) this.applyQueue.push(entry);
        for (const outcome of ready.reads) this.desk.onOutcome(outcome);
        if (ready.removedFromVersion > 0) this.host.onRemoved(this, ready.removedFromVersion);
        this.host.onConfiguration(this);
        this.host.markDirty(this);
      });
    });
  }

  /** A record that can't be trusted: this replica says so, and nothing else any more. The node's others go on. */
  private fallSilent(reason: string): void {
    this.suspect = reason;
    this.host.store.saveSuspect(this.group, reason);
    this.logger.error('replica falls silent', { group: this.group, replica: this.id, reason });
    this.stop();
    this.host.onSilent(this);
  }

  /** The node stops: what waits gets an honest answer. */
  stop(): void {
    this.refuseUnproposed('UNAVAILABLE');
    this.reads.refuseAll('UNAVAILABLE', 0);
    this.reads.refuseConfirmed('UNAVAILABLE', 0);
    this.proposals.answerAll('the node is stopping');
    this.policy.stop();
    this.stopped = true;
    this.feed.onAvailability();
  }
}
