/**
 * One operation as a call of its own: for clients that any gRPC library makes. An object per call; the SDK uses the
 * stream instead.
 */
import { EMPTY_BYTES, type ErrorReason, type MonoMs } from '../../base/index.js';
import {
  NO_EXPIRY,
  OperationKind,
  UNARY_REQUESTS,
  UNARY_RESPONSES,
  type Expiry,
  type KeyRequest,
  type RequestHeader,
} from '../../codec/cache/index.js';
import { putSessionFields } from '../../kv/index.js';
import type { CacheFailure, CacheUnaryMethod } from '../../ports/index.js';
import { slotOfKey } from '../../topology/index.js';
import type { ResultSink } from '../gateway-port.js';
import { PendingCounts } from '../pending-counts.js';
import { deadlineOf, type CallHost } from './call-host.js';
import { NO_SHARD } from './failures.js';
import { MESSAGE_MARGIN_BYTES } from './limits.js';
import {
  encodeOperation,
  freshnessOf,
  refusalOfHeader,
  resultFlags,
  type OperationFields,
} from './operation.js';
import type { OperationOutcome } from './outcome.js';

export type Answer = (failure: CacheFailure | null, response: Uint8Array | null) => void;

/** Methods that are one operation. */
export type SingleMethod = Exclude<
  CacheUnaryMethod,
  'BatchGet' | 'BatchWrite' | 'GetShardMap' | 'OpenSession'
>;

interface SingleRequest {
  readonly header: RequestHeader;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly fields: OperationFields;
}

/** Throws `MalformedMessage`. */
function readRequest(method: SingleMethod, bytes: Uint8Array): SingleRequest {
  switch (method) {
    case 'Get': {
      const request = UNARY_REQUESTS.Get.decode(bytes);
      return asFields(OperationKind.get, request, { withMeta: request.withMeta });
    }
    case 'Set': {
      const request = UNARY_REQUESTS.Set.decode(bytes);
      const { condition, keepTtl } = request;
      return asFields(OperationKind.set, request, { condition, keepTtl }, request.value, request.expiry);
    }
    case 'Delete':
      return asFields(OperationKind.delete, UNARY_REQUESTS.Delete.decode(bytes));
    case 'CompareAndSet': {
      const request = UNARY_REQUESTS.CompareAndSet.decode(bytes);
      const { expectedVersion, keepTtl } = request;
      const fields = { expectedVersion, keepTtl };
      return asFields(OperationKind.compareAndSet, request, fields, request.value, request.expiry);
    }
    case 'CompareAndDelete': {
      const request = UNARY_REQUESTS.CompareAndDelete.decode(bytes);
      const { expectedVersion } = request;
      return asFields(OperationKind.compareAndDelete, request, { expectedVersion });
    }
    case 'Increment': {
      const request = UNARY_REQUESTS.Increment.decode(bytes);
      return asFields(OperationKind.increment, request, { delta: request.delta });
    }
    case 'Touch': {
      const request = UNARY_REQUESTS.Touch.decode(bytes);
      return asFields(OperationKind.touch, request, {}, EMPTY_BYTES, request.expiry);
    }
    case 'Persist':
      return asFields(OperationKind.persist, UNARY_REQUESTS.Persist.decode(bytes));
  }
}

function asFields(
  kind: OperationKind,
  request: KeyRequest,
  fields: Partial<OperationFields> = {},
  value: Uint8Array = EMPTY_BYTES,
  expiry: Expiry = NO_EXPIRY,
): SingleRequest {
  return {
    header: request.header,
    key: request.key,
    value,
    fields: {
      kind,
      keyStart: 0,
      keyEnd: request.key.length,
      valueStart: 0,
      valueEnd: value.length,
      withMeta: false,
      condition: 0,
      keepTtl: false,
      expiryKind: expiry.kind,
      expiryMs: expiry.ms,
      expectedVersion: 0,
      delta: 0,
      ...fields,
    },
  };
}

