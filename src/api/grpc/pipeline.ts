/**
 * One stream of operations: messages in, commands to the gateway, results out as they are ready.
 *
 *   open --the client sends no more--> open, reading nothing --all answered--> ended --> closed
 *     |\--the node stops------------> stopping --------------all answered--> ended
 *     |\--malformed message, too much left unread-------------------------> ended
 *      \--cancelled, expired, broken--------------------------------------> closed
 *
 * Invariants. Every operation that was taken is answered once, unless the stream ends before. One message is sent per
 * turn of the event loop, earlier only when it has become large. Reading stops while the client owes us room (unread
 * results), we owe it answers (pending operations), or the gateway is full; it goes on by itself. Nothing of a closed
 * stream stays in memory. The stream is the gateway's sink: that is what orders its operations per shard.
 */
import { assert, type ErrorReason, type MonoMs } from '../../base/index.js';
import {
  MalformedMessage,
  PipelineRequestReader,
  PipelineResponseWriter,
  type OperationKind,
} from '../../codec/cache/index.js';
import type { SessionGrant } from '../../kv/index.js';
import type { MessageStream, MessageStreamHandler } from '../../ports/index.js';
import { slotOfKey } from '../../topology/index.js';
import type { ResultSink } from '../gateway-port.js';
import { PendingCounts } from '../pending-counts.js';
import { deadlineOf, type CallHost } from './call-host.js';
import { NO_SHARD } from './failures.js';
import {
  MESSAGE_MARGIN_BYTES,
  PENDING_BYTES_MAX,
  PENDING_OPERATIONS_MAX,
  RESPONSE_BYTES_FLUSH,
  UNSENT_BYTES_PAUSE,
} from './limits.js';
import { encodeBatched } from './batched-operation.js';
import { freshnessOf, refusalOfHeader, resultFlags, type Refusal } from './operation.js';
import { PendingOperations } from './pending-operations.js';

const CALL = 'Pipeline';
const ANSWER_TOO_LARGE: Refusal = {
  reason: 'TOO_LARGE',
  message: 'the value does not fit a message of limits.grpcMessageBytesMax',
};

/** What a stream needs of its server besides what every call does. */
export interface PipelineHost extends CallHost {
  /** Calls `pipeline.turn` once, in the next turn of the event loop. */
  schedule(pipeline: Pipeline): void;
  /** Reading stopped, or stopped again after some operations. */
  /** Null: the client goes without. */
  grantSession(): SessionGrant | null;
  onPaused(pipeline: Pipeline): void;
  onResumed(pipeline: Pipeline): void;
  onClosed(pipeline: Pipeline): void;
}

type Phase = 'open' | 'stopping' | 'ended' | 'closed';

export class Pipeline implements MessageStreamHandler, ResultSink {
  /** The gateway's count of what this sink waits for. */
  readonly unanswered = new PendingCounts();
  /** The server's: whether `turn` is scheduled already. */
  scheduled = false;

  private phase: Phase = 'open';
  private readonly reader = new PipelineRequestReader();
  private readonly responses = new PipelineResponseWriter();
  private pending = new PendingOperations();
  /** Messages that wait behind the one being read: one or two, since a paused stream brings no more. */
  private inbox: Uint8Array[] = [];
  private inMessage = false;
  private reading = true;
  private streamFull = false;
  private halfClosed = false;
  /** Of the message at hand. */
  private deadline: MonoMs = 0;
  private refusal: Refusal | null = null;
  private freshness = 0;
  /** The client asked for a session since the last response. */
  private owesSession = false;
  private nowMs: MonoMs = 0;
  /** Shards that others lead and that operations were taken for since the last response. */
  private readonly forwarded = new Set<number>();

  constructor(
    private readonly stream: MessageStream,
    private readonly host: PipelineHost,
  ) {
    this.responses.begin();
  }

  /** Operations without an answer. */
  get pendingCount(): number {
    return this.pending.count;
  }

  // The stream's events.

  onMessage(bytes: Uint8Array): void {
    if (this.phase !== 'open') return;
    this.host.metrics.bytesIn.inc(bytes.length);
    this.inbox.push(bytes);
    if (this.reading) this.readOperations();
  }

