/**
 * Every client command of this node passes here: find the shard's leader, hand the command to the local replica or
 * to the forwarder, and give the answer back to the front end (ARCHITECTURE section 14).
 *
 * Invariants: exactly one answer per command, by its deadline, never from inside `submit`; a command is sent again
 * only after a refusal that came before any append, or under the node's session, which has it applied once; what else
 * was sent as a write and can't be accounted for is OUTCOME_UNKNOWN. Order per shard: shard-route.ts.
 */
import {
  ByteWriter,
  ERROR_REASONS,
  type ErrorReason,
  type GroupId,
  type MonoMs,
  type NodeId,
  type Slot,
} from '../base/index.js';
import { Freshness, isForAnyReplica, type CommandSink } from '../group/index.js';
import type { Host } from '../host/index.js';
import { isWriteOp, putFailed } from '../kv/index.js';
import type { Clock, PeerNetwork, Timers } from '../ports/index.js';
import type { LeaderHints, ShardMap } from '../topology/index.js';
import { Forwarder, HopFlag, isSessionRefusal } from './forwarder.js';
import type { GatewayMetrics } from './gateway-metrics.js';
import type { CommandGateway, ResultSink, ShardRange } from './gateway-port.js';
import { NodeSession } from './node-session.js';
import { PendingState, PendingTable } from './pending-table.js';
import { SessionForwards } from './session-forwards.js';
import type { SessionGrants } from './session-grants.js';
import { ShardRoute } from './shard-route.js';

/** How long answers of an old target are waited for before the shard's commands go to the new one. */
const REROUTE_GRACE_MS = 1000;
/** A target that refused is not asked again for this long, unless another node or a newer hint points to it. */
const AVOID_MS = 25;
/**
 * So many times in a row commands follow a refusal's hint at once. Two nodes that each take the other for the leader are
 * asked again at the timer's pace.
 */
const HURRIED_REROUTES_MAX = 3;
const SWEEP_MS = 20;
/** Period of the gateway's own timer, which runs only while commands wait for an answer. */
const POLL_MS = 10;

export interface GatewayDeps {
  readonly nodeId: NodeId;
  readonly host: Host;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly peers: PeerNetwork;
  readonly hints: LeaderHints;
  readonly map: () => ShardMap;
  readonly metrics: GatewayMetrics;
  /** Drawn at every start: ids of an earlier life of this node are then not those of the commands of this one. */
  readonly firstBatch: number;
  /** Commands held without an answer, in bytes; past it `hasRoom` is false. */
  readonly inflightBytesMax: number;
  /** Why client writes are refused just now (disk reserve), or null. */
  readonly writeRefusal: () => ErrorReason | null;
  /** For the node's own session. */
  readonly sessions: SessionGrants;
}

export class Gateway implements CommandGateway, CommandSink {
  private readonly table = new PendingTable();
  private readonly routes = new Map<GroupId, ShardRoute>();
  private readonly forwarder: Forwarder;
  private readonly scratch = new ByteWriter(256);
  private readonly repeats: SessionForwards;
  /** Answers owed from inside `submit`. */
  private failures: { handle: number; reason: ErrorReason; message: string }[] = [];
  private roomListeners: (() => void)[] = [];
  private hadRoom = true;
  private lastSweepMs: MonoMs = 0;
  private readonly moving = new Set<ShardRoute>();
  private polling = false;
  private hurrying = false;
  private stopped = false;

