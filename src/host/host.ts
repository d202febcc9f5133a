/**
 * The loop of a node: all its replicas, turn by turn (ARCHITECTURE section 6).
 *
 *   1. messages of peers, then ticks           2. client work becomes entries, reads ask for their index
 *   3. every dirty replica's Ready             4. frames leave, one per peer
 *   5. one batch, one fsync for all groups     6. committed entries are applied in slices, replies leave
 *
 * Invariants: one log write in flight; consensus before client work; a turn takes at most `TURN_BYTES_MAX` of
 * commands and applies for at most `APPLY_SLICE_MS`; only replicas on the dirty list are visited, and only those whose
 * group is not quiet get ticks (clockwork.ts).
 */
import {
  assert,
  BoundedQueue,
  must,
  type Fatal,
  type GroupId,
  type NodeId,
  type ReadyNumber,
  type ReplicaId,
  type WallMs,
} from '../base/index.js';
import { decodeRaftFrame, MalformedFrame, type RaftFrameHeader } from '../codec/index.js';
import {
  createGroupMetrics,
  SnapshotTraffic,
  type GroupMetrics,
  type Replica,
  type ReplicaHost,
} from '../group/index.js';
import type {
  CancelTimer,
  Clock,
  Logger,
  PeerChannel,
  PeerNetwork,
  ReplicaObserver,
  Timers,
} from '../ports/index.js';
import type { Message, RoleChange } from '../raft/index.js';
import type { CheckpointStore, LogStore } from '../storage/index.js';
import { BulkTransfers, type ReceiveStatus } from './bulk.js';
import { CheckpointQueue } from './checkpoint-queue.js';
import { ClockOffsets } from './clock-offsets.js';
import { ClockWatch } from './clock-watch.js';
import { DiskStall } from './disk-stall.js';
import { DropLog } from './drop-log.js';
import { Durability } from './durability.js';
import { createHostMetrics, type HostMetrics } from './host-metrics.js';
import { Outbox } from './outbox.js';
import { Quiescence } from './quiescence.js';
import type { MetricsRegistry } from '../base/index.js';

const TURN_BYTES_MAX = 1024 * 1024;
const APPLY_SLICE_MS = 8;
/** Raft messages waiting for a turn; more are dropped, as the network may do at any time. */
const INBOX_MAX = 65_536;

export interface HostOptions {
  readonly nodeId: NodeId;
  readonly bootNumber: number;
  readonly tickMs: number;
  /** A log write that takes longer makes the node give its leaderships up. */
  readonly diskStallMs: number;
  /** Of snapshots sent, and of those received. */
  readonly snapshotBytesPerSecond: number;
  /** Whether the disk can take a file of this size without touching its reserve. */
  readonly hasRoomFor: (bytes: number) => boolean;
  /** Between two heartbeats to a node. */
  readonly heartbeatTicks: number;
  /** Base election time-out of the groups: nodes are judged by it, too (node-liveness.ts). */
  readonly electionTicks: number;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly store: LogStore;
  readonly checkpoints: CheckpointStore;
  readonly peers: PeerNetwork;
  readonly observer: ReplicaObserver | null;
  readonly fatal: Fatal;
  /** Where a replica lives, from the shard map; 0 when unknown. */
  readonly nodeOf: (group: GroupId, replica: ReplicaId) => NodeId;
  readonly mapVersion: () => number;
  readonly onRoleChange: (replica: Replica, change: RoleChange) => void;
  /** A message for a replica that is not here: one to be created, or one of long ago. */
  readonly onUnknownReplica: (group: GroupId, message: Message, from: NodeId) => void;
  readonly onConfiguration: (replica: Replica) => void;
  readonly onRemoved: (replica: Replica, version: number) => void;
  readonly onSuspect: (replica: Replica) => void;
  /** A peer's frame told of a newer map. */
  readonly onMapVersion: (from: NodeId, version: number) => void;
}

