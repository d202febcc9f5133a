/**
 * Calls of the service `Cache` between grpc-js and ports/cache-calls.ts. They are taken from the library as an
 * interceptor gets them, below its stream objects: those would read up to sixteen messages ahead of a handler that
 * paused, and cost an object stream per call. Here one message is read at a time, and bytes stay bytes.
 *
 * Invariants: a handler hears `onClose` (a unary call: its cancel function) exactly once, and nothing after it; a
 * call that has ended and whose client does not take what is queued loses its connection after `LINGER_MS`.
 */
import { Metadata, ServerInterceptingCall, status } from '@grpc/grpc-js';
import type { ServerInterceptingCallInterface } from '@grpc/grpc-js';
import { ERROR_REASONS } from '../base/index.js';
import type {
  CacheFailure,
  CacheHandler,
  CacheUnaryMethod,
  MessageStream,
  MessageStreamHandler,
} from '../ports/index.js';
import type { OutputLedger } from './grpc-connections.js';
import { plainBytes } from './tcp-address.js';

/** Trailer with the encoded `Error`; `-bin` is gRPC's own sign for bytes. */
const ERROR_KEY = 'quorate-error-bin';
/** Queued bytes of one stream above which `write` says "full", and below which `onDrain` follows. */
const MARK_BYTES = 64 * 1024;
/** How long a client may take for what was queued when its call ended. */
const LINGER_MS = 5_000;

const UNARY: Readonly<Record<CacheUnaryMethod, true>> = {
  Get: true,
  Set: true,
  Delete: true,
  CompareAndSet: true,
  CompareAndDelete: true,
  Increment: true,
  Touch: true,
  Persist: true,
  BatchGet: true,
  BatchWrite: true,
  GetShardMap: true,
  OpenSession: true,
};
export const CACHE_UNARY_METHODS = Object.keys(UNARY) as readonly CacheUnaryMethod[];

const SERVICE = '/quorate.v1.Cache/';

/** Every path of the service, and whether its requests and responses are streams. */
export const CACHE_PATHS: readonly {
  readonly path: string;
  readonly type: 'unary' | 'bidi' | 'serverStream';
}[] = [
  ...CACHE_UNARY_METHODS.map((method) => ({ path: SERVICE + method, type: 'unary' as const })),
  { path: `${SERVICE}Pipeline`, type: 'bidi' },
  { path: `${SERVICE}WatchShardMap`, type: 'serverStream' },
];

/** The call in our hands, or null when its path is not of this service. */
export function interceptCacheCall(
  path: string,
  base: ServerInterceptingCallInterface,
  handler: CacheHandler,
  output: OutputLedger,
): ServerInterceptingCall | null {
  if (!path.startsWith(SERVICE)) return null;
  const method = path.slice(SERVICE.length);
  if (Object.hasOwn(UNARY, method)) return new UnaryCall(base, output, handler, method as CacheUnaryMethod);
  if (method === 'Pipeline') return new StreamCall(base, output, (stream) => handler.pipeline(stream), null);
  if (method !== 'WatchShardMap') return null;
  return new StreamCall(base, output, null, (request, stream) => handler.watchShardMap(request, stream));
}

/** gRPC's own deadline as time left. */
function timeLeftMs(base: ServerInterceptingCallInterface): number {
  const deadline = base.getDeadline();
  const endMs = typeof deadline === 'number' ? deadline : deadline.getTime();
  return endMs === Infinity ? Infinity : Math.max(0, endMs - Date.now());
}

