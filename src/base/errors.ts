/**
 * Reasons why a request failed: one closed list for RESP, gRPC, SDK, CLI and the peer links.
 *
 * `definite` reasons were decided before the command was appended to any log: it certainly did not and will not
 * take effect. `OUTCOME_UNKNOWN` is the honest answer for everything else. Codes are API; messages are not.
 * The numbers travel on the peer links and are never reused.
 */
export const ERROR_REASONS = {
  OUTCOME_UNKNOWN: {
    number: 1,
    retry: 'unknown_outcome',
    definite: false,
    grpc: 'UNKNOWN',
    resp: 'OUTCOMEUNKNOWN',
  },
  NOT_LEADER: { number: 2, retry: 'redirect', definite: true, grpc: 'UNAVAILABLE', resp: 'CLUSTERDOWN' },
  SHARD_NOT_LOCAL: { number: 3, retry: 'redirect', definite: true, grpc: 'UNAVAILABLE', resp: 'CLUSTERDOWN' },
  SHARD_LEADER_UNKNOWN: {
    number: 4,
    retry: 'backoff',
    definite: true,
    grpc: 'UNAVAILABLE',
    resp: 'CLUSTERDOWN',
  },
  STALE_MAP: {
    number: 5,
    retry: 'redirect',
    definite: true,
    grpc: 'FAILED_PRECONDITION',
    resp: 'CLUSTERDOWN',
  },
  OVERLOADED: { number: 6, retry: 'backoff', definite: true, grpc: 'RESOURCE_EXHAUSTED', resp: 'TRYAGAIN' },
  OUT_OF_MEMORY: { number: 7, retry: 'backoff', definite: true, grpc: 'RESOURCE_EXHAUSTED', resp: 'OOM' },
  DISK_FULL: { number: 8, retry: 'backoff', definite: true, grpc: 'RESOURCE_EXHAUSTED', resp: 'MISCONF' },
  DEADLINE_EXCEEDED: {
    number: 9,
    retry: 'backoff',
    definite: true,
    grpc: 'DEADLINE_EXCEEDED',
    resp: 'TRYAGAIN',
  },
  TOO_MANY_HOPS: { number: 10, retry: 'backoff', definite: true, grpc: 'UNAVAILABLE', resp: 'CLUSTERDOWN' },
  INVALID_ARGUMENT: { number: 11, retry: 'never', definite: true, grpc: 'INVALID_ARGUMENT', resp: 'ERR' },
  TOO_LARGE: { number: 12, retry: 'never', definite: true, grpc: 'INVALID_ARGUMENT', resp: 'ERR' },
  NOT_INITIALISED: { number: 13, retry: 'backoff', definite: true, grpc: 'UNAVAILABLE', resp: 'CLUSTERDOWN' },
  ALREADY_INITIALISED: { number: 14, retry: 'never', definite: true, grpc: 'ALREADY_EXISTS', resp: 'ERR' },
  WRONG_CLUSTER: {
    number: 15,
    retry: 'never',
    definite: true,
    grpc: 'FAILED_PRECONDITION',
    resp: 'CLUSTERDOWN',
  },
  REPLICA_REMOVED: {
    number: 16,
    retry: 'redirect',
    definite: true,
    grpc: 'FAILED_PRECONDITION',
    resp: 'CLUSTERDOWN',
  },
  SESSION_EXPIRED: { number: 17, retry: 'never', definite: true, grpc: 'ABORTED', resp: 'ERR' },
  STALE_COORDINATOR: {
    number: 18,
    retry: 'never',
    definite: true,
    grpc: 'FAILED_PRECONDITION',
    resp: 'CLUSTERDOWN',
  },
  OLD_DATA_DIRECTORY: {
    number: 19,
    retry: 'never',
    definite: true,
    grpc: 'FAILED_PRECONDITION',
    resp: 'CLUSTERDOWN',
  },
  UNAVAILABLE: { number: 20, retry: 'backoff', definite: true, grpc: 'UNAVAILABLE', resp: 'CLUSTERDOWN' },
  INTERNAL: { number: 21, retry: 'never', definite: false, grpc: 'INTERNAL', resp: 'OUTCOMEUNKNOWN' },
  NOT_A_NUMBER: { number: 22, retry: 'never', definite: true, grpc: 'FAILED_PRECONDITION', resp: 'ERR' },
  OVERFLOW: { number: 23, retry: 'never', definite: true, grpc: 'OUT_OF_RANGE', resp: 'ERR' },
  WRONG_TYPE: { number: 24, retry: 'never', definite: true, grpc: 'FAILED_PRECONDITION', resp: 'WRONGTYPE' },
  /** A read with a bound on its age, at a replica that can't keep it and doesn't reach its leader. */
  TOO_STALE: { number: 30, retry: 'backoff', definite: true, grpc: 'UNAVAILABLE', resp: 'TRYAGAIN' },
  /** A build that does not know the cluster's version, or a cluster of which one node does not. */
  UNSUPPORTED_VERSION: {
    number: 31,
    retry: 'never',
    definite: true,
    grpc: 'FAILED_PRECONDITION',
    resp: 'CLUSTERDOWN',
  },
} as const satisfies Record<string, ErrorRow>;

/** One row of the table: a reason without any of these does not compile. */
interface ErrorRow {
  /** On the wire (peer links, and `Reason` of proto/quorate/v1/cache.proto); never reused. */
  readonly number: number;
  readonly retry: RetryClass;
  readonly definite: boolean;
  /** gRPC status for callers that know no more. */
  readonly grpc: GrpcStatus;
  /** First word of the RESP error. */
  readonly resp: string;
}

/** Those of gRPC's status codes that are in use. */
export type GrpcStatus =
  | 'UNKNOWN'
  | 'INVALID_ARGUMENT'
  | 'DEADLINE_EXCEEDED'
  | 'ALREADY_EXISTS'
  | 'RESOURCE_EXHAUSTED'
  | 'FAILED_PRECONDITION'
  | 'ABORTED'
  | 'OUT_OF_RANGE'
  | 'INTERNAL'
  | 'UNAVAILABLE';

/** What a caller may do: nothing, go where the hint says, wait and repeat, or find out first whether it happened. */
export type RetryClass = 'never' | 'redirect' | 'backoff' | 'unknown_outcome';
export type ErrorReason = keyof typeof ERROR_REASONS;

const BY_NUMBER = new Map<number, ErrorReason>(
  (Object.keys(ERROR_REASONS) as ErrorReason[]).map((reason) => [ERROR_REASONS[reason].number, reason]),
);

/** The reason behind a wire number; `INTERNAL` for a number this version does not know. */
export function reasonFromNumber(number: number): ErrorReason {
  return BY_NUMBER.get(number) ?? 'INTERNAL';
}

const BRAND = Symbol.for('quorate.QuorateError');

/** The one error class that crosses an asynchronous edge. `details` names the thing that it is about. */
export class QuorateError extends Error {
  override readonly name = 'QuorateError';
  readonly [BRAND] = true;

  constructor(
    readonly code: ErrorReason,
    message: string,
    readonly details: Readonly<Record<string, string | number>> = {},
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }

  get retry(): RetryClass {
    return ERROR_REASONS[this.code].retry;
  }

  /** Recognises errors of another copy of this package too. */
  static is(value: unknown): value is QuorateError {
    return typeof value === 'object' && value !== null && BRAND in value;
  }
}