  constructor(private readonly deps: GatewayDeps) {
    this.forwarder = new Forwarder({
      peers: deps.peers,
      timers: deps.timers,
      mapVersion: () => deps.map().version,
      now: () => deps.clock.monoMs(),
      sink: this,
      firstBatch: deps.firstBatch,
      latency: deps.metrics.forwardLatency,
      onLost: (handle, command, start, end) => this.onLost(handle, command, start, end),
      onUnknown: (handle, command, start, end) => this.repeats.sendAgain(handle, command, start, end),
      onSessionRefused: (handle, command, start, end) => this.repeats.goWithout(handle, command, start, end),
    });
    this.repeats = new SessionForwards({
      table: this.table,
      forwarder: this.forwarder,
      session: new NodeSession(deps.sessions),
      repeated: deps.metrics.forwardsRepeated,
      now: () => deps.clock.monoMs(),
      isStopped: () => this.stopped,
      hold: (slot, suggestion, command, start, end) =>
        this.holdAgain(slot, this.table.handleOf(slot), suggestion, command, start, end),
      noteRan: (slot) => this.noteRan(slot),
      fail: (handle) => this.fail(handle, 'OUTCOME_UNKNOWN', 'the session of the node ended', 0),
    });
    deps.metrics.registerForwardPending(() => this.forwarder.pending);
  }

  // ---- CommandGateway ------------------------------------------------------------------------------------------

  get hasRoom(): boolean {
    const room = this.table.bytes < this.deps.inflightBytesMax && !this.table.nearlyFull;
    if (!room) this.hadRoom = false;
    return room;
  }

  onRoom(listener: () => void): void {
    this.roomListeners.push(listener);
  }

  shardOf(slot: Slot): number {
    return this.deps.map().shardIdOfSlot(slot);
  }

  shards(): readonly ShardRange[] {
    return this.deps.map().shards.map(({ id, firstSlot, lastSlot }) => ({ shard: id, firstSlot, lastSlot }));
  }

  submit(
    slot: Slot,
    bytes: Uint8Array,
    start: number,
    end: number,
    deadline: MonoMs,
    sink: ResultSink,
    token: number,
    freshness: number = Freshness.linearizable,
  ): void {
    if (this.table.full) {
      this.refuseSoon(sink, token);
      return;
    }
    const shard = this.deps.map().shardIdOfSlot(slot);
    const isWrite = isWriteOp(bytes[start] as number);
    const viaLog = !isWrite && sink.unanswered.orderedOf(shard) > 0;
    const afterReads = (isWrite || viaLog) && sink.unanswered.readsOf(shard) > 0;
    const isAlone = isWrite && !afterReads && sink.unanswered.orderedOf(shard) === 0;
    const route = this.routeOf(shard);
    const sequence = route.nextSequence++;
    const handle = this.table.add(sink, token, shard, isWrite, deadline, sequence, end - start, freshness);
    if (!this.polling) this.startPolling();
    if (shard < 0) {
      this.failSoon(handle, 'NOT_INITIALISED', 'this node does not know the shard map yet');
      return;
    }
    const refusal = isWrite ? this.deps.writeRefusal() : null;
    if (refusal !== null) {
      this.failSoon(handle, refusal, 'this node is short of disk space');
      return;
    }
    if (this.stopped) {
      this.failSoon(handle, 'UNAVAILABLE', 'the node is stopping');
      return;
    }
    // Behind writes of its own connection a read goes their way, and sees them.
    const mayBeLocal = !isWrite && !viaLog && isForAnyReplica(freshness);
    if (mayBeLocal && this.readHere(shard, handle, bytes, start, end, freshness)) return;
    if (route.rerouting || !this.dispatch(route, handle, bytes, start, end, viaLog, afterReads, isAlone)) {
      route.hold(handle, sequence, bytes, start, end);
      this.reroute(route);
    }
  }

  forget(sink: ResultSink): void {
    const { unanswered } = sink;
    if (unanswered.firstSlot < 0) return;
    for (let slot = unanswered.firstSlot; slot >= 0; slot = unanswered.firstSlot) {
      // What was sent keeps its place in the route's count until it is answered; nobody listens any more.
      if (this.table.stateOf(slot) === PendingState.sent) this.routeOf(this.table.shardOf(slot)).settle();
      this.free(slot);
    }
    this.announceRoom();
  }

  // ---- routing -------------------------------------------------------------------------------------------------

