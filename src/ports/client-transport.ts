/**
 * How the SDK reaches nodes: gRPC in production, a simulated network in the simulator. Messages are encoded ones of
 * proto/quorate/v1/cache.proto (codec/cache). Nothing here calls back from inside a call of the SDK.
 */
import type { ErrorReason } from '../base/index.js';

/** Why a stream or call ended. `UNAVAILABLE`: nobody there, or the connection broke. */
export interface TransportFailure {
  readonly code: ErrorReason;
  readonly message: string;
}

export interface ClientStreamHandler {
  /**
   * Once, before anything else unless it is `onEnd`: the other side is there. What was not written before is certainly
   * not sent when `onEnd` comes first; so a caller who writes nothing before this knows what never left.
   */
  onOpen(): void;
  /** One whole message; the bytes belong to the callee. */
  onMessage(bytes: Uint8Array): void;
  /** The stream takes more again, after `write` said that it is full. */
  onDrain(): void;
  /** Once, nothing follows. What was written and not answered is of unknown outcome. */
  onEnd(failure: TransportFailure): void;
}

export interface ClientStream {
  /** Sends one message; the bytes must not be changed afterwards. False: wait for `onDrain` before more. */
  write(bytes: Uint8Array): boolean;
  /** Ends it from here; `onEnd` does not follow. */
  close(): void;
}

export interface ClientTransport {
  /** Opens `Cache.Pipeline` at HOST:PORT. Messages may be written at once; they wait for the connection. */
  openPipeline(address: string, handler: ClientStreamHandler): ClientStream;
  /** Opens `Cache.WatchShardMap` at HOST:PORT: `onMessage` gets one encoded `ShardMap` at once and after each change. */
  watchShardMap(address: string, handler: ClientStreamHandler): { close(): void };
  /** Closes every connection; streams end without a further word. */
  close(): void;
}