interface Inbound {
  readonly from: NodeId;
  /** Of the frame that it came in. */
  readonly header: RaftFrameHeader;
  readonly group: GroupId;
  readonly message: Message;
}

export class Host implements ReplicaHost {
  readonly nodeId: NodeId;
  readonly clock: Clock;
  readonly store: LogStore;
  readonly checkpoints: CheckpointStore;
  readonly metrics: GroupMetrics;
  readonly observer: ReplicaObserver | null;
  readonly fatal: Fatal;
  readonly clocks = new ClockOffsets();
  readonly traffic: SnapshotTraffic;
  private readonly replicas = new Map<GroupId, Replica>();
  private readonly inbox = new BoundedQueue<Inbound>(INBOX_MAX);
  private readonly outbox: Outbox;
  private readonly durability: Durability;
  private readonly queue = new CheckpointQueue();
  private readonly bulk: BulkTransfers;
  private readonly stall: DiskStall;
  private readonly watch: ClockWatch;
  private readonly hostMetrics: HostMetrics;
  private readonly quiescence: Quiescence;
  private readonly drops: DropLog;
  private dirtyList: Replica[] = [];
  /** Replicas whose client work waits for the write in flight, or for a turn with room. */
  private blocked: Replica[] = [];
  private turnScheduled = false;
  private inTurn = false;
  private tickDue = false;
  private cancelTick: CancelTimer = () => undefined;
  private stopped = false;
  private transfers = 0;
  private tickCount = 0;

  constructor(private readonly options: HostOptions) {
    this.nodeId = options.nodeId;
    this.clock = options.clock;
    this.store = options.store;
    this.checkpoints = options.checkpoints;
    this.observer = options.observer;
    this.fatal = options.fatal;
    this.metrics = createGroupMetrics(options.metrics);
    this.hostMetrics = createHostMetrics(
      options.metrics,
      this.replicas,
      () => this.clocks.rows(options.clock.wallMs(), options.clock.monoMs()),
      (group) => options.store.logBytes(group),
      () => options.clock.monoMs(),
    );
    this.traffic = new SnapshotTraffic(options.snapshotBytesPerSecond);
    this.stall = new DiskStall({
      limitTicks: Math.ceil(options.diskStallMs / options.tickMs),
      logger: options.logger,
      metrics: options.metrics,
      nowMs: () => options.clock.monoMs(),
    });
    this.watch = new ClockWatch({
      clock: options.clock,
      offsets: this.clocks,
      logger: options.logger,
      metrics: options.metrics,
      nodeOf: (group, replica) => this.nodeOf(group, replica),
    });
    this.drops = new DropLog(this.hostMetrics, options.clock, options.logger);
    this.outbox = new Outbox(
      () => this.header(),
      (to, frame) => {
        if (!options.peers.send(to, 'raft', frame)) this.hostMetrics.dropped('no_link').inc();
      },
    );
    this.quiescence = new Quiescence({
      ...options,
      replicas: this.replicas,
      touch: (node) => this.outbox.touch(node),
      fellAsleep: this.hostMetrics.quiesced,
    });
    this.durability = new Durability((replica, message) => this.send(replica.group, message));
    this.bulk = new BulkTransfers(
      this,
      (group) => this.replicas.get(group) ?? null,
      () => this.replicas.values(),
      options.hasRoomFor,
      options.logger,
    );
  }

  start(): void {
    this.scheduleTick();
  }

  addReplica(replica: Replica): void {
    assert(!this.replicas.has(replica.group), `group ${replica.group} twice on a node`);
    this.replicas.set(replica.group, replica);
    this.markDirty(replica);
  }

  /** It is stopped, and forgotten; its records and files are the caller's. */
  removeReplica(group: GroupId): void {
    const replica = this.replicas.get(group);
    if (replica === undefined) return;
    replica.stop();
    replica.machine.close?.();
    this.replicas.delete(group);
    this.quiescence.onRole(group, false, this.clock.monoMs());
    this.bulk.onReplicaRemoved(group);
  }

