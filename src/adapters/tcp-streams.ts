/** Byte streams of clients over `node:net` (RESP), and the way to dial one. */
import { connect, createServer, type Socket } from 'node:net';
import type { ByteStream, CloseListener, StreamHandler, StreamListeners } from '../ports/index.js';
import { boundAddress, formatAddress, parseAddress, plainBytes } from './tcp-address.js';
import { closeServer, listenOn } from './tcp-listen.js';

/** Connections that wait to be accepted while the event loop is busy. */
const BACKLOG = 1024;

/** How long a client that ended its side may wait for answers under way: so long after the last one. */
const HALF_OPEN_MS = 250;

let nextStreamId = 1;

export const tcpStreams: StreamListeners = { listen };

function listen(
  address: string,
  accept: (stream: ByteStream) => StreamHandler,
  done: (error: Error | null, bound: string, close: CloseListener) => void,
): void {
  const asked = parseAddress(address);
  const open = new Set<TcpStream>();
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    const stream = new TcpStream(socket);
    open.add(stream);
    stream.attach(accept(stream), () => open.delete(stream));
  });
  listenOn(server, { ...asked, backlog: BACKLOG }, address, (error) => {
    const close: CloseListener = (closed) => {
      for (const stream of open) stream.destroy();
      closeServer(server, closed);
    };
    done(error, error === null ? boundAddress(asked, server.address()) : '', close);
  });
}

/** Dials a stream. Usable at once; `onClose` comes when it can't be opened, too. */
export function connectTcpStream(address: string, handler: StreamHandler): ByteStream {
  const stream = new TcpStream(connect({ ...parseAddress(address), noDelay: true, allowHalfOpen: true }));
  stream.attach(handler, () => undefined);
  return stream;
}

class TcpStream implements ByteStream {
  readonly id = nextStreamId++;
  readonly remoteAddress: string;

  constructor(private readonly socket: Socket) {
    this.remoteAddress = formatAddress(socket.remoteAddress, socket.remotePort);
  }

  attach(handler: StreamHandler, closed: () => void): void {
    const { socket } = this;
    socket.on('data', (bytes) => handler.onData(plainBytes(bytes)));
    socket.on('drain', () => handler.onDrain());
    // A client that ended its side (`printf … | nc`) still gets the answers that are under way.
    socket.on('end', () => socket.setTimeout(HALF_OPEN_MS, () => socket.end()));
    // What went wrong does not matter to anybody: 'close' follows, and the stream is over.
    socket.on('error', () => undefined);
    socket.on('close', () => {
      closed();
      handler.onClose();
    });
  }

  write(bytes: Uint8Array): boolean {
    if (this.socket.destroyed || this.socket.writableEnded) return false;
    return this.socket.write(bytes);
  }

  bufferedBytes(): number {
    return this.socket.writableLength;
  }

  pause(): void {
    this.socket.pause();
  }

  resume(): void {
    this.socket.resume();
  }

  end(): void {
    this.socket.end();
  }

  destroy(): void {
    this.socket.destroy();
  }
}
