/**
 * The service `Cache` in the simulator: streams of operations and of maps, carried over simulated byte streams, so
 * that they meet the same delays, resets, partitions and deaths. The server's side is what a node gave its
 * `RpcServer`; the client's side is the port that the SDK uses.
 *
 * On the byte stream: u8 kind | u32 length | payload. Client: `pipeline` or `watch` (with its request) first, then
 * `message`s. Server: `opened`, then `message`s, then `end` (reason, a space, words) before it closes.
 */
import {
  ByteReader,
  ByteWriter,
  concatBytes,
  copyBytes,
  decodeUtf8,
  EMPTY_BYTES,
  encodeUtf8,
  readU32,
  type ErrorReason,
} from '../../../src/base/index.js';
import type {
  ByteStream,
  CacheFailure,
  CacheHandler,
  ClientStreamHandler,
  ClientTransport,
  MessageStream,
  MessageStreamHandler,
  StreamHandler,
} from '../../../src/ports/index.js';
import type { Owner } from './loop.js';
import type { SimStreamWorld } from './network-streams.js';

const Kind = { pipeline: 1, watch: 2, message: 3, opened: 4, end: 5 } as const;
const HEAD_BYTES = 5;

/** Where the cache of the node with this gRPC address listens among the byte streams. */
export function cacheAddress(grpc: string): string {
  return `${grpc}/cache`;
}

function frame(kind: number, payload: Uint8Array): Uint8Array {
  const w = new ByteWriter(HEAD_BYTES + payload.length);
  w.u8(kind);
  w.u32(payload.length);
  w.bytes(payload);
  return w.take();
}

/** Frames out of pieces, one at a time, so that a side that paused in between gets no more. */
class Frames {
  private rest: Uint8Array = EMPTY_BYTES;

  push(bytes: Uint8Array): void {
    this.rest = concatBytes([this.rest, bytes]);
  }

  next(): { kind: number; payload: Uint8Array } | null {
    const { rest } = this;
    if (rest.length < HEAD_BYTES) return null;
    const end = HEAD_BYTES + readU32(rest, 1);
    if (rest.length < end) return null;
    this.rest = copyBytes(rest, end);
    return { kind: new ByteReader(rest).u8(), payload: copyBytes(rest, HEAD_BYTES, end) };
  }
}

/** A call as the node's handler sees it. */
class ServerCall implements MessageStream, StreamHandler {
  private readonly frames = new Frames();
  private handler: MessageStreamHandler | null = null;
  private paused = false;
  private over = false;
  private writtenBytes = 0;

  constructor(
    private readonly stream: ByteStream,
    private readonly cache: CacheHandler,
  ) {}

  get remoteAddress(): string {
    return this.stream.remoteAddress;
  }

  onData(bytes: Uint8Array): void {
    this.frames.push(bytes);
    this.deliver();
  }

  onDrain(): void {
    if (!this.over) this.handler?.onDrain();
  }

  onClose(): void {
    this.over = true;
    this.handler?.onClose();
  }

  write(bytes: Uint8Array): boolean {
    if (this.over) return false;
    const message = frame(Kind.message, bytes);
    this.writtenBytes += message.length;
    return this.stream.write(message);
  }

  /** Without `opened`, which goes first and is none of the handler's. */
  bufferedBytes(): number {
    return Math.min(this.stream.bufferedBytes(), this.writtenBytes);
  }

  pause(): void {
    this.paused = true;
    this.stream.pause();
  }

  resume(): void {
    if (!this.paused) return;
    this.paused = false;
    this.stream.resume();
    this.deliver();
  }

  end(failure: CacheFailure | null): void {
    if (this.over) return;
    this.over = true;
    const words = failure === null ? 'UNAVAILABLE ended' : `${failure.code} ${failure.message}`;
    this.stream.write(frame(Kind.end, encodeUtf8(words)));
    this.stream.end();
  }

  private deliver(): void {
    while (!this.paused && !this.over) {
      const next = this.frames.next();
      if (next === null) return;
      if (next.kind === Kind.message) this.handler?.onMessage(next.payload);
      else {
        this.stream.write(frame(Kind.opened, EMPTY_BYTES));
        this.handler =
          next.kind === Kind.pipeline
            ? this.cache.pipeline(this)
            : this.cache.watchShardMap(next.payload, this);
      }
    }
  }
}

/** Takes the calls that come to a node; `done` as listeners tell it. */
export function listenForCache(
  world: SimStreamWorld,
  owner: Owner,
  grpc: string,
  cache: CacheHandler,
  done: (close: (closed: () => void) => void) => void,
): void {
  world.listeners(owner).listen(
    cacheAddress(grpc),
    (stream) => new ServerCall(stream, cache),
    (_error, _bound, close) => done(close),
  );
}

/** The SDK's port for one client of the simulation. */
export class SimCacheTransport implements ClientTransport {
  private readonly open = new Set<ByteStream>();

  constructor(
    private readonly world: SimStreamWorld,
    private readonly owner: Owner,
  ) {}

  openPipeline(
    address: string,
    handler: ClientStreamHandler,
  ): { write(bytes: Uint8Array): boolean; close(): void } {
    const stream = this.call(address, Kind.pipeline, EMPTY_BYTES, handler);
    return {
      write: (bytes) => stream.write(frame(Kind.message, bytes)),
      close: () => this.drop(stream),
    };
  }

  watchShardMap(address: string, handler: ClientStreamHandler): { close(): void } {
    const stream = this.call(address, Kind.watch, EMPTY_BYTES, handler);
    return { close: () => this.drop(stream) };
  }

  close(): void {
    for (const stream of [...this.open]) this.drop(stream);
  }

  private drop(stream: ByteStream): void {
    this.open.delete(stream);
    stream.destroy();
  }

  private call(address: string, kind: number, payload: Uint8Array, handler: ClientStreamHandler): ByteStream {
    const frames = new Frames();
    let ended = false;
    const end = (code: ErrorReason, message: string): void => {
      if (ended || !this.open.has(stream)) return;
      ended = true;
      this.open.delete(stream);
      handler.onEnd({ code, message });
    };
    const stream = this.world.connect(this.owner, cacheAddress(address), {
      onData: (bytes) => {
        frames.push(bytes);
        while (!ended && this.open.has(stream)) {
          const next = frames.next();
          if (next === null) return;
          if (next.kind === Kind.opened) handler.onOpen();
          else if (next.kind === Kind.message) handler.onMessage(next.payload);
          else {
            const [code, ...words] = decodeUtf8(next.payload).split(' ');
            end(code as ErrorReason, words.join(' '));
          }
        }
      },
      onDrain: () => {
        if (!ended && this.open.has(stream)) handler.onDrain();
      },
      onClose: () => end('UNAVAILABLE', `${address}: the stream broke`),
    });
    this.open.add(stream);
    stream.write(frame(kind, payload));
    return stream;
  }
}
