/**
 * BatchGet and BatchWrite: many operations in one call, a result for each, in their order. Results wait as bytes, in
 * one buffer, until the last has come.
 *
 * Invariants: nothing is submitted before the whole request was read and found well-formed; the response fits a
 * message, and values that do not are told as too large, one by one.
 */
import { ByteReader, ByteWriter, type ErrorReason, type MonoMs } from '../../base/index.js';
import {
  OperationKind,
  PipelineRequestReader,
  PipelineResponseWriter,
  UNARY_REQUESTS,
  type RequestHeader,
} from '../../codec/cache/index.js';
import { beginMany, encodeKeyCommand, KEY_BYTES_MAX, Op, putKey, skipResult, Tag } from '../../kv/index.js';
import { slotOfKey } from '../../topology/index.js';
import type { ResultSink } from '../gateway-port.js';
import { PendingCounts } from '../pending-counts.js';
import { encodeBatched } from './batched-operation.js';
import { deadlineOf, type CallHost } from './call-host.js';
import { NO_SHARD } from './failures.js';
import { BATCH_OPERATIONS_MAX, MESSAGE_MARGIN_BYTES } from './limits.js';
import { freshnessOf, refusalOfHeader, resultFlags, ResultFlag, type Refusal } from './operation.js';
import type { Answer } from './single-call.js';

export type BatchMethod = 'BatchGet' | 'BatchWrite';

const GET_IN_WRITE: Refusal = {
  reason: 'INVALID_ARGUMENT',
  message: 'BatchWrite takes no get: use BatchGet',
};
const KEY_TOO_LARGE: Refusal = { reason: 'TOO_LARGE', message: `a key has at most ${KEY_BYTES_MAX} bytes` };
const NO_ROOM: Refusal = {
  reason: 'TOO_LARGE',
  message: 'the results do not fit one message: ask for fewer keys at once',
};
/** In the response, besides its value: id, version, time to live, lengths. */
const RESULT_BYTES = 64;

/** One operation of the batch. */
interface Item {
  readonly id: number;
  readonly kind: OperationKind;
  readonly flags: number;
  shard: number;
  refusal: Refusal | null;
  /** Of its result in the buffer; -1: none yet. */
  start: number;
  end: number;
}

function newItem(id: number, kind: OperationKind, flags: number, refusal: Refusal | null): Item {
  return { id, kind, flags, shard: NO_SHARD, refusal, start: -1, end: -1 };
}

export class BatchCall implements ResultSink {
  readonly unanswered = new PendingCounts();
  private items: Item[] = [];
  /** By token: the items that a command's result is for, in the order of its parts. */
  private waiting = new Map<number, readonly Item[]>();
  private readonly results = new ByteWriter(256);
  private startedMs: MonoMs = 0;
  private deadline: MonoMs = 0;
  private freshness = 0;
  private traceParent = '';
  private isOver = false;

  constructor(
    private readonly host: CallHost,
    private readonly method: BatchMethod,
    private readonly reply: Answer,
    /** Told once, when the call needs nothing more. */
    private readonly over: (call: BatchCall) => void,
  ) {}

  get pendingCount(): number {
    return this.waiting.size;
  }

  /** Throws `MalformedMessage`, before anything was submitted. */
  start(bytes: Uint8Array, callMs: number): void {
    this.startedMs = this.host.clock.monoMs();
    if (this.method === 'BatchGet') this.startGet(bytes, callMs);
    else this.startWrite(bytes, callMs);
    if (!this.isOver && this.waiting.size === 0) this.finish();
  }

  private startGet(bytes: Uint8Array, callMs: number): void {
    const { header, keys, withMeta } = UNARY_REQUESTS.BatchGet.decode(bytes);
    if (!this.begin(header, keys.length, callMs)) return;
    const flags = withMeta ? ResultFlag.withMeta : 0;
    const byShard = new Map<number, { keys: Uint8Array[]; items: Item[] }>();
    for (const [place, key] of keys.entries()) {
      const item = newItem(
        place,
        OperationKind.get,
        flags,
        key.length > KEY_BYTES_MAX ? KEY_TOO_LARGE : null,
      );
      this.items.push(item);
      if (item.refusal !== null) continue;
      item.shard = this.host.gateway.shardOf(slotOfKey(key));
      if (withMeta) {
        this.submitGet([key], [item], true);
        continue;
      }
      let group = byShard.get(item.shard);
      if (group === undefined) byShard.set(item.shard, (group = { keys: [], items: [] }));
      group.keys.push(key);
      group.items.push(item);
    }
    for (const group of byShard.values()) this.submitGet(group.keys, group.items, false);
  }

  /** One command for keys of one shard, so that they are read at one moment. */
  private submitGet(keys: readonly Uint8Array[], items: readonly Item[], withMeta: boolean): void {
    const [first] = keys;
    if (first === undefined) return;
    const { scratch } = this.host;
    scratch.reset();
    if (withMeta) encodeKeyCommand(scratch, Op.getMeta, first);
    else {
      beginMany(scratch, Op.mget, keys.length);
      for (const key of keys) putKey(scratch, key);
    }
    this.submit(slotOfKey(first), items);
  }

