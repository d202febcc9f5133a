/** The gRPC listener's limits over real sockets: connections, first bytes, messages, and answers that nobody takes. */
import http2 from 'node:http2';
import net from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it } from 'vitest';

import { acceptGrpcConnections } from '../../../src/adapters/grpc-connections.js';
import type { GrpcServerLimits } from '../../../src/adapters/grpc-server.js';
import { type Counter, encodeUtf8, MetricsRegistry } from '../../../src/base/index.js';
import type { CacheHandler, CloseListener, MessageStream } from '../../../src/ports/index.js';
import { GrpcClient } from '../../support/grpc-client.js';
import { grpcServer, onlyCache } from '../../support/rpc-handlers.js';

const MIB = 1024 * 1024;
const STATUS_RESOURCE_EXHAUSTED = '8';

let closers: (() => Promise<void> | void)[] = [];
afterEach(async () => {
  for (const close of closers.reverse()) await close();
  closers = [];
});

interface World {
  readonly address: string;
  readonly port: number;
  readonly metrics: MetricsRegistry;
}

/** Answers every unary call with what `respond` says; null: never. */
function cacheThat(respond: () => Uint8Array | null, streams: MessageStream[] = []): CacheHandler {
  const open = (stream: MessageStream) => {
    streams.push(stream);
    return {
      onMessage: () => undefined,
      onDrain: () => undefined,
      onHalfClose: () => undefined,
      onClose: () => undefined,
    };
  };
  return {
    unary: (_method, _request, _deadlineMs, answer) => {
      const response = respond();
      if (response !== null) answer(null, response);
      return () => undefined;
    },
    pipeline: open,
    watchShardMap: (_request, stream) => open(stream),
  };
}

function listen(cache: CacheHandler, limits: Partial<GrpcServerLimits> = {}): Promise<World> {
  const metrics = new MetricsRegistry();
  return new Promise((resolve, reject) => {
    grpcServer(limits, metrics).listen('127.0.0.1:0', onlyCache(cache), (error, address, close) => {
      if (error) return reject(error);
      closers.push(() => new Promise((closed) => close(closed)));
      resolve({ address, port: Number(address.split(':')[1]), metrics });
    });
  });
}

function connect(port: number): Promise<net.Socket> {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => resolve(socket));
    socket.once('error', reject);
    closers.push(() => void socket.destroy());
  });
}

function closing(socket: net.Socket): Promise<void> {
  socket.on('error', () => undefined);
  socket.resume();
  return new Promise((resolve) => socket.once('close', () => resolve()));
}

function session(port: number, options: http2.ClientSessionOptions = {}): http2.ClientHttp2Session {
  const client = http2.connect(`http://127.0.0.1:${port}`, options);
  client.on('error', () => undefined);
  closers.push(() => client.destroy());
  return client;
}

function openCall(
  client: http2.ClientHttp2Session,
  method: string,
  more: object = {},
): http2.ClientHttp2Stream {
  const stream = client.request({
    ':method': 'POST',
    ':path': `/quorate.v1.Cache/${method}`,
    'content-type': 'application/grpc',
    te: 'trailers',
    ...more,
  });
  stream.on('error', () => undefined);
  return stream;
}

function framed(body: Uint8Array, compressed = 0): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(compressed, 0);
  head.writeUInt32BE(body.length, 1);
  return Buffer.concat([head, body]);
}

function statusOf(stream: http2.ClientHttp2Stream): Promise<string> {
  stream.resume();
  return new Promise((resolve) => {
    const look = (headers: http2.IncomingHttpHeaders): void => {
      const status = headers['grpc-status'];
      if (status !== undefined) resolve(String(status));
    };
    stream.once('response', look);
    stream.once('trailers', look);
    stream.once('close', () => resolve('closed'));
  });
}

function counter(metrics: MetricsRegistry, name: string, reason: string): number {
  const family = metrics.list().find((one) => one.name === name);
  const cell = family?.cells.find((one) => one.labels['reason'] === reason)?.cell;
  return cell === undefined ? 0 : (cell as Counter).value;
}

function openConnections(metrics: MetricsRegistry): number {
  const rows =
    metrics
      .list()
      .find((one) => one.name === 'connections')
      ?.read?.() ?? [];
  return rows.find((row) => row.labels['protocol'] === 'grpc')?.value ?? NaN;
}

