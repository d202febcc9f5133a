/**
 * The gRPC listener of a node (grpc-js): control calls, the cache, health and reflection on one address.
 *
 * What can grow has a limit here: connections (accepted by grpc-connections.ts), calls of a connection, bytes of a
 * message. A message over the limit, or one that inflates over it, ends its call with RESOURCE_EXHAUSTED.
 */
import {
  logVerbosity,
  Server,
  ServerCredentials,
  ServerInterceptingCall,
  setLogVerbosity,
  type ServerOptions,
} from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import { ReflectionService } from '@grpc/reflection';
import { protoPath as healthProto } from 'grpc-health-check';
import type { MetricsRegistry } from '../base/index.js';
import type { CacheHandler, CloseListener, RpcServer } from '../ports/index.js';
import { CACHE_PATHS, interceptCacheCall } from './grpc-cache-calls.js';
import { acceptGrpcConnections, PREFACE_MS, type OutputLedger } from './grpc-connections.js';
import { loadControlService, protoFolder } from './grpc-control-schema.js';
import { controlImplementation } from './grpc-control.js';
import { addHealthService } from './grpc-health.js';

/** Calls under way get this long when the server closes. */
const CLOSE_GRACE_MS = 500;
/** A connection over which nothing comes is asked for a sign of life, and closed when none comes. */
const KEEPALIVE_MS = 30_000;
const KEEPALIVE_TIMEOUT_MS = 20_000;

export interface GrpcServerLimits {
  readonly grpcConnectionsMax: number;
  /** Open calls of one connection. */
  readonly grpcStreamsMax: number;
  /** One message in either direction, after decompression. */
  readonly grpcMessageBytesMax: number;
  /** Answers that one connection's client may leave unread. */
  readonly outputBytesMax: number;
}

export interface GrpcServerOptions {
  readonly limits: GrpcServerLimits;
  readonly metrics: MetricsRegistry;
}

export function createGrpcServer({ limits, metrics }: GrpcServerOptions): RpcServer {
  setLogVerbosity(logVerbosity.NONE); // it would write to standard error; what fails here is told to the caller
  return {
    listen(address, handlers, done) {
      const server = new Server(serverOptions(limits, handlers.cache, () => connections.output));
      server.addService(loadControlService().service, controlImplementation(handlers.control));
      // The calls themselves are taken by the interceptor; registering makes their paths known.
      for (const { path, type } of CACHE_PATHS) server.register(path, neverCalled, asIs, asIs, type);
      const endHealth = addHealthService(server, handlers.ready);
      reflection().addToServer(server);
      const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
      const connections = acceptGrpcConnections(
        address,
        {
          connectionsMax: limits.grpcConnectionsMax,
          outputBytesMax: limits.outputBytesMax,
          prefaceMs: PREFACE_MS,
          metrics,
          serve: (socket) => injector.injectConnection(socket),
        },
        (error, bound) => {
          if (error !== null) endHealth();
          done(error, bound, close);
        },
      );
      const close: CloseListener = (closed) => {
        endHealth();
        connections.stop();
        shutDown(server, () => connections.close(closed));
      };
    },
  };
}

function serverOptions(
  limits: GrpcServerLimits,
  cache: CacheHandler,
  output: () => OutputLedger,
): ServerOptions {
  return {
    'grpc.max_receive_message_length': limits.grpcMessageBytesMax,
    'grpc.max_send_message_length': limits.grpcMessageBytesMax,
    'grpc.max_concurrent_streams': limits.grpcStreamsMax,
    'grpc.keepalive_time_ms': KEEPALIVE_MS,
    'grpc.keepalive_timeout_ms': KEEPALIVE_TIMEOUT_MS,
    // Its book-keeping per call and message is for a page that is not served.
    'grpc.enable_channelz': 0,
    interceptors: [
      (method, call) =>
        interceptCacheCall(method.path, call, cache, output()) ?? new ServerInterceptingCall(call),
    ],
  };
}

/** Lets calls end for a while. Connections that stay are the caller's to close. */
function shutDown(server: Server, closed: () => void): void {
  let isDone = false;
  const finish = (): void => {
    if (isDone) return;
    isDone = true;
    clearTimeout(timer);
    server.forceShutdown();
    closed();
  };
  const timer = setTimeout(finish, CLOSE_GRACE_MS);
  server.tryShutdown(finish);
}

let loadedReflection: ReflectionService | null = null;

function reflection(): ReflectionService {
  loadedReflection ??= new ReflectionService(
    loadSync(['quorate/v1/cache.proto', 'quorate/v1/control.proto', healthProto], {
      includeDirs: [protoFolder()],
    }),
  );
  return loadedReflection;
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

function neverCalled(): void {
  throw new Error('a call of the cache got past its interceptor');
}
