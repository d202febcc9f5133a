/**
 * The service `Cache` of proto/quorate/v1/cache.proto as the server's front end sees it: gRPC in production, plain
 * calls in the simulator. Messages are bytes; codec/cache reads and writes them. Calls of one connection arrive in the
 * order sent.
 */
import type { ErrorReason } from '../base/index.js';

export type CacheUnaryMethod =
  | 'Get'
  | 'Set'
  | 'Delete'
  | 'CompareAndSet'
  | 'CompareAndDelete'
  | 'Increment'
  | 'Touch'
  | 'Persist'
  | 'BatchGet'
  | 'BatchWrite'
  | 'GetShardMap'
  | 'OpenSession';

/** A call's failure: `details` is an encoded `Error`, sent as the trailer `quorate-error-bin`. */
export interface CacheFailure {
  readonly code: ErrorReason;
  readonly message: string;
  readonly details: Uint8Array;
}

/** A stream of messages to one client. */
export interface MessageStream {
  readonly remoteAddress: string;
  /** Queues one message; the bytes must not be changed afterwards. False: more than the mark waits. */
  write(bytes: Uint8Array): boolean;
  /** Bytes accepted by `write` and not yet handed to the other side. */
  bufferedBytes(): number;
  /** Stops reading from the client, so that it feels the pressure. */
  pause(): void;
  resume(): void;
  /** Ends it after what is queued; with a failure as the call's status. */
  end(failure: CacheFailure | null): void;
}

export interface MessageStreamHandler {
  /** One message; the bytes belong to the callee. */
  onMessage(bytes: Uint8Array): void;
  onDrain(): void;
  /** The client sends no more; what it asked is still to be answered. */
  onHalfClose(): void;
  /** Cancelled, expired, broken, or ended from here. Once; nothing follows. */
  onClose(): void;
}

export interface CacheHandler {
  /**
   * One call. `deadlineMs` is the time left by the gRPC deadline, Infinity without one. `answer` is called once,
   * unless the returned function was called before: the client gave up.
   */
  unary(
    method: CacheUnaryMethod,
    request: Uint8Array,
    deadlineMs: number,
    answer: (failure: CacheFailure | null, response: Uint8Array | null) => void,
  ): () => void;
  pipeline(stream: MessageStream): MessageStreamHandler;
  /** `WatchShardMap`: `request` is the one message of the client. */
  watchShardMap(request: Uint8Array, stream: MessageStream): MessageStreamHandler;
}