  private routeOf(shard: GroupId): ShardRoute {
    let route = this.routes.get(shard);
    if (route === undefined) {
      route = new ShardRoute(shard);
      this.routes.set(shard, route);
    }
    return route;
  }

  /** The node that leads the shard as far as this one knows, or 0. */
  private leaderOf(route: ShardRoute): NodeId {
    const replica = this.deps.host.replica(route.shard);
    if (replica?.accepts === true) return this.deps.nodeId;
    let node = replica !== null ? replica.leaderNode : 0;
    if (node === 0) node = this.deps.hints.nodeOf(route.shard);
    const avoiding = this.deps.clock.monoMs() < route.avoidUntilMs;
    if (avoiding && node === route.avoid) node = route.suggestion === route.avoid ? 0 : route.suggestion;
    return node === this.deps.nodeId ? 0 : node;
  }

  /** Hands a read to the replica here although it does not lead; false when there is none that could answer. */
  private readHere(
    shard: GroupId,
    handle: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    freshness: number,
  ): boolean {
    const replica = this.deps.host.replica(shard);
    // A leader's reads keep their place among its commands.
    if (replica === null || replica.accepts || !replica.servesAnyReads) return false;
    this.table.setLocal(this.table.slotOf(handle), this.deps.nodeId);
    replica.submitRead(bytes, start, end, this, handle, freshness);
    return true;
  }

  /** The replica here can't answer it: it goes to the leader as any other read. */
  private leaveHere(slot: number, handle: number, command: Uint8Array, start: number, end: number): void {
    const shard = this.table.shardOf(slot);
    const route = this.routeOf(shard);
    const sequence = this.table.sequenceOf(slot);
    this.table.setHeld(slot);
    this.table.setFreshness(slot, Freshness.linearizable);
    const viaLog = this.table.sinkOf(slot).unanswered.orderedOf(shard) > 0;
    if (route.rerouting || !this.dispatch(route, handle, command, start, end, viaLog, false)) {
      route.holdRefused(handle, sequence, command, start, end);
      this.reroute(route);
    }
  }

  /** Sends one command to the shard's leader; false when it has to wait. */
  private dispatch(
    route: ShardRoute,
    handle: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    viaLog: boolean,
    afterReads: boolean,
    isAlone = false,
  ): boolean {
    const target = this.leaderOf(route);
    if (target === 0) return false;
    if (target !== route.target) {
      if (route.outstanding > 0) return false;
      route.target = target;
    }
    const slot = this.table.slotOf(handle);
    this.table.setSent(slot, target);
    if (viaLog) this.table.setViaLog(slot);
    route.outstanding++;
    if (target === this.deps.nodeId) {
      const replica = this.deps.host.replica(route.shard);
      if (replica === null) return false;
      if (viaLog || this.table.isWrite(slot))
        replica.submitWrite(bytes, start, end, afterReads, this, handle, viaLog, isAlone);
      else replica.submitRead(bytes, start, end, this, handle, this.table.freshnessOf(slot));
    } else {
      const byQuorum = this.table.freshnessOf(slot) === Freshness.quorum;
      const hops =
        1 |
        (viaLog ? HopFlag.viaLog : 0) |
        (afterReads ? HopFlag.afterReads : 0) |
        (isAlone ? HopFlag.alone : 0) |
        (byQuorum ? HopFlag.byQuorum : 0);
      this.deps.metrics.forwards.inc();
      this.repeats.forward(slot, target, hops, bytes, start, end);
    }
    return true;
  }

  /** A command comes back that is to be sent again. */
  private holdAgain(
    slot: number,
    handle: number,
    suggestion: NodeId,
    command: Uint8Array,
    start: number,
    end: number,
  ): void {
    const { table } = this;
    const route = this.routeOf(table.shardOf(slot));
    this.reroute(route); // before it settles: what overtook this command must be remembered
    route.settle();
    table.setHeld(slot);
    route.holdRefused(handle, table.sequenceOf(slot), command, start, end);
    route.avoid = table.targetOf(slot);
    route.avoidUntilMs = this.deps.clock.monoMs() + AVOID_MS;
    route.suggestion = suggestion;
    this.hurry(route);
  }

