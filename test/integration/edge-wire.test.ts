/** Peers and gRPC clients that mean harm, on a live node's ports: bounded memory, their own connection, nobody else's. */
import http2 from 'node:http2';
import net from 'node:net';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { Prng } from '../../src/base/index.js';
import { figureOf, peakResidentBytes, residentBytes, startSingle } from '../support/live-node.js';
import { isAlive, Sandbox, statusOf, until } from '../support/process-cluster.js';
import type { ServerNode } from '../support/process-cluster.js';
import {
  FrameFlag,
  FrameType,
  grpcHeaders,
  headerBlock,
  http2Frame,
  RawHttp2,
} from '../support/raw-http2.js';
import { RespClient } from '../support/resp-client.js';

const MIB = 1024 * 1024;
const STATUS_PATH = '/quorate.v1.Control/Status';
/** gRPC's RESOURCE_EXHAUSTED. */
const RESOURCE_EXHAUSTED = '8';
const GROWTH_BYTES_MAX = 400 * MIB;

let sandbox: Sandbox;
let node: ServerNode;
const opened: { close: () => void }[] = [];

beforeAll(async () => {
  sandbox = new Sandbox();
  node = await startSingle(sandbox);
});
afterEach(() => {
  for (const connection of opened.splice(0)) connection.close();
});
afterAll(() => sandbox.close());

async function raw(): Promise<RawHttp2> {
  const connection = await RawHttp2.open(node.ports.grpc);
  opened.push(connection);
  return connection;
}

/** Every door still opens, and the process is the same. */
async function expectServes(): Promise<void> {
  expect(isAlive(node.running?.pid ?? 0)).toBe(true);
  expect((await statusOf(sandbox, node.grpc))?.ready).toBe(true);
  const client = await RespClient.connect(node.resp);
  opened.push(client);
  expect(await client.call('SET', 'served', 'yes')).toBe('OK');
  expect(await client.call('GET', 'served')).toBe('yes');
}

interface Answer {
  readonly status: string;
  readonly message: string;
}

/** One gRPC call of these bytes; resolves with its status, or with what closed it. */
function call(
  path: string,
  body: readonly Uint8Array[],
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const session = http2.connect(`http://${node.grpc}`);
  session.on('error', () => undefined); // told by the stream
  opened.push({ close: () => session.destroy() });
  return new Promise((resolve) => {
    let answer: Answer = { status: 'none', message: '' };
    const note = (told: http2.IncomingHttpHeaders): void => {
      const status = told['grpc-status'];
      if (typeof status === 'string') answer = { status, message: String(told['grpc-message'] ?? '') };
    };
    const stream = session.request({
      ':method': 'POST',
      ':path': path,
      'content-type': 'application/grpc',
      te: 'trailers',
      ...headers,
    });
    stream.on('response', note);
    stream.on('trailers', note);
    stream.on('error', (error) => (answer = { ...answer, message: error.message }));
    stream.on('close', () => resolve(answer));
    stream.resume();
    for (const part of body) stream.write(part);
    stream.end();
  });
}

/** A message's five bytes: whether it is compressed, and its length. */
function prefix(bytes: number, isCompressed = false): Buffer {
  const header = Buffer.alloc(5);
  header[0] = isCompressed ? 1 : 0;
  header.writeUInt32BE(bytes, 1);
  return header;
}

async function untilGone(connection: RawHttp2): Promise<void> {
  await until(() => connection.isOver, 'the node ends it');
}

