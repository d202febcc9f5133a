/**
 * Redis Cluster's side of a RESP server: what `moved` listeners redirect, and every reply of CLUSTER. This node is node
 * 3 of 3; shards 1 and 4 are led by node 1, shard 2 by node 2, shard 3 here (fake-directory.ts). Shapes and texts were
 * compared with those of redis-server 7.0.15 with cluster-enabled yes.
 */
import { beforeEach, describe, expect, it, test } from 'vitest';
import { Freshness } from '../../../../src/group/index.js';
import { clusterNodeId } from '../../../../src/api/resp/cluster-picture.js';
import { slotOfKey } from '../../../../src/topology/index.js';
import { multibulk, RespWorld, type FakeStream } from './resp-world.js';

const SLOT_DOWN = '-CLUSTERDOWN Hash slot not served\r\n';
const CROSSSLOT = "-CROSSSLOT Keys in request don't hash to the same slot\r\n";
/** First slots of the four shards: 0, 4096, 8192, 12288. */
const SHARD_SLOTS = 4096;

let world: RespWorld;
let moved: FakeStream;
let forward: FakeStream;

beforeEach(() => {
  world = new RespWorld();
  moved = world.connect(true, 'moved');
  forward = world.connect(true, 'forward');
});

const slot = (key: string): number => slotOfKey(Buffer.from(key));
/** The first of `prefix:0`, `prefix:1`, … whose shard is the one wanted. */
function keyOf(shard: number, prefix = 'key'): string {
  for (let i = 0; ; i++)
    if (Math.floor(slot(`${prefix}:${i}`) / SHARD_SLOTS) + 1 === shard) return `${prefix}:${i}`;
}
const ask = (stream: FakeStream, ...words: string[]): string => world.ask(stream, multibulk(...words));
const bulk = (text: string): string => `$${Buffer.byteLength(text)}\r\n${text}\r\n`;
const idOf = (node: number): string => clusterNodeId('cluster-a', node);

