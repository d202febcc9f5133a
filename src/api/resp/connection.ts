/**
 * One client: bytes in, commands to the gateway, replies out in the order of the commands.
 *
 *   open --QUIT, protocol error, server stops--> draining --all answered and flushed--> ended --> closed
 *     \------------------------- peer closes, or takes too little for too long -----------------> closed
 *
 * Invariants. A reply is written whole or not at all, and only in its turn. One write to the stream per turn of the
 * event loop (`turn`). Reading stops while the client owes us room (unsent replies), we owe it answers (pending
 * commands), or the gateway is full; it goes on by itself. Nothing of a closed connection stays in memory.
 */
import { assert, type ByteWriter, type ErrorReason, type MonoMs, type Slot } from '../../base/index.js';
import type { ByteStream, Clock, StreamHandler } from '../../ports/index.js';
import { Freshness } from '../../group/index.js';
import type { ResultSink } from '../gateway-port.js';
import { PendingCounts } from '../pending-counts.js';
import type { ClientRow, CommandContext, ServerView } from './command-context.js';
import { redirectionOf } from './cluster-redirect.js';
import { textOf, wrongArityText } from './command-spec.js';
import { failureText } from './error-table.js';
import type { Join } from './gather.js';
import type { Iteration } from './iteration.js';
import { OUTPUT_SOFT_MS, PENDING_BYTES_MAX, PENDING_COMMANDS_MAX, UNSENT_BYTES_PAUSE } from './limits.js';
import { Parsed, RespParser, type ParserLimits } from './parser.js';
import { ReplyQueue, type LaneAsker, type ReplyHost } from './reply-queue.js';
import { writeError, writeErrorBytes, writeSimple, type RespVersion } from './reply-writer.js';
import { Outcome, outcomeOf } from './result-encoder.js';
import { fitsArity } from './subcommands.js';
import { isUnserved, unservedText } from './unserved-commands.js';

/** Row of a command that isn't in the table. */
const UNKNOWN_ROW = -1;
/** Redis shows this much of an unknown command's arguments. */
const PREVIEW_BYTES_MAX = 128;

/** What a connection needs of its server. */
export interface ConnectionHost extends Omit<ServerView, 'routing' | 'shardsOfKeyspace'>, ReplyHost {
  readonly commands: ServerView['commands'];
  readonly clock: Clock;
  readonly limits: ParserLimits & {
    readonly outputBytesMax: number;
    readonly outputSoftBytesMax: number;
    readonly requestTimeoutMs: number;
  };
  /** Calls `connection.turn` once, in the next turn of the event loop. */
  schedule(connection: Connection): void;
  /** Whether commands must wait for the next turn of the event loop. */
  readonly isTurnSpent: boolean;
  /** A command of so many bytes is about to run. */
  spend(bytes: number): void;
  /** Reading stopped, or stopped again after some commands. */
  onPaused(connection: Connection): void;
  onResumed(connection: Connection): void;
  /** More is unsent than may stay so for long: `isStillSlow` is to be asked from time to time until it says no. */
  onSlow(connection: Connection): void;
  onEnded(connection: Connection): void;
  onClosed(connection: Connection): void;
}

type Phase = 'open' | 'draining' | 'ended' | 'closed';

export class Connection implements StreamHandler, ResultSink, CommandContext, ClientRow, LaneAsker {
  version: RespVersion = 2;
  name = '';
  readOnly = false;
  /** The gateway's count of what this sink waits for. */
  readonly unanswered = new PendingCounts();
  nowMs: MonoMs;
  readonly sinceMs: MonoMs;
  /** The server's: whether `turn` is scheduled already. */
  scheduled = false;

  private phase: Phase = 'open';
  private readonly parser: RespParser;
  private replies: ReplyQueue;
  private reading = true;
  /** What the stream held after the last write: it can only have become less. */
  private streamBytes = 0;
  /** The stream refused more; `onDrain` will say when it is ready. */
  private streamFull = false;
  /** Since when the soft output limit is passed; Infinity while it isn't. */
  private slowSinceMs: MonoMs = Infinity;
  /** Reading stopped only because the turn's work was done: the next turn goes on. */
  private waitsForTurn = false;
  /** Of the command at hand. */
  private row = UNKNOWN_ROW;
  private deadline: MonoMs = 0;
  private freshness: number = Freshness.linearizable;

  constructor(
    private readonly stream: ByteStream,
    private readonly host: ConnectionHost,
    /** The server as connections of this one's listener see it. */
    readonly server: ServerView,
  ) {
    this.parser = new RespParser(host.limits);
    this.replies = new ReplyQueue(host);
    this.nowMs = this.sinceMs = host.clock.monoMs();
  }

  get args(): RespParser {
    return this.parser;
  }

  get id(): number {
    return this.stream.id;
  }

  get remoteAddress(): string {
    return this.stream.remoteAddress;
  }

  get pendingCount(): number {
    return this.replies.count;
  }

  /** Everything kept for the client, with what the stream holds. */
  get unsentBytes(): number {
    return this.replies.keptBytes + this.streamBytes;
  }

  // The stream's events.

