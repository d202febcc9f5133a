/**
 * The way of one shard's commands through this node.
 *
 * Order: a shard's commands leave in the order they came. They all go to one target; when the target changes (or
 * refuses), nothing new leaves until everything that was sent has an answer, or `REROUTE_GRACE_MS` has passed; then
 * what was refused goes first, in its old order, and what was held behind it follows. So two pipelined writes never
 * end in the older one (EDGE-CASES 107).
 */
import type { ResultSink } from './gateway-port.js';
import { copyBytes, type GroupId, type MonoMs, type NodeId } from '../base/index.js';

interface Held {
  readonly handle: number;
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

export class ShardRoute {
  /** Where commands go; 0 while unknown. */
  target: NodeId = 0;
  /** Sent and not answered. */
  outstanding = 0;
  /** Number of the next command. */
  nextSequence = 1;
  /** The highest command that ran, or may have, of each connection that has others on their way; weak: connections end. */
  private ran = new WeakMap<ResultSink, number>();
  private hasRan = false;
  rerouting = false;
  reroutingSinceMs: MonoMs = 0;
  /** Since a command last ran. */
  reroutesInRow = 0;
  /** A target that refused, and until when it is not asked again unless a newer hint names it. */
  avoid: NodeId = 0;
  avoidUntilMs: MonoMs = 0;
  /** Where a refusal said to go. */
  suggestion: NodeId = 0;
  private refused: Held[] = [];
  private held: Held[] = [];
  heldBytes = 0;

  constructor(readonly shard: GroupId) {}

  /** A command ran, or may have. A connection without others on their way has none that it could have overtaken. */
  noteRan(sink: ResultSink, sequence: number): void {
    if (!this.rerouting && sink.unanswered.total < 2) return;
    if (sequence <= (this.ran.get(sink) ?? 0)) return;
    this.ran.set(sink, sequence);
    this.hasRan = true;
  }

  /** One command fewer is on its way. */
  settle(): void {
    if (this.outstanding > 0) this.outstanding--;
    if (this.outstanding === 0 && !this.rerouting) this.forgetRan();
  }

  /** A later command of the same connection ran: running this one now would turn their order round. */
  wasOvertaken(sink: ResultSink, sequence: number): boolean {
    return sequence < (this.ran.get(sink) ?? 0);
  }

  endReroute(): void {
    this.rerouting = false;
    this.forgetRan();
  }

  private forgetRan(): void {
    if (!this.hasRan) return;
    this.ran = new WeakMap();
    this.hasRan = false;
  }

  get waiting(): number {
    return this.refused.length + this.held.length;
  }

  hold(handle: number, sequence: number, bytes: Uint8Array, start: number, end: number): void {
    this.held.push({ handle, sequence, bytes: copyBytes(bytes, start, end) });
    this.heldBytes += end - start;
  }

  /** Comes back from a target that did not run it. */
  holdRefused(handle: number, sequence: number, bytes: Uint8Array, start: number, end: number): void {
    this.refused.push({ handle, sequence, bytes: copyBytes(bytes, start, end) });
    this.heldBytes += end - start;
  }

  beginReroute(nowMs: MonoMs): void {
    if (this.rerouting) return;
    this.rerouting = true;
    this.reroutesInRow++;
    this.reroutingSinceMs = nowMs;
  }

  /** Everything that waits, in the order it came. */
  takeWaiting(): Held[] {
    this.refused.sort((a, b) => a.sequence - b.sequence);
    const all = this.refused.concat(this.held);
    this.refused = [];
    this.held = [];
    this.heldBytes = 0;
    return all;
  }

  /** Puts back what could not leave after all, in front. */
  putBack(rest: readonly Held[]): void {
    this.held = [...rest, ...this.held];
    for (const item of rest) this.heldBytes += item.bytes.length;
  }
}
