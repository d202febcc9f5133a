/** Level 1: one shard's state machine; commands and results as bytes. */
export * from './command.js';
export * from './result.js';
export { createKv, type Kv, type KvOptions } from './kv.js';
export { encodeReap } from './reap.js';
export { RESULT_BYTES_MAX } from './reads.js';
export type { ItemName } from './table.js';
