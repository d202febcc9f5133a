/** One stream of operations: results, order, pressure both ways, and every way in which it ends. */
import { describe, expect, it } from 'vitest';

import { CacheExpiryKind, type PipelineRequestWriter } from '../../../../src/codec/cache/index.js';
import { slotOfKey } from '../../../../src/topology/index.js';
import { batch, CacheWorld, errorOf, readResponses, utf8, type FakeMessageStream } from './cache-world.js';

function put(w: PipelineRequestWriter, id: number, key: string, value: string): void {
  w.set(id, utf8(key), utf8(value), CacheExpiryKind.none, 0, 0, false);
}

function send(stream: FakeMessageStream, message: Uint8Array): void {
  stream.handler?.onMessage(message);
}

function keyOfShard(world: CacheWorld, shard: number): string {
  for (let i = 0; ; i++) if (world.gateway.shardOf(slotOfKey(utf8(`k${i}`))) === shard) return `k${i}`;
}

describe('a pipeline', () => {
  it('answers every kind of operation by its id', () => {
    const world = new CacheWorld();
    const stream = world.open();
    send(
      stream,
      batch((w) => {
        put(w, 1, 'a', '41');
        w.get(2, utf8('a'), false);
        w.increment(3, utf8('a'), 1);
        w.get(4, utf8('a'), true);
        w.get(5, utf8('none'), true);
        w.touch(6, utf8('a'), CacheExpiryKind.ttl, 1000);
        w.persist(7, utf8('a'));
        w.compareAndSet(8, utf8('a'), 99, utf8('x'), CacheExpiryKind.none, 0, false);
        w.compareAndDelete(9, utf8('none'), 3);
        w.delete(10, utf8('a'));
      }),
    );
    world.settle();
    const version = expect.any(Number);
    expect(readResponses(stream.writes).results).toEqual([
      { id: 1, applied: true, version },
      { id: 2, found: true, value: '41' },
      { id: 3, applied: true, number: 42, version },
      { id: 4, found: true, value: '42', version },
      { id: 5 },
      { id: 6, found: true, applied: true },
      { id: 7, found: true, applied: true, version },
      { id: 8, found: true, version },
      { id: 9 },
      { id: 10, found: true, applied: true },
    ]);
  });

  it('sends the results of one turn as one message, and the version of its map', () => {
    const world = new CacheWorld();
    const stream = world.open();
    send(
      stream,
      batch((w) => ['a', 'b', 'c'].forEach((key, i) => put(w, i, key, 'v'))),
    );
    send(
      stream,
      batch((w) => w.get(9, utf8('a'), false)),
    );
    world.gateway.deliverAll();
    expect(stream.writes).toHaveLength(0);
    world.time.runTurn();
    expect(stream.writes).toHaveLength(1);
    expect(readResponses(stream.writes)).toMatchObject({ mapVersion: 7 });
    expect(readResponses(stream.writes).results).toHaveLength(4);
  });

  it('submits in the order sent, across messages', () => {
    const world = new CacheWorld();
    const stream = world.open();
    for (let i = 0; i < 100; i++)
      send(
        stream,
        batch((w) => put(w, i, 'k', `${i}`)),
      );
    send(
      stream,
      batch((w) => w.get(100, utf8('k'), false)),
    );
    world.settle();
    const { results } = readResponses(stream.writes);
    expect(results.at(-1)).toEqual({ id: 100, found: true, value: '99' });
    expect(results.map((result) => result.id)).toEqual(Array.from({ length: 101 }, (_, i) => i));
  });

  it('names results that come in another order than they were asked for', () => {
    const world = new CacheWorld();
    const stream = world.open();
    send(
      stream,
      batch((w) => ['a', 'b', 'c', 'd'].forEach((key, i) => put(w, i, key, 'v'))),
    );
    world.settle((count) => count - 1);
    expect(readResponses(stream.writes).results.map((result) => result.id)).toEqual([3, 2, 1, 0]);
  });

  it('lets one operation fail alone', () => {
    const world = new CacheWorld({ valueBytesMax: 5 });
    world.gateway.failing.set(2, { reason: 'OUTCOME_UNKNOWN', message: 'the leader went silent' });
    const lost = keyOfShard(world, 2);
    const kept = keyOfShard(world, 3);
    const stream = world.open();
    send(
      stream,
      batch((w) => {
        put(w, 1, kept, 'v');
        put(w, 2, lost, 'v');
        put(w, 3, kept, 'too long');
        w.touch(4, utf8(kept), CacheExpiryKind.none, 0);
        w.get(5, utf8(kept), false);
      }),
    );
    world.settle();
    const byId = new Map(readResponses(stream.writes).results.map((result) => [result.id, result]));
    expect(byId.get(1)).toMatchObject({ applied: true });
    expect(byId.get(2)).toEqual({
      id: 2,
      error: 'OUTCOME_UNKNOWN',
      message: 'the leader went silent',
      shard: 2,
      leader: 2,
      address: '10.0.0.2:7600',
    });
    expect(byId.get(3)).toMatchObject({ error: 'TOO_LARGE' });
    expect(byId.get(4)).toMatchObject({ error: 'INVALID_ARGUMENT' });
    expect(byId.get(5)).toMatchObject({ found: true, value: 'v' });
    expect(stream.ended).toBeNull();
  });

  it.each([
    [{ session: 4 }, 'a session comes with the time of its grant and its lifetime, and only with one'],
    [
      { sessionGrantedMs: 4 },
      'a session comes with the time of its grant and its lifetime, and only with one',
    ],
    [{ sequence: 1 }, 'here every operation has a sequence of its own, and the header none'],
    [{ lowestUnanswered: 1 }, 'here every operation has a sequence of its own, and the header none'],
    [{ consistency: 9 }, 'the consistency is none that this server knows'],
  ] as const)(
    'refuses each operation of a message with %j in its header, and no other',
    (header, message) => {
      const world = new CacheWorld();
      const stream = world.open();
      send(
        stream,
        batch((w) => put(w, 1, 'a', 'v'), header),
      );
      send(
        stream,
        batch((w) => put(w, 2, 'a', 'v')),
      );
      world.settle();
      const { results } = readResponses(stream.writes);
      expect(results).toContainEqual({
        id: 1,
        error: 'INVALID_ARGUMENT',
        message,
      });
      expect(results).toContainEqual({ id: 2, applied: true, version: expect.any(Number) });
      expect(world.gateway.submitted).toBe(1);
    },
  );

  it('hints at the leaders of shards that others lead, each once in a response', () => {
    const world = new CacheWorld(); // node 3; shard n is led by ((n - 1) mod 3) + 1
    const stream = world.open();
    const keys = [1, 2, 3, 4].map((shard) => keyOfShard(world, shard));
    send(
      stream,
      batch((w) => [...keys, ...keys].forEach((key, i) => put(w, i, key, 'v'))),
    );
    world.settle();
    expect(readResponses(stream.writes).hints).toEqual([
      { shard: 1, node: 1, term: 11 },
      { shard: 2, node: 2, term: 12 },
      { shard: 4, node: 1, term: 14 },
    ]);
    send(
      stream,
      batch((w) => put(w, 9, keyOfShard(world, 3), 'v')),
    );
    world.settle();
    expect(readResponses(stream.writes.slice(-1)).hints).toEqual([]);
  });

  it('gives each message its own deadline', () => {
    const world = new CacheWorld({ requestTimeoutMs: 1000 });
    const stream = world.open();
    send(
      stream,
      batch((w) => put(w, 1, 'a', 'v'), { deadlineMs: 250 }),
    );
    send(
      stream,
      batch((w) => put(w, 2, 'a', 'v')),
    );
    send(
      stream,
      batch((w) => put(w, 3, 'a', 'v'), { deadlineMs: 60_000 }),
    );
    expect(world.gateway.deadlines.map((at) => at - world.time.monoMs())).toEqual([250, 1000, 1000]);
  });

  it('stops reading at its limit of operations, and goes on when half were answered', () => {
    const world = new CacheWorld();
    const stream = world.open();
    send(
      stream,
      batch((w) => {
        for (let i = 0; i < 25_000; i++) w.get(i, utf8(`k${i}`), false);
      }),
    );
    expect(world.gateway.submitted).toBe(10_000);
    expect(world.server.pendingCount).toBe(10_000);
    expect(stream.paused).toBe(true);
    for (let i = 0; i < 4000; i++) world.gateway.deliver(0);
    world.time.runTurn();
    expect(world.gateway.submitted).toBe(10_000);
    for (let i = 0; i < 1000; i++) world.gateway.deliver(0);
    world.time.runTurn();
    expect(world.gateway.submitted).toBe(15_000);
    world.settle();
    expect(stream.paused).toBe(false);
    const ids = new Set(readResponses(stream.writes).results.map((result) => result.id));
    expect(ids.size).toBe(25_000);
    expect(world.server.pendingCount).toBe(0);
  });

  it('stops reading at its limit of bytes', () => {
    const world = new CacheWorld();
    const stream = world.open();
    const value = 'v'.repeat(1024 * 1024);
    send(
      stream,
      batch((w) => ['a', 'b', 'c', 'd', 'e', 'f'].forEach((key, i) => put(w, i, key, value))),
    );
    expect(world.gateway.submitted).toBe(4);
    expect(stream.paused).toBe(true);
    world.settle();
    expect(world.gateway.submitted).toBe(6);
    expect(readResponses(stream.writes).results).toHaveLength(6);
  });

  it('waits for room in the gateway', () => {
    const world = new CacheWorld();
    const stream = world.open();
    world.gateway.hasRoom = false;
    send(
      stream,
      batch((w) => put(w, 1, 'a', 'v')),
    );
    world.settle();
    expect([world.gateway.submitted, stream.paused]).toEqual([0, true]);
    world.gateway.giveRoom();
    world.settle();
    expect([world.gateway.submitted, stream.paused]).toEqual([1, false]);
    expect(readResponses(stream.writes).results).toHaveLength(1);
  });

  it('reads nothing more from a client that leaves its results unread, until it takes them', () => {
    const world = new CacheWorld();
    const stream = world.open();
    send(
      stream,
      batch((w) => put(w, 0, 'big', 'v'.repeat(600_000))),
    );
    world.settle();
    stream.takes = false;
    for (let i = 1; i <= 3; i++) {
      send(
        stream,
        batch((w) => w.get(i, utf8('big'), false)),
      );
      world.settle();
    }
    expect([world.gateway.submitted, stream.paused]).toEqual([3, true]);
    stream.drain();
    world.settle();
    expect([world.gateway.submitted, stream.paused]).toEqual([4, false]);
    expect(readResponses(stream.writes).results).toHaveLength(4);
  });

  it('ends as OVERLOADED when more is unread than its limit allows', () => {
    const world = new CacheWorld({ outputBytesMax: 2_000_000 });
    const stream = world.open();
    send(
      stream,
      batch((w) => put(w, 0, 'big', 'v'.repeat(300_000))),
    );
    world.settle();
    stream.takes = false;
    send(
      stream,
      batch((w) => {
        for (let i = 1; i <= 20; i++) w.get(i, utf8('big'), false);
      }),
    );
    world.settle();
    expect(stream.ended?.failure?.code).toBe('OVERLOADED');
    expect(errorOf(stream.ended?.failure ?? null).message).toContain('unread');
    expect(world.server.pendingCount).toBe(0);
    expect(world.gateway.waiting).toHaveLength(0);
    stream.close();
  });

  it('sends a large response before the turn ends, and tells a value that fits no message', () => {
    const world = new CacheWorld({ grpcMessageBytesMax: 1_000_000 });
    const stream = world.open();
    send(
      stream,
      batch((w) => {
        put(w, 0, 'big', 'v'.repeat(700_000));
        put(w, 1, 'huge', 'v'.repeat(1_000_000));
      }),
    );
    world.settle();
    send(
      stream,
      batch((w) => {
        for (let i = 2; i < 6; i++) w.get(i, utf8('big'), false);
        w.get(6, utf8('huge'), false);
      }),
    );
    world.settle();
    for (const message of stream.writes) expect(message.length).toBeLessThan(1_000_000);
    const { results } = readResponses(stream.writes);
    expect(results.filter((result) => result.value?.length === 700_000)).toHaveLength(4);
    expect(results.at(-1)).toMatchObject({ id: 6, error: 'TOO_LARGE' });
  });

  it('ends with INVALID_ARGUMENT at a malformed message, and frees what was under way', () => {
    const world = new CacheWorld();
    const stream = world.open();
    send(
      stream,
      batch((w) => put(w, 1, 'a', 'v')),
    );
    send(stream, Uint8Array.of(0x12, 0x7f));
    expect(stream.ended?.failure?.code).toBe('INVALID_ARGUMENT');
    send(
      stream,
      batch((w) => put(w, 2, 'a', 'v')),
    );
    world.settle();
    expect(world.gateway.submitted).toBe(1);
    expect(world.gateway.forgotten.size).toBe(1);
    expect(stream.writes).toHaveLength(0);
    stream.close();
    expect(world.server.pendingCount).toBe(0);
  });

  it('answers everything after the client has sent its last message, then ends', () => {
    const world = new CacheWorld();
    const stream = world.open();
    send(
      stream,
      batch((w) => ['a', 'b', 'c'].forEach((key, i) => put(w, i, key, 'v'))),
    );
    stream.handler?.onHalfClose();
    world.time.runTurn();
    expect(stream.ended).toBeNull();
    world.settle();
    expect(readResponses(stream.writes).results).toHaveLength(3);
    expect(stream.ended).toEqual({ failure: null });
  });

  it('ends at once when the client closes without having asked anything', () => {
    const world = new CacheWorld();
    const stream = world.open();
    stream.handler?.onHalfClose();
    world.settle();
    expect(stream.ended).toEqual({ failure: null });
  });

  it('E99 leaves nothing behind when it is cancelled with operations under way', () => {
    const world = new CacheWorld();
    const streams = Array.from({ length: 20 }, () => world.open());
    for (const [n, stream] of streams.entries())
      send(
        stream,
        batch((w) => ['a', 'b', 'c'].forEach((key, i) => put(w, i, `${key}${n}`, 'v'))),
      );
    expect(world.gauge('requests_pending', 'grpc')).toBe(60);
    for (const stream of streams) stream.close();
    expect(world.gauge('requests_pending', 'grpc')).toBe(0);
    expect(world.gateway.forgotten.size).toBe(20);
    world.settle();
    expect(streams.every((stream) => stream.writes.length === 0 && stream.ended === null)).toBe(true);
    let closed = 0;
    world.server.close(() => closed++);
    world.settle();
    expect(closed).toBe(1);
  });

  it('is answered and ended by a server that stops, and refused by one that has', () => {
    const world = new CacheWorld();
    const stream = world.open();
    send(
      stream,
      batch((w) => put(w, 1, 'a', 'v')),
    );
    let closed = 0;
    world.server.close(() => closed++);
    send(
      stream,
      batch((w) => put(w, 2, 'a', 'v')),
    );
    world.settle();
    expect(readResponses(stream.writes).results.map((result) => result.id)).toEqual([1]);
    expect(stream.ended?.failure?.code).toBe('UNAVAILABLE');
    expect(closed).toBe(0);
    stream.close();
    world.settle();
    expect(closed).toBe(1);
    expect(world.open().ended?.failure?.code).toBe('UNAVAILABLE');
  });
});
