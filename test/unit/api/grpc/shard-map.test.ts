/** The map for clients: its form, and that watchers hear of changes, together and never an old one last. */
import { describe, expect, it } from 'vitest';

import { decodeMapMessage, UNARY_REQUESTS } from '../../../../src/codec/cache/index.js';
import { refuseUninitialised } from '../../../../src/api/grpc/index.js';
import type { CacheFailure } from '../../../../src/ports/index.js';
import { FakeDirectory } from '../resp/fake-directory.js';
import { CacheWorld, errorOf, FakeMessageStream } from './cache-world.js';

/** A directory whose leaders move when the test says so. */
class MovingDirectory extends FakeDirectory {
  private readonly listeners: (() => void)[] = [];

  override onChange(listener?: () => void): void {
    if (listener !== undefined) this.listeners.push(listener);
  }

  move(shard: number, node: number): void {
    this.leaders.set(shard, node);
    for (const listener of this.listeners) listener();
  }
}

const NO_REQUEST = new Uint8Array(0);

function watching(): { world: CacheWorld; directory: MovingDirectory; stream: FakeMessageStream } {
  const directory = new MovingDirectory();
  const world = new CacheWorld({}, undefined, directory);
  const stream = new FakeMessageStream();
  stream.handler = world.server.watchShardMap(NO_REQUEST, stream);
  return { world, directory, stream };
}

const leaders = (bytes: Uint8Array | undefined): number[] =>
  decodeMapMessage(bytes ?? new Uint8Array(0)).shards.map((shard) => shard.leader);

describe('the shard map', () => {
  it('names nodes by their listeners, and shards by slot with leader and term', () => {
    const world = new CacheWorld();
    world.directory.leaders.set(2, 0);
    world.directory.setAddresses(2, { respMoved: '' });
    const { response } = world.call('GetShardMap', UNARY_REQUESTS.GetShardMap.encode({}));
    const map = decodeMapMessage(response);
    expect(map).toMatchObject({ clusterId: 'cluster-a', version: 7 });
    expect(map.nodes).toEqual([
      { id: 1, grpc: '10.0.0.1:7600', resp: '10.0.0.1:7379', respMoved: '10.0.0.1:7479' },
      { id: 2, grpc: '10.0.0.2:7600', resp: '10.0.0.2:7379', respMoved: '' },
      { id: 3, grpc: '10.0.0.3:7600', resp: '10.0.0.3:7379', respMoved: '10.0.0.3:7479' },
    ]);
    expect(map.shards[0]).toEqual({
      id: 1,
      firstSlot: 0,
      lastSlot: 4095,
      nodes: [1, 2, 3],
      leader: 1,
      term: 11,
    });
    expect(map.shards[1]).toMatchObject({ id: 2, leader: 0, term: 0 });
  });

  it('comes to a watcher at once, and again after a change', () => {
    const { world, directory, stream } = watching();
    expect(stream.writes.map(leaders)).toEqual([[1, 2, 3, 1]]);
    directory.move(1, 2);
    world.time.advance(50);
    expect(stream.writes.map(leaders)).toEqual([
      [1, 2, 3, 1],
      [2, 2, 3, 1],
    ]);
    world.time.advance(10_000);
    expect(stream.writes).toHaveLength(2);
  });

  it('comes at once also to a stream in which something waits already', () => {
    const world = new CacheWorld();
    const stream = new FakeMessageStream();
    stream.takes = false;
    stream.write(new Uint8Array(5));
    stream.handler = world.server.watchShardMap(NO_REQUEST, stream);
    expect(stream.writes).toHaveLength(2);
  });

  it('is told once for changes that come together', () => {
    const { world, directory, stream } = watching();
    for (const node of [2, 3, 1, 3]) directory.move(4, node);
    world.time.advance(49);
    expect(stream.writes).toHaveLength(1);
    world.time.advance(1);
    expect(stream.writes.slice(1).map(leaders)).toEqual([[1, 2, 3, 3]]);
  });

  it('comes to a slow watcher in its newest form alone', () => {
    const { world, directory, stream } = watching();
    stream.takes = false;
    directory.move(1, 2);
    world.time.advance(50); // this one waits in the stream
    for (const node of [3, 1, 3]) {
      directory.move(1, node);
      world.time.advance(50);
    }
    expect(stream.writes).toHaveLength(2);
    stream.drain();
    world.time.advance(500);
    expect(stream.writes.slice(2).map(leaders)).toEqual([[3, 2, 3, 1]]);
  });

  it('is no more told to a watcher that has gone', () => {
    const { world, directory, stream } = watching();
    stream.close();
    directory.move(1, 2);
    world.time.advance(1000);
    expect(stream.writes).toHaveLength(1);
  });

  it('ends its watchers when the server stops, and refuses a malformed request', () => {
    const { world, stream } = watching();
    const bad = new FakeMessageStream();
    world.server.watchShardMap(Uint8Array.of(0x0a, 0x7f), bad);
    expect(bad.ended?.failure?.code).toBe('INVALID_ARGUMENT');
    world.server.close(() => undefined);
    expect(stream.ended?.failure?.code).toBe('UNAVAILABLE');
  });
});

describe('a node that is no member yet', () => {
  it('refuses every call as NOT_INITIALISED', () => {
    const cache = refuseUninitialised();
    const failures: (CacheFailure | null)[] = [];
    cache.unary('Get', NO_REQUEST, Infinity, (failure) => failures.push(failure));
    for (const open of [cache.pipeline, (s: FakeMessageStream) => cache.watchShardMap(NO_REQUEST, s)]) {
      const stream = new FakeMessageStream();
      open(stream);
      failures.push(stream.ended?.failure ?? null);
    }
    expect(failures.map((failure) => failure?.code)).toEqual(Array(3).fill('NOT_INITIALISED'));
    expect(errorOf(failures[0] ?? null)).toMatchObject({ reason: 13, retryAfterMs: 500 });
  });
});
