/**
 * Level 2: the public protocol (proto/quorate/v1/cache.proto) as bytes, written and read by hand. A second entry of
 * `codec`, because the SDK uses it and must not pull the server in: it imports `base` alone, and `codec/index.ts` does
 * not know it.
 */
export { MalformedMessage } from './malformed-message.js';
export {
  decodeError,
  decodeMapMessage,
  encodeError,
  encodeMapMessage,
  NO_EXPIRY,
  NO_HEADER,
  UNARY_REQUESTS,
  UNARY_RESPONSES,
} from './messages.js';
export type * from './messages.js';
export * from './numbers.js';
export { PipelineRequestReader } from './pipeline-request-reader.js';
export { PipelineRequestWriter } from './pipeline-request-writer.js';
export { PipelineResponseReader } from './pipeline-response-reader.js';
export { PipelineResponseWriter } from './pipeline-response-writer.js';
export { WireReader } from './wire-reader.js';
export { WireType, WireWriter } from './wire-writer.js';
