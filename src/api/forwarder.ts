/**
 * Sends commands to the nodes that lead their shards: one frame per peer and turn. What was sent is remembered by
 * its frame, so that a refused command can be sent elsewhere without a copy of its own. Nothing is ever sent again
 * by the link; when it goes down, what was in flight is refused (reads) or of unknown outcome (writes).
 */
import {
  ByteReader,
  copyBytes,
  reasonFromNumber,
  ERROR_REASONS,
  type GroupId,
  type Histogram,
  type MonoMs,
  type NodeId,
} from '../base/index.js';
import { ForwardRequestWriter } from '../codec/index.js';
import type { CommandSink } from '../group/index.js';
import { KvError, Tag } from '../kv/index.js';
import type { PeerNetwork, Timers } from '../ports/index.js';

/** Commands in one frame; also the stride of request ids. */
const BATCH_COMMANDS_MAX = 4096;
const BATCH_NUMBERS = 1 << 20;
/** A batch without an answer this long after its last deadline is forgotten. */
const BATCH_GRACE_MS = 2000;

/**
 * Bits above the hop count, told to the leader's node: about the command's connection, and that no lease will do. One
 * bit says of a read that it is to go through the log, and of a write that its connection waits for nothing else there
 * (a node that doesn't know that takes such a write as any other).
 */
export const HopFlag = {
  byQuorum: 0x20,
  viaLog: 0x40,
  alone: 0x40,
  afterReads: 0x80,
  countMask: 0x1f,
} as const;

class Batch {
  readonly handles: number[] = [];
  readonly commands: number[] = [];
  /** The frame, kept until every command has its answer. */
  frame: Uint8Array | null = null;
  left = 0;
  lastDeadlineMs: MonoMs = 0;
  sentAtMs: MonoMs = 0;

  constructor(
    readonly number: number,
    readonly node: NodeId,
  ) {}
}

interface Lane {
  readonly writer: ForwardRequestWriter;
  batch: Batch | null;
}

export interface ForwarderDeps {
  readonly peers: PeerNetwork;
  readonly timers: Timers;
  readonly mapVersion: () => number;
  readonly now: () => MonoMs;
  /** Seconds from sending to an answer. */
  readonly latency: Histogram;
  /** Where batch numbers begin. */
  readonly firstBatch: number;
  /** Gets results and refusals by handle. */
  readonly sink: CommandSink;
  /** The link broke with this command in flight. */
  readonly onLost: (handle: number, command: Uint8Array, start: number, end: number) => void;
  /** The leader's node can't tell what became of this command; true: it was taken care of. */
  readonly onUnknown: (handle: number, command: Uint8Array, start: number, end: number) => boolean;
  /** The shard did not take the command's session; true: it was taken care of. */
  readonly onSessionRefused: (handle: number, command: Uint8Array, start: number, end: number) => boolean;
}

export class Forwarder {
  private readonly lanes = new Map<NodeId, Lane>();
  private readonly batches = new Map<number, Batch>();
  private nextNumber: number;
  private flushScheduled = false;
  private readonly reader = new ByteReader(new Uint8Array(0));
  stopped = false;

  constructor(private readonly deps: ForwarderDeps) {
    this.nextNumber = deps.firstBatch % BATCH_NUMBERS;
  }

  /** Commands sent or about to be sent that have no answer. */
  get pending(): number {
    let count = 0;
    for (const batch of this.batches.values()) count += batch.left;
    return count;
  }

  /** Adds a command to this turn's frame for the node. */
  send(
    node: NodeId,
    handle: number,
    shard: GroupId,
    hops: number,
    deadline: MonoMs,
    command: Uint8Array,
    start: number,
    end: number,
  ): void {
    const lane = this.laneOf(node);
    if (lane.batch !== null && lane.batch.handles.length >= BATCH_COMMANDS_MAX) this.flushLane(lane);
    const batch = lane.batch ?? this.openBatch(lane, node);
    const position = batch.handles.length;
    const id = batch.number * BATCH_COMMANDS_MAX + position;
    lane.writer.add(id, shard, hops, deadline - this.deps.now(), command, start, end);
    batch.handles.push(handle);
    batch.commands.push(lane.writer.bytes - (end - start), lane.writer.bytes);
    batch.left++;
    if (deadline > batch.lastDeadlineMs) batch.lastDeadlineMs = deadline;
    if (!this.flushScheduled) {
      this.flushScheduled = true;
      this.deps.timers.soon(() => {
        this.flushScheduled = false;
        this.flush();
      });
    }
  }

  flush(): void {
    if (this.stopped) return;
    for (const lane of this.lanes.values()) this.flushLane(lane);
  }

