/** TCP peer networks for tests, with a logger that keeps what it was told. */
import { createServer, connect, type Server, type Socket } from 'node:net';
import { crc32 } from '../../../src/adapters/crc32.js';
import { systemClock } from '../../../src/adapters/clock.js';
import { createSystemEntropy } from '../../../src/adapters/entropy.js';
import { createTcpPeers } from '../../../src/adapters/tcp-peers.js';
import { systemTimers } from '../../../src/adapters/timers.js';
import type { NodeId } from '../../../src/base/index.js';
import type { Clock, Logger, PeerHandlers, PeerNetwork, Timers } from '../../../src/ports/index.js';
import { realWorld } from '../../conformance/world.js';

export interface TestPeer {
  readonly network: PeerNetwork;
  readonly address: string;
  readonly warnings: string[];
  readonly told: string[];
  /** Length of each frame, in order of arrival. */
  readonly frames: number[];
  heard(): number;
}

export interface TestPeerOptions {
  readonly frameBytesMax?: number;
  /** How many times faster than real time the peer's clock and timers run. */
  readonly speed?: number;
}

function fastClock(speed: number): Clock {
  return { wallMs: systemClock.wallMs, monoMs: () => systemClock.monoMs() * speed };
}

function fastTimers(speed: number): Timers {
  return { soon: systemTimers.soon, after: (delayMs, run) => systemTimers.after(delayMs / speed, run) };
}

export async function startPeer(id: NodeId, options: TestPeerOptions = {}): Promise<TestPeer> {
  const warnings: string[] = [];
  const logger: Logger = {
    debug: () => undefined,
    info: () => undefined,
    warn: (event, fields) => void warnings.push(`${event} ${JSON.stringify(fields)}`),
    error: () => undefined,
    child: () => logger,
  };
  const network = createTcpPeers({
    crc32,
    logger,
    timers: fastTimers(options.speed ?? 1),
    clock: fastClock(options.speed ?? 1),
    entropy: createSystemEntropy(),
    ...(options.frameBytesMax === undefined ? {} : { frameBytesMax: options.frameBytesMax }),
  });
  const told: string[] = [];
  const frames: number[] = [];
  let heard = 0;
  let address = '';
  const handlers: PeerHandlers = {
    onFrame: (_from, _channel, frame) => void frames.push(frame.length),
    onHeard: () => heard++,
    onLinkUp: (node, channel) => void told.push(`up ${node} ${channel}`),
    onLinkDown: (node, channel) => void told.push(`down ${node} ${channel}`),
    onDrain: (node, channel) => void told.push(`drain ${node} ${channel}`),
  };
  const identity = { clusterId: 'alpha', nodeId: id, bootNumber: 1, nonce: `n${id}` };
  network.start('127.0.0.1:0', identity, handlers, (error, bound) => {
    if (error) throw error;
    address = bound;
  });
  await realWorld.until('listening', () => address !== '');
  return { network, address, warnings, told, frames, heard: () => heard };
}

export function stopPeer(peer: TestPeer): Promise<void> {
  return new Promise((resolve) => peer.network.stop(resolve));
}

/** A relay that passes bytes to `target` at a bounded rate, or stops passing them, and counts. */
export class SlowRelay {
  address = '';
  passedBytes = 0;
  /** Bytes per millisecond, from the side that dials. */
  rate = Infinity;
  stalled = false;
  private readonly sockets = new Set<Socket>();
  private readonly server: Server;

  private constructor(private readonly target: string) {
    this.server = createServer({ noDelay: true, highWaterMark: 16 * 1024 }, (inbound) => this.relay(inbound));
  }

  static async start(target: string): Promise<SlowRelay> {
    const relay = new SlowRelay(target);
    await new Promise<void>((resolve) => relay.server.listen(0, '127.0.0.1', resolve));
    const info = relay.server.address();
    relay.address = `127.0.0.1:${typeof info === 'object' ? info?.port : 0}`;
    return relay;
  }

  stop(): Promise<void> {
    for (const socket of this.sockets) socket.destroy();
    return new Promise((resolve) => this.server.close(() => resolve()));
  }

  /** Cuts every connection through the relay. */
  cut(): void {
    for (const socket of this.sockets) socket.destroy();
  }

  private relay(inbound: Socket): void {
    const [host, port] = this.target.split(':');
    const outbound = connect({ host: host as string, port: Number(port), noDelay: true });
    for (const socket of [inbound, outbound]) {
      this.sockets.add(socket);
      socket.on('error', () => undefined);
      socket.on('close', () => {
        this.sockets.delete(socket);
        inbound.destroy();
        outbound.destroy();
      });
    }
    outbound.on('data', (bytes) => inbound.write(bytes));
    inbound.on('data', (bytes) => {
      if (this.stalled) return;
      this.passedBytes += bytes.length;
      outbound.write(bytes);
      if (this.rate === Infinity) return;
      inbound.pause();
      setTimeout(() => inbound.resume(), bytes.length / this.rate);
    });
  }
}