  private startWrite(bytes: Uint8Array, callMs: number): void {
    const reader = new PipelineRequestReader().reset(bytes);
    if (!this.begin(reader.header, reader.count, callMs)) return;
    while (reader.next()); // a malformed operation is found before the first one is submitted
    reader.reset(bytes);
    const { scratch, gateway } = this.host;
    while (reader.next()) {
      scratch.reset();
      const refusal = reader.kind === OperationKind.get ? GET_IN_WRITE : encodeBatched(this.host, reader);
      const item = newItem(reader.id, reader.kind, resultFlags(reader), refusal);
      this.items.push(item);
      if (refusal !== null) continue;
      const slot = slotOfKey(bytes, reader.keyStart, reader.keyEnd);
      item.shard = gateway.shardOf(slot);
      this.submit(slot, [item]);
    }
  }

  /** False: the whole call was refused. */
  private begin(header: RequestHeader, count: number, callMs: number): boolean {
    const { host } = this;
    this.traceParent = header.traceParent;
    this.deadline = deadlineOf(host, header, this.startedMs, callMs);
    this.freshness = freshnessOf(header);
    const refusal = refusalOfHeader(header, true);
    if (refusal !== null) this.fail(refusal.reason, refusal.message);
    else if (callMs <= 0) this.fail('DEADLINE_EXCEEDED', 'the call came after its deadline');
    else if (!host.gateway.hasRoom) this.fail('OVERLOADED', 'the node holds too many unanswered commands');
    else if (count > BATCH_OPERATIONS_MAX) {
      this.fail('TOO_LARGE', `a batch has at most ${BATCH_OPERATIONS_MAX} operations`);
    }
    return !this.isOver;
  }

  private submit(slot: number, items: readonly Item[]): void {
    const { gateway, scratch } = this.host;
    const token = this.waiting.size;
    this.waiting.set(token, items);
    gateway.submit(slot, scratch.buffer, 0, scratch.length, this.deadline, this, token, this.freshness);
  }

  onResult(token: number, bytes: Uint8Array, start: number, end: number): void {
    const items = this.waiting.get(token);
    if (this.isOver || items === undefined) return;
    this.waiting.delete(token);
    this.keep(items, bytes, start, end);
    if (this.waiting.size === 0) this.finish();
  }

  private keep(items: readonly Item[], bytes: Uint8Array, start: number, end: number): void {
    const { results } = this;
    const room =
      this.host.limits.grpcMessageBytesMax - MESSAGE_MARGIN_BYTES - this.items.length * RESULT_BYTES;
    if (this.method === 'BatchGet' && results.length + end - start > room) {
      for (const item of items) item.refusal = NO_ROOM;
      return;
    }
    const at = results.length;
    results.bytes(bytes, start, end);
    const isMany = this.method === 'BatchGet' && bytes[start] === Tag.array && !isMeta(items);
    if (!isMany) {
      for (const item of items) {
        item.start = at;
        item.end = results.length;
      }
      return;
    }
    const reader = new ByteReader(results.buffer, at, results.length);
    reader.skip(5); // tag and count
    for (const item of items) {
      item.start = reader.position;
      skipResult(reader);
      item.end = reader.position;
    }
  }

  private finish(): void {
    const { host, items, results } = this;
    const { outcome } = host;
    const response = new PipelineResponseWriter();
    response.begin();
    const durationMs = host.clock.monoMs() - this.startedMs;
    for (const item of items) {
      if (item.refusal !== null) outcome.refuse(item.refusal);
      else outcome.read(item.kind, item.flags, results.buffer, item.start, item.end);
      if (outcome.failure !== null) {
        host.failures.writeResult(response, item.id, outcome, item.shard);
        host.logFailure(this.method, outcome.failure, outcome.message, this.traceParent);
      } else {
        response.result(
          item.id,
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
      host.metrics.answered(item.kind, outcome.failure, outcome.found, durationMs);
    }
    const bytes = response.finish(0);
    host.metrics.bytesOut.inc(bytes.length);
    this.end();
    this.reply(null, bytes);
  }

  /** The caller has gone. Writes that were submitted may still take effect; their results are dropped. */
  cancel(): void {
    if (this.isOver) return;
    this.host.gateway.forget(this);
    this.end();
  }

  private fail(reason: ErrorReason, message: string): void {
    this.host.logFailure(this.method, reason, message, this.traceParent);
    this.end();
    this.reply(this.host.failures.failure(reason, message), null);
  }

  private end(): void {
    this.isOver = true;
    this.waiting = new Map();
    this.items = [];
    this.over(this);
  }
}

function isMeta(items: readonly Item[]): boolean {
  return ((items[0]?.flags ?? 0) & ResultFlag.withMeta) !== 0;
}
