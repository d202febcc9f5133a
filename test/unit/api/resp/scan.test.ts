/**
 * Goal: SCAN returns every key that stays, whatever happens between its calls; its work and its reply are bounded.
 * Method: real state machines behind the gateway; leaders change and tables grow between the pages.
 */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { KvGateway } from './kv-gateway.js';
import { multibulk, RespWorld, type FakeStream } from './resp-world.js';

const PAGE = /^\*2\r\n\$\d+\r\n(\d+)\r\n\*(\d+)\r\n((?:\$\d+\r\n[^\r]*\r\n)*)$/;

interface ScanReply {
  readonly cursor: string;
  readonly keys: string[];
}

function scan(world: RespWorld, client: FakeStream, cursor: string, ...options: string[]): ScanReply {
  client.writes = []; // a walk has many replies
  const reply = world.ask(client, multibulk('SCAN', cursor, ...options));
  const [, next, count, list] = PAGE.exec(reply) ?? [];
  if (next === undefined) throw new Error(`no page: ${reply.slice(0, 200)}`);
  const keys = [...(list ?? '').matchAll(/\$\d+\r\n([^\r]*)\r\n/g)].map((match) => match[1] as string);
  expect(keys).toHaveLength(Number(count));
  return { cursor: next, keys };
}

/** All keys that a whole walk returns; `between` runs before each call but the first. */
function walk(
  world: RespWorld,
  client: FakeStream,
  options: string[],
  between: (call: number) => void = () => undefined,
): string[] {
  const all: string[] = [];
  let cursor = '0';
  for (let call = 0; ; call++) {
    if (call > 0) between(call);
    const page = scan(world, client, cursor, ...options);
    all.push(...page.keys);
    cursor = page.cursor;
    if (cursor === '0') return all;
    if (call > 100_000) throw new Error('the walk has no end');
  }
}

function put(world: RespWorld, client: FakeStream, keys: readonly string[]): void {
  for (let i = 0; i < keys.length; i += 500) {
    client.writes = [];
    const reply = world.ask(
      client,
      multibulk('MSET', ...keys.slice(i, i + 500).flatMap((key) => [key, 'v'])),
    );
    expect(reply).toBe('+OK\r\n');
  }
}

