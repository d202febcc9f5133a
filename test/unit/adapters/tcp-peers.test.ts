/**
 * What TCP adds to the peer network's conformance suite: bytes from strangers, slow links, broken connections, and the
 * number of writes. Real sockets on loopback; the tests wait for events.
 */
import { connect, Socket } from 'node:net';
import { crc32 } from '../../../src/adapters/crc32.js';
import { afterEach, describe, expect, it, vi } from 'vitest';
import {
  encodeHello,
  HandshakeGuard,
  PieceKind,
  PIECE_HEADER_BYTES,
  putPiece,
} from '../../../src/codec/index.js';
import { ByteWriter, Prng } from '../../../src/base/index.js';
import { realWorld } from '../../conformance/world.js';
import { SlowRelay, startPeer, stopPeer, type TestPeer, type TestPeerOptions } from './peers-support.js';

const MIB = 1024 * 1024;
const peers: TestPeer[] = [];
const relays: SlowRelay[] = [];

async function peer(id: number, options: TestPeerOptions = {}): Promise<TestPeer> {
  const started = await startPeer(id, options);
  peers.push(started);
  return started;
}

/** Two peers that know each other; the first reaches the second through a relay. */
async function relayedPair(speed = 1): Promise<{ a: TestPeer; b: TestPeer; relay: SlowRelay }> {
  const [a, b] = [await peer(1, { speed }), await peer(2, { speed })];
  const relay = await SlowRelay.start(b.address);
  relays.push(relay);
  a.network.setAddress(2, relay.address);
  b.network.setAddress(1, a.address);
  return { a, b, relay };
}

async function up(a: TestPeer, to: number, channel: 'raft' | 'forward' | 'bulk', times = 1): Promise<void> {
  a.network.send(to, channel, new Uint8Array(0));
  const fact = `up ${to} ${channel}`;
  await realWorld.until(fact, () => a.told.filter((t) => t === fact).length >= times);
}

/** A connection of a stranger; resolves with all that it was sent once the other side closed it. */
function stranger(address: string, bytes: Uint8Array, end = false): Promise<Uint8Array> {
  const [host, port] = address.split(':');
  return new Promise((resolve) => {
    const parts: Uint8Array[] = [];
    const socket = connect({ host: host as string, port: Number(port) });
    socket.on('error', () => undefined);
    socket.on('data', (part) => parts.push(part));
    socket.on('close', () => resolve(Buffer.concat(parts)));
    if (end) socket.end(bytes);
    else socket.write(bytes);
  });
}

function hello(id: number, channel: 'raft' | 'forward', wanted = 1): Uint8Array {
  const guard = new HandshakeGuard({ clusterId: 'alpha', nodeId: id, bootNumber: 1, nonce: `n${id}` });
  return piece(PieceKind.hello, encodeHello(new ByteWriter(), guard.hello(channel, wanted)).slice());
}

function piece(kind: PieceKind, payload: Uint8Array): Uint8Array {
  const target = new Uint8Array(PIECE_HEADER_BYTES + payload.length);
  putPiece(target, 0, kind, payload, crc32);
  return target;
}

