/** gRPC listeners for tests: with production's limits, or the test's own, and handlers that serve one kind of call. */
import { createGrpcServer, type GrpcServerLimits } from '../../src/adapters/grpc-server.js';
import { refuseUninitialised } from '../../src/api/index.js';
import { MetricsRegistry } from '../../src/base/index.js';
import type { CacheHandler, ControlHandler, RpcHandlers, RpcServer } from '../../src/ports/index.js';

export const GRPC_LIMITS: GrpcServerLimits = {
  grpcConnectionsMax: 100,
  grpcStreamsMax: 256,
  grpcMessageBytesMax: 16 * 1024 * 1024,
  outputBytesMax: 32 * 1024 * 1024,
};

export function grpcServer(
  limits: Partial<GrpcServerLimits> = {},
  metrics: MetricsRegistry = new MetricsRegistry(),
): RpcServer {
  return createGrpcServer({ limits: { ...GRPC_LIMITS, ...limits }, metrics });
}

/** A listener that answers control calls, as a node that is no member yet. */
export function onlyControl(control: ControlHandler): RpcHandlers {
  return { control, cache: refuseUninitialised(), ready: () => false };
}

/** One that serves the cache, and is ready. */
export function onlyCache(cache: CacheHandler): RpcHandlers {
  return {
    control: (method, _request, reply) => reply({ code: 'UNAVAILABLE', message: method }, null),
    cache,
    ready: () => true,
  };
}
