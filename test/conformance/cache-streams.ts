/** What every pair of `RpcServer` and `ClientTransport` does with streams, simulated and real (cache-streams.test.ts). */
import { afterEach, describe, expect, it } from 'vitest';
import type {
  CacheHandler,
  ClientStream,
  ClientTransport,
  MessageStream,
  RpcServer,
  TransportFailure,
} from '../../src/ports/index.js';
import { onlyCache } from '../support/rpc-handlers.js';
import type { ConformanceWorld } from './world.js';

export interface CacheStreamWorld extends ConformanceWorld {
  readonly server: RpcServer;
  readonly transport: ClientTransport;
  /** An address with port 0. */
  readonly listen: string;
  /** Where clients reach what listens at `bound`: there, or behind something that the world can break. */
  readonly reach: (bound: string) => Promise<string>;
  /**
   * Every connection is lost, and nobody answers any more, as when the node's process dies. True: nor does the listener,
   * so that it can't be closed.
   */
  readonly killServer: () => boolean;
}

/** The node's side of one stream, as told to its handler. */
class Served {
  readonly got: Uint8Array[] = [];
  closes = 0;
  drains = 0;
  onMessage: () => void = () => undefined;

  constructor(
    readonly stream: MessageStream,
    readonly request: Uint8Array | null,
  ) {}
}

/** The client's side. */
class Caller {
  opens = 0;
  drains = 0;
  readonly got: Uint8Array[] = [];
  readonly ends: TransportFailure[] = [];

  readonly handler = {
    onOpen: (): void => void this.opens++,
    onMessage: (bytes: Uint8Array): void => void this.got.push(bytes),
    onDrain: (): void => void this.drains++,
    onEnd: (failure: TransportFailure): void => void this.ends.push(failure),
  };
}

const numbered = (i: number, bytes = 4): Uint8Array => new Uint8Array(bytes).fill(i & 255);
const HELD_BYTES = 256 * 1024;

