/**
 * Everything between a connection's commands and its output: which replies are owed, in what order, and those that
 * wait for their turn. Results come by token; a reply whose turn has come goes straight into `out`.
 */
import { assert, ByteReader, ByteWriter, type MonoMs } from '../../base/index.js';
import { KvError } from '../../kv/index.js';
import type { CommandSpec } from './command-spec.js';
import { kvErrorText } from './error-table.js';
import { Gather, type Join } from './gather.js';
import type { Iteration } from './iteration.js';
import { HANDOVER_BYTES_MIN } from './limits.js';
import type { RespMetrics } from './metrics.js';
import { PartTokens } from './part-tokens.js';
import { PendingReplies, SEQUENCES } from './pending-replies.js';
import { writeError, type RespVersion } from './reply-writer.js';
import { Outcome, type ResultEncoder } from './result-encoder.js';

const OUT_BYTES_INITIAL = 128;
const NOT_HOLDING = -1;

/** What the queue needs of its server. */
export interface ReplyHost {
  readonly encoder: ResultEncoder;
  readonly metrics: RespMetrics;
  readonly commands: { readonly rows: readonly CommandSpec[] };
  readonly limits: { readonly outputBytesMax: number };
}

/** Sends the next command of an iteration's lane; `token` names its answer. */
export interface LaneAsker {
  askLane(iteration: Iteration, lane: number, token: number): void;
}

export class ReplyQueue {
  private readonly pending = new PendingReplies();
  private readonly parts = new PartTokens();
  /** Replies whose turn has come, not yet taken. */
  private out = new ByteWriter(OUT_BYTES_INITIAL);
  /** Parts' results that wait for the others of their command. */
  private gatheredBytes = 0;
  /** Sequence of the early reply being written; NOT_HOLDING when it goes straight out. */
  private holding = NOT_HOLDING;
  /** Lanes of iterations that are to be asked again. */
  private asking: { iteration: Iteration; lane: number }[] = [];
  /** The command whose parts are being submitted. */
  private gather: Gather | null = null;

  constructor(private readonly host: ReplyHost) {}

  /** Replies owed. */
  get count(): number {
    return this.pending.count;
  }

  /** Replies owed, with those of parts. */
  get inFlight(): number {
    return this.pending.count + this.parts.count;
  }

  /** Bytes of the commands without an answer. */
  get commandBytes(): number {
    return this.pending.commandBytes;
  }

  /** Bytes of replies kept here: ready, early, or in parts. */
  get keptBytes(): number {
    return this.out.length + this.pending.heldBytes + this.gatheredBytes;
  }

  /** Bytes of replies that only wait for the client to take them. */
  get readyBytes(): number {
    return this.out.length;
  }

  get hasOutput(): boolean {
    return this.out.length > 0;
  }

  /** Whether a local reply is being written. */
  get isWriting(): boolean {
    return this.holding !== NOT_HOLDING;
  }

  /** What may be sent, as bytes that nobody changes any more. */
  takeOutput(): Uint8Array {
    if (this.out.length < HANDOVER_BYTES_MIN) {
      const copy = this.out.take();
      this.out.reset();
      return copy;
    }
    const whole = this.out.view();
    this.out = new ByteWriter(OUT_BYTES_INITIAL);
    return whole;
  }

  /** Begins a reply that is known now; it goes out in its turn. */
  begin(version: RespVersion, nowMs: MonoMs): ByteWriter {
    assert(!this.isWriting, 'a reply within a reply');
    if (this.pending.count === 0) return this.out;
    this.holding = this.pending.push(0, version, 0, 0, nowMs);
    return this.pending.beginHold(this.holding);
  }

  end(): void {
    if (this.isWriting) this.pending.endHold(this.holding);
    this.holding = NOT_HOLDING;
  }