function writeResponse(method: SingleMethod, outcome: OperationOutcome): Uint8Array {
  const { found, applied, version, number, ttlMs } = outcome;
  switch (method) {
    case 'Get': {
      const value = outcome.bytes?.subarray(outcome.valueStart, outcome.valueEnd) ?? EMPTY_BYTES;
      return UNARY_RESPONSES.Get.encode({ found, value, version, ttlMs });
    }
    case 'Set':
    case 'CompareAndSet':
    case 'CompareAndDelete':
      return UNARY_RESPONSES.Set.encode({ applied, version });
    case 'Delete':
    case 'Touch':
      return UNARY_RESPONSES.Delete.encode({ found });
    case 'Increment':
      return UNARY_RESPONSES.Increment.encode({ number, version });
    case 'Persist':
      return UNARY_RESPONSES.Persist.encode({ found, applied });
  }
}

export class SingleCall implements ResultSink {
  readonly unanswered = new PendingCounts();
  private startedMs: MonoMs = 0;
  private shard = NO_SHARD;
  private kind: OperationKind = OperationKind.none;
  private flags = 0;
  private traceParent = '';
  private isOver = false;

  constructor(
    private readonly host: CallHost,
    private readonly method: SingleMethod,
    private readonly reply: Answer,
    /** Told once, when the call needs nothing more. */
    private readonly over: (call: SingleCall) => void,
  ) {}

  get pendingCount(): number {
    return this.isOver ? 0 : 1;
  }

  /** Throws `MalformedMessage`, before anything was submitted. */
  start(bytes: Uint8Array, callMs: number): void {
    const { host } = this;
    const { header, key, value, fields } = readRequest(this.method, bytes);
    this.startedMs = host.clock.monoMs();
    this.kind = fields.kind;
    this.flags = resultFlags(fields);
    this.traceParent = header.traceParent;
    const headerRefusal = refusalOfHeader(header, false);
    if (headerRefusal !== null) return this.fail(headerRefusal.reason, headerRefusal.message);
    if (callMs <= 0) return this.fail('DEADLINE_EXCEEDED', 'the call came after its deadline');
    if (!host.gateway.hasRoom) return this.fail('OVERLOADED', 'the node holds too many unanswered commands');
    const { scratch } = host;
    scratch.reset();
    const inSession = header.session !== 0 && fields.kind !== OperationKind.get;
    const refusal = encodeOperation(scratch, fields, key, value, host.limits.valueBytesMax, inSession);
    if (refusal !== null) return this.fail(refusal.reason, refusal.message);
    if (inSession) {
      const { session, sequence, lowestUnanswered } = header;
      const [grantedMs, lifetimeMs] = [header.sessionGrantedMs, header.sessionLifetimeMs];
      putSessionFields(scratch, 0, { session, grantedMs, lifetimeMs, sequence, lowestUnanswered });
    }
    const slot = slotOfKey(key);
    this.shard = host.gateway.shardOf(slot);
    const deadline = deadlineOf(host, header, this.startedMs, callMs);
    host.gateway.submit(slot, scratch.buffer, 0, scratch.length, deadline, this, 0, freshnessOf(header));
  }

  onResult(_token: number, bytes: Uint8Array, start: number, end: number): void {
    if (this.isOver) return;
    const { host } = this;
    const { outcome } = host;
    outcome.read(this.kind, this.flags, bytes, start, end);
    if (outcome.failure !== null) return this.fail(outcome.failure, outcome.message, outcome.leader);
    if (outcome.valueEnd - outcome.valueStart + MESSAGE_MARGIN_BYTES > host.limits.grpcMessageBytesMax) {
      return this.fail('TOO_LARGE', 'the value does not fit a message of limits.grpcMessageBytesMax');
    }
    host.metrics.answered(this.kind, null, outcome.found, host.clock.monoMs() - this.startedMs);
    const response = writeResponse(this.method, outcome);
    host.metrics.bytesOut.inc(response.length);
    this.end();
    this.reply(null, response);
  }

  /** The caller has gone. A write that was submitted may still take effect; its result is dropped. */
  cancel(): void {
    if (this.isOver) return;
    this.host.gateway.forget(this);
    this.end();
  }

  private fail(reason: ErrorReason, message: string, leader = 0): void {
    const { host } = this;
    host.metrics.answered(this.kind, reason, false, host.clock.monoMs() - this.startedMs);
    host.logFailure(this.method, reason, message, this.traceParent);
    this.end();
    this.reply(host.failures.failure(reason, message, this.shard, leader), null);
  }

  private end(): void {
    this.isOver = true;
    this.over(this);
  }
}