function names(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${prefix}${i}`);
}

describe('SCAN', () => {
  it('returns every key once when nothing changes, with any COUNT', () => {
    const world = new RespWorld({}, new KvGateway(16));
    const client = world.connect();
    const keys = names('key:', 400);
    put(world, client, keys);
    for (const options of [[], ['COUNT', '1'], ['COUNT', '77'], ['count', '5000']]) {
      expect(walk(world, client, options).sort()).toEqual([...keys].sort());
    }
  });

  it('E122 returns every key that stays across changes of leaders and growing tables', () => {
    const world = new RespWorld({}, new KvGateway(4));
    const client = world.connect();
    const [staying, leaving] = [names('stays:', 800), names('leaves:', 300)];
    put(world, client, [...staying, ...leaving]);
    let added = 0;
    const found = walk(world, client, ['COUNT', '25'], (call) => {
      if (call % 3 === 0) world.gateway.changeLeader((call % 4) + 1);
      if (leaving.length > 0) world.ask(client, multibulk('DEL', ...leaving.splice(0, 10)));
      if (added === 6_000) return; // more would keep a walk of small pages going for ever
      put(world, client, names(`new:${call}:`, 250));
      added += 250;
    });
    expect(added).toBe(6_000);
    const returned = new Set(found);
    expect(staying.filter((key) => !returned.has(key))).toEqual([]);
    // Keys have one place each: none of those that stayed is returned twice.
    expect(found.filter((key) => key.startsWith('stays:'))).toHaveLength(staying.length);
  });

  it('E122 the same with changes at random moments, and a client that asks another node each time', () => {
    const event = fc.record({ leader: fc.nat(3), adds: fc.nat(60), deletes: fc.nat(5) });
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 4 }),
        fc.integer({ min: 0, max: 200 }),
        fc.integer({ min: 1, max: 30 }),
        fc.array(event, { minLength: 1, maxLength: 20 }),
        (shards, keyCount, count, events) => {
          const world = new RespWorld({}, new KvGateway(shards));
          const writer = world.connect();
          const [staying, leaving] = [names('stays:', keyCount), names('leaves:', keyCount)];
          put(world, writer, [...staying, ...leaving]);
          const found = new Set<string>();
          let cursor = '0';
          let call = 0;
          do {
            const client = world.connect();
            const page = scan(world, client, cursor, 'COUNT', String(count));
            client.closed();
            for (const key of page.keys) found.add(key);
            cursor = page.cursor;
            const { leader, adds, deletes } = events[call++ % events.length] as (typeof events)[number];
            world.gateway.changeLeader((leader % shards) + 1);
            put(world, writer, call > events.length ? [] : names(`new:${call}:`, adds));
            const gone = leaving.splice(0, deletes);
            if (gone.length > 0) world.ask(writer, multibulk('UNLINK', ...gone));
          } while (cursor !== '0');
          expect(staying.filter((key) => !found.has(key))).toEqual([]);
        },
      ),
      { numRuns: 15 },
    );
  });

  it('E122 a page that fails costs nothing: the same cursor goes on', () => {
    const world = new RespWorld({}, new KvGateway(2));
    const client = world.connect();
    const keys = names('k', 100);
    put(world, client, keys);
    const found: string[] = [];
    let cursor = '0';
    do {
      world.gateway.failing.set(1, { reason: 'NOT_LEADER', message: '' });
      world.gateway.failing.set(2, { reason: 'NOT_LEADER', message: '' });
      const reply = world.ask(client, multibulk('SCAN', cursor));
      expect(reply).toMatch(/^-CLUSTERDOWN .*nothing was applied\r\n$/);
      world.gateway.failing.clear();
      const page = scan(world, client, cursor);
      found.push(...page.keys);
      cursor = page.cursor;
    } while (cursor !== '0');
    expect(found.sort()).toEqual([...keys].sort());
  });

  it('MATCH filters what is looked at, and pages may be empty', () => {
    const world = new RespWorld({}, new KvGateway(4));
    const client = world.connect();
    put(world, client, [...names('user:', 300), ...names('order:', 20)]);
    expect(walk(world, client, ['MATCH', 'order:*']).sort()).toEqual(names('order:', 20).sort());
    expect(walk(world, client, ['MATCH', 'order:1?', 'COUNT', '7'])).toHaveLength(10);
    expect(walk(world, client, ['MATCH', 'Order:*'])).toEqual([]);
    expect(walk(world, client, ['MATCH', '*'])).toHaveLength(320);
    expect(walk(world, client, ['MATCH', 'nosuch', 'MATCH', 'user:1'])).toEqual(['user:1']);
  });

  it('TYPE string is every key; of any other type there is none, and no shard is asked', () => {
    const world = new RespWorld();
    const client = world.connect();
    put(world, client, names('k', 50));
    expect(walk(world, client, ['TYPE', 'STRING'])).toHaveLength(50);
    const before = world.gateway.submitted;
    expect(scan(world, client, '0', 'TYPE', 'hash')).toEqual({ cursor: '0', keys: [] });
    expect(world.gateway.submitted).toBe(before);
  });

  it('one call stays within one shard, and an empty shard is an empty page', () => {
    const world = new RespWorld({}, new KvGateway(4));
    const client = world.connect();
    let [cursor, calls] = ['0', 0];
    do {
      cursor = scan(world, client, cursor, 'COUNT', '1000').cursor;
      calls++;
    } while (cursor !== '0');
    expect([calls, world.gateway.submitted]).toEqual([4, 4]);
  });

  it('a large COUNT is looked at in pages of 1,000 keys, and 10,000 keys at most', () => {
    const world = new RespWorld({}, new KvGateway(1));
    const client = world.connect();
    put(world, client, names('k', 11_000));
    const asked = (count: string): [reads: number, keys: number] => {
      const before = world.gateway.submitted;
      const { keys } = scan(world, client, '0', 'COUNT', count);
      return [world.gateway.submitted - before, keys.length];
    };
    expect(asked('1000')).toEqual([1, 1_000]);
    expect(asked('2500')).toEqual([3, 2_500]);
    expect(asked('9223372036854775807')).toEqual([10, 10_000]);
  });

  it('ends early once it has found a megabyte', () => {
    const world = new RespWorld({}, new KvGateway(1));
    const client = world.connect();
    const keys = names('k', 200).map((key) => key.padEnd(20_000, 'x'));
    put(world, client, keys);
    const { cursor, keys: found } = scan(world, client, '0', 'COUNT', '1000');
    expect(cursor).not.toBe('0');
    expect(found.length).toBeGreaterThan(40);
    expect(found.length).toBeLessThan(120);
    expect(new Set(walk(world, client, ['COUNT', '1000']))).toEqual(new Set(keys));
  });

  it('a page too large for one reply is asked for again with fewer keys', () => {
    const world = new RespWorld({ outputBytesMax: 100_000 }, new KvGateway(1));
    const client = world.connect();
    const keys = names('k', 40).map((key) => key.padEnd(5_000, 'x'));
    for (const key of keys) put(world, client, [key]);
    expect(walk(world, client, ['COUNT', '40']).sort()).toEqual([...keys].sort());
  });

  it.each(['-1', '+1', '1.0', '', 'x', '9007199254740993', `${16384 * 2 ** 32}`, '0x10', '1 '])(
    'the cursor %j is invalid',
    (cursor) => {
      const world = new RespWorld();
      expect(world.ask(world.connect(), multibulk('SCAN', cursor))).toBe('-ERR invalid cursor\r\n');
      expect(world.gateway.submitted).toBe(0);
    },
  );

  it('any cursor below 16,384 * 2^32 is a place, whoever made it up', () => {
    const world = new RespWorld();
    const client = world.connect();
    put(world, client, names('k', 100));
    for (const cursor of ['1', '007', '4294967295', String(16383 * 2 ** 32 + 5)]) {
      expect(scan(world, client, cursor).keys.length).toBeLessThan(100);
    }
  });

  it('a pattern of 1,024 bytes is matched, a longer one is refused by the front door', () => {
    const world = new RespWorld({}, new KvGateway(1));
    const client = world.connect();
    const key = 'k'.repeat(1024);
    put(world, client, [key]);
    expect(scan(world, client, '0', 'MATCH', key).keys).toEqual([key]);
    const refusal = '-ERR pattern is longer than 1024 bytes\r\n';
    expect(world.ask(client, multibulk('SCAN', '0', 'MATCH', `${key}*`))).toBe(refusal);
    expect(world.ask(client, multibulk('KEYS', `${key}*`))).toBe(refusal);
  });

  it('before the shard map is known it fails, and says so', () => {
    const world = new RespWorld();
    world.gateway.mapKnown = false;
    for (const command of [['SCAN', '0'], ['KEYS', '*'], ['RANDOMKEY']]) {
      expect(world.ask(world.connect(), multibulk(...command))).toMatch(/^-CLUSTERDOWN /);
    }
  });
});

describe('SCAN through a listener that redirects', () => {
  it('covers the shards that this node leads', () => {
    const world = new RespWorld({}, new KvGateway(6)); // this node, 3, leads shards 3 and 6
    const [plain, cluster] = [world.connect(), world.connect(true, 'moved')];
    const keys = names('k', 600);
    put(world, plain, keys);
    const led = walk(world, cluster, ['COUNT', '50']);
    expect(led.length).toBeGreaterThan(100);
    expect(led.length).toBeLessThan(300);
    expect(world.ask(cluster, multibulk('DBSIZE'))).toBe(`:${led.length}\r\n`);
    expect(walk(world, plain, ['COUNT', '50']).sort()).toEqual([...keys].sort());
  });

  it('goes on with its cursor in a shard that another node leads by now', () => {
    const world = new RespWorld({}, new KvGateway(6));
    const [plain, cluster] = [world.connect(), world.connect(true, 'moved')];
    put(world, plain, names('k', 600));
    const whole = walk(world, cluster, ['COUNT', '1000']);
    const first = scan(world, cluster, '0', 'COUNT', '5');
    world.directory.leaders.set(3, 1);
    const rest: string[] = [];
    let { cursor } = first;
    while (cursor !== '0') {
      const page = scan(world, cluster, cursor, 'COUNT', '50');
      rest.push(...page.keys);
      cursor = page.cursor;
    }
    expect([...first.keys, ...rest].sort()).toEqual([...whole].sort());
  });

  it('is empty, and so are KEYS, RANDOMKEY and DBSIZE, where this node leads nothing', () => {
    const world = new RespWorld();
    const [plain, cluster] = [world.connect(), world.connect(true, 'moved')];
    put(world, plain, names('k', 10));
    for (const shard of [1, 2, 3, 4]) world.directory.leaders.set(shard, 1);
    expect(scan(world, cluster, '0')).toEqual({ cursor: '0', keys: [] });
    expect(world.ask(cluster, multibulk('KEYS', '*'))).toBe('*0\r\n');
    expect(world.ask(cluster, multibulk('RANDOMKEY'))).toBe('$-1\r\n');
    expect(world.ask(cluster, multibulk('DBSIZE'))).toBe(':0\r\n');
    expect(world.ask(cluster, multibulk('FLUSHALL'))).toBe('+OK\r\n');
    expect(world.ask(plain, multibulk('DBSIZE'))).toBe(':10\r\n');
  });
});