  private free(slot: number): void {
    this.repeats.settle(slot);
    this.table.free(slot);
  }

  /** It ran, or may have: what its connection sent before must not run any more. */
  private noteRan(slot: number): void {
    const { table } = this;
    this.routeOf(table.shardOf(slot)).noteRan(table.sinkOf(slot), table.sequenceOf(slot));
  }

  private reroute(route: ShardRoute): void {
    route.beginReroute(this.deps.clock.monoMs());
    this.moving.add(route);
  }

  /** Another node leads than the one that owes answers: it gets no more than the usual grace for them. */
  private wasLeft(route: ShardRoute): boolean {
    if (route.outstanding === 0 || route.rerouting || route.target === this.deps.nodeId) return false;
    const leader = this.leaderOf(route);
    return leader !== 0 && leader !== route.target;
  }

  /** The old target has answered everything: who waits for that need not wait for the timer, too. */
  private hurry(route: ShardRoute): void {
    if (this.hurrying || route.outstanding > 0 || route.waiting === 0) return;
    if (route.reroutesInRow > HURRIED_REROUTES_MAX) return;
    this.hurrying = true;
    this.deps.timers.soon(() => {
      this.hurrying = false;
      if (!this.stopped) this.advanceAll(this.deps.clock.monoMs());
    });
  }

  private advanceAll(nowMs: MonoMs): void {
    for (const moving of this.moving) this.advance(moving, nowMs);
  }

  /** Lets what was held leave, once the old target has answered and a new one is known. */
  private advance(route: ShardRoute, nowMs: MonoMs): void {
    if (route.outstanding > 0) {
      if (nowMs - route.reroutingSinceMs < REROUTE_GRACE_MS) return;
      this.giveUpOutstanding(route);
    }
    if (route.waiting > 0 && this.leaderOf(route) === 0) return;
    this.moving.delete(route);
    const waiting = route.takeWaiting().filter((item) => this.stillRuns(route, item, nowMs));
    route.endReroute();
    for (let i = 0; i < waiting.length; i++) {
      const item = waiting[i] as (typeof waiting)[number];
      const slot = this.table.slotOf(item.handle);
      if (slot < 0) continue; // answered by its deadline
      const sink = this.table.sinkOf(slot);
      // The sink's other commands may be anywhere: reads go the safe way, behind the writes in the log.
      const viaLog = !this.table.isWrite(slot) && sink.unanswered.orderedOf(route.shard) > 0;
      const afterReads = sink.unanswered.readsOf(route.shard) > 0;
      if (!this.dispatch(route, item.handle, item.bytes, 0, item.bytes.length, viaLog, afterReads)) {
        route.putBack(waiting.slice(i));
        this.reroute(route);
        return;
      }
    }
  }

  /** False, and answered, for what must not leave any more. */
  private stillRuns(route: ShardRoute, item: { handle: number; sequence: number }, nowMs: MonoMs): boolean {
    const slot = this.table.slotOf(item.handle);
    if (slot < 0) return false; // answered by its deadline
    if (route.wasOvertaken(this.table.sinkOf(slot), item.sequence)) {
      this.fail(item.handle, 'UNAVAILABLE', 'the shard changed its leader, the command was not run', 0);
      return false;
    }
    if (this.table.deadlineOf(slot) <= nowMs) {
      this.fail(item.handle, 'SHARD_LEADER_UNKNOWN', `shard ${route.shard} had no leader in time`, 0);
      return false;
    }
    return true;
  }