  onData(bytes: Uint8Array): void {
    if (this.phase !== 'open') return;
    this.host.metrics.bytesIn.inc(bytes.length);
    this.parser.push(bytes);
    // While reading is paused a last chunk may come; it waits its turn behind what is unread.
    if (this.reading) this.readCommands();
  }

  onDrain(): void {
    this.streamFull = false;
    this.host.schedule(this);
  }

  onClose(): void {
    this.close();
  }

  // The server's.

  /** Sends what is ready, reads on if there is room again, ends if nothing is left to do. */
  turn(): void {
    this.flush();
    if (this.phase === 'closed') return;
    // One step of each iteration per turn: the commands of others come in between.
    this.replies.askLanes(this);
    const mayRead = this.waitsForTurn || this.mayReadAgain();
    this.waitsForTurn = false;
    if (this.phase === 'open' && !this.reading && mayRead) this.readCommands();
    if (this.phase === 'draining' && this.replies.count === 0 && !this.replies.hasOutput) this.end();
  }

  /** Takes no further command, and closes once everything was answered. */
  quit(): void {
    if (this.phase !== 'open') return;
    this.phase = 'draining';
    this.host.schedule(this);
  }

  /** Closes at once; what was not sent is lost. */
  destroy(): void {
    if (this.phase === 'closed') return;
    this.close();
    this.stream.destroy();
  }

  // Commands.

  private readCommands(): void {
    this.nowMs = this.host.clock.monoMs();
    this.deadline = this.nowMs + this.host.limits.requestTimeoutMs;
    while (this.phase === 'open') {
      if (this.mustPause()) return this.pauseReading();
      if (this.host.isTurnSpent) {
        this.waitsForTurn = true;
        return this.pauseReading();
      }
      const parsed = this.parser.next();
      if (parsed === Parsed.more) return this.resumeReading();
      if (parsed === Parsed.error) return this.protocolError();
      this.host.spend(this.parser.end(this.parser.count - 1) - this.parser.start(0));
      this.runCommand();
    }
  }

  private runCommand(): void {
    const { parser, host } = this;
    this.row = host.commands.find(parser.bytes, parser.start(0), parser.end(0));
    const spec = host.commands.rows[this.row];
    if (spec === undefined) return this.refuseUnknown();
    if (!fitsArity(spec.arity, parser.count)) return this.replyError(wrongArityText(spec.name));
    this.freshness = Freshness.linearizable;
    if (this.server.routing === 'moved') {
      const anyReplica = this.readOnly && spec.flags.includes('readonly');
      if (anyReplica) this.freshness = Freshness.follower;
      const redirection = redirectionOf(spec, parser, host.directory, anyReplica);
      if (redirection !== '') return this.replyError(redirection);
    }
    host.scratch.reset();
    spec.run(this);
    assert(!this.replies.isWriting, 'a command began a reply and did not end it');
  }

  private refuseUnknown(): void {
    const name = textOf(this.parser, 0);
    const lowerName = name.toLowerCase();
    // The first line or a header of HTTP: a browser was talked into speaking to us. Redis closes here too.
    if (lowerName === 'post' || lowerName === 'host:') return this.quit();
    if (isUnserved(lowerName)) return this.replyError(unservedText(lowerName));
    let preview = '';
    for (let i = 1; i < this.parser.count && preview.length < PREVIEW_BYTES_MAX; i++) {
      preview += `'${textOf(this.parser, i, PREVIEW_BYTES_MAX - preview.length)}' `;
    }
    this.replyErrorBytes(`ERR unknown command '${name}', with args beginning with: ${preview}`);
  }

  private protocolError(): void {
    this.row = UNKNOWN_ROW;
    this.host.metrics.cutOff('protocol');
    this.replyErrorBytes(this.parser.error);
    this.quit();
  }

  submit(slot: Slot, keys: number): void {
    const w = this.host.scratch;
    const token = this.replies.owe(this.row, this.version, keys, w.length, this.nowMs);
    this.host.gateway.submit(slot, w.buffer, 0, w.length, this.deadline, this, token, this.freshness);
  }

  beginGather(join: Join, parts: number, keys: number, partOfKey: Int32Array | null): void {
    const sequence = this.replies.owe(this.row, this.version, keys, this.argumentBytes, this.nowMs);
    this.replies.gatherLast(sequence, join, parts, partOfKey);
  }

  submitPart(slot: Slot): void {
    const w = this.host.scratch;
    const token = this.replies.owePart();
    this.host.gateway.submit(slot, w.buffer, 0, w.length, this.deadline, this, token, this.freshness);
  }

  iterate(iteration: Iteration): void {
    const sequence = this.replies.owe(this.row, this.version, 0, this.argumentBytes, this.nowMs);
    this.replies.beginIteration(sequence, iteration);
    this.replies.askLanes(this);
  }

  /** Each question of an iteration has a time limit of its own: a walk over many keys takes as long as it takes. */
  askLane(iteration: Iteration, lane: number, token: number): void {
    const { host } = this;
    const w = host.scratch;
    w.reset();
    const slot = iteration.encodeNext(lane, w);
    const deadline = host.clock.monoMs() + host.limits.requestTimeoutMs;
    host.gateway.submit(slot, w.buffer, 0, w.length, deadline, this, token);
  }

