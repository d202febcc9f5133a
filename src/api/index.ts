/** Level 7: from a client's command to a shard and back. No sockets here: bytes come and go through ports. */
export { ForwardServer } from './forward-server.js';
export { Gateway, type GatewayDeps } from './gateway.js';
export { createGatewayMetrics, type GatewayMetrics } from './gateway-metrics.js';
export type { ClusterDirectory, CommandGateway, ResultSink, ShardRange } from './gateway-port.js';
export { SESSION_LIFETIME_MS, SessionGrants } from './session-grants.js';
export * from './grpc/index.js';
export * from './resp/index.js';
