/** The cache for gRPC clients: single calls, batches, streams of operations, the shard map. No sockets here. */
export type { GrpcLimits } from './call-host.js';
export { createCacheServer, refuseUninitialised, type CacheServer, type CacheServerDeps } from './server.js';
