/** Level 7: the SDK. `connectWith` makes a client from ports; src/sdk.ts gives it the real ones. No server code. */
export { BatchError, type ItemResult } from './batch-error.js';
export type {
  Applied,
  AsBytes,
  AsJson,
  AsString,
  CacheClient,
  ValueForm,
  ValueWithMeta,
  Written,
} from './cache-client.js';
export type { AbortSource } from './call.js';
export type {
  CallOptions,
  ConnectOptions,
  Consistency,
  ExpiryOptions,
  ReadOptions,
  WriteOptions,
} from './client-options.js';
export { connectWith } from './connect.js';
export type { Duration } from './durations.js';
export { ClientEngine, type ClientEngineOptions, type ClientEnginePorts } from './engine.js';
export type { Key, Value } from './keys-and-values.js';
export type { ClientOperation, OperationAnswer } from './operation.js';
