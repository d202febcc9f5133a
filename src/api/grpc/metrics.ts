/** The gRPC front end's figures: those of every front end, under the same names. */
import type { ErrorReason, MetricsRegistry } from '../../base/index.js';
import { OperationKind } from '../../codec/cache/index.js';
import { FrontEndMetrics, type CacheUse } from '../front-end-metrics.js';
import { Outcome, outcomeOf } from '../resp/result-encoder.js';

const PROTOCOL = 'grpc';

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

const CACHE_USES: Readonly<Record<OperationKind, CacheUse>> = {
  [OperationKind.none]: 'none',
  [OperationKind.get]: 'get',
  [OperationKind.set]: 'put',
  [OperationKind.delete]: 'delete',
  [OperationKind.compareAndSet]: 'put',
  [OperationKind.compareAndDelete]: 'delete',
  [OperationKind.increment]: 'none',
  [OperationKind.touch]: 'none',
  [OperationKind.persist]: 'none',
};

export class GrpcMetrics extends FrontEndMetrics {
  constructor(registry: MetricsRegistry, pendingOperations: () => number) {
    super(registry, PROTOCOL, (kind) => OPERATION_NAMES[kind as OperationKind]);
    registry.gaugeRow(
      'requests_pending',
      'Operations taken from clients and not answered yet',
      { protocol: PROTOCOL },
      pendingOperations,
    );
  }

  /** An operation was answered; `failure` null: as it should. `found` counts for reads. */
  answered(kind: OperationKind, failure: ErrorReason | null, found: boolean, durationMs: number): void {
    const hits = found ? 1 : 0;
    this.count(kind, outcomeFor(failure), CACHE_USES[kind], 1, hits, 1 - hits, failure, durationMs);
  }
}

function outcomeFor(failure: ErrorReason | null): Outcome {
  if (failure === null) return Outcome.ok;
  return REFUSED.has(failure) ? Outcome.error : outcomeOf(failure);
}