const concat = (...parts: Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

afterEach(async () => {
  vi.restoreAllMocks();
  for (const each of peers.splice(0)) await stopPeer(each);
  for (const each of relays.splice(0)) await each.stop();
});

describe('bytes from strangers', () => {
  it('E100 garbage, wrong lengths and half a handshake close that connection only', async () => {
    const [a, b] = [await peer(1), await peer(2)];
    a.network.setAddress(2, b.address);
    b.network.setAddress(1, a.address);
    await up(b, 1, 'raft');
    const prng = new Prng(5);
    const wrongVersion = hello(3, 'raft');
    const garbage: [Uint8Array, boolean][] = [
      [new TextEncoder().encode('GET / HTTP/1.1\r\nhost: x\r\n\r\n'), false],
      [Uint8Array.from({ length: 5000 }, () => prng.below(256)), false],
      [new Uint8Array(100), false],
      [Uint8Array.of(0xff, 0xff, 0xff, 0xff, PieceKind.hello, 0, 0, 0, 0), false],
      [piece(PieceKind.whole, new Uint8Array(10)), false],
      [piece(PieceKind.hello, new Uint8Array(10)), false],
      [hello(3, 'raft').slice(0, 20), true],
      [wrongVersion.map((byte, i) => (i === 20 ? byte ^ 1 : byte)), false],
    ];
    for (const [bytes, end] of garbage) await stranger(a.address, bytes, end);
    expect(b.network.send(1, 'raft', new Uint8Array(77))).toBe(true);
    await realWorld.until('the good link works', () => a.frames.includes(77));
    expect(b.told).toEqual(['up 1 raft']);
    expect(a.warnings.some((w) => w.includes('malformed'))).toBe(true);
  });

  it('E100 garbage after a good handshake closes that connection only', async () => {
    const a = await peer(1);
    const answer = await stranger(
      a.address,
      concat(hello(3, 'raft'), piece(PieceKind.whole, new Uint8Array(5)), new Uint8Array(64).fill(0xab)),
    );
    expect(answer.length).toBeGreaterThan(0);
    expect(a.frames).toEqual([5]);
    const again = await stranger(a.address, concat(hello(3, 'raft'), hello(3, 'raft')));
    expect(again.length).toBeGreaterThan(0);
  });

  it('E100 an oversized frame closes its connection before memory is taken for it', async () => {
    const a = await peer(1, { frameBytesMax: 1 * MIB });
    const first = new Uint8Array(1000);
    new DataView(first.buffer).setUint32(0, 2 * MIB);
    await stranger(a.address, concat(hello(3, 'raft'), piece(PieceKind.first, first)));
    expect(a.warnings.join()).toMatch(/frame of 2097152 bytes, at most 1048576/);
  });

  it('refuses to send what the other side would refuse to take, and says so', async () => {
    const [a, b] = [await peer(1, { frameBytesMax: 1 * MIB }), await peer(2, { frameBytesMax: 1 * MIB })];
    a.network.setAddress(2, b.address);
    await up(a, 2, 'raft');
    expect(a.network.send(2, 'raft', new Uint8Array(1 * MIB + 1))).toBe(false);
    expect(a.warnings.join()).toMatch(/too large/);
  });

  it('tells of a refusal once, however often the peer comes back', async () => {
    const a = await peer(1);
    for (let i = 0; i < 3; i++) await stranger(a.address, hello(3, 'raft', 9));
    expect(a.warnings.filter((w) => w.includes('WRONG_NODE')).length).toBe(1);
  });
});

describe('a slow link', () => {
  it('E114 a vote passes an 8 MiB frame, whose pieces count as hearing the sender', async () => {
    const { a, b, relay } = await relayedPair();
    await up(a, 2, 'raft');
    await up(b, 1, 'raft');
    relay.rate = 20_000; // 20 MB/s: 8 MiB take about 0.4 s
    const large = new Uint8Array(8 * MIB);
    for (let i = 0; i < 3; i++) expect(a.network.send(2, 'raft', large)).toBe(true);
    const heard = b.heard();
    await realWorld.until('the large one is under way', () => b.heard() > heard + 2);
    expect(a.network.send(2, 'raft', new Uint8Array(99))).toBe(true);
    await realWorld.until('the small one', () => b.frames.includes(99));
    expect(b.frames.filter((size) => size === large.length).length).toBeLessThan(3);
    relay.rate = Infinity;
    await realWorld.until('all', () => b.frames.filter((size) => size === large.length).length === 3);
    expect(a.told).toEqual(['up 2 raft']);
  });

  it('E114 64 frames of 8 MiB at once: the queue takes its 32 MiB and refuses the rest', async () => {
    const { a, relay } = await relayedPair();
    await up(a, 2, 'raft');
    relay.rate = 1;
    const large = new Uint8Array(8 * MIB);
    let taken = 0;
    for (let i = 0; i < 64; i++) if (a.network.send(2, 'raft', large)) taken++;
    expect(taken).toBe(3);
  });

  it('E71 a flooded, stalled forward channel holds up neither raft nor its own end', async () => {
    const { a, b, relay } = await relayedPair();
    await up(a, 2, 'raft');
    await up(a, 2, 'forward');
    relay.rate = 50;
    let flooded = 0;
    while (a.network.send(2, 'forward', new Uint8Array(100_000))) flooded++;
    expect(flooded).toBeLessThanOrEqual(168);
    relay.rate = Infinity;
    expect(a.network.send(2, 'raft', new Uint8Array(42))).toBe(true);
    await realWorld.until('raft', () => b.frames.includes(42));
    await realWorld.until('drain', () => a.told.includes('drain 2 forward'));
  });
});

describe('a broken connection', () => {
  it('takes the whole link down on both sides, and up again, and stays up', async () => {
    const { a, b, relay } = await relayedPair();
    await up(a, 2, 'forward');
    await up(b, 1, 'forward');
    for (let round = 2; round <= 4; round++) {
      relay.cut();
      await up(a, 2, 'forward', round);
      await up(b, 1, 'forward', round);
    }
    await realWorld.settle();
    const count = (told: string[], word: string): number => told.filter((t) => t.startsWith(word)).length;
    expect([count(a.told, 'down'), count(b.told, 'down')]).toEqual([3, 3]);
    expect([count(a.told, 'up'), count(b.told, 'up')]).toEqual([4, 4]);
    expect(a.network.send(2, 'forward', new Uint8Array(8))).toBe(true);
    expect(b.network.send(1, 'forward', new Uint8Array(9))).toBe(true);
    await realWorld.until('both ways', () => a.frames.includes(9) && b.frames.includes(8));
  });
});

describe('a silent connection', () => {
  it('is given up after 5 s, on both sides, though nothing closed it', async () => {
    const { a, b, relay } = await relayedPair(10);
    await up(a, 2, 'raft');
    await up(b, 1, 'raft');
    relay.stalled = true;
    const startMs = performance.now();
    await realWorld.until('down', () => a.told.includes('down 2 raft') && b.told.includes('down 1 raft'));
    expect(performance.now() - startMs).toBeGreaterThan(400);
    relay.stalled = false;
    await up(a, 2, 'raft', 2);
  });
});

describe('writing', () => {
  it('writes the frames of one turn with one write', async () => {
    const [a, b] = [await peer(1), await peer(2)];
    a.network.setAddress(2, b.address);
    b.network.setAddress(1, a.address);
    await up(a, 2, 'forward');
    const write = vi.spyOn(Socket.prototype, 'write');
    for (let i = 0; i < 500; i++) a.network.send(2, 'forward', new Uint8Array(64));
    expect(write).toHaveBeenCalledTimes(0);
    await Promise.resolve();
    await realWorld.until('all', () => b.frames.filter((size) => size === 64).length === 500);
    const large = write.mock.calls.filter(([bytes]) => bytes.length > 1000);
    expect(large.length).toBe(1);
  });
});
