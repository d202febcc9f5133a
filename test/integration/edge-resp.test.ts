/** Clients that mean harm, or don't know better, on a live RESP port: the node's memory and its other clients. */
import net from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { figureOf, peakResidentBytes, residentBytes, startSingle } from '../support/live-node.js';
import { Sandbox, until } from '../support/process-cluster.js';
import type { ServerNode } from '../support/process-cluster.js';
import { RespClient, type Reply } from '../support/resp-client.js';

const MIB = 1024 * 1024;
const CONNECTIONS_MAX = 300;
/** Ten times the output limit of 32 MiB, and as much again for what the garbage collector has not looked at. */
const GROWTH_BYTES_MAX = 800 * MIB;

let sandbox: Sandbox;
let node: ServerNode;

beforeAll(async () => {
  sandbox = new Sandbox();
  node = await startSingle(sandbox, [
    '--limits-connections-max',
    String(CONNECTIONS_MAX),
    '--limits-request-timeout-ms', // a busy machine must not look like a node that does not serve
    '40000',
  ]);
});
afterAll(() => sandbox.close());

/** What a test opened, also one that failed: the next one counts clients. */
const opened: { close: () => void }[] = [];
afterEach(() => {
  for (const client of opened.splice(0)) client.close();
});

async function connectPolite(): Promise<RespClient> {
  const client = await RespClient.connect(node.resp);
  opened.push(client);
  return client;
}

/** A connection without manners. */
class RawClient {
  received = Buffer.alloc(0);
  isClosed = false;
  readonly socket: net.Socket;

  private constructor(port: number) {
    // Half-open: ending our side leaves the other to the server.
    this.socket = new net.Socket({ allowHalfOpen: true }).connect(port, '127.0.0.1');
    this.socket.on('error', () => undefined); // a reset is one way to be closed
    this.socket.on('end', () => this.socket.end());
    this.socket.on('close', () => (this.isClosed = true));
    opened.push(this);
  }

  close(): void {
    this.socket.destroy();
  }

  static async open(port: number): Promise<RawClient> {
    const client = new RawClient(port);
    await until(() => !client.socket.connecting, 'it is connected');
    return client;
  }

  read(): void {
    const parts: Buffer[] = [this.received];
    this.socket.on('data', (bytes: Buffer) => {
      parts.push(bytes);
      // Small answers are looked at as they come; large ones would be copied over and over.
      this.received = Buffer.concat(parts);
      parts.splice(0, parts.length, this.received);
    });
  }

  get text(): string {
    return this.received.toString('latin1');
  }
}

async function expectServes(client: RespClient): Promise<void> {
  const stamp = `${performance.now()}`;
  expect(await client.call('SET', 'served', stamp)).toBe('OK');
  expect(await client.call('GET', 'served')).toBe(stamp);
}

function clientsOf(reply: Reply): number {
  return Number(/^connected_clients:(\d+)\r?$/m.exec(String(reply))?.[1]);
}

async function untilClients(client: RespClient, count: number): Promise<void> {
  await until(
    async () => clientsOf(await client.call('INFO', 'clients')) === count,
    `${count} clients are left`,
  );
}

