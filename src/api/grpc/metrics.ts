/**
 * The gRPC front end's figures, under the same names as the RESP front end's. Cells are looked up once per operation
 * and outcome, when first needed; after that an operation costs a few additions. It is counted when it is answered.
 */
import type { Counter, ErrorReason, Histogram, MetricsRegistry } from '../../base/index.js';
import { OperationKind } from '../../codec/cache/index.js';
import { Outcome, OUTCOME_NAMES, outcomeOf } from '../resp/result-encoder.js';

const PROTOCOL = 'grpc';
const MS_A_SECOND = 1000;

/** Values of the label `operation`, by kind. */
const OPERATION_NAMES: Readonly<Record<OperationKind, string>> = {
  [OperationKind.none]: 'unknown',
  [OperationKind.get]: 'get',
  [OperationKind.set]: 'set',
  [OperationKind.delete]: 'delete',
  [OperationKind.compareAndSet]: 'compare_and_set',
  [OperationKind.compareAndDelete]: 'compare_and_delete',
  [OperationKind.increment]: 'increment',
  [OperationKind.touch]: 'touch',
  [OperationKind.persist]: 'persist',
};

/** Reasons that the state machine gives: the command was run, and said no. */
const REFUSED: ReadonlySet<ErrorReason> = new Set<ErrorReason>([
  'NOT_A_NUMBER',
  'OVERFLOW',
  'WRONG_TYPE',
  'TOO_LARGE',
  'INVALID_ARGUMENT',
]);

export class GrpcMetrics {
  readonly bytesIn: Counter;
  readonly bytesOut: Counter;
  private readonly requests: (Counter | undefined)[] = [];
  private readonly durations: (Histogram | undefined)[] = [];
  private readonly gets: Counter;
  private readonly hits: Counter;
  private readonly misses: Counter;
  private readonly puts: Counter;
  private readonly putSuccesses: Counter;
  private readonly deletes: Counter;
  private readonly getSeconds: Histogram;
  private readonly putSeconds: Histogram;

  constructor(
    private readonly registry: MetricsRegistry,
    pendingOperations: () => number,
  ) {
    this.bytesIn = registry.counter('bytes_in_total', 'Bytes received from clients');
    this.bytesOut = registry.counter('bytes_out_total', 'Bytes sent to clients');
    this.gets = registry.counter('cache_get_total', 'Keys read');
    this.hits = registry.counter('cache_get_hits_total', 'Keys read that were there');
    this.misses = registry.counter('cache_get_misses_total', 'Keys read that were not there');
    this.puts = registry.counter('cache_put_total', 'Keys whose write was answered, with whatever outcome');
    this.putSuccesses = registry.counter('cache_put_success_total', 'Keys whose write did not fail');
    this.deletes = registry.counter('cache_delete_total', 'Keys named in answered deletes');
    this.getSeconds = registry.histogram('cache_get_latency_seconds', 'Time to answer a read');
    this.putSeconds = registry.histogram('cache_put_latency_seconds', 'Time to answer a write');
    registry.gaugeRow(
      'requests_pending',
      'Operations taken from clients and not answered yet',
      { protocol: PROTOCOL },
      pendingOperations,
    );
  }

  /** An operation was answered; `failure` null: as it should. `found` counts for reads. */
  answered(kind: OperationKind, failure: ErrorReason | null, found: boolean, durationMs: number): void {
    const seconds = durationMs / MS_A_SECOND;
    this.requestCell(kind, outcomeFor(failure)).inc();
    this.durationCell(kind).observe(seconds);
    switch (kind) {
      case OperationKind.get:
        this.gets.inc();
        if (failure === null) (found ? this.hits : this.misses).inc();
        this.getSeconds.observe(seconds);
        break;
      case OperationKind.set:
      case OperationKind.compareAndSet:
        this.puts.inc();
        if (failure === null) this.putSuccesses.inc();
        else this.putFailed(failure);
        this.putSeconds.observe(seconds);
        break;
      case OperationKind.delete:
      case OperationKind.compareAndDelete:
        this.deletes.inc();
        break;
      case OperationKind.increment:
      case OperationKind.touch:
      case OperationKind.persist:
      case OperationKind.none:
        break;
    }
  }

  private putFailed(reason: ErrorReason): void {
    const label = REFUSED.has(reason) ? 'refused' : reason.toLowerCase();
    this.registry.counter('cache_put_failures_total', 'Keys whose write failed', { reason: label }).inc();
  }

  private requestCell(kind: OperationKind, outcome: Outcome): Counter {
    const at = kind * OUTCOME_NAMES.length + outcome;
    return (this.requests[at] ??= this.registry.counter('requests_total', 'Commands answered', {
      operation: OPERATION_NAMES[kind],
      protocol: PROTOCOL,
      outcome: OUTCOME_NAMES[outcome] as string,
    }));
  }

  private durationCell(kind: OperationKind): Histogram {
    return (this.durations[kind] ??= this.registry.histogram(
      'request_duration_seconds',
      'Time from reading a command to its answer',
      { operation: OPERATION_NAMES[kind], protocol: PROTOCOL },
    ));
  }
}

function outcomeFor(failure: ErrorReason | null): Outcome {
  if (failure === null) return Outcome.ok;
  return REFUSED.has(failure) ? Outcome.error : outcomeOf(failure);
}
