/** Goal: replies in the order asked, backpressure, and clean ends. Method: a fake stream, a gateway that answers on order. */
import { describe, expect, it } from 'vitest';
import { KvGateway } from './kv-gateway.js';
import { multibulk, RespWorld } from './resp-world.js';

const LAST = (count: number): number => count - 1;

describe('order', () => {
  it('replies keep the order of the commands when results come backwards', () => {
    const world = new RespWorld({}, new KvGateway(16));
    const client = world.connect();
    let request = '';
    let expected = '';
    for (let i = 0; i < 200; i++) {
      request += multibulk('SET', `k${i}`, `v${i}`) + multibulk('GET', `k${i}`) + multibulk('ECHO', `${i}`);
      expected += `+OK\r\n$${`v${i}`.length}\r\nv${i}\r\n$${`${i}`.length}\r\n${i}\r\n`;
    }
    expect(world.ask(client, request, LAST)).toBe(expected);
  });

  it('one write to the stream per turn, however many replies', () => {
    const world = new RespWorld();
    const client = world.connect();
    world.ask(client, multibulk('SET', 'a', '1') + multibulk('PING') + multibulk('GET', 'a') + 'FOO\r\n');
    expect(client.writes).toHaveLength(1);
  });

  it('nothing is sent while the first command waits', () => {
    const world = new RespWorld();
    const client = world.connect();
    world.send(client, multibulk('GET', 'a') + multibulk('PING') + multibulk('GET', 'b'));
    world.gateway.deliver(1);
    world.time.runTurn();
    expect(client.text).toBe('');
    world.settle();
    expect(client.text).toBe('$-1\r\n+PONG\r\n$-1\r\n');
  });

  it('what waited before HELLO 3 is answered in RESP2, what follows in RESP3', () => {
    const world = new RespWorld();
    const client = world.connect();
    const reply = world.ask(
      client,
      multibulk('GET', 'a') +
        multibulk('HELLO', '3') +
        multibulk('GET', 'b') +
        multibulk('HELLO', '2') +
        multibulk('GET', 'c'),
      LAST,
    );
    expect(reply.startsWith('$-1\r\n%7\r\n')).toBe(true);
    expect(reply).toContain('_\r\n*14\r\n');
    expect(reply.endsWith('$-1\r\n')).toBe(true);
  });
});

describe('many keys over shards', () => {
  it('MGET keeps the order of its keys', () => {
    const world = new RespWorld({}, new KvGateway(16));
    const client = world.connect();
    const keys = Array.from({ length: 100 }, (_, i) => `key:${i}`);
    world.ask(client, multibulk('MSET', ...keys.flatMap((key, i) => (i % 3 ? [key, `${i}`] : []))));
    const expected = keys.map((_, i) => (i % 3 ? `$${`${i}`.length}\r\n${i}\r\n` : '$-1\r\n')).join('');
    expect(world.ask(client, multibulk('MGET', ...keys), LAST)).toBe(`*100\r\n${expected}`);
    expect(world.ask(client, multibulk('EXISTS', ...keys))).toBe(':66\r\n');
    expect(world.ask(client, 'DBSIZE\r\n')).toBe(':66\r\n');
    expect(world.ask(client, multibulk('DEL', ...keys), LAST)).toBe(':66\r\n');
  });

  it('keys with one hash tag are one command', () => {
    const world = new RespWorld({}, new KvGateway(16));
    const client = world.connect();
    world.ask(client, multibulk('MSET', '{t}a', '1', '{t}b', '2', '{t}c', '3'));
    expect(world.gateway.submitted).toBe(1);
  });

  it('a read with a failed part is that failure', () => {
    const { world, client, shard } = withFailingShard('OVERLOADED');
    expect(world.ask(client, multibulk('MGET', ...KEYS))).toBe(
      '-TRYAGAIN the node is overloaded; nothing was applied (full)\r\n',
    );
    world.gateway.failing.delete(shard);
    expect(world.ask(client, multibulk('EXISTS', ...KEYS))).toBe(':0\r\n');
  });

  it('a write that was applied in part never says that nothing was applied', () => {
    const { world, client } = withFailingShard('OVERLOADED');
    expect(world.ask(client, multibulk('MSET', ...KEYS.flatMap((key) => [key, 'v'])))).toBe(
      '-OUTCOMEUNKNOWN a part of the command was applied, another was not: TRYAGAIN the node is overloaded (full)\r\n',
    );
  });

  it('a write that failed everywhere says that nothing was applied', () => {
    const world = new RespWorld();
    for (const { shard } of world.gateway.shards())
      world.gateway.failing.set(shard, { reason: 'DISK_FULL', message: '' });
    expect(world.ask(world.connect(), 'FLUSHALL\r\n')).toBe(
      '-MISCONF the disk is nearly full, writes are refused; nothing was applied\r\n',
    );
  });

  it('of two failures the unknown outcome is told, in whichever order they come', () => {
    for (const pick of [LAST, () => 0]) {
      const world = new RespWorld();
      const client = world.connect();
      world.gateway.shards().forEach(({ shard }, i) => {
        world.gateway.failing.set(shard, { reason: i === 1 ? 'OUTCOME_UNKNOWN' : 'OVERLOADED', message: '' });
      });
      expect(world.ask(client, 'FLUSHALL\r\n', pick)).toMatch(/^-OUTCOMEUNKNOWN the command may or may not/);
    }
  });

  it('before the shard map is known they fail at once, and say so', () => {
    const world = new RespWorld();
    world.gateway.mapKnown = false;
    const text = '-CLUSTERDOWN the shard has no known leader; nothing was applied\r\n';
    expect(world.ask(world.connect(), 'MGET a b\r\nDBSIZE\r\n')).toBe(text + text);
  });
});

