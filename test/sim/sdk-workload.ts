/**
 * What simulated clients ask through the SDK: the same keys as workload.ts, and every operation of the client. Also what
 * an answer or a failure means for the history, by the SDK's promise: a write that failed with anything but
 * OUTCOME_UNKNOWN certainly never took effect.
 *
 * Registers are compared and set by the version that was read; only expiring keys are touched and persisted.
 */
import { decodeUtf8, EMPTY_BYTES, encodeUtf8, type Prng, type QuorateError } from '../../src/base/index.js';
import type { ClientOperation, OperationAnswer } from '../../src/client/index.js';
import {
  CacheConsistency,
  CacheExpiryKind,
  CacheSetCondition,
  OperationKind,
} from '../../src/codec/cache/index.js';
import type { HistoryOp, HistoryStatus, HistoryValue } from '../support/history-record.js';
import { uniqueValue } from './checkers.js';
import { COUNTERS, EXPIRING, HOT, PADDING_BYTES_MAX, REGISTERS } from './workload.js';

/** One operation: as the history knows it, and as the SDK takes it. */
export interface SdkRequest {
  readonly op: HistoryOp;
  readonly key: string;
  readonly value: string | number | null;
  readonly ttlMs: number;
  /** Of `cas` and `cad`. */
  readonly expectedVersion?: number;
  /** A get that asks for the version. */
  readonly withMeta?: boolean;
  /** Of a get; linearizable when left out. */
  readonly freshness?: ReadFreshness;
}

/** How fresh a read must be; `maxStalenessMs` with `stale` alone. */
export interface ReadFreshness {
  readonly consistency: CacheConsistency;
  readonly maxStalenessMs: number;
}

/** Half of the reads say nothing. The smallest bound is one that is rarely kept without asking. */
const STALENESS_MS = [60, 400, 3_000] as const;

export function drawFreshness(prng: Prng): ReadFreshness {
  const draw = prng.below(100);
  const consistency =
    draw < 50
      ? CacheConsistency.linearizable
      : draw < 60
        ? CacheConsistency.quorum
        : draw < 70
          ? CacheConsistency.lease
          : draw < 85
            ? CacheConsistency.follower
            : CacheConsistency.stale;
  const isStale = consistency === CacheConsistency.stale;
  return { consistency, maxStalenessMs: isStale ? prng.pick(STALENESS_MS) : 0 };
}

export interface SdkOutput {
  readonly output: HistoryValue;
  /** Where the answer tells it. */
  readonly version: number | undefined;
}

export class SdkWorkload {
  private count = 0;
  /** The version of each key that the client knew last; 0: absent. */
  private readonly versions = new Map<string, number>();

  constructor(private readonly prng: Prng) {}

  next(client: number): SdkRequest {
    const draw = this.prng.below(100);
    if (draw < 58) return this.onRegister(this.anyRegister(), client);
    return draw < 78 ? this.counter() : this.expiring(client);
  }

  /** Another operation on the same key: pipelined behind one that is under way. */
  onSameKey(key: string, client: number): SdkRequest {
    return key.startsWith('r') ? this.onRegister(key, client) : this.next(client);
  }

  /** A write that always changes something: what the end of a run demands of every client. */
  certainWrite(client: number): SdkRequest {
    return { op: 'put', key: this.prng.pick(REGISTERS), value: this.value(client), ttlMs: 0 };
  }

  /** What an answer told; later comparisons use it. */
  noteVersion(key: string, version: number): void {
    this.versions.set(key, version);
  }

  private anyRegister(): string {
    return this.prng.chance(0.35) ? HOT : this.prng.pick(REGISTERS);
  }

  private onRegister(key: string, client: number): SdkRequest {
    const draw = this.prng.below(100);
    const expectedVersion = this.versions.get(key) ?? 0;
    const write = (op: HistoryOp): SdkRequest => ({ op, key, value: this.value(client), ttlMs: 0 });
    if (draw < 35) return { op: 'get', key, value: null, ttlMs: 0, withMeta: draw < 25 };
    if (draw < 55) return write('put');
    if (draw < 80) return { ...write('cas'), expectedVersion };
    if (draw < 86) return write('put_if_absent');
    if (draw < 91) return write('put_if_present');
    if (draw < 95 || expectedVersion === 0) return { op: 'del', key, value: null, ttlMs: 0 };
    return { op: 'cad', key, value: null, ttlMs: 0, expectedVersion };
  }

