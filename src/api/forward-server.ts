/**
 * The other end of the forwarder: commands of peers for shards that this node leads. Never forwards again: what is
 * not led here is refused with a hint, so that a loop can't arise. Answers of one turn share a frame; frames that find
 * the link full are kept, up to a limit, until it has drained.
 */
import { ByteWriter, copyBytes, type ErrorReason, type GroupId, type NodeId } from '../base/index.js';
import { ForwardResponseWriter } from '../codec/index.js';
import { Freshness, type CommandSink } from '../group/index.js';
import type { Host } from '../host/index.js';
import { isWriteOp, putFailed } from '../kv/index.js';
import type { PeerNetwork, Timers } from '../ports/index.js';
import { HopFlag } from './forwarder.js';
import type { GatewayMetrics } from './gateway-metrics.js';

/** A request that was passed on more often than this is refused. */
const HOPS_MAX = 3;
/** Bytes of peers' commands without an answer; past it they are refused as OVERLOADED. */
const PENDING_BYTES_MAX = 64 * 1024 * 1024;
const FRAME_BYTES_MAX = 4 * 1024 * 1024;
/** Answers that found a peer's link full. Half of it refuses its commands; past it answers are lost, and counted. */
const HELD_BYTES_MAX = 64 * 1024 * 1024;
/** Pending commands are counted in units of this many bytes, at least two: what waits costs more than its bytes. */
const UNIT_BYTES = 64;
/** A token is a request's id plus this times the command's units, so that an answer gives them back. */
const UNIT_FACTOR = 4294967296;

export interface ForwardServerDeps {
  readonly host: Host;
  readonly peers: PeerNetwork;
  readonly timers: Timers;
  readonly metrics: GatewayMetrics;
  readonly mapVersion: () => number;
  /** The leader of a group as far as this node knows, or 0. */
  readonly leaderOf: (group: GroupId) => NodeId;
  readonly writeRefusal: () => ErrorReason | null;
}

/** Answers owed to one peer. */
class PeerAnswers implements CommandSink {
  private readonly writer = new ForwardResponseWriter();
  private readonly scratch = new ByteWriter(128);
  private open = false;
  pendingUnits = 0;
  /** Frames that found the link full, oldest first, and their bytes. */
  private held: Uint8Array[] = [];
  heldBytes = 0;
  /** The link they are owed on broke: another life of the peer may use the same ids for other commands. */
  dead = false;

  constructor(
    private readonly node: NodeId,
    private readonly server: ForwardServer,
  ) {}

  onResult(token: number, bytes: Uint8Array, start: number, end: number): void {
    this.add(this.settle(token), bytes, start, end);
  }

  onRefused(token: number, reason: ErrorReason, leaderNode: NodeId): void {
    this.refuse(this.settle(token), reason, leaderNode);
  }

  /** Counts a command in; returns its token. */
  take(id: number, bytes: number): number {
    const units = 2 + Math.floor(bytes / UNIT_BYTES);
    this.pendingUnits += units;
    return units * UNIT_FACTOR + id;
  }

  /** Counts it out; returns its request's id. */
  private settle(token: number): number {
    const id = token % UNIT_FACTOR;
    this.pendingUnits -= (token - id) / UNIT_FACTOR;
    return id;
  }

  refuse(id: number, reason: ErrorReason, leaderNode: NodeId): void {
    this.scratch.reset();
    putFailed(this.scratch, reason, '', leaderNode);
    this.add(id, this.scratch.buffer, 0, this.scratch.length);
  }

  flush(): void {
    if (!this.open) return;
    this.open = false;
    const frame = this.writer.finish();
    if (this.held.length === 0 && this.server.send(this.node, frame)) return;
    // The writer's frame is a view of what it writes next.
    if (this.heldBytes + frame.length > HELD_BYTES_MAX) this.server.onAnswersLost();
    else this.hold(copyBytes(frame));
  }

  /** The link has room again: sends what was held, as far as it takes it. */
  onDrain(): void {
    let sent = 0;
    for (const frame of this.held) {
      if (!this.server.send(this.node, frame)) break;
      this.heldBytes -= frame.length;
      sent++;
    }
    this.held.splice(0, sent);
  }

  private hold(frame: Uint8Array): void {
    this.held.push(frame);
    this.heldBytes += frame.length;
  }

