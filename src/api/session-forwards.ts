/**
 * Forwarded writes under the node's own session: what becomes of one whose attempt is unaccounted for.
 *
 *   forward --answered--> settled
 *      |\--lost, or its outcome unknown--> in doubt, held --the next leader--> forwarded again, as it was
 *       \--its session refused--> held without one; in doubt: of unknown outcome
 *
 * A write is sent again only if no other write of its connection is under way on its shard: so none comes before what was
 * sent before it. It may have run already: a read sent before it is not asked again from then on.
 */
import { ByteWriter, type Counter, type MonoMs, type NodeId } from '../base/index.js';
import { appendWithoutSession, hasSession } from '../kv/index.js';
import type { Forwarder } from './forwarder.js';
import type { NodeSession } from './node-session.js';
import { PendingState, type PendingTable } from './pending-table.js';

/** Of a command; what is shorter is malformed, and goes as it is. */
const COMMAND_BYTES_MIN = 4;

export interface SessionForwardsDeps {
  readonly table: PendingTable;
  readonly forwarder: Forwarder;
  readonly session: NodeSession;
  readonly repeated: Counter;
  readonly now: () => MonoMs;
  readonly isStopped: () => boolean;
  /** The command waits for a leader again; `suggestion` is a node to ask, or 0. */
  readonly hold: (slot: number, suggestion: NodeId, command: Uint8Array, start: number, end: number) => void;
  /** It may have run: what its connection sent before must not run any more. */
  readonly noteRan: (slot: number) => void;
  /** It is of unknown outcome. */
  readonly fail: (handle: number) => void;
}

export class SessionForwards {
  constructor(private readonly deps: SessionForwardsDeps) {}

  /** Sends a command to a node: a write without a session with a place in the node's, if there is one. */
  forward(slot: number, target: NodeId, hops: number, bytes: Uint8Array, start: number, end: number): void {
    const { table, session, forwarder } = this.deps;
    const handle = table.handleOf(slot);
    const shard = table.shardOf(slot);
    const deadline = table.deadlineOf(slot);
    const mayBeWrapped = table.isWrite(slot) && end - start >= COMMAND_BYTES_MIN && !hasSession(bytes, start);
    if (mayBeWrapped && session.wrap(shard, this.deps.now(), bytes, start, end)) {
      table.setSessionSequence(slot, session.sequence);
      const { wrapped } = session;
      forwarder.send(target, handle, shard, hops, deadline, wrapped.buffer, 0, wrapped.length);
    } else forwarder.send(target, handle, shard, hops, deadline, bytes, start, end);
  }

  /** Holds a write whose attempt is unaccounted for. False: it must not be sent again. */
  sendAgain(handle: number, command: Uint8Array, start: number, end: number): boolean {
    const { table } = this.deps;
    const slot = table.slotOf(handle);
    if (slot < 0 || this.deps.isStopped() || table.stateOf(slot) !== PendingState.sent) return false;
    if (table.sessionSequenceOf(slot) === 0 || this.deps.now() >= table.deadlineOf(slot)) return false;
    if (table.sinkOf(slot).unanswered.orderedOf(table.shardOf(slot)) > 1) return false;
    table.setInDoubt(slot);
    this.deps.noteRan(slot);
    this.deps.repeated.inc();
    this.deps.hold(slot, 0, command, start, end);
    return true;
  }

  /** The shard has no room for the node's session, or sees it as ended: this attempt was not applied. */
  goWithout(handle: number, command: Uint8Array, start: number, end: number): boolean {
    const { table, session } = this.deps;
    const slot = table.slotOf(handle);
    if (slot < 0 || table.sessionSequenceOf(slot) === 0) return false;
    session.onRefused(this.deps.now());
    if (table.isInDoubt(slot)) {
      this.deps.fail(handle);
      return true;
    }
    this.settle(slot);
    const plain = new ByteWriter(end - start);
    appendWithoutSession(plain, command, start, end);
    this.deps.hold(slot, table.targetOf(slot), plain.buffer, 0, plain.length);
    return true;
  }

  /** Nobody waits for it any more, or it goes without. */
  settle(slot: number): void {
    const { table, session } = this.deps;
    const sequence = table.sessionSequenceOf(slot);
    if (sequence === 0) return;
    session.settle(table.shardOf(slot), sequence);
    table.setSessionSequence(slot, 0);
  }
}
