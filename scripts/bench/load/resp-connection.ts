/** One connection of the RESP load generator: makes commands for the keys of its node, and times their answers in order. */
import net from 'node:net';

import type { Meter } from './meter.js';
import { Dice, keyName } from './random.js';
import { ReplyScanner } from './reply-scanner.js';

const KEY_BYTES = keyName(0).length;

export class RespConnection {
  /** Called when the last open command was answered. */
  onIdle: () => void = () => undefined;
  private readonly socket: net.Socket;
  /** When each unanswered command was due, in order; those before `answered` are history. */
  private due: number[] = [];
  private answered = 0;
  private readonly dice: Dice;
  private readonly head: Buffer;
  private readonly tail: Buffer;

  constructor(
    address: string,
    seed: number,
    private readonly keys: Uint32Array,
    private readonly isRead: boolean,
    valueBytes: number,
    private readonly meter: Meter,
    private readonly onBroken: (why: string) => void,
  ) {
    this.dice = new Dice(seed);
    this.head = Buffer.from(`*${isRead ? 2 : 3}\r\n$3\r\n${isRead ? 'GET' : 'SET'}\r\n$${KEY_BYTES}\r\n`);
    this.tail = Buffer.from(isRead ? '\r\n' : `\r\n$${valueBytes}\r\n${'x'.repeat(valueBytes)}\r\n`);
    const colon = address.lastIndexOf(':');
    this.socket = net.connect({
      host: address.slice(0, colon),
      port: Number(address.slice(colon + 1)),
      noDelay: true,
    });
    const scanner = new ReplyScanner((error) => this.onReply(error));
    this.socket.on('data', (bytes) => scanner.feed(bytes));
    this.socket.on('error', (error) => this.onBroken(error.message));
    this.socket.on('close', () => {
      if (this.openCount > 0) this.onBroken(`${address} closed the connection`);
    });
  }

  get openCount(): number {
    return this.due.length - this.answered;
  }

  /** Sends `count` commands on random keys of this node in one write. `dueMs` is when the first should have left. */
  send(count: number, dueMs: number, betweenMs = 0): void {
    this.write(count, () => this.keys[this.dice.below(this.keys.length)] as number, dueMs, betweenMs);
  }

  /** Sends commands on the keys in the order of the list, from `from` on. */
  sendInOrder(count: number, from: number, dueMs: number): void {
    let at = from;
    this.write(count, () => this.keys[at++] as number, dueMs, 0);
  }

  close(): void {
    this.socket.destroy();
  }

  private write(count: number, nextKey: () => number, dueMs: number, betweenMs: number): void {
    const commandBytes = this.head.length + KEY_BYTES + this.tail.length;
    const bytes = Buffer.allocUnsafe(count * commandBytes);
    for (let i = 0; i < count; i++) {
      let at = i * commandBytes;
      at += this.head.copy(bytes, at);
      at += bytes.write(keyName(nextKey()), at, 'latin1');
      this.tail.copy(bytes, at);
      this.due.push(dueMs + i * betweenMs);
    }
    this.socket.write(bytes);
  }

  private onReply(error: string | null): void {
    const dueMs = this.due[this.answered++] as number;
    this.meter.onAnswer(performance.now() - dueMs, error, this.isRead);
    if (this.answered < this.due.length) {
      // History is dropped now and then, so that the list stays as long as what is open.
      if (this.answered >= 4096) {
        this.due = this.due.slice(this.answered);
        this.answered = 0;
      }
      return;
    }
    this.due.length = 0;
    this.answered = 0;
    this.onIdle();
  }
}
