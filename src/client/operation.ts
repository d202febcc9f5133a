/**
 * One operation as the engine sees it: what is asked, and who gets the answer. The promise layer makes one object per
 * operation; from there on it is a slot of the operation table.
 */
import { assert } from '../base/index.js';
import type { QuorateError } from '../base/index.js';
import type { CacheExpiryKind, CacheSetCondition, PipelineRequestWriter } from '../codec/cache/index.js';
import { CacheConsistency, OperationKind } from '../codec/cache/index.js';

/** What became of an operation: a reader of responses, so valid during the call only. */
export interface OperationAnswer {
  readonly found: boolean;
  readonly applied: boolean;
  /** The value is `bytes[valueStart, valueEnd)`. */
  readonly bytes: Uint8Array;
  readonly valueStart: number;
  readonly valueEnd: number;
  readonly version: number;
  /** A number where that is exact, else a bigint. */
  readonly number: number | bigint;
  readonly ttlMs: number;
}

/**
 * Fields that the kind does not use have their zero value. `key` and `value` are read until the operation is settled:
 * they must not be changed before.
 */
export interface ClientOperation {
  readonly kind: OperationKind;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
  readonly expiryKind: CacheExpiryKind;
  readonly expiryMs: number;
  readonly condition: CacheSetCondition;
  readonly keepTtl: boolean;
  readonly expectedVersion: number;
  readonly delta: number | bigint;
  readonly withMeta: boolean;
  readonly consistency: CacheConsistency;
  /** With `stale`; absent or 0: the server's default. */
  readonly maxStalenessMs?: number;
  /** One of the two is called, once, and never from inside `submit` or `cancel`. */
  onAnswer(answer: OperationAnswer): void;
  onFailure(error: QuorateError): void;
}

/** Reads may be sent again whatever became of the first attempt. */
export function isRead(operation: ClientOperation): boolean {
  return operation.kind === OperationKind.get;
}

/** A read that any replica may answer: it is not ordered with the other operations of its key. */
export function isForAnyReplica(operation: ClientOperation): boolean {
  const { consistency } = operation;
  return (
    isRead(operation) && (consistency === CacheConsistency.follower || consistency === CacheConsistency.stale)
  );
}

/** What an operation counts for in the limits and in a batch, over its key and value. */
const OPERATION_OVERHEAD_BYTES = 64;

export function operationBytes(operation: ClientOperation): number {
  return operation.key.length + operation.value.length + OPERATION_OVERHEAD_BYTES;
}

/** Writes the operation to a batch under this id; its key and value are copied. */
export function writeOperation(w: PipelineRequestWriter, id: number, operation: ClientOperation): void {
  const { kind, key, value, expiryKind, expiryMs, condition, keepTtl, expectedVersion, delta, withMeta } =
    operation;
  switch (kind) {
    case OperationKind.get:
      w.get(id, key, withMeta);
      return;
    case OperationKind.set:
      w.set(id, key, value, expiryKind, expiryMs, condition, keepTtl);
      return;
    case OperationKind.delete:
      w.delete(id, key);
      return;
    case OperationKind.compareAndSet:
      w.compareAndSet(id, key, expectedVersion, value, expiryKind, expiryMs, keepTtl);
      return;
    case OperationKind.compareAndDelete:
      w.compareAndDelete(id, key, expectedVersion);
      return;
    case OperationKind.increment:
      w.increment(id, key, delta);
      return;
    case OperationKind.touch:
      w.touch(id, key, expiryKind, expiryMs);
      return;
    case OperationKind.persist:
      w.persist(id, key);
      return;
    case OperationKind.none:
      assert(false, 'an operation has a kind');
  }
}
