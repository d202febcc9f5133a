/** What calls and streams need of their server: ports, limits, and the buffers that they share. */
import type { ByteWriter, ErrorReason, MonoMs } from '../../base/index.js';
import type { RequestHeader } from '../../codec/cache/index.js';
import type { SessionFieldsSlot } from '../../kv/index.js';
import type { Clock } from '../../ports/index.js';
import type { ClusterDirectory, CommandGateway } from '../gateway-port.js';
import type { FailureTeller } from './failures.js';
import type { GrpcMetrics } from './metrics.js';
import type { OperationOutcome } from './outcome.js';

export interface GrpcLimits {
  readonly valueBytesMax: number;
  /** Results that a stream's client may leave unread. */
  readonly outputBytesMax: number;
  /** Default and maximum of a request's deadline. */
  readonly requestTimeoutMs: number;
  /** One message; a result that does not fit is told as too large. */
  readonly grpcMessageBytesMax: number;
}

export interface CallHost {
  readonly gateway: CommandGateway;
  readonly directory: ClusterDirectory;
  readonly clock: Clock;
  readonly limits: GrpcLimits;
  readonly metrics: GrpcMetrics;
  readonly failures: FailureTeller;
  /** For the command at hand; nobody keeps it. */
  readonly scratch: ByteWriter;
  /** Of the operation at hand. */
  readonly sessionFields: SessionFieldsSlot;
  /** Of the result at hand. */
  readonly outcome: OperationOutcome;
  /** One line in the debug log, with what the caller said to trace it by. */
  logFailure(call: string, reason: ErrorReason, message: string, traceParent: string): void;
}

/** By when a request is answered. `callMs` is what gRPC's own deadline leaves, Infinity without one. */
export function deadlineOf(host: CallHost, header: RequestHeader, nowMs: MonoMs, callMs: number): MonoMs {
  const askedMs = header.deadlineMs === 0 ? Infinity : header.deadlineMs;
  return nowMs + Math.min(askedMs, callMs, host.limits.requestTimeoutMs);
}