const KEYS = Array.from({ length: 20 }, (_, i) => `key:${i}`);

function withFailingShard(reason: 'OVERLOADED'): {
  world: RespWorld;
  client: ReturnType<RespWorld['connect']>;
  shard: number;
} {
  const world = new RespWorld();
  const shard = (world.gateway.shards()[1] as { shard: number }).shard;
  world.gateway.failing.set(shard, { reason, message: 'full' });
  return { world, client: world.connect(), shard };
}

/** Turns of the event loop without an answer of the gateway: enough for all that may be read. */
function runTurns(world: RespWorld): void {
  for (let i = 0; i < 20; i++) world.time.runTurn();
}

describe('limits', () => {
  it('E94 a key of 65,535 bytes passes, one of 65,536 gets an error, and the connection goes on', () => {
    const world = new RespWorld();
    const client = world.connect();
    expect(world.ask(client, multibulk('SET', 'k'.repeat(65_535), 'v'))).toBe('+OK\r\n');
    const long = 'k'.repeat(65_536);
    const error = '-ERR key is longer than 65535 bytes\r\n';
    for (const command of [
      ['GET', long],
      ['SET', long, 'v'],
      ['DEL', 'a', long],
      ['MSET', 'a', '1', long, '2'],
      ['EXPIRE', long, '1'],
      ['INCR', long],
      ['TTL', long],
    ]) {
      expect(world.ask(client, multibulk(...command))).toBe(error);
    }
    expect(world.ask(client, 'PING\r\n')).toBe('+PONG\r\n');
  });

  it('E94 a value above a small limit gets an error', () => {
    const world = new RespWorld({ valueBytesMax: 10 });
    const client = world.connect();
    expect(world.ask(client, multibulk('SET', 'k', '0123456789'))).toBe('+OK\r\n');
    expect(world.ask(client, multibulk('SET', 'k', '0123456789a'))).toBe(
      '-ERR value is longer than 10 bytes\r\n',
    );
    expect(world.ask(client, multibulk('MSET', 'a', '1', 'k', '0123456789a'))).toMatch(
      /^-ERR value is longer/,
    );
  });

  it('E96 a client that does not read is closed at the limit, and memory is given back', () => {
    const world = new RespWorld({ outputBytesMax: 8 * 1024 * 1024 });
    const client = world.connect();
    world.ask(client, multibulk('SET', 'big', 'x'.repeat(1024 * 1024)));
    client.writes = [];
    client.takes = false;
    world.send(client, multibulk('GET', 'big').repeat(60));
    world.settle();
    expect(client.destroyed).toBe(true);
    expect(client.bufferedBytes()).toBeLessThan(9 * 1024 * 1024);
    expect(world.gateway.forgotten.size).toBe(1);
    expect(world.server.connectionCount).toBe(0);
    expect(world.counter('connections_cut_off_total', { reason: 'output_limit' })).toBe(1);
    // What did go out are whole replies: nothing follows a part of one.
    expect(client.text.length % (1024 * 1024 + 12)).toBe(0);
  });

  it('E96 a client above the soft limit for ten seconds on end is closed; one that falls below it in between is not', () => {
    const world = new RespWorld({ outputSoftBytesMax: 4 * 1024 * 1024 });
    const [slow, saved] = [world.connect(), world.connect()];
    world.ask(slow, multibulk('SET', 'big', 'x'.repeat(1024 * 1024)));
    for (const client of [slow, saved]) {
      client.takes = false;
      world.send(client, multibulk('GET', 'big').repeat(8));
      world.settle();
    }
    for (let second = 0; second < 9; second++) world.time.advance(1_000);
    expect([slow.destroyed, saved.destroyed]).toEqual([false, false]);
    saved.drain();
    world.settle();
    world.time.advance(1_000);
    expect([slow.destroyed, saved.destroyed]).toEqual([true, false]);
    expect(world.counter('connections_cut_off_total', { reason: 'output_soft_limit' })).toBe(1);
    expect(world.counter('connections_cut_off_total', { reason: 'output_limit' })).toBe(0);
    // Slow once more: the ten seconds begin again.
    world.send(saved, multibulk('GET', 'big').repeat(8));
    world.settle();
    for (let second = 0; second < 9; second++) world.time.advance(1_000);
    expect(saved.destroyed).toBe(false);
    world.time.advance(1_000);
    expect(saved.destroyed).toBe(true);
  });

  it('E96 replies that wait for an earlier one are no fault of the client', () => {
    const world = new RespWorld({ outputSoftBytesMax: 1024 * 1024 });
    const client = world.connect();
    world.ask(client, multibulk('SET', 'big', 'x'.repeat(1024 * 1024)));
    client.writes = [];
    world.send(client, multibulk('GET', 'a') + multibulk('GET', 'big').repeat(3));
    while (world.gateway.waiting.length > 1) world.gateway.deliver(1);
    for (let second = 0; second < 60; second++) world.time.advance(1_000);
    expect(client.destroyed).toBe(false);
    world.settle();
    expect(client.text.length).toBe(5 + 3 * (1024 * 1024 + 12));
  });

  it('E96 a client with a megabyte unread is not read from until it has drained', () => {
    const world = new RespWorld();
    const client = world.connect();
    client.takes = false;
    world.send(client, multibulk('SET', 'big', 'x'.repeat(600 * 1024)));
    world.settle();
    for (let i = 0; i < 5; i++) {
      if (!client.paused) world.send(client, multibulk('GET', 'big'));
      world.settle();
    }
    expect(client.paused).toBe(true);
    expect(client.bufferedBytes()).toBeLessThan(2 * 1024 * 1024);
    client.drain();
    world.settle();
    expect(client.paused).toBe(false);
    expect(world.ask(client, 'PING\r\n')).toContain('+PONG');
  });

  it('E96 one reply beyond half the output limit is refused with an error', () => {
    const world = new RespWorld({ outputBytesMax: 1024 * 1024 }, new KvGateway(4));
    const client = world.connect();
    const keys = Array.from({ length: 8 }, (_, i) => `k${i}`);
    for (const key of keys) world.ask(client, multibulk('SET', key, 'x'.repeat(100_000)));
    const error = '-ERR the value or the reply is larger than this server allows\r\n';
    expect(world.ask(client, multibulk('MGET', ...keys))).toBe(error);
    world.ask(client, multibulk('SET', 'big', 'x'.repeat(600_000)));
    expect(world.ask(client, multibulk('GET', 'big'))).toBe(error);
    expect(world.ask(client, 'PING\r\n')).toBe('+PONG\r\n');
  });

  it('E97 one connection too many is told so and closed; a free place is taken again', () => {
    const world = new RespWorld({ connectionsMax: 2 });
    const first = world.connect();
    world.connect();
    const third = world.connect();
    expect(third.text).toBe('-ERR max number of clients reached\r\n');
    expect(third.ended).toBe(true);
    expect(world.counter('connections_rejected_total', { reason: 'limit' })).toBe(1);
    first.closed();
    expect(world.ask(world.connect(), 'PING\r\n')).toBe('+PONG\r\n');
  });

  it('E97 a rejected client that does not close is cut off', () => {
    const world = new RespWorld({ connectionsMax: 1 });
    world.connect();
    const stream = world.connect(false);
    expect([stream.ended, stream.destroyed]).toEqual([true, false]);
    world.time.advance(60_000);
    expect(stream.destroyed).toBe(true);
  });

  it('E101 reading stops at 10,000 commands in flight and goes on when half are answered', () => {
    const world = new RespWorld();
    const client = world.connect();
    world.send(client, multibulk('GET', 'k').repeat(10_500));
    runTurns(world);
    expect(world.gateway.submitted).toBe(10_000);
    expect(client.paused).toBe(true);
    for (let i = 0; i < 4_000; i++) world.gateway.deliver(0);
    runTurns(world);
    expect(world.gateway.submitted).toBe(10_000);
    for (let i = 0; i < 1_000; i++) world.gateway.deliver(0);
    runTurns(world);
    expect(world.gateway.submitted).toBe(10_500);
    world.settle();
    expect(client.paused).toBe(false);
    expect(client.text).toBe('$-1\r\n'.repeat(10_500));
  });

  it('E101 reading stops at 4 MiB of commands in flight', () => {
    const world = new RespWorld();
    const client = world.connect();
    world.send(client, multibulk('SET', 'k', 'x'.repeat(1024 * 1024)).repeat(6));
    runTurns(world);
    expect(world.gateway.submitted).toBe(4);
    world.settle();
    expect(client.text).toBe('+OK\r\n'.repeat(6));
  });

  it('E101 a flood is taken in turns of about a thousand commands, and every connection has its share', () => {
    const world = new RespWorld();
    const clients = [world.connect(), world.connect(), world.connect()];
    for (const client of clients) world.send(client, multibulk('GET', 'k').repeat(3000));
    expect(world.gateway.submitted).toBeGreaterThan(900);
    expect(world.gateway.submitted).toBeLessThan(1100);
    // A client that comes later waits for one turn of each, not for all that the others have to say.
    const late = world.connect();
    world.send(late, multibulk('GET', 'late'));
    for (let i = 0; i < clients.length + 1; i++) world.time.runTurn();
    expect(world.gateway.submitted).toBeLessThan(5500);
    world.settle();
    expect(late.text).toBe('$-1\r\n');
    for (const client of clients) expect(client.text).toBe('$-1\r\n'.repeat(3000));
  });

  it('E101 a full gateway stops reading; room goes to the longest waiting first', () => {
    const world = new RespWorld();
    const [a, b] = [world.connect(), world.connect()];
    world.gateway.hasRoom = false;
    world.send(a, multibulk('GET', 'k'));
    world.send(b, multibulk('GET', 'k'));
    world.settle();
    expect([a.paused, b.paused, world.gateway.submitted]).toEqual([true, true, 0]);
    world.gateway.giveRoom();
    world.settle();
    expect([a.paused, b.paused]).toEqual([false, false]);
    expect([a.text, b.text]).toEqual(['$-1\r\n', '$-1\r\n']);
  });

  it('bytes that come while reading is paused wait behind those that came before', () => {
    const world = new RespWorld();
    const client = world.connect();
    world.gateway.hasRoom = false;
    world.send(client, 'ECHO a\r\nECH');
    world.send(client, 'O b\r\nECHO c\r\n');
    expect(client.text).toBe('');
    world.gateway.giveRoom();
    world.settle();
    expect(client.text).toBe('$1\r\na\r\n$1\r\nb\r\n$1\r\nc\r\n');
  });
});

