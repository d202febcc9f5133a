/**
 * One connection of the checkpoint benchmark: SETs over a fixed range of keys, pipelined, closed loop; or each key of its
 * part once. Values are letters and digits that don't repeat within LZ4's window, so that compression has its full work.
 */
import net from 'node:net';

import type { LatencyHistogram } from '../latency-histogram.js';
import { Dice, keyName } from './random.js';
import { ReplyScanner } from './reply-scanner.js';

const POOL_BYTES = 16 * 1024 * 1024;
const LETTERS = 'abcdefghijklmnopqrstuvwxyz0123456789';

/** Where every value is cut from. */
export function makePool(): Buffer {
  const dice = new Dice(7);
  const pool = Buffer.allocUnsafe(POOL_BYTES);
  for (let i = 0; i < POOL_BYTES; i++) pool[i] = LETTERS.charCodeAt(dice.below(LETTERS.length));
  return pool;
}

export class OverwriteClient {
  acknowledged = 0;
  /** The first error reply. */
  error: string | null = null;
  /** Where latencies go; null: nowhere. */
  latencies: LatencyHistogram | null = null;
  private readonly socket: net.Socket;
  private readonly dice: Dice;
  private readonly head: Buffer;
  private sentMs = 0;
  private owed = 0;
  private onIdle: () => void = () => undefined;

  constructor(
    port: number,
    seed: number,
    private readonly keys: number,
    private readonly valueBytes: number,
    private readonly pool: Buffer,
    private readonly onBroken: (why: string) => void,
  ) {
    this.dice = new Dice(seed);
    this.head = Buffer.from(`*3\r\n$3\r\nSET\r\n$${keyName(0).length}\r\n`);
    this.socket = net.connect({ host: '127.0.0.1', port, noDelay: true });
    const scanner = new ReplyScanner((error) => this.onReply(error));
    this.socket.on('data', (bytes) => scanner.feed(bytes));
    this.socket.on('error', (error) => onBroken(error.message));
    this.socket.on('close', () => {
      if (this.owed > 0) this.onBroken('the connection was closed');
    });
  }

  /** Each key from `from` on once, up to `to`. */
  fill(from: number, to: number, pipeline: number): Promise<void> {
    let at = from;
    return new Promise((resolve) => {
      const next = (): void => {
        const count = Math.min(pipeline, to - at);
        if (count <= 0) resolve();
        else this.send(count, () => at++);
      };
      this.onIdle = next;
      next();
    });
  }

  /** Random keys, until `isOver` says so. */
  drive(pipeline: number, isOver: () => boolean): Promise<void> {
    return new Promise((resolve) => {
      const next = (): void => {
        if (isOver()) resolve();
        else this.send(pipeline, () => this.dice.below(this.keys));
      };
      this.onIdle = next;
      next();
    });
  }

  close(): void {
    this.socket.destroy();
  }

  private send(count: number, nextKey: () => number): void {
    const { head, pool, valueBytes } = this;
    const parts: Buffer[] = [];
    for (let i = 0; i < count; i++) {
      const from = this.dice.below(pool.length - valueBytes);
      parts.push(head, Buffer.from(`${keyName(nextKey())}\r\n$${valueBytes}\r\n`));
      parts.push(pool.subarray(from, from + valueBytes), END);
    }
    this.owed = count;
    this.sentMs = performance.now();
    this.socket.write(Buffer.concat(parts));
  }

  private onReply(error: string | null): void {
    this.owed--;
    if (error === null) this.acknowledged++;
    else this.error ??= error;
    this.latencies?.add(performance.now() - this.sentMs);
    if (this.owed === 0) this.onIdle();
  }
}

const END = Buffer.from('\r\n');
