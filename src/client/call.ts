/** One operation of a caller: the operation for the engine, and the promise that gets what became of it. */
import { EMPTY_BYTES } from '../base/index.js';
import type { QuorateError } from '../base/index.js';
import { CacheConsistency, CacheExpiryKind, CacheSetCondition } from '../codec/cache/index.js';
import type { OperationKind } from '../codec/cache/index.js';
import type { ClientOperation, OperationAnswer } from './operation.js';

/** Makes the caller's result of an answer; may throw what the caller gets instead. */
export type AnswerReader<T> = (answer: OperationAnswer) => T;

/** What cancels calls; `AbortSignal` is one. */
export interface AbortSource {
  readonly aborted: boolean;
  readonly reason: unknown;
  addEventListener(type: 'abort', listener: () => void): void;
  removeEventListener(type: 'abort', listener: () => void): void;
}

export class Call<T> implements ClientOperation {
  value: Uint8Array = EMPTY_BYTES;
  expiryKind: CacheExpiryKind = CacheExpiryKind.none;
  expiryMs = 0;
  condition: CacheSetCondition = CacheSetCondition.none;
  keepTtl = false;
  expectedVersion = 0;
  delta: number | bigint = 0;
  withMeta = false;
  consistency: CacheConsistency = CacheConsistency.linearizable;
  maxStalenessMs = 0;
  private resolve: ((result: T) => void) | null = null;
  private reject: ((error: unknown) => void) | null = null;
  private stopListening: (() => void) | null = null;

  constructor(
    readonly kind: OperationKind,
    readonly key: Uint8Array,
    private readonly read: AnswerReader<T>,
  ) {}

  settleWith(resolve: (result: T) => void, reject: (error: unknown) => void): void {
    this.resolve = resolve;
    this.reject = reject;
  }

  /** Rejects with the signal's reason when it fires; `cancel` runs before. */
  abortWith(signal: AbortSource, cancel: () => void): void {
    const onAbort = (): void => {
      cancel();
      this.fail(signal.reason);
    };
    signal.addEventListener('abort', onAbort);
    this.stopListening = () => signal.removeEventListener('abort', onAbort);
  }

  onAnswer(answer: OperationAnswer): void {
    this.stopListening?.();
    let result: T;
    try {
      result = this.read(answer);
    } catch (error) {
      this.reject?.(error);
      return;
    }
    this.resolve?.(result);
  }

  onFailure(error: QuorateError): void {
    this.fail(error);
  }

  private fail(reason: unknown): void {
    this.stopListening?.();
    this.reject?.(reason);
  }
}