describe('a live RESP port', () => {
  it('E96 ten clients that ask for 500 values of 1 MB each and read nothing are closed; memory is bounded', async () => {
    const other = await connectPolite();
    const value = 'v'.repeat(MIB);
    expect(await other.call('SET', 'large', value)).toBe('OK');
    const beforeBytes = residentBytes(node);
    const beforeCuts = await figureOf(node, 'quorate_connections_cut_off_total', 'output');
    const slow = await Promise.all(Array.from({ length: 10 }, () => RawClient.open(node.ports.resp)));
    await untilClients(other, 11);
    const request = '*2\r\n$3\r\nGET\r\n$5\r\nlarge\r\n'.repeat(500);
    for (const client of slow) {
      client.socket.pause();
      client.socket.write(request);
    }
    await until(
      async () => {
        await expectServes(other);
        return clientsOf(await other.call('INFO', 'clients')) === 1;
      },
      'the slow ones are closed',
      45_000,
    );
    const peakBytes = peakResidentBytes(node);
    console.log(`10 slow readers: ${Math.round((peakBytes - beforeBytes) / MIB)} MiB more at the most`);
    expect(peakBytes - beforeBytes).toBeLessThan(GROWTH_BYTES_MAX);
    expect((await figureOf(node, 'quorate_connections_cut_off_total', 'output')) - beforeCuts).toBe(10);
    // What they got, if they look now, is the beginning of the right answer, cut off somewhere: nothing else.
    const answer = Buffer.from(`$${MIB}\r\n${value}\r\n`);
    for (const client of slow) {
      client.read();
      client.socket.resume();
    }
    await until(() => slow.every((client) => client.isClosed), 'the slow ones see it');
    for (const { received } of slow) {
      for (let at = 0; at < received.length; at += answer.length) {
        const part = received.subarray(at, at + answer.length);
        expect(part.equals(answer.subarray(0, part.length))).toBe(true);
      }
    }
  });

  it('E97 one connection above the limit is told so and closed; places come back', async () => {
    const early = await connectPolite();
    await untilClients(early, 1);
    const idle: Promise<RawClient>[] = [];
    for (let i = 1; i < CONNECTIONS_MAX; i++) idle.push(RawClient.open(node.ports.resp));
    await untilClients(early, CONNECTIONS_MAX);
    const late = await RawClient.open(node.ports.resp);
    late.read();
    await until(() => late.text !== '', 'it is told');
    expect(late.text).toBe('-ERR max number of clients reached\r\n');
    late.socket.end();
    await until(() => late.isClosed, 'it is closed');
    await expectServes(early);
    for (const client of await Promise.all(idle)) client.close();
    await untilClients(early, 1);
    const again = await connectPolite();
    await expectServes(again);
  });

  it('E97 half commands, half-closed and silent connections hold up nobody, and cost a place at most', async () => {
    const other = await connectPolite();
    await untilClients(other, 1);
    const slow = await Promise.all(Array.from({ length: 90 }, () => RawClient.open(node.ports.resp)));
    for (const [i, client] of slow.entries()) {
      client.read();
      if (i % 3 === 0) client.socket.write('*2\r\n$3\r\nGE');
      if (i % 3 === 1) client.socket.end('*1\r\n$4\r\nPING\r\n');
    }
    // Those that ended their side get their answer, and then the rest of the connection is closed.
    const ended = slow.filter((_, i) => i % 3 === 1);
    await until(() => ended.every((client) => client.isClosed), 'half-closed ones are closed');
    expect(ended.map((client) => client.text)).toEqual(ended.map(() => '+PONG\r\n'));
    await untilClients(other, 61);
    await expectServes(other);
    // A slow one that goes on, byte by byte, gets its answer as any other.
    const patient = slow[0] as RawClient;
    for (const byte of 'T\r\n$6\r\nabsent\r\n') patient.socket.write(byte);
    await until(() => patient.text !== '', 'the patient one is answered');
    expect(patient.text).toBe('$-1\r\n');
  });

  it('E97 a storm of 2,000 connections leaves a node that serves', async () => {
    const other = await connectPolite();
    const storm = Array.from({ length: 2000 }, () => {
      const socket = net.connect(node.ports.resp, '127.0.0.1', () => socket.write('*1\r\n$4\r\nPING\r\n'));
      return new Promise<string>((resolve) => {
        let text = '';
        socket.on('error', () => undefined);
        socket.on('close', () => resolve(text));
        socket.on('data', (bytes: Buffer) => {
          text += bytes.toString('latin1');
          socket.end();
        });
      });
    });
    const answers = await Promise.all(storm);
    const count = (text: string): number => answers.filter((answer) => answer === text).length;
    const told = count('-ERR max number of clients reached\r\n');
    // A connection that is refused while its PING is on the way may be reset before it reads why.
    expect(count('+PONG\r\n') + told + count('')).toBe(2000);
    expect(count('+PONG\r\n')).toBeGreaterThan(0);
    await expectServes(other);
  });

  it('E94 absurd lengths on a hundred connections get Redis’ errors, and take no memory', async () => {
    const other = await connectPolite();
    const beforeBytes = residentBytes(node);
    const samples: readonly (readonly [string, string])[] = [
      ['*2147483647\r\n', '-ERR Protocol error: invalid multibulk length\r\n'],
      ['*1\r\n$536870913\r\n', '-ERR Protocol error: invalid bulk length\r\n'],
      ['*1\r\n$-1\r\n', '-ERR Protocol error: invalid bulk length\r\n'],
      ['*1\r\n$x\r\n', '-ERR Protocol error: invalid bulk length\r\n'],
      ['*1\r\nGET\r\n', "-ERR Protocol error: expected '$', got 'G'\r\n"],
      ['SET "k\r\n', '-ERR Protocol error: unbalanced quotes in request\r\n'],
      ['x'.repeat(65 * 1024), '-ERR Protocol error: too big inline request\r\n'],
    ];
    const bad = await Promise.all(
      Array.from({ length: 14 }, () => samples)
        .flat()
        .map(async ([bytes, answer]) => {
          const client = await RawClient.open(node.ports.resp);
          client.read();
          client.socket.write(bytes);
          return { client, asked: bytes.slice(0, 20), answer };
        }),
    );
    await until(() => bad.every(({ client }) => client.isClosed), 'they are closed');
    expect(bad.map(({ client, asked }) => [asked, client.text])).toEqual(
      bad.map(({ asked, answer }) => [asked, answer]),
    );
    // Announced and never sent.
    const waiting = await Promise.all(Array.from({ length: 100 }, () => RawClient.open(node.ports.resp)));
    for (const client of waiting) client.socket.write('*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$8388608\r\nabc');
    await untilClients(other, 101);
    await expectServes(other);
    expect(residentBytes(node) - beforeBytes).toBeLessThan(200 * MIB);
  });
});