describe('a moved listener', () => {
  it('serves the keys of shards that this node leads', () => {
    const key = keyOf(3);
    expect(ask(moved, 'SET', key, 'v')).toBe('+OK\r\n');
    expect(ask(moved, 'GET', key)).toBe('$1\r\nv\r\n');
    expect(ask(moved, 'MGET', `{${key}}a`, key)).toBe('*2\r\n$-1\r\n$1\r\nv\r\n');
    expect(ask(moved, 'MSET', `{${key}}a`, '1', `{${key}}b`, '2')).toBe('+OK\r\n');
    expect(ask(moved, 'DEL', `{${key}}a`, `{${key}}b`, key)).toBe(':3\r\n');
  });

  it('says where to go for other keys, before it looks at anything else', () => {
    for (const [shard, node] of [
      [1, 1],
      [2, 2],
      [4, 1],
    ] as const) {
      const key = keyOf(shard);
      expect(ask(moved, 'GET', key)).toBe(`-MOVED ${slot(key)} 10.0.0.${node}:7479\r\n`);
      expect(ask(moved, 'SET', key, 'v', 'NO', 'SUCH', 'OPTIONS')).toContain('-MOVED');
    }
    expect(ask(moved, 'SET', keyOf(1))).toBe("-ERR wrong number of arguments for 'set' command\r\n");
    expect(world.gateway.submitted).toBe(0);
  });

  it('refuses keys of several slots, whether it leads them or not', () => {
    const [a, b] = [keyOf(3, 'a'), keyOf(3, 'b')];
    expect(slot(a)).not.toBe(slot(b));
    for (const words of [
      ['MGET', a, b],
      ['MSET', a, '1', b, '2'],
      ['DEL', a, a, b],
      ['EXISTS', keyOf(1), keyOf(2)],
    ]) {
      expect(ask(moved, ...words)).toBe(CROSSSLOT);
    }
    expect(ask(moved, 'MSET', a, b)).toBe('+OK\r\n'); // a value is no key
  });

  it('says that a slot is down: no leader, a leader without such a listener, no map', () => {
    const key = keyOf(2);
    world.directory.leaders.delete(2);
    expect(ask(moved, 'GET', key)).toBe(SLOT_DOWN);
    world.directory.leaders.set(2, 2);
    world.directory.setAddresses(2, { respMoved: '' });
    expect(ask(moved, 'GET', key)).toBe(SLOT_DOWN);
    world.directory.setAddresses(2, { respMoved: '10.0.0.2:0' });
    expect(ask(moved, 'GET', key)).toBe(SLOT_DOWN);
    world.directory.mapKnown = false;
    expect(ask(moved, 'GET', keyOf(3))).toBe(SLOT_DOWN);
  });

  it('follows a leadership that moves', () => {
    const key = keyOf(2);
    expect(ask(moved, 'SET', key, 'v')).toBe(`-MOVED ${slot(key)} 10.0.0.2:7479\r\n`);
    world.directory.leaders.set(2, 3);
    expect(ask(moved, 'SET', key, 'v')).toBe('+OK\r\n');
    world.directory.leaders.set(2, 1);
    expect(ask(moved, 'SET', key, 'v')).toBe(`-MOVED ${slot(key)} 10.0.0.1:7479\r\n`);
  });

  it('tells an IPv6 address as Redis does, without brackets', () => {
    world.directory.setAddresses(2, { respMoved: '[fe80::2]:7479' });
    const key = keyOf(2);
    expect(ask(moved, 'GET', key)).toBe(`-MOVED ${slot(key)} fe80::2:7479\r\n`);
  });

  it('takes commands without a key, and counts the keys of its own shards alone', () => {
    for (const shard of [1, 2, 3, 4]) ask(forward, 'SET', keyOf(shard), 'v');
    expect(ask(moved, 'PING')).toBe('+PONG\r\n');
    expect(ask(moved, 'DBSIZE')).toBe(':1\r\n');
    expect(ask(forward, 'DBSIZE')).toBe(':4\r\n');
    expect(ask(moved, 'KEYS', '*')).toBe(`*1\r\n${bulk(keyOf(3))}`);
    expect(ask(moved, 'SCAN', '0')).toBe(`*2\r\n$1\r\n0\r\n*1\r\n${bulk(keyOf(3))}`);
    expect(ask(moved, 'RANDOMKEY')).toBe(bulk(keyOf(3)));
    expect(ask(moved, 'FLUSHALL')).toBe('+OK\r\n');
    expect(ask(moved, 'DBSIZE')).toBe(':0\r\n');
    expect(ask(forward, 'DBSIZE')).toBe(':3\r\n');
    world.directory.leaders.set(3, 1);
    expect(ask(moved, 'DBSIZE')).toBe(':0\r\n');
  });

  it('calls itself a cluster; one that forwards does not', () => {
    expect(ask(moved, 'HELLO')).toContain('$4\r\nmode\r\n$7\r\ncluster\r\n');
    expect(ask(moved, 'INFO')).toMatch(/redis_mode:cluster\r\n[^]*# Cluster\r\ncluster_enabled:1\r\n/);
    expect(ask(forward, 'HELLO')).toContain('$4\r\nmode\r\n$10\r\nstandalone\r\n');
    expect(ask(forward, 'INFO')).toMatch(/redis_mode:standalone\r\n[^]*# Cluster\r\ncluster_enabled:0\r\n/);
  });
});

describe('a forwarding listener', () => {
  it('serves every key and commands over several slots', () => {
    expect(ask(forward, 'MSET', keyOf(1), '1', keyOf(2), '2', keyOf(3), '3')).toBe('+OK\r\n');
    expect(ask(forward, 'MGET', keyOf(3), keyOf(1))).toBe('*2\r\n$1\r\n3\r\n$1\r\n1\r\n');
  });
});

describe('CLUSTER', () => {
  const slotEntry = (first: number, last: number, node: number, port: number, none = '*0\r\n'): string =>
    `*3\r\n:${first}\r\n:${last}\r\n*4\r\n${bulk(`10.0.0.${node}`)}:${port}\r\n${bulk(idOf(node))}${none}`;

  it('SLOTS lists ranges in order, with the leader of each and its listener of the same kind', () => {
    const slots = (port: number, none?: string): string =>
      `*4\r\n${slotEntry(0, 4095, 1, port, none)}${slotEntry(4096, 8191, 2, port, none)}` +
      `${slotEntry(8192, 12287, 3, port, none)}${slotEntry(12288, 16383, 1, port, none)}`;
    expect(ask(moved, 'CLUSTER', 'SLOTS')).toBe(slots(7479));
    expect(ask(forward, 'CLUSTER', 'SLOTS')).toBe(slots(7379));
    ask(moved, 'HELLO', '3');
    expect(ask(moved, 'CLUSTER', 'SLOTS')).toBe(slots(7479, '%0\r\n'));
  });

  it('SLOTS merges neighbours, and leaves out slots that nobody leads or that lead nowhere', () => {
    world.directory.leaders.set(2, 1);
    expect(ask(moved, 'CLUSTER', 'SLOTS')).toBe(
      `*3\r\n${slotEntry(0, 8191, 1, 7479)}${slotEntry(8192, 12287, 3, 7479)}${slotEntry(12288, 16383, 1, 7479)}`,
    );
    world.directory.leaders.delete(1);
    world.directory.setAddresses(3, { respMoved: '' });
    expect(ask(moved, 'CLUSTER', 'SLOTS')).toBe(
      `*2\r\n${slotEntry(4096, 8191, 1, 7479)}${slotEntry(12288, 16383, 1, 7479)}`,
    );
    world.directory.mapKnown = false;
    expect(ask(moved, 'CLUSTER', 'SLOTS')).toBe('*0\r\n');
  });

  it('SHARDS lists each node with its slots, as maps in RESP3', () => {
    const shards = (map: (pairs: number) => string): string =>
      `*3\r\n${[
        [1, [0, 4095, 12288, 16383]],
        [2, [4096, 8191]],
        [3, [8192, 12287]],
      ]
        .map(([node, slots]) => {
          const numbers = slots as number[];
          return (
            `${map(2)}${bulk('slots')}*${numbers.length}\r\n${numbers.map((n) => `:${n}\r\n`).join('')}` +
            `${bulk('nodes')}*1\r\n${map(7)}${bulk('id')}${bulk(idOf(node as number))}${bulk('port')}:7479\r\n` +
            `${bulk('ip')}${bulk(`10.0.0.${node as number}`)}${bulk('endpoint')}${bulk(`10.0.0.${node as number}`)}` +
            `${bulk('role')}${bulk('master')}${bulk('replication-offset')}:0\r\n${bulk('health')}${bulk('online')}`
          );
        })
        .join('')}`;
    expect(ask(moved, 'CLUSTER', 'SHARDS')).toBe(shards((pairs) => `*${2 * pairs}\r\n`));
    ask(moved, 'HELLO', '3');
    expect(ask(moved, 'CLUSTER', 'SHARDS')).toBe(shards((pairs) => `%${pairs}\r\n`));
  });

  it('NODES has a line per node, one of them myself; who leads nothing has no slots', () => {
    world.directory.leaders.set(2, 3);
    const text =
      `${idOf(1)} 10.0.0.1:7479@7650 master - 0 0 14 connected 0-4095 12288-16383\n` +
      `${idOf(2)} 10.0.0.2:7479@7650 master - 0 0 0 connected\n` +
      `${idOf(3)} 10.0.0.3:7479@7650 myself,master - 0 0 13 connected 4096-12287\n`;
    expect(ask(moved, 'CLUSTER', 'NODES')).toBe(bulk(text));
    ask(moved, 'HELLO', '3');
    expect(ask(moved, 'CLUSTER', 'NODES')).toBe(`=${text.length + 4}\r\ntxt:${text}\r\n`);
    world.directory.setAddresses(2, { respMoved: '' });
    expect(ask(moved, 'CLUSTER', 'NODES')).not.toContain(idOf(2));
    expect(ask(forward, 'CLUSTER', 'NODES')).toContain(`${idOf(2)} 10.0.0.2:7379@7650 master`);
  });

  it('NODES tells a range of one slot as one number', () => {
    world.directory.ranges = [
      { firstSlot: 0, lastSlot: 99 },
      { firstSlot: 101, lastSlot: 16383 },
      { firstSlot: 100, lastSlot: 100 },
    ];
    expect(ask(moved, 'CLUSTER', 'NODES')).toMatch(/myself,master - 0 0 13 connected 100\n/);
  });

  it('INFO says ok when every slot is led, else how many are not', () => {
    const info = (...rows: string[]): void => {
      for (const row of rows) expect(ask(moved, 'CLUSTER', 'INFO')).toContain(`${row}\r\n`);
    };
    info(
      'cluster_state:ok',
      'cluster_slots_assigned:16384',
      'cluster_slots_ok:16384',
      'cluster_slots_fail:0',
    );
    info('cluster_known_nodes:3', 'cluster_size:3', 'cluster_current_epoch:14', 'cluster_my_epoch:13');
    world.directory.leaders.delete(3);
    info(
      'cluster_state:fail',
      'cluster_slots_assigned:16384',
      'cluster_slots_ok:12288',
      'cluster_slots_fail:4096',
    );
    info('cluster_known_nodes:3', 'cluster_size:2', 'cluster_my_epoch:0', 'cluster_slots_pfail:0');
    world.directory.mapKnown = false;
    info('cluster_state:fail', 'cluster_slots_assigned:0', 'cluster_slots_ok:0', 'cluster_known_nodes:0');
  });

  it('MYID is what NODES calls myself', () => {
    expect(ask(moved, 'CLUSTER', 'MYID')).toBe(bulk(idOf(3)));
    expect(ask(forward, 'CLUSTER', 'MYID')).toBe(bulk(idOf(3)));
  });

  it('KEYSLOT hashes the tag, or the key', () => {
    expect(ask(moved, 'CLUSTER', 'KEYSLOT', 'a')).toBe(':15495\r\n');
    expect(ask(moved, 'CLUSTER', 'KEYSLOT', 'a{b}c')).toBe(':3300\r\n');
  });

  it('COUNTKEYSINSLOT counts the keys of one slot among those of its shard, page after page', () => {
    const tag = keyOf(3);
    for (let i = 0; i < 2500; i++) world.send(forward, multibulk('SET', `{${tag}}${i}`, 'v'));
    world.settle();
    for (let i = 0; i < 50; i++) ask(forward, 'SET', `other:${i}`, 'v');
    expect(ask(moved, 'CLUSTER', 'COUNTKEYSINSLOT', String(slot(tag)))).toBe(':2500\r\n');
    const other = slot('other:0');
    expect(ask(forward, 'CLUSTER', 'COUNTKEYSINSLOT', String(other))).toBe(':1\r\n');
    expect(ask(moved, 'CLUSTER', 'COUNTKEYSINSLOT', '7')).toBe(':0\r\n');
  });

  it('COUNTKEYSINSLOT refuses what is no slot', () => {
    for (const bad of ['16384', '-1']) {
      expect(ask(moved, 'CLUSTER', 'COUNTKEYSINSLOT', bad)).toBe('-ERR Invalid slot\r\n');
    }
    expect(ask(moved, 'CLUSTER', 'COUNTKEYSINSLOT', 'x')).toBe(
      '-ERR value is not an integer or out of range\r\n',
    );
    world.gateway.mapKnown = false;
    expect(ask(moved, 'CLUSTER', 'COUNTKEYSINSLOT', '1')).toBe(SLOT_DOWN);
  });

  it('HELP lists exactly what is served', () => {
    const help = ask(moved, 'CLUSTER', 'HELP');
    const names = [...help.matchAll(/\+([A-Z]+)(?: <\w+>)?\r/g)].map((match) => String(match[1]));
    expect(names.sort()).toEqual(
      ['COUNTKEYSINSLOT', 'HELP', 'INFO', 'KEYSLOT', 'MYID', 'NODES', 'SHARDS', 'SLOTS'].sort(),
    );
    for (const name of names) expect(ask(moved, 'CLUSTER', name)).not.toContain('unknown subcommand');
    expect(help).toMatch(/^\*(\d+)\r\n(\+[^\r]*\r\n)+$/);
    expect(help.split('\r\n').length - 2).toBe(Number(/\d+/.exec(help)?.[0]));
  });

  it('refuses what is wrong, unknown, or of Redis alone', () => {
    expect(ask(moved, 'CLUSTER')).toBe("-ERR wrong number of arguments for 'cluster' command\r\n");
    expect(ask(moved, 'CLUSTER', 'SLOTS', '1')).toBe(
      "-ERR wrong number of arguments for 'cluster|slots' command\r\n",
    );
    expect(ask(moved, 'CLUSTER', 'nope')).toBe("-ERR unknown subcommand 'nope'. Try CLUSTER HELP.\r\n");
    expect(ask(moved, 'CLUSTER', 'MEET', 'h', '1')).toContain(
      "'cluster|meet' is known to Redis but not served",
    );
  });
});

describe('READONLY', () => {
  const freshnesses = (): readonly number[] => world.gateway.freshnesses;

  it('E8 lets the replica here answer reads of another leader’s keys; writes are redirected as ever', () => {
    world.directory.replicasHere.add(1);
    const key = keyOf(1);
    expect(ask(moved, 'GET', key)).toContain('-MOVED');
    expect(ask(moved, 'READONLY')).toBe('+OK\r\n');
    expect(ask(moved, 'GET', key)).toBe('$-1\r\n');
    expect(ask(moved, 'MGET', `{${key}}a`, `{${key}}b`)).toBe('*2\r\n$-1\r\n$-1\r\n');
    expect(new Set(freshnesses())).toEqual(new Set([Freshness.follower]));
    expect(ask(moved, 'SET', key, 'v')).toContain('-MOVED');
    // No replica of shard 2 is here.
    expect(ask(moved, 'GET', keyOf(2))).toContain('-MOVED');
    expect(ask(moved, 'MGET', key, keyOf(3))).toBe(CROSSSLOT);
  });

  it.each([['READWRITE'], ['RESET']])('ends with %s', (name) => {
    world.directory.replicasHere.add(1);
    ask(moved, 'READONLY');
    ask(moved, name);
    expect(ask(moved, 'GET', keyOf(1))).toContain('-MOVED');
  });

  it('changes nothing through a forward listener', () => {
    world.directory.replicasHere.add(1);
    expect(ask(forward, 'READONLY')).toBe('+OK\r\n');
    ask(forward, 'GET', keyOf(1));
    expect(freshnesses()).toEqual([Freshness.linearizable]);
  });
});

test.each(['READONLY', 'READWRITE', 'ASKING'])('%s is accepted, and alone changes nothing', (name) => {
  expect(ask(moved, name)).toBe('+OK\r\n');
  expect(ask(forward, name)).toBe('+OK\r\n');
  expect(ask(moved, name, '1')).toBe(
    `-ERR wrong number of arguments for '${name.toLowerCase()}' command\r\n`,
  );
  expect(ask(moved, 'GET', keyOf(1))).toContain('-MOVED');
});

test('node ids are 40 hex digits, the same for ever, and differ between nodes and clusters', () => {
  const ids = new Set<string>();
  for (const cluster of ['cluster-a', 'cluster-b', '']) {
    for (let node = 1; node <= 200; node++) {
      const id = clusterNodeId(cluster, node);
      expect(id).toMatch(/^[0-9a-f]{40}$/);
      ids.add(id);
    }
  }
  expect(ids.size).toBe(600);
  expect(clusterNodeId('cluster-a', 1)).toBe(PINNED_ID);
});

/** Clients keep ids: a change of this text is a change of every cluster's nodes. */
const PINNED_ID = '987f479354375b6ab3f9dbb46bf36bb800000001';
