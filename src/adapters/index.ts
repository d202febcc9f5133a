/** Level 3: the only code that touches Node.js and the outside. Imported by the composition roots alone. */
export { systemClock } from './clock.js';
export { crc32 } from './crc32.js';
export { createSystemEntropy } from './entropy.js';
export { createGrpcControlClient } from './grpc-control.js';
export type { ClosableControlClient } from './grpc-control.js';
export { createGrpcServer, type GrpcServerLimits } from './grpc-server.js';
export { httpListeners } from './http-listener.js';
export { holdYoungMemory } from './young-memory.js';
export { boundBufferGarbage } from './buffer-garbage.js';
export { levelStores, openLevelStore } from './level-store.js';
export { lz4Compressor } from './lz4.js';
export { nodeFiles } from './node-files.js';
export { createPinoLogger } from './pino-logger.js';
export {
  createFatal,
  describeStartFailure,
  endOnUncaught,
  fatalReasonOf,
  onAskedToEnd,
} from './process-end.js';
export { createPromRenderer, registerProcessMetrics } from './prom-metrics.js';
export { readSettings, storeSettings } from './settings-files.js';
export { createTcpPeers } from './tcp-peers.js';
export { tcpStreams } from './tcp-streams.js';
export { systemTimers } from './timers.js';
export { machineMemoryBytes } from './machine-memory.js';
