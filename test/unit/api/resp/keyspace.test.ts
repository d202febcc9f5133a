/** Goal: KEYS and RANDOMKEY find what is there, step by step and within bounds. Method: as in scan.test.ts. */
import { describe, expect, it } from 'vitest';
import { KvGateway } from './kv-gateway.js';
import { multibulk, RespWorld, type FakeStream } from './resp-world.js';

function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`);
}

function put(world: RespWorld, client: FakeStream, keys: readonly string[]): void {
  for (let i = 0; i < keys.length; i += 500) {
    world.ask(client, multibulk('MSET', ...keys.slice(i, i + 500).flatMap((key) => [key, 'v'])));
  }
}

/** The bulks of an array reply. */
function bulks(reply: string): string[] {
  const found = [...reply.matchAll(/\$\d+\r\n([^\r]*)\r\n/g)].map((match) => match[1] as string);
  expect(reply.startsWith(`*${found.length}\r\n`)).toBe(true);
  return found;
}

const LAST = (count: number): number => count - 1;

describe('KEYS', () => {
  it('finds the keys of all shards, in however many pages and whichever order they come', () => {
    const world = new RespWorld({}, new KvGateway(16));
    const client = world.connect();
    const keys = [...names('a:', 3_000), ...names('b:', 7)];
    put(world, client, keys);
    expect(bulks(world.ask(client, multibulk('KEYS', '*'), LAST)).sort()).toEqual([...keys].sort());
    expect(bulks(world.ask(client, multibulk('KEYS', 'b:*'))).sort()).toEqual(names('b:', 7));
    expect(bulks(world.ask(client, multibulk('KEYS', '[ab]:5'))).sort()).toEqual(['a:5', 'b:5']);
    expect(world.ask(client, multibulk('KEYS', 'nosuch'))).toBe('*0\r\n');
  });

  it('asks for a page of a shard in each turn, a few shards at a time', () => {
    const world = new RespWorld({}, new KvGateway(16));
    const client = world.connect();
    put(world, client, names('k', 20_000));
    client.writes = [];
    world.settle();
    world.send(client, multibulk('KEYS', '*'));
    expect(world.gateway.waiting).toHaveLength(8);
    let most = 0;
    for (let turn = 0; world.gateway.waiting.length > 0; turn++) {
      most = Math.max(most, world.gateway.waiting.length);
      world.gateway.deliverAll();
      expect(world.gateway.waiting).toHaveLength(0); // the next questions come in the next turn
      world.time.runTurn();
      expect(turn).toBeLessThan(100);
    }
    expect(most).toBe(8);
    expect(bulks(client.text)).toHaveLength(20_000);
  });

  it('its reply keeps its place among those of other commands', () => {
    const world = new RespWorld({}, new KvGateway(4));
    const client = world.connect();
    put(world, client, names('k', 5_000));
    const reply = world.ask(
      client,
      'PING\r\nKEYS k1\r\nPING\r\nGET k1\r\nSCAN 0 MATCH nosuch\r\nPING\r\n',
      LAST,
    );
    expect(reply).toMatch(
      /^\+PONG\r\n\*1\r\n\$2\r\nk1\r\n\+PONG\r\n\$1\r\nv\r\n\*2\r\n[^+]*\*0\r\n\+PONG\r\n$/,
    );
  });

  it('is refused, and lets go of what it found, when it finds more than one reply may hold', () => {
    const world = new RespWorld({ outputBytesMax: 64 * 1024 }, new KvGateway(4));
    const client = world.connect();
    put(world, client, names('key:', 5_000));
    const error = '-ERR KEYS found more than one reply may hold; use SCAN\r\n';
    expect(world.ask(client, multibulk('KEYS', '*'))).toBe(error);
    expect(world.ask(client, multibulk('KEYS', '*'), LAST)).toBe(error);
    expect(bulks(world.ask(client, multibulk('KEYS', 'key:1*')))).toHaveLength(1_111);
    expect(world.ask(client, 'CLIENT LIST\r\n')).toContain('pending=0 omem=0');
  });

  it('a shard that fails fails the command, once every answer is there', () => {
    const world = new RespWorld({}, new KvGateway(4));
    const client = world.connect();
    put(world, client, names('k', 5_000));
    world.gateway.failing.set(2, { reason: 'UNAVAILABLE', message: 'shard 2' });
    const expected = '-CLUSTERDOWN the shard is not available; nothing was applied (shard 2)\r\n';
    expect(world.ask(client, multibulk('KEYS', '*'))).toBe(expected);
    expect(world.ask(client, multibulk('KEYS', '*'), LAST)).toBe(expected);
    world.gateway.failing.clear();
    expect(bulks(world.ask(client, multibulk('KEYS', 'k1')))).toEqual(['k1']);
  });

  it('each of its questions has a time limit of its own', () => {
    const world = new RespWorld({ requestTimeoutMs: 1_000 }, new KvGateway(1));
    const client = world.connect();
    put(world, client, names('k', 3_500));
    world.gateway.deadlines.length = 0;
    world.time.mono = 0;
    world.send(client, multibulk('KEYS', '*'));
    for (let turn = 1; turn <= 3; turn++) {
      world.gateway.deliverAll();
      world.time.mono = turn * 600;
      world.time.runTurn();
    }
    expect(world.gateway.deadlines).toEqual([1_000, 1_600, 2_200, 2_800]);
  });

  it('stops when its connection closes', () => {
    const world = new RespWorld({}, new KvGateway(1));
    const client = world.connect();
    put(world, client, names('k', 5_000));
    world.send(client, multibulk('KEYS', '*'));
    world.gateway.deliverAll();
    const { submitted } = world.gateway;
    client.closed();
    world.settle();
    expect([world.gateway.submitted, world.server.connectionCount]).toEqual([submitted, 0]);
  });

  it('is answered before a QUIT behind it ends the connection', () => {
    const world = new RespWorld({}, new KvGateway(2));
    const client = world.connect();
    put(world, client, names('k', 3_000));
    const reply = world.ask(client, multibulk('KEYS', '*') + 'QUIT\r\n');
    expect(reply).toMatch(/^\*3000\r\n/);
    expect(reply.endsWith('+OK\r\n')).toBe(true);
    expect(client.ended).toBe(true);
  });
});

describe('RANDOMKEY', () => {
  it('finds the one key there is, in whichever shard', () => {
    for (let i = 0; i < 10; i++) {
      const world = new RespWorld({}, new KvGateway(16));
      const client = world.connect();
      world.ask(client, multibulk('SET', `only${i}`, 'v'));
      expect(world.ask(client, multibulk('RANDOMKEY'))).toBe(`$${`only${i}`.length}\r\nonly${i}\r\n`);
    }
  });

  it('every key has a chance, and nothing but keys comes', () => {
    const world = new RespWorld({}, new KvGateway(4));
    const client = world.connect();
    const keys = names('k', 12);
    put(world, client, keys);
    const seen = new Set<string>();
    for (let i = 0; i < 400; i++) {
      seen.add(/^\$\d+\r\n(.*)\r\n$/.exec(world.ask(client, multibulk('RANDOMKEY')))?.[1] ?? 'none');
    }
    expect([...seen].sort()).toEqual([...keys].sort());
  });

  it('asks every shard once before it says that there is none', () => {
    const world = new RespWorld({}, new KvGateway(16));
    expect(world.ask(world.connect(), multibulk('RANDOMKEY'))).toBe('$-1\r\n');
    expect(world.gateway.submitted).toBe(16);
  });

  it('a shard that fails fails it', () => {
    const world = new RespWorld({}, new KvGateway(2));
    for (const shard of [1, 2]) world.gateway.failing.set(shard, { reason: 'OVERLOADED', message: '' });
    expect(world.ask(world.connect(), multibulk('RANDOMKEY'))).toMatch(/^-TRYAGAIN /);
  });
});
