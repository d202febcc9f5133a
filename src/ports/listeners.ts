/** Byte streams of clients (RESP), and the HTTP page for people and scrapers. */
export interface ByteStream {
  /** Unique among the streams of this process. */
  readonly id: number;
  readonly remoteAddress: string;
  /** Queues the bytes; they must not be changed afterwards. False when more than the socket's mark is waiting. */
  write(bytes: Uint8Array): boolean;
  /** Bytes accepted by `write` and not yet handed to the other side. */
  bufferedBytes(): number;
  pause(): void;
  resume(): void;
  /** Closes after what is queued was sent. */
  end(): void;
  /** Closes now. */
  destroy(): void;
}

export interface StreamHandler {
  /** The bytes belong to the callee, and are not changed afterwards. */
  onData(bytes: Uint8Array): void;
  onDrain(): void;
  /** Once; nothing follows. */
  onClose(): void;
}

export type CloseListener = (done: () => void) => void;

export interface StreamListeners {
  /** `done` gets the bound address; an address in use is an error with `code: 'EADDRINUSE'`. */
  listen(
    address: string,
    accept: (stream: ByteStream) => StreamHandler,
    done: (error: Error | null, bound: string, close: CloseListener) => void,
  ): void;
}

export interface HttpResponse {
  readonly status: number;
  readonly contentType: string;
  readonly body: string;
}

export interface HttpListeners {
  /** Serves GET; `answer` may be called later. */
  listen(
    address: string,
    handle: (path: string, answer: (response: HttpResponse) => void) => void,
    done: (error: Error | null, bound: string, close: CloseListener) => void,
  ): void;
}
