/**
 * A client's engine that counts for itself, beside what its client asks: a closed loop of increments of a key that nobody
 * else knows. The sums that it is told are the proof: no increment counts twice, and none that was acknowledged is missing.
 *
 *   sum told >= acknowledged so far, and <= acknowledged + of unknown outcome; so equal while none is unknown
 */
import { encodeUtf8, QuorateError } from '../../src/base/index.js';
import {
  CacheConsistency,
  CacheExpiryKind,
  CacheSetCondition,
  OperationKind,
} from '../../src/codec/cache/index.js';
import {
  ClientEngine,
  type ClientEngineOptions,
  type ClientEnginePorts,
  type ClientOperation,
  type OperationAnswer,
} from '../../src/client/index.js';
import { SdkViolation, type SdkEngine } from './sdk-client.js';

const PAUSE_MS = 15;
const TIMEOUT_MS = 3_000;
const IDLE_MS = 1_000;

/** Of all engines of a run. */
export class CountTotals {
  acknowledged = 0;
  unknown = 0;
  refused = 0;
}

export class CountingEngine implements SdkEngine {
  private readonly inner: ClientEngine;
  private readonly key: Uint8Array;
  private acknowledged = 0;
  private unknown = 0;
  private isClosed = false;
  private lastSubmitMs = 0;
  private isCounting = false;

  constructor(
    private readonly ports: ClientEnginePorts,
    options: ClientEngineOptions,
    private readonly totals: CountTotals,
  ) {
    this.inner = new ClientEngine(ports, options);
    this.key = encodeUtf8(`own${ports.entropy.u32()}`);
  }

  get pendingCount(): number {
    return this.inner.pendingCount;
  }

  start(onReady: () => void): void {
    this.inner.start(onReady);
    this.goOn();
  }

  submit(operation: ClientOperation, timeoutMs: number): number {
    this.goOn();
    return this.inner.submit(operation, timeoutMs);
  }

  cancel(handle: number, operation: ClientOperation): { readonly wasSent: boolean } | null {
    return this.inner.cancel(handle, operation);
  }

  close(): void {
    this.isClosed = true;
    this.inner.close();
  }

  /** Counts as long as its client asks: a run waits at its end until nobody writes. */
  private goOn(): void {
    this.lastSubmitMs = this.ports.clock.monoMs();
    if (this.isCounting) return;
    this.isCounting = true;
    this.ports.timers.after(PAUSE_MS, () => this.count());
  }

  private count(): void {
    const isIdle = this.inner.pendingCount === 0 && this.ports.clock.monoMs() > this.lastSubmitMs + IDLE_MS;
    if (this.isClosed || isIdle) {
      this.isCounting = false;
      return;
    }
    const next = (): void => void this.ports.timers.after(PAUSE_MS, () => this.count());
    const increment: ClientOperation = {
      ...NOTHING,
      key: this.key,
      onAnswer: (answer) => {
        this.take(answer);
        next();
      },
      onFailure: (error) => {
        this.fail(error);
        next();
      },
    };
    try {
      this.inner.submit(increment, TIMEOUT_MS);
    } catch (error) {
      if (!QuorateError.is(error)) throw error;
      next(); // the client is full
    }
  }

  private take(answer: OperationAnswer): void {
    const least = ++this.acknowledged;
    const most = least + this.unknown;
    const sum = Number(answer.number);
    this.totals.acknowledged++;
    if (sum >= least && sum <= most) return;
    throw new SdkViolation(
      `${least} increments acknowledged, ${this.unknown} unknown, and the sum is ${sum}`,
    );
  }

  private fail(error: QuorateError): void {
    if (error.code === 'OUTCOME_UNKNOWN') {
      this.unknown++;
      this.totals.unknown++;
    } else this.totals.refused++;
  }
}

const NOTHING = {
  kind: OperationKind.increment,
  value: new Uint8Array(0),
  expiryKind: CacheExpiryKind.none,
  expiryMs: 0,
  condition: CacheSetCondition.none,
  keepTtl: false,
  expectedVersion: 0,
  delta: 1,
  withMeta: false,
  consistency: CacheConsistency.linearizable,
} as const;