  private get argumentBytes(): number {
    return this.parser.end(this.parser.count - 1) - this.parser.start(0);
  }

  // Replies.

  beginReply(): ByteWriter {
    return this.replies.begin(this.version, this.nowMs);
  }

  endReply(outcome: Outcome): void {
    this.replies.end();
    const { metrics, clock, encoder } = this.host;
    metrics.answered(this.row, outcome, 0, clock.monoMs() - this.nowMs, encoder);
    this.wrote();
  }

  replyOk(): void {
    writeSimple(this.beginReply(), 'OK');
    this.endReply(Outcome.ok);
  }

  replyError(text: string): void {
    writeError(this.beginReply(), text);
    this.endReply(Outcome.error);
  }

  replyErrorBytes(text: string): void {
    writeErrorBytes(this.beginReply(), text);
    this.endReply(Outcome.error);
  }

  replyFailure(reason: ErrorReason): void {
    this.host.encoder.reason = reason;
    writeError(this.beginReply(), failureText(reason, ''));
    this.endReply(outcomeOf(reason));
  }

  onResult(token: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.phase === 'closed') return;
    this.replies.onResult(token, bytes, start, end, this.host.clock.monoMs());
    this.wrote();
  }

  private wrote(): void {
    this.checkUnsent();
    if (this.phase !== 'closed') this.host.schedule(this);
  }

  // The stream.

  private mustPause(): boolean {
    return (
      this.replies.inFlight >= PENDING_COMMANDS_MAX ||
      this.replies.commandBytes >= PENDING_BYTES_MAX ||
      !this.host.gateway.hasRoom ||
      this.hasTooMuchUnsent()
    );
  }

  /** Later than `!mustPause()`, so that reading doesn't stop and go with every answer. */
  private mayReadAgain(): boolean {
    return (
      this.replies.inFlight <= PENDING_COMMANDS_MAX / 2 &&
      this.replies.commandBytes <= PENDING_BYTES_MAX / 2 &&
      this.host.gateway.hasRoom &&
      !this.hasTooMuchUnsent()
    );
  }

  private hasTooMuchUnsent(): boolean {
    // Only a stream that refused bytes calls back: without that, waiting for it could be for ever.
    const inStream = this.streamFull ? this.stream.bufferedBytes() : 0;
    return this.replies.keptBytes + inStream > UNSENT_BYTES_PAUSE;
  }

  private pauseReading(): void {
    if (this.reading) this.stream.pause();
    this.reading = false;
    this.host.onPaused(this);
    // If only the replies of this very chunk are in the way, the next turn clears them.
    this.host.schedule(this);
  }

  private resumeReading(): void {
    if (this.reading) return;
    this.reading = true;
    this.host.onResumed(this);
    this.stream.resume();
  }

  private flush(): void {
    if (!this.replies.hasOutput || this.phase === 'closed') return;
    const bytes = this.replies.takeOutput();
    this.host.metrics.bytesOut.inc(bytes.length);
    if (!this.stream.write(bytes)) this.streamFull = true;
    this.streamBytes = this.stream.bufferedBytes();
    this.checkUnsent();
  }

  /** A client that asks and doesn't take the answers is closed: never a part of a reply and then another. */
  private checkUnsent(): void {
    const { outputBytesMax, outputSoftBytesMax } = this.host.limits;
    if (this.unsentBytes <= Math.min(outputBytesMax, outputSoftBytesMax)) return;
    this.streamBytes = this.stream.bufferedBytes();
    if (this.unsentBytes > outputBytesMax) {
      this.host.metrics.cutOff('output_limit');
      return this.destroy();
    }
    if (this.untakenBytes <= outputSoftBytesMax || this.slowSinceMs !== Infinity) return;
    this.slowSinceMs = this.host.clock.monoMs();
    this.host.onSlow(this);
  }

  /** What the client could take, would it read: not what waits here for an earlier reply. */
  private get untakenBytes(): number {
    return this.replies.readyBytes + this.streamBytes;
  }

  /** Whether the soft output limit is still passed; closes the connection when it has been for too long. */
  isStillSlow(): boolean {
    if (this.phase === 'closed') return false;
    this.streamBytes = this.stream.bufferedBytes();
    if (this.untakenBytes <= this.host.limits.outputSoftBytesMax) {
      this.slowSinceMs = Infinity;
      return false;
    }
    if (this.host.clock.monoMs() - this.slowSinceMs < OUTPUT_SOFT_MS) return true;
    this.host.metrics.cutOff('output_soft_limit');
    this.destroy();
    return false;
  }

  private end(): void {
    this.phase = 'ended';
    this.parser.release();
    this.stream.end();
    this.host.onEnded(this);
  }

  private close(): void {
    if (this.phase === 'closed') return;
    this.phase = 'closed';
    this.host.gateway.forget(this);
    this.parser.release();
    this.replies = new ReplyQueue(this.host);
    this.streamBytes = 0;
    this.host.onClosed(this);
  }
}