export function cacheStreamSuite(name: string, createWorld: () => CacheStreamWorld): void {
  describe(`${name} as streams of the cache`, () => {
    let world: CacheStreamWorld;
    let close: ((done: () => void) => void) | null = null;
    let served: Served[] = [];
    let onServe: (one: Served) => void = () => undefined;

    const cache: CacheHandler = {
      unary: () => () => undefined,
      pipeline: (stream) => serve(stream, null),
      watchShardMap: (request, stream) => serve(stream, request),
    };

    function serve(stream: MessageStream, request: Uint8Array | null) {
      const one = new Served(stream, request);
      served.push(one);
      onServe(one);
      return {
        onMessage: (bytes: Uint8Array) => {
          one.got.push(bytes);
          one.onMessage();
        },
        onDrain: () => void one.drains++,
        onHalfClose: () => undefined,
        onClose: () => void one.closes++,
      };
    }

    async function listen(): Promise<string> {
      world = createWorld();
      served = [];
      onServe = () => undefined;
      let bound = '';
      world.server.listen(world.listen, onlyCache(cache), (error, address, closer) => {
        if (error) throw error;
        bound = address;
        close = closer;
      });
      await world.until('listening', () => bound !== '');
      return world.reach(bound);
    }

    async function open(): Promise<{ caller: Caller; stream: ClientStream; there: Served }> {
      const address = await listen();
      const caller = new Caller();
      const stream = world.transport.openPipeline(address, caller.handler);
      await world.until('the stream is there', () => served.length === 1 && caller.opens === 1);
      return { caller, stream, there: served[0] as Served };
    }

    afterEach(async () => {
      world.transport.close();
      let closed = close === null;
      close?.(() => (closed = true));
      await world.until('closed', () => closed);
      close = null;
    });

    it('tells the client once that the other side is there', async () => {
      const { caller } = await open();
      expect([caller.opens, caller.got.length, caller.ends.length]).toEqual([1, 0, 0]);
    });

    it('carries messages whole and in order, both ways', async () => {
      const { caller, stream, there } = await open();
      for (let i = 0; i < 200; i++) {
        stream.write(numbered(i, 1 + i * 37));
        there.stream.write(numbered(i, 1 + i * 41));
      }
      await world.until('all came', () => there.got.length === 200 && caller.got.length === 200);
      const sent = (factor: number): string => {
        const all = Array.from({ length: 200 }, (_, i) => numbered(i, 1 + i * factor));
        return Buffer.concat(all).toString('hex');
      };
      expect(Buffer.concat(there.got).toString('hex') === sent(37)).toBe(true);
      expect(Buffer.concat(caller.got).toString('hex') === sent(41)).toBe(true);
      expect(there.got.map((bytes) => bytes.length)).toEqual(caller.got.map((_, i) => 1 + i * 37));
    });

    it('carries an empty message', async () => {
      const { stream, there } = await open();
      stream.write(numbered(0, 0));
      await world.until('it came', () => there.got.length === 1);
      expect(there.got[0]).toHaveLength(0);
    });

    it('holds back what comes to a paused stream, and gives it after', async () => {
      const { stream, there } = await open();
      there.onMessage = () => there.stream.pause();
      for (let i = 0; i < 5; i++) stream.write(numbered(i));
      await world.until('the first came', () => there.got.length >= 1);
      await world.settle();
      expect(there.got).toHaveLength(1);
      there.onMessage = () => undefined;
      there.stream.resume();
      await world.until('the rest came', () => there.got.length === 5);
      expect(there.got.map((bytes) => bytes[0])).toEqual([0, 1, 2, 3, 4]);
    });

    it('says when more than the mark waits, and when it does not any more', async () => {
      const { caller, there } = await open();
      let written = 0;
      while (there.stream.write(numbered(written, HELD_BYTES))) written++;
      expect(there.stream.bufferedBytes()).toBeGreaterThan(0);
      await world.until('drained', () => there.drains === 1);
      await world.until('all came', () => caller.got.length === written + 1);
      expect(there.stream.bufferedBytes()).toBe(0);
    });

    it('ends with a reason, after what was written', async () => {
      const { caller, there } = await open();
      there.stream.write(numbered(1));
      there.stream.end({ code: 'OVERLOADED', message: 'too much', details: numbered(2) });
      await world.until('ended', () => caller.ends.length === 1 && there.closes === 1);
      expect(caller.got).toHaveLength(1);
      expect(caller.ends[0]?.code).toBe('OVERLOADED');
      expect(caller.ends[0]?.message).toContain('too much');
    });

    it('tells the node when the client gives up, and the client nothing', async () => {
      const { caller, stream, there } = await open();
      stream.write(numbered(1));
      await world.until('it came', () => there.got.length === 1);
      stream.close();
      await world.until('closed', () => there.closes === 1);
      there.stream.write(numbered(2));
      await world.settle();
      expect([there.closes, caller.got.length, caller.ends.length]).toEqual([1, 0, 0]);
    });

    it('tells the client when it may write again, once for each time that it was full', async () => {
      const { caller, stream, there } = await open();
      there.stream.pause();
      let written = 1;
      while (stream.write(numbered(written, HELD_BYTES))) written++;
      await world.settle();
      expect(caller.drains).toBe(0);
      there.stream.resume();
      await world.until('all came', () => there.got.length === written);
      await world.until('drained', () => caller.drains === 1);
      await world.settle();
      expect(caller.drains).toBe(1);
      expect(there.got.map((bytes) => bytes[0])).toEqual(
        Array.from({ length: written }, (_, i) => (i + 1) & 255),
      );
    });

    it('counts nothing as waiting before the handler wrote something', async () => {
      const address = await listen();
      const waiting: number[] = [];
      onServe = (one) => waiting.push(one.stream.bufferedBytes());
      world.transport.openPipeline(address, new Caller().handler);
      world.transport.watchShardMap(address, new Caller().handler);
      await world.until('both are there', () => waiting.length === 2);
      expect(waiting).toEqual([0, 0]);
    });

    it('ends as UNAVAILABLE, once, when the node dies, and so do streams that are opened then', async () => {
      const { caller, stream, there } = await open();
      stream.write(numbered(1));
      await world.until('it came', () => there.got.length === 1);
      if (world.killServer()) close = null;
      await world.until('ended', () => caller.ends.length === 1);
      const later = new Caller();
      const address = await world.reach('');
      world.transport.openPipeline(address, later.handler);
      await world.until('ended, too', () => later.ends.length === 1);
      stream.write(numbered(2));
      stream.close();
      await world.settle();
      expect([...caller.ends, ...later.ends].map(({ code }) => code)).toEqual(['UNAVAILABLE', 'UNAVAILABLE']);
      expect([caller.opens, caller.got.length, later.opens]).toEqual([1, 0, 0]);
    });

    it('ends every stream without a word when the transport is closed', async () => {
      const { caller, there } = await open();
      const watcher = new Caller();
      world.transport.watchShardMap(await world.reach(''), watcher.handler);
      await world.until('both are there', () => served.length === 2);
      world.transport.close();
      await world.until('the node knows', () => there.closes === 1 && served[1]?.closes === 1);
      await world.settle();
      expect([...caller.ends, ...watcher.ends]).toEqual([]);
    });

    it('opens a watch with its request', async () => {
      const address = await listen();
      const caller = new Caller();
      world.transport.watchShardMap(address, caller.handler);
      await world.until('it is there', () => served.length === 1);
      served[0]?.stream.write(numbered(7));
      served[0]?.stream.write(numbered(8));
      await world.until('both came', () => caller.got.length === 2);
      expect(served[0]?.request).not.toBeNull();
      expect(caller.got.map((bytes) => bytes[0])).toEqual([7, 8]);
    });

    it('ends as UNAVAILABLE where nobody listens', async () => {
      const address = await listen();
      let closed = false;
      close?.(() => (closed = true));
      close = null;
      await world.until('closed', () => closed);
      const caller = new Caller();
      world.transport.openPipeline(address, caller.handler);
      await world.until('ended', () => caller.ends.length === 1);
      expect(caller.ends[0]?.code).toBe('UNAVAILABLE');
      expect(caller.opens).toBe(0);
    });
  });
}
