/**
 * Commands on their way into one log entry. Commands of all connections are appended to one writer (one copy from
 * the socket); parallel arrays remember who waits for which. A batch is closed at `ENTRY_BYTES_MAX` or
 * `ENTRY_COMMANDS_MAX`, unless one command alone is larger.
 */
import {
  ENTRY_HEADER_BYTES,
  appendCommand,
  beginEntry,
  ByteWriter,
  entryStampMs,
  finishEntry,
  readU32,
  type ErrorReason,
  type NodeId,
} from '../base/index.js';
import { isWriteOp } from '../kv/index.js';
import type { RoomClaim } from './room.js';
import type { CommandSink } from './sink.js';

/** Small enough that an entry is applied, and copied to disk and peers, within a few ms: between entries the loop looks up. */
export const ENTRY_BYTES_MAX = 256 * 1024;
export const ENTRY_COMMANDS_MAX = 256;

/** A closed batch: an entry's bytes and its waiters, position by position. */
export interface WriteBatch {
  readonly data: Uint8Array;
  readonly count: number;
  readonly sinks: readonly CommandSink[];
  readonly tokens: readonly number[];
  /** Reads up to this batch id were asked before one of these writes, on the same connection. */
  readonly readBarrier: number;
  /** How many of them are reads that ride in the log behind their connection's writes. */
  readonly reads: number;
  /** Positions, ascending, of those that may go before all others; absent: none. */
  readonly urgent?: readonly number[] | null;
  /** What it was given room for; absent where there is no budget. */
  readonly claim?: RoomClaim;
}

export class WriteBatchBuilder {
  private readonly writer = new ByteWriter(4096);
  private sinks: CommandSink[] = [];
  private tokens: number[] = [];
  private readBarrier = 0;
  private reads = 0;
  private urgent: number[] | null = null;
  count = 0;

  constructor() {
    beginEntry(this.writer);
  }

  get bytes(): number {
    return this.writer.length;
  }

  fits(commandBytes: number): boolean {
    return (
      this.count === 0 ||
      (this.count < ENTRY_COMMANDS_MAX && this.writer.length + commandBytes + 4 <= ENTRY_BYTES_MAX)
    );
  }

  add(
    command: Uint8Array,
    start: number,
    end: number,
    readBarrier: number,
    sink: CommandSink,
    token: number,
    isRead = false,
    isUrgent = false,
  ): void {
    if (isRead) this.reads++;
    if (isUrgent) (this.urgent ??= []).push(this.count);
    appendCommand(this.writer, command, start, end);
    this.sinks.push(sink);
    this.tokens.push(token);
    if (readBarrier > this.readBarrier) this.readBarrier = readBarrier;
    this.count++;
  }

  /** Stamps and moves out what was collected; the builder is empty again. */
  close(timestampMs: number): WriteBatch {
    finishEntry(this.writer, timestampMs, this.count);
    const batch: WriteBatch = {
      data: this.writer.take(),
      count: this.count,
      sinks: this.sinks,
      tokens: this.tokens,
      readBarrier: this.readBarrier,
      reads: this.reads,
      urgent: this.urgent,
    };
    this.writer.reset();
    beginEntry(this.writer);
    this.sinks = [];
    this.tokens = [];
    this.readBarrier = 0;
    this.reads = 0;
    this.urgent = null;
    this.count = 0;
    return batch;
  }
}

/**
 * A part of a batch: the commands from number `first` (at `at` in its data) to `last`, but for those in `skipped`
 * (numbers, ascending). The stamp is that of the batch; none of it is urgent.
 */
export function pickBatch(
  batch: WriteBatch,
  first: number,
  at: number,
  last = batch.count,
  skipped: readonly number[] | null = null,
): WriteBatch {
  const w = new ByteWriter(ENTRY_HEADER_BYTES + batch.data.length - at);
  beginEntry(w);
  const sinks: CommandSink[] = [];
  const tokens: number[] = [];
  let reads = 0;
  let nextSkipped = 0;
  for (let i = first; i < last; i++) {
    const start = at + 4;
    const end = start + readU32(batch.data, at);
    at = end;
    if (skipped !== null && skipped[nextSkipped] === i) {
      nextSkipped++;
      continue;
    }
    appendCommand(w, batch.data, start, end);
    sinks.push(batch.sinks[i] as CommandSink);
    tokens.push(batch.tokens[i] as number);
    if (!isWriteOp(batch.data[start] as number)) reads++;
  }
  finishEntry(w, entryStampMs(batch.data), sinks.length);
  return { data: w.take(), count: sinks.length, sinks, tokens, readBarrier: batch.readBarrier, reads };
}

/** The batch with a claim and another stamp, and with one command more at its beginning (if not null). */
export function withFirst(
  batch: WriteBatch,
  command: ByteWriter | null,
  sink: CommandSink,
  stampMs: number,
  claim: RoomClaim,
): WriteBatch {
  const more = command === null ? 0 : 1;
  const w = new ByteWriter(batch.data.length + (command === null ? 0 : 4 + command.length));
  beginEntry(w);
  if (command !== null) appendCommand(w, command.buffer, 0, command.length);
  w.bytes(batch.data, ENTRY_HEADER_BYTES, batch.data.length);
  finishEntry(w, stampMs, batch.count + more);
  return {
    ...batch,
    data: w.take(),
    count: batch.count + more,
    sinks: command === null ? batch.sinks : [sink, ...batch.sinks],
    tokens: command === null ? batch.tokens : [0, ...batch.tokens],
    claim,
  };
}

/** Gives every command of a batch that was not appended back to its sink. */
export function refuseBatch(batch: WriteBatch, reason: ErrorReason, leaderNode: NodeId): void {
  let at = ENTRY_HEADER_BYTES;
  for (let i = 0; i < batch.count; i++) {
    const length = readU32(batch.data, at);
    at += 4;
    (batch.sinks[i] as CommandSink).onRefused(
      batch.tokens[i] as number,
      reason,
      leaderNode,
      batch.data,
      at,
      at + length,
    );
    at += length;
  }
}
