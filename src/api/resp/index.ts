/** Redis' protocol: parser, command table, replies in order. No sockets here: streams come through `accept`. */
export type { ConfigRow, InfoFacts, InfoSection } from './command-context.js';
export { FAILURE_TEXTS } from './error-table.js';
export { createRespServer, type RespLimits, type RespServer, type RespServerDeps } from './server.js';