  private add(id: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.dead) return;
    if (!this.open) {
      this.open = true;
      this.writer.begin(this.server.mapVersion());
      this.server.scheduleFlush();
    }
    this.writer.add(id, bytes, start, end);
    if (this.writer.bytes > FRAME_BYTES_MAX) this.flush();
  }
}

export class ForwardServer {
  private readonly answers = new Map<NodeId, PeerAnswers>();
  private flushScheduled = false;
  private stopped = false;

  constructor(private readonly deps: ForwardServerDeps) {}

  onRequest(
    from: NodeId,
    id: number,
    shard: GroupId,
    hops: number,
    remainingMs: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const answers = this.answersOf(from);
    const refusal = this.refusalOf(shard, hops, remainingMs, bytes, start, end, answers);
    if (refusal !== null) {
      answers.refuse(id, refusal, this.deps.leaderOf(shard));
      return;
    }
    const replica = this.deps.host.replica(shard);
    if (replica === null) return;
    const token = answers.take(id, end - start);
    const isWrite = isWriteOp(bytes[start] as number);
    const viaLog = !isWrite && (hops & HopFlag.viaLog) !== 0;
    if (viaLog || isWrite) {
      const afterReads = (hops & HopFlag.afterReads) !== 0;
      const isAlone = isWrite && !afterReads && (hops & HopFlag.alone) !== 0;
      replica.submitWrite(bytes, start, end, afterReads, answers, token, viaLog, isAlone);
    } else {
      const freshness = (hops & HopFlag.byQuorum) !== 0 ? Freshness.quorum : Freshness.linearizable;
      replica.submitRead(bytes, start, end, answers, token, freshness);
    }
  }

  private refusalOf(
    shard: GroupId,
    hops: number,
    remainingMs: number,
    bytes: Uint8Array,
    start: number,
    end: number,
    answers: PeerAnswers,
  ): ErrorReason | null {
    if (this.stopped) return 'UNAVAILABLE';
    if ((hops & HopFlag.countMask) > HOPS_MAX) return 'TOO_MANY_HOPS';
    if (remainingMs <= 0) return 'DEADLINE_EXCEEDED';
    if (end - start < 4) return 'INVALID_ARGUMENT';
    const replica = this.deps.host.replica(shard);
    if (replica === null) return 'SHARD_NOT_LOCAL';
    if (!replica.accepts) return 'NOT_LEADER';
    const isBehind = answers.heldBytes > HELD_BYTES_MAX / 2;
    // One command may be larger than the limit, when nothing else waits.
    const isFull =
      answers.pendingUnits > 0 && answers.pendingUnits * UNIT_BYTES + (end - start) > PENDING_BYTES_MAX;
    if (isBehind || isFull) {
      this.deps.metrics.overloaded('forward').inc();
      return 'OVERLOADED';
    }
    return isWriteOp(bytes[start] as number) ? this.deps.writeRefusal() : null;
  }

  scheduleFlush(): void {
    if (this.flushScheduled) return;
    this.flushScheduled = true;
    this.deps.timers.soon(() => {
      this.flushScheduled = false;
      this.flush();
    });
  }

  flush(): void {
    for (const answers of this.answers.values()) answers.flush();
  }

  mapVersion(): number {
    return this.deps.mapVersion();
  }

  send(node: NodeId, frame: Uint8Array): boolean {
    return this.deps.peers.send(node, 'forward', frame);
  }

  /** Those commands are of unknown outcome: their caller's deadline says so. */
  onAnswersLost(): void {
    this.deps.metrics.overloaded('forward_answers').inc();
  }

  /** The link to this peer is up, or has room again. */
  onDrain(node: NodeId): void {
    this.answers.get(node)?.onDrain();
  }

  /** What is owed on a broken link is never sent on the next one. */
  onLinkDown(node: NodeId): void {
    const answers = this.answers.get(node);
    if (answers === undefined) return;
    answers.dead = true;
    this.answers.delete(node);
  }

  stop(): void {
    this.stopped = true;
    this.flush();
  }

  private answersOf(node: NodeId): PeerAnswers {
    let answers = this.answers.get(node);
    if (answers === undefined) {
      answers = new PeerAnswers(node, this);
      this.answers.set(node, answers);
    }
    return answers;
  }
}