  replica(group: GroupId): Replica | null {
    return this.replicas.get(group) ?? null;
  }

  all(): Iterable<Replica> {
    return this.replicas.values();
  }

  /** Answers what waits and takes no further work. The store is left to the caller. */
  stop(): void {
    this.stopped = true;
    this.cancelTick();
    for (const replica of this.replicas.values()) replica.stop();
  }

  /** The process is about to end: nothing runs on, nobody is answered. */
  halt(): void {
    this.stopped = true;
    this.cancelTick();
  }

  // ---- events from the network ---------------------------------------------------------------------------------

  onRaftFrame(from: NodeId, frame: Uint8Array): void {
    if (this.stopped) return;
    let frameHeader: RaftFrameHeader | null = null;
    try {
      decodeRaftFrame(frame, {
        onHeader: (header) => {
          frameHeader = header;
          const nowMs = this.clock.monoMs();
          this.clocks.note(from, header.wallMs, nowMs);
          this.quiescence.onFrame(from, header, nowMs);
          if (header.mapVersion > this.options.mapVersion())
            this.options.onMapVersion(from, header.mapVersion);
        },
        onMessage: (group, message) => {
          const header = must(frameHeader, 'header before messages');
          if (!this.inbox.push({ from, header, group, message }))
            this.hostMetrics.dropped('inbox_full').inc();
        },
      });
    } catch (error) {
      if (!(error instanceof MalformedFrame)) throw error;
      this.drops.noteFrame(from, error.message);
    }
    // An empty frame of a node that is known to live is no reason for a turn.
    if (this.inbox.length > 0 || this.quiescence.hasNews) this.wake();
  }

  onBulkFrame(from: NodeId, frame: Uint8Array): void {
    if (this.stopped) return;
    try {
      this.bulk.onFrame(from, frame);
    } catch (error) {
      if (!(error instanceof MalformedFrame)) throw error;
      this.drops.noteFrame(from, error.message);
    }
    this.wake();
  }

  onLinkDown(node: NodeId, channel: PeerChannel): void {
    if (this.stopped) return;
    if (channel === 'bulk') this.bulk.onLinkDown(node);
    if (channel === 'raft') {
      this.quiescence.onLinkDown(node);
      for (const replica of this.replicas.values()) {
        for (const home of replica.configuration.homes) {
          if (home.node === node) replica.raft.onUnreachable(home.replica);
        }
      }
    }
  }

  onBulkDrain(node: NodeId): void {
    if (!this.stopped) this.bulk.onDrain(node);
  }

  // ---- the turn ------------------------------------------------------------------------------------------------

  /** Asks for a turn; it runs after the input that is already waiting was polled. */
  wake(): void {
    if (this.turnScheduled || this.stopped) return;
    this.turnScheduled = true;
    this.options.timers.soon(() => {
      this.turnScheduled = false;
      this.turn();
    });
  }

  private turn(): void {
    if (this.stopped) return;
    assert(!this.inTurn, 'turns do not nest');
    this.inTurn = true;
    this.takeMessages();
    this.takeTick();
    this.takeClientWork();
    const dirty = this.collectReady();
    this.outbox.flush();
    this.maybeWrite();
    this.apply(dirty);
    this.inTurn = false;
    if (!this.store.writing) {
      for (const replica of this.blocked) this.markDirty(replica);
      this.blocked = [];
    }
    if (this.dirtyList.length > 0 || this.inbox.length > 0) this.wake();
  }

