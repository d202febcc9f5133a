/** What every `StreamListeners` and its streams do, on the simulated and on the real one (streams.test.ts). */
import { afterEach, describe, expect, it } from 'vitest';
import type { ByteStream, CloseListener, StreamHandler, StreamListeners } from '../../src/ports/index.js';
import type { ConformanceWorld } from './world.js';

export interface StreamWorld extends ConformanceWorld {
  create(): StreamListeners;
  /** A client's side. */
  connect(address: string, handler: StreamHandler): ByteStream;
  /** An address with port 0. */
  readonly listen: string;
}

/** One side of a stream, and all that it was told. */
class Side implements StreamHandler {
  stream: ByteStream | null = null;
  private readonly parts: Uint8Array[] = [];
  bytes = 0;
  drains = 0;
  closes = 0;
  /** Data that came after the end. */
  late = 0;

  onData(bytes: Uint8Array): void {
    if (this.closes > 0) this.late++;
    this.parts.push(bytes);
    this.bytes += bytes.length;
  }

  onDrain(): void {
    this.drains++;
  }

  onClose(): void {
    this.closes++;
  }

  get all(): Uint8Array {
    return Buffer.concat(this.parts);
  }

  get open(): ByteStream {
    if (this.stream === null) throw new Error('no stream yet');
    return this.stream;
  }
}

const text = (words: string): Uint8Array => new TextEncoder().encode(words);

function pattern(size: number): Uint8Array {
  return Uint8Array.from({ length: size }, (_, i) => (i * 31 + (i >> 8)) & 255);
}

export function streamSuite(name: string, createWorld: () => StreamWorld): void {
  describe(`${name} as StreamListeners`, () => {
    let world: StreamWorld;
    let closers: CloseListener[] = [];

    async function listen(
      accepted: Side[],
      address = world.listen,
    ): Promise<{ address: string; close: CloseListener; error: (Error & { code?: string }) | null }> {
      let outcome: Awaited<ReturnType<typeof listen>> | null = null;
      world.create().listen(
        address,
        (stream) => {
          const side = new Side();
          side.stream = stream;
          accepted.push(side);
          return side;
        },
        (error, bound, close) => (outcome = { error, address: bound, close }),
      );
      await world.until('listening', () => outcome !== null);
      const result = outcome as unknown as Awaited<ReturnType<typeof listen>>;
      if (result.error === null) closers.push(result.close);
      return result;
    }

    function connect(address: string): Side {
      const side = new Side();
      side.stream = world.connect(address, side);
      return side;
    }

    async function pair(): Promise<{ client: Side; server: Side }> {
      world = createWorld();
      const accepted: Side[] = [];
      const { address } = await listen(accepted);
      const client = connect(address);
      await world.until('accepted', () => accepted.length === 1);
      return { client, server: accepted[0] as Side };
    }

    afterEach(async () => {
      for (const close of closers) {
        let closed = false;
        close(() => (closed = true));
        await world.until('closed', () => closed);
      }
      closers = [];
    });

    it('carries bytes both ways, in order, from the first moment', async () => {
      world = createWorld();
      const accepted: Side[] = [];
      const { address } = await listen(accepted);
      const client = connect(address);
      client.open.write(text('hello '));
      client.open.write(text('world'));
      await world.until('request', () => accepted[0]?.bytes === 11);
      const server = accepted[0] as Side;
      expect(Buffer.from(server.all).toString()).toBe('hello world');
      server.open.write(text('and back'));
      await world.until('answer', () => client.bytes === 8);
      expect(Buffer.from(client.all).toString()).toBe('and back');
    });

    it('hands out plain arrays that nobody changes afterwards', async () => {
      const { client, server } = await pair();
      const parts: Uint8Array[] = [];
      server.onData = (bytes) => void parts.push(bytes);
      client.open.write(pattern(1000));
      await world.until('bytes', () => parts.reduce((sum, p) => sum + p.length, 0) === 1000);
      expect(parts.every((p) => Object.getPrototypeOf(p) === Uint8Array.prototype)).toBe(true);
      client.open.write(new Uint8Array(1000).fill(0xff));
      await world.until('more', () => parts.reduce((sum, p) => sum + p.length, 0) === 2000);
      expect(Buffer.compare(Buffer.concat(parts).subarray(0, 1000), pattern(1000))).toBe(0);
    });

    it('gives each stream an id of its own', async () => {
      world = createWorld();
      const accepted: Side[] = [];
      const { address } = await listen(accepted);
      const clients = [connect(address), connect(address), connect(address)];
      await world.until('accepted', () => accepted.length === 3);
      const ids = [...accepted, ...clients].map((side) => side.open.id);
      expect(new Set(ids).size).toBe(6);
    });

    it('holds back a writer whose reader pauses, and tells it when there is room', async () => {
      const { client, server } = await pair();
      client.open.pause();
      const block = pattern(1024 * 1024);
      let written = 0;
      while (server.open.write(block.slice()) && written < 64) written++;
      for (let i = 0; i < 15; i++) server.open.write(block.slice());
      const total = (written + 16) * block.length;
      await world.settle();
      expect(server.open.bufferedBytes()).toBeGreaterThan(0);
      expect(server.drains).toBe(0);
      client.open.resume();
      await world.until('all', () => client.bytes === total);
      await world.until('drain', () => server.drains > 0);
      expect(server.open.bufferedBytes()).toBe(0);
      const { all } = client;
      for (let at = 0; at < total; at += block.length) {
        expect(Buffer.compare(all.subarray(at, at + block.length), block)).toBe(0);
      }
    });

    it('ends after what was written has arrived', async () => {
      const { client, server } = await pair();
      const answer = pattern(300_000);
      server.open.write(answer.slice());
      server.open.end();
      await world.until('both closed', () => client.closes === 1 && server.closes === 1);
      expect(Buffer.compare(client.all, answer)).toBe(0);
    });

    it('tells each side of the end once, and nothing after it', async () => {
      const { client, server } = await pair();
      server.open.destroy();
      server.open.destroy();
      expect(server.closes).toBe(0);
      await world.until('both closed', () => client.closes === 1 && server.closes === 1);
      expect(server.open.write(text('late'))).toBe(false);
      client.open.destroy();
      await world.settle();
      expect([client.closes, server.closes, client.late, server.late]).toEqual([1, 1, 0, 0]);
    });

    it('notices that a client has gone', async () => {
      const { client, server } = await pair();
      client.open.destroy();
      await world.until('closed', () => server.closes === 1);
    });

    it('closes a stream to an address where nobody listens', async () => {
      const { client } = await pair();
      const { address, close } = await listen([]);
      let closed = false;
      close(() => (closed = true));
      closers.pop();
      await world.until('closed', () => closed);
      const lost = connect(address);
      await world.until('refused', () => lost.closes === 1);
      expect(client.closes).toBe(0);
    });

    it('says which address is in use', async () => {
      world = createWorld();
      const { address } = await listen([]);
      const { error } = await listen([], address);
      expect(error?.code).toBe('EADDRINUSE');
      expect(error?.message).toContain(address);
    });
  });
}