  /** The old target is silent: writes sent there are of unknown outcome, reads may go elsewhere. */
  private giveUpOutstanding(route: ShardRoute): void {
    this.forwarder.recall(route.target, (handle, command, start, end) => {
      const slot = this.table.slotOf(handle);
      return (
        slot >= 0 &&
        this.table.shardOf(slot) === route.shard &&
        this.repeats.sendAgain(handle, command, start, end)
      );
    });
    // A write of unknown outcome may have run: what was refused before it must not come after it.
    for (let slot = 0; slot < this.table.slots; slot++) {
      if (this.table.stateOf(slot) !== PendingState.sent || this.table.shardOf(slot) !== route.shard)
        continue;
      const handle = this.table.handleOf(slot);
      if (this.table.isWrite(slot)) {
        this.noteRan(slot);
        this.fail(handle, 'OUTCOME_UNKNOWN', 'the leader went silent', 0);
      } else this.fail(handle, 'UNAVAILABLE', 'the leader went silent', 0);
    }
    route.outstanding = 0;
  }

  // ---- CommandSink: answers of replicas and peers --------------------------------------------------------------

  onResult(handle: number, bytes: Uint8Array, start: number, end: number): void {
    const slot = this.table.slotOf(handle);
    if (slot < 0) return;
    if (this.table.stateOf(slot) === PendingState.local) {
      this.answer(slot, bytes, start, end);
      return;
    }
    if (this.table.isInDoubt(slot) && isSessionRefusal(bytes, start)) {
      this.fail(handle, 'OUTCOME_UNKNOWN', 'the session of the node ended', 0);
      return;
    }
    const route = this.routeOf(this.table.shardOf(slot));
    this.noteRan(slot);
    route.reroutesInRow = 0;
    if (this.table.targetOf(slot) !== this.deps.nodeId) this.deps.metrics.forwardSuccess.inc();
    this.answer(slot, bytes, start, end);
  }

  onRefused(
    handle: number,
    reason: ErrorReason,
    leaderNode: NodeId,
    command: Uint8Array,
    start: number,
    end: number,
  ): void {
    const slot = this.table.slotOf(handle);
    if (slot < 0) return;
    const nowMs = this.deps.clock.monoMs();
    const again = ERROR_REASONS[reason].retry === 'redirect' || reason === 'UNAVAILABLE';
    const target = this.table.targetOf(slot);
    if (target !== this.deps.nodeId) this.deps.metrics.forwardFailures(reason).inc();
    if (!again || this.stopped || nowMs >= this.table.deadlineOf(slot)) {
      this.fail(handle, this.stopped ? 'UNAVAILABLE' : reason, 'the command was not run', leaderNode);
      return;
    }
    if (this.table.stateOf(slot) === PendingState.local) {
      this.leaveHere(slot, handle, command, start, end);
      return;
    }
    this.holdAgain(slot, handle, leaderNode, command, start, end);
  }

  private onLost(handle: number, command: Uint8Array, start: number, end: number): void {
    const slot = this.table.slotOf(handle);
    if (slot < 0) return;
    if (this.table.isWrite(slot)) {
      this.deps.metrics.forwardFailures('link_lost').inc();
      if (this.repeats.sendAgain(handle, command, start, end)) return;
      this.reroute(this.routeOf(this.table.shardOf(slot)));
      this.noteRan(slot);
      this.fail(handle, 'OUTCOME_UNKNOWN', 'the link to the leader broke with the command in flight', 0);
    } else {
      this.onRefused(handle, 'UNAVAILABLE', 0, command, start, end);
    }
  }

  /** Answers of peers to what was forwarded, and the end of links. */
  onResponse(from: NodeId, id: number, bytes: Uint8Array, start: number, end: number): void {
    this.forwarder.onResponse(from, id, bytes, start, end);
  }

  onLinkDown(node: NodeId): void {
    this.forwarder.onLinkDown(node);
  }

  // ---- time ----------------------------------------------------------------------------------------------------

  private startPolling(): void {
    this.polling = true;
    this.deps.timers.after(POLL_MS, () => {
      this.polling = false;
      if (this.stopped) return;
      this.poll();
      if (this.table.count > 0) this.startPolling();
    });
  }