  private takeMessages(): void {
    this.quiescence.takeNews();
    for (let left = this.inbox.length; left > 0; left--) {
      const { from, header, group, message } = this.inbox.shift() as Inbound;
      const replica = this.replicas.get(group);
      if (replica === undefined || message.to !== replica.id) {
        this.drops.note(from, 'unknown_replica', group, message);
        this.options.onUnknownReplica(group, message, from);
        continue;
      }
      if (message.type === 'timeout_now' && this.stall.isStalled) {
        this.drops.note(from, 'disk_stalled', group, message); // it could not even vote for itself
        continue;
      }
      if (message.type === 'timeout_now' && this.watch.isOff) {
        this.drops.note(from, 'clock_off', group, message);
        continue;
      }
      const home = replica.members.homeOf(message.from);
      if (home === 0) replica.members.learn(message.from, from);
      else if (home !== from) {
        this.drops.note(from, 'wrong_node', group, message);
        continue;
      }
      if (this.quiescence.isOldOffer(from, header, message)) {
        this.hostMetrics.dropped('old_offer').inc();
        continue;
      }
      const verdict = replica.step(message);
      if (verdict !== 'taken') this.drops.note(from, verdict, group, message);
    }
  }

  /** A tick that came late counts once; elections are decided now, after the sockets were polled. */
  private takeTick(): void {
    if (!this.tickDue) return;
    this.tickDue = false;
    this.tickCount++;
    const nowMs = this.clock.monoMs();
    this.stall.tick();
    this.traffic.tick(nowMs);
    const { isStalled } = this.stall;
    this.watch.tick();
    const decide = !isStalled && !this.watch.isOff;
    const { mustNotLead } = this.watch;
    const isPolicyDue = this.tickCount % 16 === 0;
    this.quiescence.tick(this.tickCount, nowMs, (replica) => {
      if (isPolicyDue) replica.policy.streams.tick(nowMs);
      const needsTicks = replica.tick(decide || replica.raft.role === 'leader');
      if (isStalled && this.stall.relieve(replica)) this.markDirty(replica);
      if (mustNotLead && this.watch.relieve(replica)) this.markDirty(replica);
      return needsTicks;
    });
    if (isPolicyDue) this.bulk.tick(nowMs);
    if (this.store.dirty) this.wake(); // slices of truncation go out with time, too
  }

  private takeClientWork(): void {
    let bytes = 0;
    const writing = this.store.writing;
    for (const replica of this.dirtyList) {
      // While a write is in flight commands go on collecting: they will share the next one.
      if (!writing && bytes < TURN_BYTES_MAX) bytes += replica.propose();
      else if (replica.hasClientWork) this.blocked.push(replica);
      replica.askReads();
    }
  }

  private collectReady(): Replica[] {
    // A worklist: what a Ready brings about at once (a group of one persists nothing, say) is collected as well.
    const dirty = this.dirtyList;
    for (let i = 0; i < dirty.length; i++) {
      const replica = dirty[i] as Replica;
      replica.dirty = false;
      replica.collect();
      this.quiescence.noteAwake(replica);
    }
    this.dirtyList = [];
    return dirty;
  }

  private maybeWrite(): void {
    if (this.store.writing) return;
    if (!this.store.dirty) {
      this.durability.onNothingToWrite();
      return;
    }
    this.durability.onWriteStarted();
    this.stall.onWriteStarted();
    this.store.flush((error) => {
      if (this.stopped) return;
      if (error !== null) {
        this.stopped = true; // the store is finished: nothing may run on until the process has ended
        this.fatal('disk', 'writing the log failed: nothing of it was acknowledged', error);
        return;
      }
      this.stall.onWriteDone();
      this.durability.onWriteDone();
      // Commands collected meanwhile go with the next write.
      const blocked = this.blocked;
      this.blocked = [];
      for (const replica of blocked) this.markDirty(replica);
      this.wakeAfterWrite();
    });
  }

  /** The turn after a write runs at once: acknowledgements wait for nothing else. */
  private wakeAfterWrite(): void {
    if (this.inTurn) this.wake();
    else this.turn();
  }