describe('ends', () => {
  it('E94 an error in the protocol is told after the earlier answers, then the connection closes', () => {
    const world = new RespWorld();
    const client = world.connect();
    world.send(client, multibulk('GET', 'a') + '*x\r\n' + multibulk('GET', 'b'));
    world.time.runTurn();
    expect([client.text, client.ended]).toEqual(['', false]);
    world.settle();
    expect(client.text).toBe('$-1\r\n-ERR Protocol error: invalid multibulk length\r\n');
    expect(client.ended).toBe(true);
    expect(world.gateway.submitted).toBe(1);
  });

  it('QUIT is answered in its turn, and nothing behind it is run', () => {
    const world = new RespWorld();
    const client = world.connect();
    expect(world.ask(client, multibulk('SET', 'a', '1') + 'QUIT\r\n' + multibulk('SET', 'b', '1'))).toBe(
      '+OK\r\n+OK\r\n',
    );
    expect(client.ended).toBe(true);
    expect(world.gateway.submitted).toBe(1);
  });

  it('an HTTP request ends the connection without an answer', () => {
    const world = new RespWorld();
    const client = world.connect();
    expect(world.ask(client, 'POST / HTTP/1.1\r\nHost: x\r\n\r\nFLUSHALL\r\n')).toBe('');
    expect([client.ended, world.gateway.submitted]).toEqual([true, 0]);
  });

  it('a connection that closes with commands in flight is forgotten', () => {
    const world = new RespWorld();
    const client = world.connect();
    world.send(client, multibulk('GET', 'a') + multibulk('MGET', 'a', 'b', 'c'));
    client.closed();
    expect(world.gateway.forgotten.size).toBe(1);
    expect(world.server.connectionCount).toBe(0);
    world.settle();
    expect(client.text).toBe('');
  });

  it('a client that does not take its last replies is cut off after a while', () => {
    const world = new RespWorld();
    const client = world.connect();
    client.takes = false;
    world.ask(client, 'QUIT\r\n');
    expect([client.ended, client.destroyed]).toEqual([true, false]);
    world.time.advance(5_000);
    expect(client.destroyed).toBe(true);
    expect(world.server.connectionCount).toBe(0);
  });

  it('a stopping server answers what waits, takes nothing new, and then is done', () => {
    const world = new RespWorld();
    const client = world.connect();
    const idle = world.connect();
    world.send(client, multibulk('SET', 'a', '1'));
    let done = false;
    world.server.close(() => (done = true));
    world.send(client, multibulk('SET', 'b', '1'));
    world.time.runTurn();
    expect([idle.ended, client.ended, done]).toEqual([true, false, false]);
    expect(world.connect().text).toBe('');
    world.settle();
    expect([client.text, client.ended, done]).toEqual(['+OK\r\n', true, true]);
    expect(world.gateway.submitted).toBe(1);
  });

  it('a stopping server without connections is done at once, but not before close returns', () => {
    const world = new RespWorld();
    let done = false;
    world.server.close(() => (done = true));
    expect(done).toBe(false);
    world.settle();
    expect(done).toBe(true);
  });

  it('a stopping server cuts off who does not leave', () => {
    const world = new RespWorld();
    const client = world.connect();
    client.takes = false;
    let done = false;
    world.server.close(() => (done = true));
    world.settle();
    expect(done).toBe(false);
    world.time.advance(60_000);
    world.settle();
    expect(done).toBe(true);
  });
});

describe('deadline', () => {
  it('is the time of reading plus the limit', () => {
    const world = new RespWorld({ requestTimeoutMs: 1234 });
    const client = world.connect();
    world.time.mono = 777.25;
    world.ask(client, multibulk('GET', 'a') + multibulk('MGET', 'a', 'b', 'c'));
    expect(new Set(world.gateway.deadlines)).toEqual(new Set([777.25 + 1234]));
  });
});