  /** Looks after deadlines and routes; also called after every change of a leader hint. */
  poll(): void {
    const nowMs = this.deps.clock.monoMs();
    this.advanceAll(nowMs);
    if (nowMs - this.lastSweepMs < SWEEP_MS) return;
    this.lastSweepMs = nowMs;
    for (const route of this.routes.values()) if (this.wasLeft(route)) this.reroute(route);
    this.sweepDeadlines(nowMs);
    this.forwarder.sweep(nowMs);
  }

  private sweepDeadlines(nowMs: MonoMs): void {
    const table = this.table;
    if (table.count === 0) return;
    for (let slot = 0; slot < table.slots; slot++) {
      const state = table.stateOf(slot);
      if (state === PendingState.free || table.deadlineOf(slot) > nowMs) continue;
      const handle = table.handleOf(slot);
      if (state === PendingState.sent && table.isWrite(slot)) {
        if (table.targetOf(slot) !== this.deps.nodeId) this.deps.metrics.forwardTimeouts.inc();
        this.noteRan(slot);
        this.fail(handle, 'OUTCOME_UNKNOWN', 'no answer by the deadline', 0);
      } else if (state === PendingState.sent || state === PendingState.local) {
        this.fail(handle, 'DEADLINE_EXCEEDED', 'no answer by the deadline', 0);
      } else {
        this.fail(handle, 'SHARD_LEADER_UNKNOWN', `shard ${table.shardOf(slot)} has no leader`, 0);
      }
    }
  }

  stop(): void {
    this.stopped = true;
    for (let slot = 0; slot < this.table.slots; slot++) {
      const state = this.table.stateOf(slot);
      if (state === PendingState.free) continue;
      const unknown = state === PendingState.sent && this.table.isWrite(slot);
      this.fail(
        this.table.handleOf(slot),
        unknown ? 'OUTCOME_UNKNOWN' : 'UNAVAILABLE',
        'the node is stopping',
        0,
      );
    }
    this.forwarder.stopped = true;
  }

  // ---- answers -------------------------------------------------------------------------------------------------

  private failSoon(handle: number, reason: ErrorReason, message: string): void {
    this.failures.push({ handle, reason, message });
    if (this.failures.length > 1) return;
    this.deps.timers.soon(() => {
      const failures = this.failures;
      this.failures = [];
      for (const failure of failures) this.fail(failure.handle, failure.reason, failure.message, 0);
    });
  }

  /** For what found no place in the table. One closure each: nobody gets here but by a flood of commands in parts. */
  private refuseSoon(sink: ResultSink, token: number): void {
    this.deps.timers.soon(() => {
      this.scratch.reset();
      putFailed(this.scratch, 'OVERLOADED', 'too many commands wait for an answer here', 0);
      sink.onResult(token, this.scratch.buffer, 0, this.scratch.length);
    });
  }

  private fail(handle: number, reason: ErrorReason, message: string, leader: NodeId): void {
    const slot = this.table.slotOf(handle);
    if (slot < 0) return;
    const isUnknown = this.table.isInDoubt(slot) && ERROR_REASONS[reason].definite;
    this.scratch.reset();
    putFailed(this.scratch, isUnknown ? 'OUTCOME_UNKNOWN' : reason, message, leader);
    this.answer(slot, this.scratch.buffer, 0, this.scratch.length);
  }

  private answer(slot: number, bytes: Uint8Array, start: number, end: number): void {
    const sink = this.table.sinkOf(slot);
    const token = this.table.tokenOf(slot);
    if (this.table.stateOf(slot) === PendingState.sent) {
      const route = this.routeOf(this.table.shardOf(slot));
      route.settle();
      if (route.rerouting) this.hurry(route);
    }
    this.free(slot);
    sink.onResult(token, bytes, start, end);
    if (!this.hadRoom) this.announceRoom();
  }

  private announceRoom(): void {
    if (this.hadRoom || this.table.bytes > this.deps.inflightBytesMax * 0.8) return;
    this.hadRoom = true;
    for (const listener of this.roomListeners) listener();
  }
}