  private apply(dirty: readonly Replica[]): void {
    const untilMs = this.clock.monoMs() + APPLY_SLICE_MS;
    for (const replica of dirty) {
      const more = replica.applySlice(untilMs) || replica.hasReady;
      // A role change may have let held commands through in the middle of this turn.
      const late = replica.hasOpenReads || (replica.hasClientWork && !this.store.writing);
      if (more || late) this.markDirty(replica);
    }
  }

  private scheduleTick(): void {
    this.cancelTick = this.options.timers.after(this.options.tickMs, () => {
      if (this.stopped) return;
      this.tickDue = true;
      this.scheduleTick();
      this.wake();
    });
  }

  // ---- ReplicaHost ---------------------------------------------------------------------------------------------

  markDirty(replica: Replica): void {
    if (!replica.dirty) {
      replica.dirty = true;
      this.dirtyList.push(replica);
    }
    if (!this.inTurn) this.wake();
  }

  send(group: GroupId, message: Message): void {
    const node = this.nodeOf(group, message.to);
    if (node === 0 || node === this.nodeId) return;
    this.sendTo(node, group, message);
  }

  /** To a node that need not be known as the home of whom it is for. */
  sendTo(node: NodeId, group: GroupId, message: Message): void {
    this.outbox.add(node, group, message);
    if (!this.inTurn) this.wake();
  }

  afterPersist(
    replica: Replica,
    number: ReadyNumber,
    mustPersist: boolean,
    messages: readonly Message[],
  ): void {
    this.durability.add(replica, number, mustPersist, messages);
  }

  whenDurable(run: () => void): void {
    this.durability.whenDurable(run);
    this.wake();
  }

  /** The group's own configuration knows best; group 0's copy serves a replica that has none yet. */
  nodeOf(group: GroupId, id: ReplicaId): NodeId {
    const home = this.replicas.get(group)?.members.homeOf(id) ?? 0;
    return home !== 0 ? home : this.options.nodeOf(group, id);
  }

  onConfiguration(replica: Replica): void {
    this.options.onConfiguration(replica);
  }

  onRemoved(replica: Replica, version: number): void {
    this.options.onRemoved(replica, version);
  }

  onSuspect(replica: Replica): void {
    this.options.onSuspect(replica);
  }

  trustedWallMs(): WallMs {
    return this.clocks.trustedWallMs(this.clock.wallMs(), this.clock.monoMs());
  }

  isNodeDown(node: NodeId): boolean {
    return this.quiescence.isDown(node);
  }

  /** Whether a node's wall clock is further from most clocks than one that leads may be. */
  isClockOff(node: NodeId): boolean {
    return this.clocks.isPeerOff(node, this.clock.wallMs(), this.clock.monoMs());
  }

  queueCheckpoint(replica: Replica, start: (done: () => void) => void): void {
    this.queue.add(replica, start);
  }

  sendBulk(node: NodeId, frame: Uint8Array): boolean {
    return this.options.peers.send(node, 'bulk', frame);
  }

  /** The snapshot that a group's replica here is receiving; null when none. */
  receiving(group: GroupId): ReceiveStatus | null {
    return this.bulk.receiving(group);
  }

  nextTransfer(): number {
    return ++this.transfers;
  }

  onRoleChange(replica: Replica, change: RoleChange): void {
    this.quiescence.onRole(replica.group, change.role === 'leader', this.clock.monoMs());
    this.options.onRoleChange(replica, change);
  }

  onSilent(replica: Replica): void {
    this.quiescence.onRole(replica.group, false, this.clock.monoMs());
    this.options.onRoleChange(replica, { role: 'follower', term: replica.raft.term, leader: 0 });
  }

  private header(): RaftFrameHeader {
    const endings = this.quiescence.endings(this.clock.monoMs());
    return {
      ...(endings === undefined ? null : { endings }),
      node: this.nodeId,
      bootNumber: this.options.bootNumber,
      wallMs: this.clock.wallMs(),
      mapVersion: this.options.mapVersion(),
    };
  }
}