describe('the gRPC port', () => {
  it('E98 a message above the limit is refused when it is announced, and so is one that only inflates above it', async () => {
    const beforeBytes = residentBytes(node);
    const announced = await call(STATUS_PATH, [prefix(17 * MIB), Buffer.alloc(1000)]);
    expect(announced.status).toBe(RESOURCE_EXHAUSTED);
    const bomb = gzipSync(Buffer.alloc(256 * MIB));
    expect(bomb.length).toBeLessThan(MIB);
    const inflated = await call(STATUS_PATH, [prefix(bomb.length, true), bomb], { 'grpc-encoding': 'gzip' });
    expect(inflated.status).toBe(RESOURCE_EXHAUSTED);
    expect(peakResidentBytes(node) - beforeBytes).toBeLessThan(200 * MIB);
    // The same way in, with something small, works: it is the size that was refused.
    const small = gzipSync(Buffer.alloc(0));
    const fine = await call(STATUS_PATH, [prefix(small.length, true), small], { 'grpc-encoding': 'gzip' });
    expect(fine.status).toBe('0');
    await expectServes();
  });

  it('E98 a message in frames of one byte each costs bounded memory', async () => {
    const beforeBytes = residentBytes(node);
    const connection = await raw();
    const one = http2Frame(FrameType.data, 0, 1, Uint8Array.of(0));
    const many = Buffer.concat(Array.from({ length: 10_000 }, () => one));
    await connection.send(
      http2Frame(FrameType.headers, FrameFlag.endHeaders, 1, headerBlock(grpcHeaders(STATUS_PATH))),
    );
    await connection.send(http2Frame(FrameType.data, 0, 1, prefix(15 * MIB)));
    // What the windows allow may come; a connection that sends on without leave is ended.
    for (let i = 0; i < 100 && !connection.isOver; i++) await connection.send(many);
    await expectServes();
    expect(peakResidentBytes(node) - beforeBytes).toBeLessThan(GROWTH_BYTES_MAX);
  });

  it('E98 a hundred thousand calls that are reset at once cost their connection, not the node', async () => {
    const beforeBytes = residentBytes(node);
    const connection = await raw();
    const block = headerBlock(grpcHeaders(STATUS_PATH));
    const cancel = Uint8Array.of(0, 0, 0, 8);
    for (let round = 0; round < 100 && !connection.isOver; round++) {
      const frames: Buffer[] = [];
      for (let i = 0; i < 1000; i++) {
        const stream = (round * 1000 + i) * 2 + 1;
        frames.push(
          http2Frame(FrameType.headers, FrameFlag.endHeaders, stream, block),
          http2Frame(FrameType.reset, 0, stream, cancel),
        );
      }
      await connection.send(Buffer.concat(frames));
    }
    await untilGone(connection);
    await expectServes();
    expect(peakResidentBytes(node) - beforeBytes).toBeLessThan(GROWTH_BYTES_MAX);
  });

  it('E98 headers that never end cost their connection, not the node', async () => {
    const beforeBytes = residentBytes(node);
    const connection = await raw();
    await connection.send(http2Frame(FrameType.headers, 0, 1, headerBlock(grpcHeaders(STATUS_PATH))));
    const more = headerBlock(
      Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`x-${i}`, 'v'.repeat(100)])),
    );
    const frame = http2Frame(FrameType.continuation, 0, 1, more);
    const many = Buffer.concat(Array.from({ length: 100 }, () => frame));
    for (let i = 0; i < 50 && !connection.isOver; i++) await connection.send(many);
    await untilGone(connection);
    await expectServes();
    expect(peakResidentBytes(node) - beforeBytes).toBeLessThan(GROWTH_BYTES_MAX);
  });

  it('E98 bytes that are no HTTP/2 cost their connection, not the node', async () => {
    const prng = new Prng(98);
    const garbage = [
      Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n'),
      Buffer.from(Array.from({ length: 4096 }, () => prng.below(256))),
      Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.alloc(100_000, 0xff)]),
    ];
    for (const bytes of garbage) await untilClosed(node.ports.grpc, bytes);
    await expectServes();
  });
});

/** A stranger says something; resolves once the node closed the connection. */
function untilClosed(port: number, bytes: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1');
    opened.push({ close: () => socket.destroy() });
    socket.on('error', () => undefined);
    socket.on('data', () => undefined);
    socket.on('close', () => resolve());
    socket.write(bytes);
  });
}

describe('the peer port', () => {
  it('E100 garbage, a length without end and silence close that connection, and the node goes on', async () => {
    const beforeBytes = residentBytes(node);
    const beforeMalformed = await figureOf(node, 'quorate_peer_malformed_total');
    const prng = new Prng(100);
    const lengths = Buffer.alloc(64);
    lengths.writeUInt32LE(0xffffffff, 0);
    const garbage = [
      Buffer.from('GET / HTTP/1.1\r\nhost: x\r\n\r\n'),
      Buffer.from(Array.from({ length: 70_000 }, () => prng.below(256))),
      Buffer.alloc(64, 0xff),
      lengths,
    ];
    for (let round = 0; round < 20; round++) {
      await Promise.all(garbage.map((bytes) => untilClosed(node.ports.peer, bytes)));
    }
    // Strangers that say nothing are dropped, however many they are.
    await Promise.all(Array.from({ length: 400 }, () => untilClosed(node.ports.peer, new Uint8Array(0))));
    expect((await figureOf(node, 'quorate_peer_malformed_total')) - beforeMalformed).toBeGreaterThanOrEqual(
      80,
    );
    expect(peakResidentBytes(node) - beforeBytes).toBeLessThan(GROWTH_BYTES_MAX);
    await expectServes();
  });
});
