/**
 * TCP connections of the gRPC listener, accepted here and not by the gRPC library, which knows no limit for them.
 *
 * Invariants: at most `connectionsMax` sockets are held, those that have not spoken yet included; one that does not
 * begin as HTTP/2 does within `prefaceMs` is closed before it costs more than its socket.
 */
import { createServer, type Socket } from 'node:net';
import { equalBytes, type MetricsRegistry } from '../base/index.js';
import type { CloseListener } from '../ports/index.js';
import { boundAddress, parseAddress } from './tcp-address.js';
import { closeServer, listenOn } from './tcp-listen.js';

/** Connections that wait to be accepted while the event loop is busy. */
const BACKLOG = 1024;
/** How long a new connection may take for the first 24 bytes of HTTP/2. */
export const PREFACE_MS = 10_000;
const PREFACE = new TextEncoder().encode('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

/** What calls tell of their connection; `peer` is HOST:PORT as gRPC names it. */
export interface OutputLedger {
  /** So many bytes of answers were queued. Over the limit the connection is closed, with every call on it. */
  queued(peer: string, bytes: number): void;
  /** They were handed to the other side, or dropped. */
  released(peer: string, bytes: number): void;
  /** The client does not take its answers: closes the connection at once. */
  cut(peer: string): void;
}

export interface GrpcConnections {
  readonly output: OutputLedger;
  /** Accepts no more. */
  stop(): void;
  /** Closes what is left; `done` once the address is free. */
  close: CloseListener;
}

interface Connection {
  readonly socket: Socket;
  /** Answers of all its calls that are queued. */
  unsentBytes: number;
}

interface Options {
  readonly connectionsMax: number;
  /** Answers that a connection's client may leave unread. */
  readonly outputBytesMax: number;
  readonly metrics: MetricsRegistry;
  readonly prefaceMs: number;
  /** Takes a connection that speaks HTTP/2. */
  readonly serve: (socket: Socket) => void;
}

/** `done` gets the bound address. */
export function acceptGrpcConnections(
  address: string,
  options: Options,
  done: (error: Error | null, bound: string) => void,
): GrpcConnections {
  const { metrics } = options;
  const open = new Map<string, Connection>();
  const rejected = metrics.counter('connections_rejected_total', 'Connections refused', { reason: 'limit' });
  const cutOff = (connection: Connection, reason: 'protocol' | 'output_limit'): void => {
    if (connection.socket.destroyed) return;
    metrics.counter('connections_cut_off_total', 'Client connections closed by the node', { reason }).inc();
    connection.socket.destroy();
  };
  metrics.gaugeRow('connections', 'Open client connections', { protocol: 'grpc' }, () => open.size);

  const asked = parseAddress(address);
  const server = createServer({ noDelay: true, allowHalfOpen: false }, (socket) => {
    // What goes wrong on a socket is followed by its 'close', which is all that matters.
    socket.on('error', () => undefined);
    if (open.size >= options.connectionsMax) {
      rejected.inc();
      socket.destroy();
      return;
    }
    const peer = peerName(socket);
    const connection = { socket, unsentBytes: 0 };
    open.set(peer, connection);
    socket.once('close', () => {
      if (open.get(peer) === connection) open.delete(peer);
    });
    awaitPreface(socket, options.prefaceMs, (isHttp2) => {
      if (isHttp2) options.serve(socket);
      else cutOff(connection, 'protocol');
    });
  });
  listenOn(server, { ...asked, backlog: BACKLOG }, address, (error) => {
    done(
      error === null ? null : listenError(error, address),
      error === null ? boundAddress(asked, server.address()) : '',
    );
  });
  let isFree = false;
  let whenFree: (() => void) | null = null;
  return {
    output: {
      queued(peer, bytes) {
        const connection = open.get(peer);
        if (connection === undefined) return;
        connection.unsentBytes += bytes;
        if (connection.unsentBytes > options.outputBytesMax) cutOff(connection, 'output_limit');
      },
      released(peer, bytes) {
        const connection = open.get(peer);
        if (connection !== undefined) connection.unsentBytes -= bytes;
      },
      cut(peer) {
        const connection = open.get(peer);
        if (connection !== undefined) cutOff(connection, 'output_limit');
      },
    },
    stop() {
      closeServer(server, () => {
        isFree = true;
        whenFree?.();
      });
    },
    close(closed) {
      for (const { socket } of open.values()) socket.destroy();
      if (isFree) closed();
      else whenFree = closed;
    },
  };
}

/** As grpc-js tells a call's peer: without the brackets of IPv6. */
function peerName(socket: Socket): string {
  return `${socket.remoteAddress ?? ''}:${socket.remotePort ?? 0}`;
}

/** Reads the first bytes, puts them back, and tells whether they are HTTP/2's; false also when they don't come. */
function awaitPreface(socket: Socket, prefaceMs: number, told: (isHttp2: boolean) => void): void {
  const finish = (isHttp2: boolean): void => {
    clearTimeout(timer);
    socket.off('readable', look);
    socket.off('close', stop);
    told(isHttp2);
  };
  const look = (): void => {
    const bytes = socket.read(PREFACE.length) as Buffer | null;
    if (bytes === null) {
      if (socket.readableEnded) finish(false);
      return;
    }
    const isHttp2 = equalBytes(bytes, PREFACE);
    if (isHttp2) socket.unshift(bytes);
    finish(isHttp2);
  };
  const stop = (): void => clearTimeout(timer);
  const timer = setTimeout(() => finish(false), prefaceMs);
  timer.unref();
  socket.on('readable', look);
  socket.once('close', stop);
}

function listenError(error: Error, address: string): Error {
  const code = (error as { code?: unknown }).code;
  if (code !== 'EADDRINUSE') return error;
  return Object.assign(new Error(`${address} is in use`, { cause: error }), { code });
}
