/**
 * The SDK below its promises: operations in, answers out, by callbacks and without a clock of its own.
 *
 * A key's slot names its shard, whose lane the operation joins; at the end of the turn a lane's operations go to the
 * stream of the shard's leader, one message per node. Results name their operation by id.
 *
 * Order. Operations of one client on one shard are sent in the order of the calls, on one stream at a time:
 * - a lane changes its stream only when nothing of it is unanswered; until then it sends nothing;
 * - what was refused waits until nothing of its lane is unanswered, and then goes alone: what was never sent follows
 *   when that is answered;
 * - a refused write is not repeated when a later operation on its key got its answer meanwhile, or is in doubt: its
 *   caller gets the refusal. So of two writes of a key that both succeed, the later call wins, and a read sees the
 *   writes called before it.
 * What is of unknown outcome may take effect at any time, and is outside of this.
 *
 * Repeating. Definite refusals are repeated within the deadline, after a wait that grows. Reads, and writes under a session
 * (client-session.ts), are also sent again when they were on a stream that broke or fell silent, or when their outcome is
 * unknown; such a write is in doubt from then on, and OUTCOME_UNKNOWN when its deadline passes. A write without a session
 * is OUTCOME_UNKNOWN at once, and never sent again.
 *
 * Limits. Operations without an answer, and their bytes, are bounded: past that they are refused at once.
 */
import { ERROR_REASONS, QuorateError, reasonFromNumber, SLOT_COUNT } from '../base/index.js';
import type { GroupId, MonoMs } from '../base/index.js';
import { MalformedMessage, PipelineResponseReader } from '../codec/cache/index.js';
import type { MapMessage } from '../codec/cache/index.js';
import type { ClientTransport, Clock, Entropy, Timers } from '../ports/index.js';
import { slotOfKey } from '../topology/index.js';
import { backoffMs } from './backoff.js';
import { ClientSessions } from './client-session.js';
import { DoneMarks } from './done-marks.js';
import {
  clientIsClosed,
  errorInDoubt,
  errorOf,
  lostWithStream,
  mayRepeat,
  notAnsweredInTime,
  notSentInTime,
  overtaken,
} from './failures.js';
import { LinkPool } from './link-pool.js';
import { MapWatch } from './map-watch.js';
import type { NodeLink } from './node-link.js';
import { OperationTable, PENDING_COUNT_LIMIT, Place } from './operation-table.js';
import type { OperationList } from './operation-table.js';
import { isForAnyReplica, isRead, operationBytes } from './operation.js';
import type { ClientOperation } from './operation.js';
import { NO_SHARD, RouteTable } from './route-table.js';
import { createLane, hasWaiting } from './shard-lane.js';
import type { ShardLane } from './shard-lane.js';
import { SingleTimer } from './single-timer.js';

const PAUSE_MS_MIN = 10;
const PAUSE_MS_MAX = 500;
/** Streams are looked after this often while anything is unanswered. */
const LOOK_AFTER_MS = 250;
/** Deadlines that pass within so long are seen to together. */
const SWEEP_MS_MIN = 5;
/** A node spoke of a newer map: so long the stream of maps may take to bring it. */
const NEWER_MAP_MS = 500;

/** A message over the server's limit (16 MiB unless set otherwise) would cost the stream, and with it all that is on it. */
const OPERATION_BYTES_MAX = 16 * 1024 * 1024 - 64 * 1024;

export interface ClientEnginePorts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly entropy: Entropy;
  readonly transport: ClientTransport;
}

export interface ClientEngineOptions {
  /** HOST:PORT of gRPC listeners, at least one. */
  readonly endpoints: readonly string[];
  /** Operations without an answer; at most 131,072. */
  readonly pendingCountMax: number;
  readonly pendingBytesMax: number;
  /** Whether writes are sent under sessions, so that they may be repeated. Default true. */
  readonly sessions?: boolean;
}

