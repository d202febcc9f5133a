/**
 * Composition root of the SDK, the package's entry `quorate/client`: the client with the real clock, timers and gRPC.
 * Nothing of the server is imported, here or behind it (test/unit/client/import-graph.test.ts).
 */
import {
  createGrpcClientTransport,
  createSystemEntropy,
  systemClock,
  systemTimers,
} from './adapters/sdk/index.js';
import { connectWith } from './client/index.js';
import type { CacheClient, ConnectOptions } from './client/index.js';

export { QuorateError, type ErrorReason, type RetryClass } from './base/index.js';
export { BatchError } from './client/index.js';
export type {
  AbortSource,
  Applied,
  AsBytes,
  AsJson,
  AsString,
  CacheClient,
  CallOptions,
  ConnectOptions,
  Consistency,
  Duration,
  ExpiryOptions,
  ItemResult,
  Key,
  ReadOptions,
  Value,
  ValueForm,
  ValueWithMeta,
  WriteOptions,
  Written,
} from './client/index.js';

/**
 * Connects to a cluster. Rejects with a `QuorateError`: INVALID_ARGUMENT for wrong options, UNAVAILABLE, naming the
 * endpoints, when none of them has answered by the deadline (default 5 s).
 */
export function connect(options: ConnectOptions): Promise<CacheClient> {
  return connectWith(
    {
      clock: systemClock,
      timers: systemTimers,
      entropy: createSystemEntropy(),
      transport: createGrpcClientTransport(),
    },
    options,
  );
}