  private counter(): SdkRequest {
    const key = this.prng.pick(COUNTERS);
    const draw = this.prng.below(100);
    if (draw < 30) return { op: 'get', key, value: null, ttlMs: 0, withMeta: draw < 10 };
    if (draw < 96) return { op: 'incr', key, value: this.prng.between(1, 3), ttlMs: 0 };
    return { op: 'del', key, value: null, ttlMs: 0 };
  }

  private expiring(client: number): SdkRequest {
    const key = this.prng.pick(EXPIRING);
    const draw = this.prng.below(100);
    const ttlMs = this.prng.between(40, 1200);
    if (draw < 45) return { op: 'get', key, value: null, ttlMs: 0, withMeta: draw < 20 };
    if (draw < 70) return { op: 'put', key, value: this.value(client), ttlMs };
    if (draw < 76) return { op: 'put_if_absent', key, value: this.value(client), ttlMs };
    if (draw < 82) return { op: 'put_if_present', key, value: this.value(client), ttlMs };
    return draw < 93
      ? { op: 'touch', key, value: null, ttlMs }
      : { op: 'persist', key, value: null, ttlMs: 0 };
  }

  private value(client: number): string {
    const padding = this.prng.chance(0.15) ? '.'.repeat(this.prng.below(PADDING_BYTES_MAX)) : '';
    return uniqueValue(client, ++this.count) + padding;
  }
}

const KINDS: Readonly<Record<HistoryOp, OperationKind>> = {
  get: OperationKind.get,
  put: OperationKind.set,
  put_if_absent: OperationKind.set,
  put_if_present: OperationKind.set,
  del: OperationKind.delete,
  cas: OperationKind.compareAndSet,
  cad: OperationKind.compareAndDelete,
  incr: OperationKind.increment,
  touch: OperationKind.touch,
  persist: OperationKind.persist,
};

/** The request as the SDK takes it. */
export function toClientOperation(
  request: SdkRequest,
  onAnswer: (answer: OperationAnswer) => void,
  onFailure: (error: QuorateError) => void,
): ClientOperation {
  const { op, key, value, ttlMs } = request;
  return {
    kind: KINDS[op],
    key: encodeUtf8(key),
    value: typeof value === 'string' ? encodeUtf8(value) : EMPTY_BYTES,
    expiryKind: ttlMs > 0 ? CacheExpiryKind.ttl : CacheExpiryKind.none,
    expiryMs: ttlMs,
    condition:
      op === 'put_if_absent'
        ? CacheSetCondition.ifAbsent
        : op === 'put_if_present'
          ? CacheSetCondition.ifPresent
          : CacheSetCondition.none,
    keepTtl: false,
    expectedVersion: request.expectedVersion ?? 0,
    delta: typeof value === 'number' ? value : 0,
    withMeta: request.withMeta === true,
    consistency: request.freshness?.consistency ?? CacheConsistency.linearizable,
    maxStalenessMs: request.freshness?.maxStalenessMs ?? 0,
    onAnswer,
    onFailure,
  };
}

export function readAnswer(request: SdkRequest, answer: OperationAnswer): SdkOutput {
  const { found, applied, version } = answer;
  const done = applied ? 1 : 0;
  switch (request.op) {
    case 'get': {
      if (!found) return { output: null, version: undefined };
      const value = decodeUtf8(answer.bytes.subarray(answer.valueStart, answer.valueEnd));
      return { output: value, version: request.withMeta === true ? version : undefined };
    }
    case 'put':
      return { output: null, version };
    case 'incr':
      return { output: Number(answer.number), version };
    case 'put_if_absent':
    case 'put_if_present':
    case 'cas':
    case 'cad':
      return { output: done, version };
    case 'del':
    case 'touch':
      return { output: done, version: undefined };
    case 'persist':
      return { output: found ? done : null, version };
  }
}

/** null: no failure that this request can have; the run fails. A read that failed says nothing, whatever it was. */
export function statusOfFailure(request: SdkRequest, error: QuorateError): HistoryStatus | null {
  if (error.code === 'OUTCOME_UNKNOWN') {
    // A write whose outcome is unknown because of a bug of the server is none of those that faults explain.
    return request.op === 'get' || error.details['reason'] === 'INTERNAL' ? null : 'unknown';
  }
  return error.retry === 'never' ? null : 'fail';
}