export class ClientEngine {
  private readonly table = new OperationTable();
  private readonly routes = new RouteTable();
  private readonly done = new DoneMarks();
  private readonly reader = new PipelineResponseReader();
  private readonly sessions: ClientSessions;
  private readonly links: LinkPool;
  private readonly watch: MapWatch;
  private readonly lanes: ShardLane[] = [createLane(0, NO_SHARD)];
  /** Index of the lane for each slot. It follows the map once nothing is on its way by the old one. */
  private readonly laneOfSlot = new Int32Array(SLOT_COUNT);
  private isRemapDue = false;
  private dirty: ShardLane[] = [];
  private isTurnScheduled = false;
  private readonly deadlines: SingleTimer;
  private readonly wake: SingleTimer;
  private readonly care: SingleTimer;
  private readonly newerMap: SingleTimer;
  private newerMapVersion = 0;
  private newerMapAt = '';
  private onReady: (() => void) | null = null;
  private isClosed = false;

  constructor(
    private readonly ports: ClientEnginePorts,
    private readonly options: ClientEngineOptions,
  ) {
    const { clock, timers } = ports;
    this.sessions = new ClientSessions(options.sessions ?? true);
    this.links = new LinkPool(ports, this.routes, options.endpoints, {
      onRoom: () => this.wakeAll(),
      onMessage: (link, bytes) => this.takeResponse(link, bytes),
      onLost: (link, why) => this.loseSent(link, why),
    });
    this.watch = new MapWatch(ports, {
      addresses: () => this.mapAddresses(),
      onMap: (map) => this.takeMap(map),
    });
    this.deadlines = new SingleTimer(clock, timers, () => this.endDue());
    this.wake = new SingleTimer(clock, timers, () => this.wakeAll());
    this.care = new SingleTimer(clock, timers, () => this.lookAfter());
    this.newerMap = new SingleTimer(clock, timers, () => {
      if (this.newerMapVersion > this.routes.version) this.watch.moveTo(this.newerMapAt);
    });
  }

  /** Looks for the cluster; `onReady` is called once, when its map is known. */
  start(onReady: () => void): void {
    this.onReady = onReady;
    this.watch.start();
  }

  /** Whom the map was asked of last, and what went wrong. */
  get lastFailure(): string {
    return this.watch.lastFailure;
  }

  /** Operations without an answer. */
  get pendingCount(): number {
    return this.table.count;
  }

  /**
   * Takes an operation, whose callback comes within `timeoutMs`. Returns the handle for `cancel`. Throws `QuorateError`
   * OVERLOADED at the limits, TOO_LARGE, UNAVAILABLE when the client is closed; the operation is not taken then.
   */
  submit(operation: ClientOperation, timeoutMs: number): number {
    if (this.isClosed) throw clientIsClosed();
    const bytes = operationBytes(operation);
    const { pendingCountMax, pendingBytesMax } = this.options;
    if (bytes > OPERATION_BYTES_MAX) {
      throw new QuorateError(
        'TOO_LARGE',
        `key and value of ${bytes} bytes; at most ${OPERATION_BYTES_MAX} fit a message`,
      );
    }
    const { count, bytes: bytesBefore } = this.table;
    if (count >= Math.min(pendingCountMax, PENDING_COUNT_LIMIT) || bytesBefore + bytes > pendingBytesMax) {
      throw new QuorateError(
        'OVERLOADED',
        `${count} operations of ${bytesBefore} bytes wait for their answer: the client takes no more just now`,
        { pendingCount: count, pendingBytes: bytesBefore },
      );
    }
    const now = this.ports.clock.monoMs();
    const ordinary = this.lanes[this.laneOfSlot[slotOfKey(operation.key)] as number] as ShardLane;
    const lane = isForAnyReplica(operation) ? this.laneForAnyReplica(ordinary) : ordinary;
    const slot = this.table.add(operation, lane.index, now + timeoutMs, bytes);
    this.table.insert(lane.fresh, slot);
    this.deadlines.by(now + timeoutMs);
    this.care.by(now + LOOK_AFTER_MS);
    this.markDirty(lane);
    return slot;
  }

  /**
   * Forgets an operation: no callback follows. Says whether it had been handed to a stream, so that a write may take
   * effect; null: it had its callback already.
   */
  cancel(handle: number, operation: ClientOperation): { readonly wasSent: boolean } | null {
    if (!this.table.holds(handle, operation)) return null;
    const wasSent = this.wasSent(handle);
    this.takeOut(handle);
    return { wasSent };
  }