function sendFailure(base: ServerInterceptingCallInterface, failure: CacheFailure): void {
  const metadata = new Metadata();
  metadata.set(ERROR_KEY, asBuffer(failure.details));
  const code = status[ERROR_REASONS[failure.code].grpc];
  base.sendStatus({ code, details: failure.message, metadata });
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

class UnaryCall extends ServerInterceptingCall {
  private cancel: (() => void) | null = null;
  private state: 'waiting' | 'asked' | 'over' = 'waiting';
  private unsentBytes = 0;
  private readonly peer: string;

  constructor(
    private readonly base: ServerInterceptingCallInterface,
    private readonly output: OutputLedger,
    private readonly handler: CacheHandler,
    private readonly method: CacheUnaryMethod,
  ) {
    super(base);
    this.peer = base.getPeer();
  }

  override start(): void {
    this.base.start(this);
  }

  // The library's listener.

  onReceiveMetadata(_metadata: Metadata): void {
    this.base.startRead();
  }

  onReceiveMessage(message: Buffer): void {
    if (this.state !== 'waiting') return; // a second message of a unary call is no part of it
    this.state = 'asked';
    const cancel = this.handler.unary(
      this.method,
      plainBytes(message),
      timeLeftMs(this.base),
      (failure, response) => this.answer(failure, response),
    );
    if (this.state === 'asked') this.cancel = cancel;
  }

  onReceiveHalfClose(): void {
    if (this.state !== 'waiting') return;
    this.state = 'over';
    this.base.sendStatus({ code: status.INVALID_ARGUMENT, details: 'the call has no request' });
  }

  onCancel(): void {
    releaseLater(this.output, this.peer, this.unsentBytes);
    this.unsentBytes = 0;
    if (this.state === 'over') return;
    this.state = 'over';
    const { cancel } = this;
    this.cancel = null;
    cancel?.();
  }

  private answer(failure: CacheFailure | null, response: Uint8Array | null): void {
    if (this.state === 'over') return;
    this.state = 'over';
    this.cancel = null;
    if (failure !== null) sendFailure(this.base, failure);
    else if (response === null) this.base.sendStatus({ code: status.INTERNAL, details: 'no answer' });
    else this.send(response);
  }

  private send(response: Uint8Array): void {
    this.unsentBytes = response.length;
    this.output.queued(this.peer, response.length);
    this.base.sendMessage(asBuffer(response), () => {
      this.output.released(this.peer, this.unsentBytes);
      this.unsentBytes = 0;
    });
    this.base.sendStatus({ code: status.OK, details: '' });
  }
}

/**
 * A call that is over does not tell whether its queued bytes were dropped (the client gave up) or still wait (its
 * deadline passed and it does not read): they count for a while, then not.
 */
function releaseLater(output: OutputLedger, peer: string, bytes: number): void {
  if (bytes > 0) setTimeout(() => output.released(peer, bytes), LINGER_MS).unref();
}

/** Both kinds of streams: with `open` the client's messages go to the handler, with `ask` its one message opens it. */
class StreamCall extends ServerInterceptingCall implements MessageStream {
  readonly remoteAddress: string;
  private handler: MessageStreamHandler | null = null;
  private bufferedCount = 0;
  private isFull = false;
  private isReading = true;
  /** A read was asked for and has not come. */
  private isAwaiting = false;
  private hasEnded = false;
  private isClosed = false;
  private linger: ReturnType<typeof setTimeout> | null = null;

  constructor(
    private readonly base: ServerInterceptingCallInterface,
    private readonly output: OutputLedger,
    private readonly open: ((stream: MessageStream) => MessageStreamHandler) | null,
    private readonly ask: ((request: Uint8Array, stream: MessageStream) => MessageStreamHandler) | null,
  ) {
    super(base);
    this.remoteAddress = base.getPeer();
  }

  override start(): void {
    this.base.start(this);
  }

  // The library's listener.

  onReceiveMetadata(_metadata: Metadata): void {
    // Headers at once: a client learns that its stream is open before anything is there to be told.
    this.base.sendMetadata(new Metadata());
    if (this.open !== null) this.handler = this.open(this);
    this.read();
  }

  onReceiveMessage(message: Buffer): void {
    this.isAwaiting = false;
    if (this.hasEnded || this.isClosed) return;
    const bytes = plainBytes(message);
    if (this.ask === null) this.handler?.onMessage(bytes);
    else if (this.handler === null) this.handler = this.ask(bytes, this);
    this.read();
  }

  onReceiveHalfClose(): void {
    this.isAwaiting = false;
    if (this.hasEnded || this.isClosed) return;
    if (this.handler !== null) this.handler.onHalfClose();
    else {
      this.hasEnded = true;
      this.base.sendStatus({ code: status.INVALID_ARGUMENT, details: 'the call has no request' });
    }
  }

  onCancel(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    if (this.linger !== null) clearTimeout(this.linger);
    releaseLater(this.output, this.remoteAddress, this.bufferedCount);
    this.handler?.onClose();
  }

  private read(): void {
    if (!this.isReading || this.isAwaiting || this.hasEnded || this.isClosed) return;
    this.isAwaiting = true;
    this.base.startRead();
  }

  // MessageStream.

  write(bytes: Uint8Array): boolean {
    if (this.hasEnded || this.isClosed) return false;
    this.bufferedCount += bytes.length;
    this.output.queued(this.remoteAddress, bytes.length);
    this.base.sendMessage(asBuffer(bytes), () => this.sent(bytes.length));
    this.isFull = this.bufferedCount > MARK_BYTES;
    return !this.isFull;
  }

  bufferedBytes(): number {
    return this.bufferedCount;
  }

  private sent(bytes: number): void {
    if (this.isClosed) return;
    this.bufferedCount -= bytes;
    this.output.released(this.remoteAddress, bytes);
    if (!this.isFull || this.bufferedCount > MARK_BYTES) return;
    this.isFull = false;
    if (!this.hasEnded) this.handler?.onDrain();
  }

  pause(): void {
    this.isReading = false;
  }

  resume(): void {
    this.isReading = true;
    this.read();
  }

  end(failure: CacheFailure | null): void {
    if (this.hasEnded || this.isClosed) return;
    this.hasEnded = true;
    this.linger = setTimeout(() => this.output.cut(this.remoteAddress), LINGER_MS);
    this.linger.unref();
    if (failure === null) this.base.sendStatus({ code: status.OK, details: '' });
    else sendFailure(this.base, failure);
  }
}
