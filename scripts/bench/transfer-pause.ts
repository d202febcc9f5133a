/**
 * The pause that clients see when a leader is moved on purpose: one client writes one key after the other in a closed
 * loop to the shard, through a node that forwards, while another load runs on all shards; the shard's leadership goes
 * round the nodes. The pause of a transfer is the longest time between two acknowledgements around it. On a machine that
 * is busy with other things writes pause without any transfer, too: as many stretches of the same length are measured
 * before, and told beside the figure.
 */
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

import { createGrpcControlClient } from '../../src/adapters/index.js';
import type { ControlClient, ControlMethod, ControlMethods } from '../../src/ports/index.js';
import { slotOfKey } from '../../src/topology/index.js';
import { ReplyScanner } from './load/reply-scanner.js';
import { median } from './statistics.js';

const TRANSFERS = 12;
const BETWEEN_MS = 400;
const CALL_MS = 10_000;
const KEY = 'probe';

export interface PauseTarget {
  readonly grpc: string;
  readonly resp: string;
  readonly nodes: number;
}

export interface TransferPauses {
  /** The longest around any of the transfers. */
  readonly pauseMs: number;
  readonly medianMs: number;
  /** The longest, and the median, of as many stretches without a transfer. */
  readonly stillMs: number;
  readonly stillMedianMs: number;
}

export async function measureTransferPause(target: PauseTarget): Promise<TransferPauses> {
  const client = createGrpcControlClient();
  const probe = new Probe(target.resp);
  try {
    const group = await shardOfProbe(client, target.grpc);
    await probe.start();
    await sleep(BETWEEN_MS);
    const still: number[] = [];
    const moved: number[] = [];
    for (let i = 0; i < TRANSFERS; i++) {
      probe.worstMs = 0;
      await sleep(BETWEEN_MS);
      still.push(probe.worstMs);
    }
    for (let i = 0; i < TRANSFERS; i++) {
      const node = (i % target.nodes) + 1;
      probe.worstMs = 0;
      await call(client, target.grpc, 'transfer', { group, node, forwarded: false });
      await sleep(BETWEEN_MS);
      moved.push(probe.worstMs);
    }
    if (probe.refusal !== null)
      throw new Error(`a write of the probe was not acknowledged: ${probe.refusal}`);
    return {
      pauseMs: Math.max(...moved),
      medianMs: median(moved),
      stillMs: Math.max(...still),
      stillMedianMs: median(still),
    };
  } finally {
    probe.stop();
    client.close();
  }
}

async function shardOfProbe(client: ControlClient, grpc: string): Promise<number> {
  const { json } = await call(client, grpc, 'status', {});
  const { shards } = JSON.parse(json) as { shards: { id: number; slots: [number, number] }[] };
  const slot = slotOfKey(Buffer.from(KEY));
  const shard = shards.find(({ slots }) => slots[0] <= slot && slot <= slots[1]);
  if (shard === undefined) throw new Error(`no shard has slot ${slot}`);
  return shard.id;
}

function call<M extends ControlMethod>(
  client: ControlClient,
  address: string,
  method: M,
  request: ControlMethods[M]['request'],
): Promise<ControlMethods[M]['response']> {
  return new Promise((resolve, reject) => {
    client.call(address, method, request, CALL_MS, (failure, response) => {
      if (response !== null) resolve(response);
      else reject(new Error(`${method}: ${failure?.message ?? 'no answer'}`));
    });
  });
}

class Probe {
  worstMs = 0;
  /** The first write that was not acknowledged. */
  refusal: string | null = null;
  private lastMs = 0;
  private stopped = false;
  private socket: net.Socket | null = null;

  constructor(private readonly address: string) {}

  start(): Promise<void> {
    const colon = this.address.lastIndexOf(':');
    const command = Buffer.from(`*3\r\n$3\r\nSET\r\n$${KEY.length}\r\n${KEY}\r\n$1\r\nx\r\n`);
    const socket = net.connect({
      host: this.address.slice(0, colon),
      port: Number(this.address.slice(colon + 1)),
      noDelay: true,
    });
    this.socket = socket;
    return new Promise((resolve, reject) => {
      const scanner = new ReplyScanner((error) => {
        if (error !== null) this.refusal ??= error;
        const nowMs = performance.now();
        if (this.lastMs > 0) this.worstMs = Math.max(this.worstMs, nowMs - this.lastMs);
        this.lastMs = nowMs;
        resolve();
        if (!this.stopped) socket.write(command);
      });
      socket.on('data', (bytes) => scanner.feed(bytes));
      socket.on('error', reject);
      socket.once('connect', () => socket.write(command));
    });
  }

  stop(): void {
    this.stopped = true;
    this.socket?.destroy();
  }
}