  /** Ends everything: what was not sent is UNAVAILABLE, a write that was is OUTCOME_UNKNOWN. */
  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.watch.close();
    this.links.close();
    for (const timer of [this.deadlines, this.wake, this.care, this.newerMap]) timer.cancel();
    // Answers never come from inside a call.
    this.ports.timers.soon(() => {
      this.table.visitDue(Infinity, (slot) => {
        const wasSent = this.wasSent(slot);
        const operation = this.takeOut(slot);
        const isUnknown = wasSent && !isRead(operation);
        operation.onFailure(
          isUnknown ? lostWithStream('the cluster', 'the client was closed') : clientIsClosed(),
        );
      });
      this.ports.transport.close();
    });
  }

  /** Whether a stream was handed it, and it is not known that nothing came of it. */
  private wasSent(slot: number): boolean {
    return this.table.placeOf(slot) === Place.sent || this.table.isInDoubt(slot);
  }

  // Sending

  private markDirty(lane: ShardLane): void {
    if (!lane.isDirty) {
      lane.isDirty = true;
      this.dirty.push(lane);
    }
    if (this.isTurnScheduled) return;
    this.isTurnScheduled = true;
    this.ports.timers.soon(() => this.turn());
  }

  private wakeAll(): void {
    for (const lane of this.lanes) if (hasWaiting(lane)) this.markDirty(lane);
  }

  private turn(): void {
    this.isTurnScheduled = false;
    if (this.isClosed) return;
    if (this.isRemapDue) this.remap();
    const lanes = this.dirty;
    this.dirty = [];
    const now = this.ports.clock.monoMs();
    for (const lane of lanes) {
      lane.isDirty = false;
      if (hasWaiting(lane)) this.send(lane, now);
    }
    this.askForSession(now);
    for (const link of this.links) link.flush();
  }

  private askForSession(now: MonoMs): void {
    if (!this.sessions.wants(now)) return;
    for (const link of this.links) {
      if (!link.isUsable || link.isFull) continue;
      this.sessions.onAsked(now);
      link.askForSession();
      return;
    }
  }

  private send(lane: ShardLane, now: MonoMs): void {
    if (!this.routes.isKnown || this.isRemapDue) return;
    const isUnderWay = lane.sent.count > 0;
    if (lane.refused.count > 0) {
      if (isUnderWay) return;
      if (now < lane.pausedUntil) {
        this.wake.by(lane.pausedUntil);
        return;
      }
    }
    const link = lane.isForAnyReplica
      ? this.links.chooseReplica(lane.shard, lane.link, now)
      : this.links.choose(lane.shard, lane.link, now);
    if (link === null) {
      this.care.by(now + LOOK_AFTER_MS);
      this.wake.by(this.links.nextOpenAt(now));
      return;
    }
    if (isUnderWay && link !== lane.link) return;
    if (lane.isRepeating && isUnderWay) return;
    lane.link = link;
    lane.isRefusalCounted = false;
    if (!isUnderWay) lane.isRepeating = lane.refused.count > 0;
    if (lane.isRepeating) this.sendList(lane, lane.refused, link, now);
    if (lane.sent.count === 0 && lane.refused.count === 0) lane.isRepeating = false;
    if (!lane.isRepeating) this.sendList(lane, lane.fresh, link, now);
  }

  private sendList(lane: ShardLane, list: OperationList, link: NodeLink, now: MonoMs): void {
    const { table } = this;
    while (list.count > 0 && !link.isFull) {
      const slot = list.first;
      const operation = table.operation(slot);
      const isWrite = !isRead(operation);
      if (isWrite && !this.hasPlaceInSession(slot, lane, now)) return;
      const refusal = table.refusalOf(slot);
      if (isWrite && refusal !== null && this.done.isOvertaken(operation.key, table.numberOf(slot))) {
        this.takeOut(slot).onFailure(overtaken(refusal));
        continue;
      }
      const leftMs = table.deadlineOf(slot) - now;
      if (leftMs <= 0) {
        this.takeOut(slot).onFailure(notSentInTime(refusal));
        continue;
      }
      table.remove(list, slot);
      table.insert(lane.sent, slot);
      if (isWrite) lane.sentWrites++;
      const session = table.sessionOf(slot);
      const sequence = table.sequenceOf(slot);
      const lowest = session === null ? 0 : session.windowOf(lane.index).lowest(sequence);
      link.add(table.idOf(slot), operation, leftMs, this.routes.version, session, sequence, lowest);
    }
  }

  /** Gives a write a place in a session, unless it goes without. False: it has to wait for one. */
  private hasPlaceInSession(slot: number, lane: ShardLane, now: MonoMs): boolean {
    const { sessions } = this;
    const place = sessions.place(this.table, slot, lane.index, now);
    if (place === 'wait') {
      this.askForSession(now);
      this.wake.by(sessions.waitEndsAt);
      this.care.by(now + LOOK_AFTER_MS);
    }
    return place === 'done';
  }

  private leaveSession(slot: number, lane: ShardLane): void {
    if (this.sessions.leave(this.table, slot, lane.index) && hasWaiting(lane)) this.markDirty(lane);
  }

  // Answers

  private takeResponse(link: NodeLink, bytes: Uint8Array): void {
    const { reader } = this;
    try {
      reader.reset(bytes);
      while (reader.nextHint()) {
        if (this.routes.noteLeader(reader.hintShard, reader.hintTerm, reader.hintNode)) this.wakeAll();
      }
      if (reader.hasSession) {
        this.sessions.onGranted(reader.session, this.ports.clock.monoMs());
        this.wakeAll();
      }
      while (reader.nextResult()) this.takeResult(link);
    } catch (error) {
      if (!(error instanceof MalformedMessage)) throw error;
      link.lose(`malformed response: ${error.message}`);
      return;
    }
    if (reader.mapVersion > this.routes.version && reader.mapVersion > this.newerMapVersion) {
      this.newerMapVersion = reader.mapVersion;
      this.newerMapAt = link.address;
      this.newerMap.by(this.ports.clock.monoMs() + NEWER_MAP_MS);
    }
  }

  private takeResult(link: NodeLink): void {
    const { reader, table } = this;
    const slot = table.slotOf(reader.id);
    if (slot < 0 || table.placeOf(slot) !== Place.sent) return;
    const lane = this.lanes[table.laneOf(slot)] as ShardLane;
    if (lane.link !== link) return;
    if (reader.errorReason !== 0) {
      this.takeError(slot, lane, link);
      return;
    }
    lane.failures = 0;
    this.takeOut(slot).onAnswer(reader);
  }

  private takeError(slot: number, lane: ShardLane, link: NodeLink): void {
    const { reader, table } = this;
    const operation = table.operation(slot);
    const reason = reasonFromNumber(reader.errorReason);
    const error = errorOf(operation, reader.error);
    if (ERROR_REASONS[reason].retry === 'redirect') {
      this.routes.noteRefusal(lane.shard, link.address, reader.error.leaderNode);
    }
    const session = table.sessionOf(slot);
    const doubt = table.isInDoubt(slot) ? table.refusalOf(slot) : null;
    if (session !== null && reason === 'SESSION_EXPIRED' && doubt === null) {
      this.sessions.onRefused(session, this.ports.clock.monoMs());
      this.leaveSession(slot, lane);
    } else if (!mayRepeat(operation, reason, session !== null)) {
      this.takeOut(slot).onFailure(doubt === null ? error : errorInDoubt(error, doubt));
      return;
    }
    table.setRefusal(slot, error);
    if (table.isInDoubt(slot)) this.noteIfAhead(slot, lane);
    if (reason === 'TOO_STALE' && lane.isForAnyReplica) {
      this.moveToLeader(slot, lane);
      return;
    }
    this.moveToRefused(slot, lane);
    const now = this.ports.clock.monoMs();
    if (!lane.isRefusalCounted) {
      lane.isRefusalCounted = true;
      lane.failures++;
      // A first redirection is followed at once.
      const isFollowed = reader.error.leaderNode !== 0 && lane.failures === 1;
      const pauseMs = isFollowed
        ? 0
        : backoffMs(this.ports.entropy, lane.failures, PAUSE_MS_MIN, PAUSE_MS_MAX);
      lane.pausedUntil = now + pauseMs;
    }
    lane.pausedUntil = Math.max(lane.pausedUntil, now + reader.error.retryAfterMs);
    this.markDirty(lane);
  }

  /** An attempt came to nothing; results of it that come later are dropped. */
  private moveToRefused(slot: number, lane: ShardLane): void {
    const { table } = this;
    table.remove(lane.sent, slot);
    if (lane.link !== null) lane.link.sentCount--;
    if (!isRead(table.operation(slot))) lane.sentWrites--;
    table.renew(slot);
    table.insert(lane.refused, slot);
  }

  /** A replica could not keep a read's bound: the leader can. */
  private moveToLeader(slot: number, lane: ShardLane): void {
    const { table } = this;
    const target = this.lanes[lane.twin] as ShardLane;
    this.moveToRefused(slot, lane);
    table.remove(lane.refused, slot);
    table.setLane(slot, target.index);
    table.insert(target.refused, slot);
    this.markDirty(target);
    if (lane.sent.count === 0 && hasWaiting(lane)) this.markDirty(lane);
  }

  /** Takes an operation out of its lane and of the table. Its caller is told by who calls this. */
  private takeOut(slot: number): ClientOperation {
    const { table } = this;
    const lane = this.lanes[table.laneOf(slot)] as ShardLane;
    const place = table.placeOf(slot);
    const operation = table.operation(slot);
    if (place === Place.sent) {
      // Reads that any replica answered say nothing of the order of the others.
      if (!lane.isForAnyReplica) this.noteIfAhead(slot, lane);
      table.remove(lane.sent, slot);
      if (lane.link !== null) lane.link.sentCount--;
      if (!isRead(operation)) lane.sentWrites--;
      if (lane.sent.count === 0 && (hasWaiting(lane) || this.isRemapDue)) this.markDirty(lane);
    } else {
      table.remove(place === Place.fresh ? lane.fresh : lane.refused, slot);
    }
    this.leaveSession(slot, lane);
    return table.release(slot, operationBytes(operation));
  }

  /** What is still to be answered of its lane, and was called before it, comes too late on its key from now on. */
  private noteIfAhead(slot: number, lane: ShardLane): void {
    const { table } = this;
    const number = table.numberOf(slot);
    if (isBehind(table, lane.sent, number) || isBehind(table, lane.refused, number))
      this.done.note(table.operation(slot).key, number);
  }

  /** The attempt is unaccounted for, and another may be made. False: none may. */
  private moveToDoubt(slot: number, lane: ShardLane, why: string): boolean {
    const { table } = this;
    if (!isRead(table.operation(slot))) {
      if (table.sessionOf(slot) === null) return false;
      table.setRefusal(slot, lostWithStream(lane.link?.address ?? '', why));
      this.noteIfAhead(slot, lane);
    }
    this.moveToRefused(slot, lane);
    return true;
  }

  private loseSent(link: NodeLink, why: string): void {
    for (const lane of this.lanes) {
      if (lane.link !== link) continue;
      for (let slot = lane.sent.first; slot >= 0; slot = lane.sent.first) {
        if (!this.moveToDoubt(slot, lane, why))
          this.takeOut(slot).onFailure(lostWithStream(link.address, why));
      }
    }
    if (this.table.count > 0) this.wakeAll();
  }

  private endDue(): void {
    const { table } = this;
    const now = this.ports.clock.monoMs();
    const next = table.visitDue(now, (slot) => {
      const lane = this.lanes[table.laneOf(slot)] as ShardLane;
      const wasSent = table.placeOf(slot) === Place.sent;
      const refusal = table.refusalOf(slot);
      const operation = this.takeOut(slot);
      operation.onFailure(
        wasSent ? notAnsweredInTime(operation, lane.link?.address ?? '') : notSentInTime(refusal),
      );
    });
    this.deadlines.by(Math.max(next, now + SWEEP_MS_MIN));
  }

  /** What waits for a silent node goes to another one, unless a write that must not be repeated waits there too. */
  private lookAfter(): void {
    const now = this.ports.clock.monoMs();
    this.links.lookAfter(now);
    for (const lane of this.lanes) {
      if (lane.link?.isSuspect !== true || lane.sent.count === 0 || !mayAllRepeat(lane, this.table)) continue;
      for (let slot = lane.sent.first; slot >= 0; slot = lane.sent.first) {
        this.moveToDoubt(slot, lane, 'the node fell silent');
      }
    }
    this.askForSession(now);
    this.wakeAll();
    if (this.table.count > 0 || this.links.isOpening) this.care.by(now + LOOK_AFTER_MS);
  }

  // The map

  private mapAddresses(): readonly string[] {
    const nodes = this.routes.nodeAddresses();
    return nodes.length > 0 ? [...new Set([...nodes, ...this.options.endpoints])] : this.options.endpoints;
  }

  private takeMap(map: MapMessage): string {
    if (map.clusterId === '') return 'the node is in no cluster yet';
    if (!this.routes.isOfThisCluster(map)) {
      return `belongs to cluster ${map.clusterId}, not to ${this.routes.clusterId}`;
    }
    const change = this.routes.apply(map);
    if (change === 'slots') {
      this.isRemapDue = true;
      this.markDirty(this.lanes[0] as ShardLane);
    } else if (change === 'leaders') this.wakeAll();
    this.onReady?.();
    this.onReady = null;
    return '';
  }

  private laneForAnyReplica(ordinary: ShardLane): ShardLane {
    if (ordinary.twin < 0) {
      ordinary.twin = this.lanes.length;
      this.lanes.push(createLane(ordinary.twin, ordinary.shard, ordinary.index));
    }
    return this.lanes[ordinary.twin] as ShardLane;
  }

  /**
   * Slots have other shards now: what waits moves to their lanes, in order. Not before everything that was sent by the
   * old map is answered, or a key's operations could overtake each other on two lanes.
   */
  private remap(): void {
    if (this.lanes.some((lane) => lane.sent.count > 0)) return;
    this.isRemapDue = false;
    const ordinary = this.lanes.filter((lane) => !lane.isForAnyReplica);
    const indexes = new Map<GroupId, number>(ordinary.map((lane) => [lane.shard, lane.index]));
    for (let slot = 0; slot < SLOT_COUNT; slot++) {
      const shard = this.routes.shardOf(slot);
      let index = indexes.get(shard);
      if (index === undefined) {
        index = this.lanes.length;
        this.lanes.push(createLane(index, shard));
        indexes.set(shard, index);
      }
      this.laneOfSlot[slot] = index;
    }
    for (const lane of this.lanes) {
      this.moveWaiting(lane, lane.refused, (target) => target.refused);
      this.moveWaiting(lane, lane.fresh, (target) => target.fresh);
    }
    this.wakeAll();
  }

  private moveWaiting(
    lane: ShardLane,
    list: OperationList,
    listOf: (lane: ShardLane) => OperationList,
  ): void {
    const { table } = this;
    for (let slot = list.first; slot >= 0;) {
      const behind = table.after(slot);
      const target = this.lanes[this.laneOfSlot[slotOfKey(table.operation(slot).key)] as number] as ShardLane;
      const { index } = lane.isForAnyReplica ? this.laneForAnyReplica(target) : target;
      const doubt = index !== lane.index && table.isInDoubt(slot) ? table.refusalOf(slot) : null;
      if (doubt !== null) {
        // Another shard knows nothing of what the one before applied.
        this.takeOut(slot).onFailure(doubt);
      } else if (index !== lane.index) {
        this.leaveSession(slot, lane);
        table.remove(list, slot);
        table.setLane(slot, index);
        table.insert(listOf(this.lanes[index] as ShardLane), slot);
      }
      slot = behind;
    }
  }
}

/** Whether the list holds an operation that was called before this number. */
function isBehind(table: OperationTable, list: OperationList, number: number): boolean {
  return list.first >= 0 && table.numberOf(list.first) < number;
}

/** Whether what is on the lane's stream may be sent again although it is unaccounted for. */
function mayAllRepeat(lane: ShardLane, table: OperationTable): boolean {
  if (lane.sentWrites === 0) return true;
  for (let slot = lane.sent.first; slot >= 0; slot = table.after(slot)) {
    if (!isRead(table.operation(slot)) && table.sessionOf(slot) === null) return false;
  }
  return true;
}
