/**
 * redis-server as a cache with a limit, over a Unix socket. Redis limits memory, not items: while a run warms up the
 * limit is moved until the server holds about as many items as the others, and then left alone.
 *
 * Requests go in batches: the GETs of a batch, then the SETs of what was missing. A key that comes twice in a batch and
 * was missing counts as a hit the second time, as it would be one by one.
 */
import net from 'node:net';
import path from 'node:path';

import { until, type Child, type Children } from '../children.js';
import type { Cache } from './caches.js';

const BATCH = 256;
const VALUE = 'xxxxxxxx';
const START_MS_MAX = 20_000;
const CR = 13;
const DOLLAR = 36;
const MINUS = 45;
const PLUS = 43;
const COLON = 58;
/** Bytes of an item, about; what it is short of the truth, moving the limit makes up for. */
const ITEM_BYTES = 90;
/** The limit is moved after so many requests. */
const TUNE_REQUESTS = 2048;
/** Not lower: what the server takes without items moves by some KiB. */
const LIMIT_ABOVE_EMPTY_MIN = 4096;

export class RedisCache implements Cache {
  readonly name: string;
  private answers: (number | string)[] = [];
  private wanted = 0;
  private done: (() => void) | null = null;
  private rest = Buffer.alloc(0);
  private maxMemory = 0;
  private sinceTuned = 0;
  private isTuning = true;
  private emptyBytes = 0;

  private constructor(
    policy: string,
    private readonly room: number,
    private readonly child: Child,
    private readonly socket: net.Socket,
  ) {
    this.name = `redis ${policy}`;
    socket.on('data', (bytes: Buffer) => this.take(bytes));
  }

  static async start(
    children: Children,
    folder: string,
    policy: 'allkeys-lru' | 'allkeys-lfu',
    room: number,
  ): Promise<RedisCache> {
    const file = path.join(folder, 'redis.sock');
    // prettier-ignore
    const words = ['redis-server', '--port', '0', '--unixsocket', file, '--dir', folder, '--save', '',
      '--maxmemory-policy', policy];
    const child = children.start('redis-server', words, path.join(folder, 'redis.log'), folder);
    let socket: net.Socket | null = null;
    await until(
      async () => {
        socket = await connect(file);
        return socket !== null;
      },
      'redis-server listens',
      START_MS_MAX,
    );
    const cache = new RedisCache(
      policy.slice('allkeys-'.length),
      room,
      child,
      socket as unknown as net.Socket,
    );
    await cache.send(['FLUSHALL']);
    cache.emptyBytes = await cache.usedBytes();
    await cache.limit(cache.emptyBytes + LIMIT_ABOVE_EMPTY_MIN + room * ITEM_BYTES);
    return cache;
  }

  async ask(keys: Uint32Array, count: number): Promise<number> {
    let hits = 0;
    const batch = Math.max(16, Math.min(BATCH, this.room >>> 3));
    for (let first = 0; first < count; first += batch) {
      const end = Math.min(count, first + batch);
      const gets: string[] = [];
      for (let i = first; i < end; i++) gets.push(`GET k${keys[i] as number}`);
      const answers = await this.send(gets);
      const missing = new Set<number>();
      for (let i = first; i < end; i++) {
        if ((answers[i - first] as number) >= 0) hits++;
        else if (missing.has(keys[i] as number)) hits++;
        else missing.add(keys[i] as number);
      }
      if (missing.size > 0) await this.send([...missing].map((key) => `SET k${key} ${VALUE}`));
      this.sinceTuned += end - first;
      if (this.isTuning && this.sinceTuned >= Math.max(TUNE_REQUESTS, this.room / 16)) await this.tune();
    }
    return hits;
  }

  /** The limit stays as it is from now on. */
  settle(): void {
    this.isTuning = false;
  }

  async size(): Promise<number> {
    return Number((await this.send(['DBSIZE']))[0]);
  }

  async close(): Promise<void> {
    this.socket.destroy();
    await this.child.stop();
  }

  private async tune(): Promise<void> {
    this.sinceTuned = 0;
    const size = await this.size();
    const step = Math.round(((this.room - size) * ITEM_BYTES) / 2);
    const used = await this.usedBytes();
    if (size < this.room && used < this.maxMemory - Math.max(step, ITEM_BYTES * 64)) return; // still filling up
    await this.limit(Math.max(this.emptyBytes + LIMIT_ABOVE_EMPTY_MIN, this.maxMemory + step));
  }

  private async limit(bytes: number): Promise<void> {
    this.maxMemory = bytes;
    await this.send([`CONFIG SET maxmemory ${bytes}`]);
  }

  private async usedBytes(): Promise<number> {
    const info = String((await this.send(['INFO memory']))[0]);
    return Number(/used_memory:(\d+)/.exec(info)?.[1]);
  }

  /** Inline commands; an answer for each: the length of a bulk (-1 none), a number, or its text. */
  private async send(lines: readonly string[]): Promise<(number | string)[]> {
    this.answers = [];
    this.wanted = lines.length;
    const isWhole = new Promise<void>((resolve) => (this.done = resolve));
    this.socket.write(`${lines.join('\r\n')}\r\n`);
    await isWhole;
    return this.answers;
  }

  private take(bytes: Buffer): void {
    const data = this.rest.length === 0 ? bytes : Buffer.concat([this.rest, bytes]);
    let at = 0;
    while (this.answers.length < this.wanted) {
      const end = data.indexOf(CR, at);
      if (end < 0 || end + 2 > data.length) break;
      const kind = data[at];
      if (kind === DOLLAR) {
        const length = Number(data.toString('latin1', at + 1, end));
        if (length < 0) this.answers.push(-1);
        else {
          const whole = end + 2 + length + 2;
          if (whole > data.length) break;
          this.answers.push(length > 64 ? data.toString('latin1', end + 2, end + 2 + length) : length);
          at = whole;
          continue;
        }
      } else if (kind === COLON) this.answers.push(Number(data.toString('latin1', at + 1, end)));
      else if (kind === PLUS) this.answers.push(0);
      else if (kind === MINUS) this.answers.push(-1);
      at = end + 2;
    }
    this.rest = Buffer.from(data.subarray(at));
    if (this.answers.length === this.wanted) {
      this.done?.();
      this.done = null;
    }
  }
}

function connect(file: string): Promise<net.Socket | null> {
  return new Promise((resolve) => {
    const socket = net.connect(file);
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(null));
  });
}