  /** Owes the reply to a command that is submitted now; returns its token. */
  owe(row: number, version: RespVersion, keys: number, bytes: number, nowMs: MonoMs): number {
    return this.pending.push(row, version, keys, bytes, nowMs);
  }

  /** Makes what was owed last one reply to `parts` commands. */
  gatherLast(sequence: number, join: Join, parts: number, partOfKey: Int32Array | null): void {
    const isWrite = this.spec(this.pending.rowOf(sequence)).flags.includes('write');
    this.gather = new Gather(sequence, join, isWrite, parts, partOfKey);
  }

  /** Makes what was owed last the reply of an iteration, all of whose lanes are to be asked. */
  beginIteration(sequence: number, iteration: Iteration): void {
    iteration.sequence = sequence;
    for (let lane = 0; lane < iteration.laneCount; lane++) this.asking.push({ iteration, lane });
  }

  /** Has every lane asked that is to be asked now. */
  askLanes(asker: LaneAsker): void {
    if (this.asking.length === 0) return;
    const lanes = this.asking;
    this.asking = [];
    for (const { iteration, lane } of lanes) {
      asker.askLane(iteration, lane, SEQUENCES + this.parts.take(iteration, lane));
    }
  }

  /** The token of the next part. */
  owePart(): number {
    const gather = this.gather;
    assert(gather, 'a part of no command');
    return SEQUENCES + this.parts.take(gather, gather.nextPart());
  }

  /** Takes one result (kv/result.ts). */
  onResult(token: number, bytes: Uint8Array, start: number, end: number, nowMs: MonoMs): void {
    if (token >= SEQUENCES) return this.onPart(token - SEQUENCES, bytes, start, end, nowMs);
    const { pending, host } = this;
    const spec = this.spec(pending.rowOf(token));
    const w = this.beginAnswer(token);
    let outcome: Outcome = Outcome.error;
    if (end - start > this.replyBytesMax) writeError(w, kvErrorText(KvError.tooLarge, spec.name));
    else outcome = host.encoder.encode(w, bytes, start, end, spec.shape, pending.versionOf(token), spec.name);
    this.endAnswer(token, outcome, nowMs);
  }

  private onPart(index: number, bytes: Uint8Array, start: number, end: number, nowMs: MonoMs): void {
    const command = this.parts.commandOf(index);
    const part = this.parts.partOf(index);
    this.parts.give(index);
    this.gatheredBytes -= command.keptBytes;
    const goesOn = command.take(part, new ByteReader(bytes, start, end), this.replyBytesMax);
    if (goesOn) this.asking.push({ iteration: command as Iteration, lane: part });
    if (!command.isComplete) {
      this.gatheredBytes += command.keptBytes;
      return;
    }
    const { sequence } = command;
    const { name } = this.spec(this.pending.rowOf(sequence));
    const w = this.beginAnswer(sequence);
    const outcome = command.encode(w, this.pending.versionOf(sequence), name, this.host.encoder);
    this.endAnswer(sequence, outcome, nowMs);
  }

  /** A reply above it is refused: sent, it could only end in the connection being cut off at the limit. */
  private get replyBytesMax(): number {
    return this.host.limits.outputBytesMax / 2;
  }

  private spec(row: number): CommandSpec {
    return this.host.commands.rows[row] as CommandSpec;
  }

  private beginAnswer(sequence: number): ByteWriter {
    return this.pending.isHead(sequence) ? this.out : this.pending.beginHold(sequence);
  }

  private endAnswer(sequence: number, outcome: Outcome, nowMs: MonoMs): void {
    const { pending, host } = this;
    const durationMs = nowMs - pending.startOf(sequence);
    const keys = pending.keysOf(sequence);
    host.metrics.answered(pending.rowOf(sequence), outcome, keys, durationMs, host.encoder);
    if (pending.isHead(sequence)) {
      pending.completeHead();
      pending.drainInto(this.out);
    } else {
      pending.endHold(sequence);
    }
  }
}