describe('the gRPC listener', () => {
  it('closes a connection beyond its limit, counts it, and serves the others', async () => {
    const world = await listen(
      cacheThat(() => new Uint8Array(0)),
      { grpcConnectionsMax: 2 },
    );
    const first = await connect(world.port);
    await connect(world.port);
    await expect.poll(() => openConnections(world.metrics)).toBe(2);
    await closing(await connect(world.port));
    expect(counter(world.metrics, 'connections_rejected_total', 'limit')).toBe(1);
    first.destroy();
    await expect.poll(() => openConnections(world.metrics)).toBe(1);
    const client = new GrpcClient(world.address);
    closers.push(() => client.close());
    expect((await client.call('Get', {})).code).toBe('OK');
  });

  it('closes a connection that does not begin as HTTP/2 does', async () => {
    const world = await listen(cacheThat(() => null));
    for (const garbage of [
      'GET / HTTP/1.1\r\nhost: somebody\r\n\r\n',
      '*1\r\n$4\r\nPING\r\n*1\r\n$4\r\nPING\r\n',
    ]) {
      const socket = await connect(world.port);
      socket.write(garbage);
      await closing(socket);
    }
    expect(counter(world.metrics, 'connections_cut_off_total', 'protocol')).toBe(2);
    expect(openConnections(world.metrics)).toBe(0);
  });

  it('takes the first bytes in pieces', async () => {
    const world = await listen(cacheThat(() => null));
    const socket = await connect(world.port);
    const bytes = encodeUtf8('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    const answered = new Promise((resolve) => socket.once('data', resolve));
    for (const byte of bytes) {
      socket.write(Uint8Array.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    socket.write(Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0, 0)); // empty settings
    await answered;
    expect(counter(world.metrics, 'connections_cut_off_total', 'protocol')).toBe(0);
  });

  it('closes a connection that says nothing', async () => {
    const metrics = new MetricsRegistry();
    const served: net.Socket[] = [];
    const address = await new Promise<string>((resolve, reject) => {
      const connections = acceptGrpcConnections(
        '127.0.0.1:0',
        { connectionsMax: 10, outputBytesMax: MIB, prefaceMs: 20, metrics, serve: (s) => served.push(s) },
        (error, bound) => (error ? reject(error) : resolve(bound)),
      );
      closers.push(() => {
        connections.stop();
        return new Promise((closed) => (connections.close as CloseListener)(closed));
      });
    });
    await closing(await connect(Number(address.split(':')[1])));
    expect([served.length, counter(metrics, 'connections_cut_off_total', 'protocol')]).toEqual([0, 1]);
  });

  it('E98 refuses a message over its limit, and one that inflates over it, as RESOURCE_EXHAUSTED', async () => {
    const world = await listen(
      cacheThat(() => new Uint8Array(0)),
      { grpcMessageBytesMax: MIB },
    );
    const client = session(world.port);
    const declared = openCall(client, 'Get');
    declared.write(framed(new Uint8Array(0)).fill(0xff, 1, 5)); // 4 GiB are said to follow
    expect(await statusOf(declared)).toBe(STATUS_RESOURCE_EXHAUSTED);
    const bomb = gzipSync(Buffer.alloc(64 * MIB));
    expect(bomb.length).toBeLessThan(MIB);
    const inflating = openCall(client, 'Get', { 'grpc-encoding': 'gzip' });
    inflating.end(framed(bomb, 1));
    expect(await statusOf(inflating)).toBe(STATUS_RESOURCE_EXHAUSTED);
    const fine = openCall(client, 'Get', { 'grpc-encoding': 'gzip' });
    fine.end(framed(gzipSync(Buffer.alloc(1000)), 1));
    expect(await statusOf(fine)).toBe('0');
  });

  it('tells clients how many calls a connection may have open', async () => {
    const world = await listen(
      cacheThat(() => null),
      { grpcStreamsMax: 7 },
    );
    const client = session(world.port);
    const settings = await new Promise<http2.Settings>((resolve) => client.once('remoteSettings', resolve));
    expect(settings.maxConcurrentStreams).toBe(7);
  });

  it('cuts off a connection whose client leaves the answers of its calls unread', async () => {
    const world = await listen(
      cacheThat(() => new Uint8Array(MIB)),
      { outputBytesMax: 8 * MIB },
    );
    const client = session(world.port, { settings: { initialWindowSize: 1000 } });
    const closed = new Promise((resolve) => client.once('close', resolve));
    for (let i = 0; i < 20; i++) openCall(client, 'Get').end(framed(new Uint8Array(0)));
    await closed;
    expect(counter(world.metrics, 'connections_cut_off_total', 'output_limit')).toBe(1);
  });

  it('does not count what was taken', async () => {
    const world = await listen(
      cacheThat(() => new Uint8Array(MIB)),
      { outputBytesMax: 3 * MIB },
    );
    const client = session(world.port);
    for (let i = 0; i < 10; i++) {
      const call = openCall(client, 'Get');
      call.end(framed(new Uint8Array(0)));
      expect(await statusOf(call)).toBe('0');
    }
    expect(counter(world.metrics, 'connections_cut_off_total', 'output_limit')).toBe(0);
  });

  it('closes although streams are open', async () => {
    const streams: MessageStream[] = [];
    const world = await listen(cacheThat(() => null, streams));
    const client = session(world.port);
    const gone = new Promise((resolve) => client.once('close', resolve));
    openCall(client, 'Pipeline').resume();
    await expect.poll(() => streams.length).toBe(1);
    await closers.shift()?.();
    await gone;
    await expect.poll(() => openConnections(world.metrics)).toBe(0);
  });
});