  onDrain(): void {
    this.streamFull = false;
    this.host.schedule(this);
  }

  onHalfClose(): void {
    this.halfClosed = true;
    this.host.schedule(this);
  }

  onClose(): void {
    if (this.phase === 'closed') return;
    this.phase = 'closed';
    this.drop();
    this.host.onClosed(this);
  }

  // The server's.

  /** Sends what is ready, reads on if there is room again, ends if nothing is left to do. */
  turn(): void {
    this.flush();
    if (this.phase === 'open' && !this.reading && this.mayReadAgain()) this.readOperations();
    if (this.pending.count > 0 || this.responses.count > 0) return;
    if (this.phase === 'stopping') this.fail('UNAVAILABLE', 'the node is stopping');
    else if (this.phase === 'open' && this.halfClosed && !this.inMessage && this.inbox.length === 0) {
      this.phase = 'ended';
      this.stream.end(null);
    }
  }

  /** Takes no further operation, and ends once everything was answered. */
  quit(): void {
    if (this.phase !== 'open') return;
    this.phase = 'stopping';
    this.host.schedule(this);
  }

  // Operations.

  private readOperations(): void {
    this.nowMs = this.host.clock.monoMs();
    while (this.phase === 'open') {
      if (this.mustPause()) return this.pauseReading();
      if (!this.inMessage) {
        const message = this.inbox.shift();
        if (message === undefined) return this.caughtUp();
        if (!this.beginMessage(message)) return;
      }
      const isThere = this.nextOperation();
      if (isThere === null) return;
      if (isThere) this.run();
      else this.inMessage = false;
    }
  }

  private beginMessage(message: Uint8Array): boolean {
    try {
      this.reader.reset(message);
    } catch (error) {
      this.failMalformed(error);
      return false;
    }
    this.inMessage = true;
    const { header } = this.reader;
    this.deadline = deadlineOf(this.host, header, this.nowMs, Infinity);
    this.refusal = refusalOfHeader(header, true);
    if (header.wantSession) {
      this.owesSession = true;
      this.host.schedule(this);
    }
    this.freshness = freshnessOf(header);
    return true;
  }

  /** Null: the stream has ended. */
  private nextOperation(): boolean | null {
    try {
      return this.reader.next();
    } catch (error) {
      this.failMalformed(error);
      return null;
    }
  }

  private failMalformed(error: unknown): void {
    if (!(error instanceof MalformedMessage)) throw error;
    this.fail('INVALID_ARGUMENT', `malformed message: ${error.message}`);
  }

  private run(): void {
    const { reader, host } = this;
    const { scratch, gateway } = host;
    scratch.reset();
    const refusal = this.refusal ?? encodeBatched(host, reader);
    if (refusal !== null) {
      host.outcome.refuse(refusal);
      this.answer(reader.id, reader.kind, NO_SHARD, this.nowMs);
      return;
    }
    const slot = slotOfKey(reader.bytes, reader.keyStart, reader.keyEnd);
    const shard = gateway.shardOf(slot);
    if (shard >= 0) this.noteForwarded(shard);
    const flags = resultFlags(reader);
    const token = this.pending.add(reader.id, reader.kind, flags, shard, scratch.length, this.nowMs);
    gateway.submit(slot, scratch.buffer, 0, scratch.length, this.deadline, this, token, this.freshness);
  }