  onResponse(from: NodeId, id: number, bytes: Uint8Array, start: number, end: number): void {
    const position = id % BATCH_COMMANDS_MAX;
    const batch = this.batches.get((id - position) / BATCH_COMMANDS_MAX);
    if (batch === undefined || batch.node !== from) return;
    const handle = batch.handles[position];
    if (handle === undefined || handle < 0) return;
    batch.handles[position] = -1;
    batch.left--;
    this.deps.latency.observe((this.deps.now() - batch.sentAtMs) / 1000);
    if (bytes[start] === Tag.failed) this.onFailed(batch, position, handle, bytes, start, end);
    else if (
      !isSessionRefusal(bytes, start) ||
      !this.tell(this.deps.onSessionRefused, batch, position, handle)
    ) {
      this.deps.sink.onResult(handle, bytes, start, end);
    }
    if (batch.left === 0) this.batches.delete(batch.number);
  }

  onLinkDown(node: NodeId): void {
    for (const batch of [...this.batches.values()]) {
      if (batch.node !== node || batch.frame === null) continue;
      this.batches.delete(batch.number);
      this.eachLeft(batch, (handle, frame, start, end) => this.deps.onLost(handle, frame, start, end));
    }
  }

  /** Shows what waits for an answer of this node; what `take` takes is forgotten here: its answer will be dropped. */
  recall(
    node: NodeId,
    take: (handle: number, command: Uint8Array, start: number, end: number) => boolean,
  ): void {
    for (const batch of [...this.batches.values()]) {
      if (batch.node !== node || batch.frame === null) continue;
      for (let i = 0; i < batch.handles.length; i++) {
        const handle = batch.handles[i] as number;
        if (handle < 0 || !this.tell(take, batch, i, handle)) continue;
        batch.handles[i] = -1;
        batch.left--;
      }
      if (batch.left === 0) this.batches.delete(batch.number);
    }
  }

  private tell(
    whom: (handle: number, command: Uint8Array, start: number, end: number) => boolean,
    batch: Batch,
    position: number,
    handle: number,
  ): boolean {
    const { commands } = batch;
    const [start, end] = [commands[position * 2] as number, commands[position * 2 + 1] as number];
    return whom(handle, batch.frame as Uint8Array, start, end);
  }

  /** Forgets batches whose every deadline is long over (their commands were answered by the gateway). */
  sweep(nowMs: MonoMs): void {
    for (const batch of this.batches.values()) {
      if (batch.frame !== null && nowMs > batch.lastDeadlineMs + BATCH_GRACE_MS)
        this.batches.delete(batch.number);
    }
  }

  private onFailed(
    batch: Batch,
    position: number,
    handle: number,
    bytes: Uint8Array,
    start: number,
    end: number,
  ): void {
    const r = this.reader.reset(bytes, start, end);
    r.skip(1);
    const reason = reasonFromNumber(r.u8());
    if (!ERROR_REASONS[reason].definite) {
      if (reason === 'OUTCOME_UNKNOWN' && this.tell(this.deps.onUnknown, batch, position, handle)) return;
      this.deps.sink.onResult(handle, bytes, start, end);
      return;
    }
    r.skip(r.u16());
    const leader = r.u32();
    this.deps.sink.onRefused(
      handle,
      reason,
      leader,
      batch.frame as Uint8Array,
      batch.commands[position * 2] as number,
      batch.commands[position * 2 + 1] as number,
    );
  }

  private laneOf(node: NodeId): Lane {
    let lane = this.lanes.get(node);
    if (lane === undefined) {
      lane = { writer: new ForwardRequestWriter(), batch: null };
      this.lanes.set(node, lane);
    }
    return lane;
  }

  private openBatch(lane: Lane, node: NodeId): Batch {
    do {
      this.nextNumber = (this.nextNumber + 1) % BATCH_NUMBERS;
    } while (this.batches.has(this.nextNumber));
    const batch = new Batch(this.nextNumber, node);
    this.batches.set(batch.number, batch);
    lane.batch = batch;
    lane.writer.begin(this.deps.mapVersion());
    return batch;
  }

  private flushLane(lane: Lane): void {
    const batch = lane.batch;
    if (batch === null) return;
    lane.batch = null;
    const frame = copyBytes(lane.writer.finish());
    batch.frame = frame;
    batch.sentAtMs = this.deps.now();
    if (this.deps.peers.send(batch.node, 'forward', frame)) return;
    // Never from inside a submit: a full frame is flushed there, too.
    this.deps.timers.soon(() => {
      this.batches.delete(batch.number);
      this.eachLeft(batch, (handle, bytes, start, end) =>
        this.deps.sink.onRefused(handle, 'UNAVAILABLE', 0, bytes, start, end),
      );
    });
  }

  private eachLeft(
    batch: Batch,
    visit: (handle: number, frame: Uint8Array, start: number, end: number) => void,
  ): void {
    const frame = batch.frame as Uint8Array;
    for (let i = 0; i < batch.handles.length; i++) {
      const handle = batch.handles[i] as number;
      if (handle < 0) continue;
      visit(handle, frame, batch.commands[i * 2] as number, batch.commands[i * 2 + 1] as number);
    }
  }
}

/** Whether the result that begins there says that a session was not taken: the command was not applied. */
export function isSessionRefusal(bytes: Uint8Array, start: number): boolean {
  if (bytes[start] !== Tag.error) return false;
  const error = bytes[start + 1];
  return error === KvError.sessionExpired || error === KvError.sessionsFull;
}