  onResult(token: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.phase === 'closed' || this.phase === 'ended') return;
    const { pending, host } = this;
    const kind = pending.kindOf(token);
    host.outcome.read(kind, pending.flagsOf(token), bytes, start, end);
    pending.remove(token);
    this.answer(pending.idOf(token), kind, pending.shardOf(token), pending.startedMsOf(token));
  }

  /** Puts the host's outcome into the response. */
  private answer(id: number, kind: OperationKind, shard: number, startedMs: MonoMs): void {
    const { host, responses } = this;
    const { outcome } = host;
    const valueBytes = outcome.valueEnd - outcome.valueStart;
    if (valueBytes + MESSAGE_MARGIN_BYTES > host.limits.grpcMessageBytesMax) outcome.refuse(ANSWER_TOO_LARGE);
    else if (valueBytes > RESPONSE_BYTES_FLUSH) this.flush(); // it goes alone: two large ones may not fit together
    if (outcome.failure !== null) {
      host.failures.writeResult(responses, id, outcome, shard);
      host.logFailure(CALL, outcome.failure, outcome.message, this.reader.header.traceParent);
    } else {
      responses.result(
        id,
        outcome.found,
        outcome.applied,
        outcome.bytes,
        outcome.valueStart,
        outcome.valueEnd,
        outcome.version,
        outcome.number,
        outcome.ttlMs,
      );
    }
    host.metrics.answered(kind, outcome.failure, outcome.found, host.clock.monoMs() - startedMs);
    if (responses.byteLength > RESPONSE_BYTES_FLUSH) this.flush();
    if (this.phase === 'open' || this.phase === 'stopping') host.schedule(this);
  }

  private noteForwarded(shard: number): void {
    const { directory } = this.host;
    const leader = directory.leaderOf(shard);
    if (leader !== 0 && leader !== directory.nodeId) this.forwarded.add(shard);
  }

  // The stream.

  private mustPause(): boolean {
    return (
      this.pending.count >= PENDING_OPERATIONS_MAX ||
      this.pending.bytes >= PENDING_BYTES_MAX ||
      !this.host.gateway.hasRoom ||
      this.hasTooMuchUnsent()
    );
  }

  /** Later than `!mustPause()`, so that reading doesn't stop and go with every answer. */
  private mayReadAgain(): boolean {
    return (
      this.pending.count <= PENDING_OPERATIONS_MAX / 2 &&
      this.pending.bytes <= PENDING_BYTES_MAX / 2 &&
      this.host.gateway.hasRoom &&
      !this.hasTooMuchUnsent()
    );
  }

  private hasTooMuchUnsent(): boolean {
    // Only a stream that refused bytes calls back: without that, waiting for it could be for ever.
    const inStream = this.streamFull ? this.stream.bufferedBytes() : 0;
    return this.responses.byteLength + inStream > UNSENT_BYTES_PAUSE;
  }

  private pauseReading(): void {
    if (this.reading) this.stream.pause();
    this.reading = false;
    this.host.onPaused(this);
    // If only the refusals of this very message are in the way, the next turn clears them.
    this.host.schedule(this);
  }

  private caughtUp(): void {
    if (this.reading) return;
    this.reading = true;
    this.host.onResumed(this);
    this.stream.resume();
  }

  private flush(): void {
    if (
      (this.responses.count === 0 && !this.owesSession) ||
      this.phase === 'closed' ||
      this.phase === 'ended'
    )
      return;
    const { directory } = this.host;
    for (const shard of this.forwarded) {
      const leader = directory.leaderOf(shard);
      if (leader !== 0 && leader !== directory.nodeId) {
        this.responses.hint(shard, leader, directory.leaderTermOf(shard));
      }
    }
    this.forwarded.clear();
    const session = this.owesSession ? this.host.grantSession() : null;
    this.owesSession = false;
    const bytes = this.responses.finish(directory.map().version, session);
    this.responses.begin();
    this.host.metrics.bytesOut.inc(bytes.length);
    if (!this.stream.write(bytes)) this.streamFull = true;
    if (this.stream.bufferedBytes() <= this.host.limits.outputBytesMax) return;
    this.fail('OVERLOADED', 'the client leaves too many results unread');
  }

  /** Ends the stream. What waits for a result is of unknown outcome to the client. */
  private fail(reason: ErrorReason, message: string): void {
    assert(this.phase === 'open' || this.phase === 'stopping', 'a stream ends once');
    this.phase = 'ended';
    this.host.logFailure(CALL, reason, message, this.reader.header.traceParent);
    this.stream.end(this.host.failures.failure(reason, message));
    this.drop();
  }

  private drop(): void {
    this.host.gateway.forget(this);
    this.pending = new PendingOperations();
    this.inbox = [];
    this.inMessage = false;
    this.forwarded.clear();
    this.responses.begin();
  }
}
