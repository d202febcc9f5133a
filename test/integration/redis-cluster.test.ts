/**
 * Stock Redis clients against three real processes: redis-cli -c and redis-benchmark --cluster, ioredis and node-redis,
 * plain through `forward` listeners and as Cluster clients through `moved` ones. A leader that is killed under load:
 * redis-cluster-failover.test.ts.
 */
import { spawn } from 'node:child_process';
import { Cluster, Redis } from 'ioredis';
import { createClient, createCluster } from 'redis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { createNodes, freePorts, hasTool, Sandbox, startCluster, until } from '../support/process-cluster.js';
import type { ServerNode } from '../support/process-cluster.js';
import { RespClient } from '../support/resp-client.js';

const HAS_TOOLS = hasTool('redis-cli') && hasTool('redis-benchmark');
const KEYS = 200;
const SHARDS = 8;

let sandbox: Sandbox;
let nodes: ServerNode[] = [];

beforeAll(async () => {
  sandbox = new Sandbox();
  nodes = await createNodes(sandbox, 3);
  await startCluster(sandbox, nodes, SHARDS);
});
afterAll(() => sandbox.close());

function nodeAt(index: number): ServerNode {
  const node = nodes[index];
  if (!node) throw new Error(`no node ${index}`);
  return node;
}

/** What a tool printed; rejects when it did not end with 0. */
function runTool(command: string, words: readonly string[], input: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, words, { stdio: ['pipe', 'pipe', 'pipe'] });
    let out = '';
    child.stdout.on('data', (bytes: Buffer) => (out += bytes.toString()));
    child.stderr.on('data', (bytes: Buffer) => (out += bytes.toString()));
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve(out) : reject(new Error(`${command}: ${code}\n${out}`)),
    );
    child.stdin.end(input);
  });
}

const numbered = Array.from({ length: KEYS }, (_, i) => i);

describe.skipIf(!HAS_TOOLS)(
  'the tools of Redis (skipped where redis-cli or redis-benchmark is not installed)',
  () => {
    it('redis-cli -c follows redirects from any node', async () => {
      const ports = nodes.map((node) => String(node.ports.moved));
      const sets = numbered.map((i) => `SET cli:${i} ${i}\n`).join('');
      const set = await runTool('redis-cli', ['-c', '-p', ports[0] ?? ''], sets);
      expect(set.match(/^OK$/gm)).toHaveLength(KEYS);
      const gets = numbered.map((i) => `GET cli:${i}\n`).join('');
      const got = await runTool('redis-cli', ['-c', '-p', ports[2] ?? ''], gets);
      expect(got.match(/^\d+$/gm)).toEqual(numbered.map(String));
      const plain = await runTool('redis-cli', ['-p', ports[1] ?? ''], gets);
      expect(plain).toContain('MOVED ');
    });

    it('redis-cli --cluster check finds every slot covered, all nodes of one mind', async () => {
      const out = await runTool('redis-cli', ['--cluster', 'check', nodeAt(1).moved], '');
      expect(out).toContain('All nodes agree about slots configuration.');
      expect(out).toContain('All 16384 slots covered.');
      expect(out).toContain('in 3 masters');
    });

    it('redis-benchmark --cluster runs against all nodes without an error', async () => {
      const port = String(nodeAt(0).ports.moved);
      const words = [
        '--cluster',
        '-p',
        port,
        '-n',
        '1000',
        '-c',
        '10',
        '-P',
        '4',
        '-r',
        '1000',
        '-t',
        'set,get',
        '--csv',
      ];
      const out = await runTool('redis-benchmark', words, '');
      expect(out).toMatch(/"SET","[\d.]+"/);
      expect(out).toMatch(/"GET","[\d.]+"/);
      expect(out.toLowerCase()).not.toContain('error');
    });
  },
);

describe('ioredis', () => {
  it('plain: single commands, pipelines and keys of many slots through one node', async () => {
    const client = new Redis(nodeAt(1).ports.resp, '127.0.0.1');
    try {
      await Promise.all(numbered.map((i) => client.set(`io:${i}`, String(i))));
      expect(await client.mget(numbered.map((i) => `io:${i}`))).toEqual(numbered.map(String));
      const pipeline = client.pipeline().set('io:p', '1').incr('io:p').get('io:p');
      expect(await pipeline.exec()).toEqual([
        [null, 'OK'],
        [null, 2],
        [null, '2'],
      ]);
    } finally {
      client.disconnect();
    }
  });

  it('Cluster: learns all masters, reads what it wrote, keeps keys of one tag together', async () => {
    const client = new Cluster([{ host: '127.0.0.1', port: nodeAt(0).ports.moved }]);
    try {
      await Promise.all(numbered.map((i) => client.set(`ioc:${i}`, String(i))));
      expect(await Promise.all(numbered.map((i) => client.get(`ioc:${i}`)))).toEqual(numbered.map(String));
      expect(
        client
          .nodes('master')
          .map(({ options }) => options.port)
          .sort(),
      ).toEqual(nodes.map((node) => node.ports.moved).sort());
      await client.mset('{ioc}a', '1', '{ioc}b', '2');
      expect(await client.mget('{ioc}a', '{ioc}b', '{ioc}none')).toEqual(['1', '2', null]);
      const pipeline = client.pipeline().set('{ioc}p', '1').incr('{ioc}p').del('{ioc}a', '{ioc}b');
      expect(await pipeline.exec()).toEqual([
        [null, 'OK'],
        [null, 2],
        [null, 2],
      ]);
      await expect(client.mget('ioc:1', 'ioc:2')).rejects.toThrow(/^CROSSSLOT/);
    } finally {
      client.disconnect();
    }
  });
});

describe('node-redis', () => {
  it('plain: single commands, pipelines and keys of many slots through one node', async () => {
    const client = await createClient({ url: `redis://${nodeAt(2).resp}` }).connect();
    try {
      await Promise.all(numbered.map((i) => client.set(`nr:${i}`, String(i))));
      expect(await client.mGet(numbered.map((i) => `nr:${i}`))).toEqual(numbered.map(String));
      expect(await client.multi().set('nr:p', '1').incr('nr:p').get('nr:p').execAsPipeline()).toEqual([
        'OK',
        2,
        '2',
      ]);
    } finally {
      client.destroy();
    }
  });

  it('cluster: learns all masters, reads what it wrote, keeps keys of one tag together', async () => {
    const client = createCluster({ rootNodes: [{ url: `redis://${nodeAt(1).moved}` }] });
    await client.connect();
    try {
      await Promise.all(numbered.map((i) => client.set(`nrc:${i}`, String(i))));
      expect(await Promise.all(numbered.map((i) => client.get(`nrc:${i}`)))).toEqual(numbered.map(String));
      expect(client.masters.map(({ port }) => port).sort()).toEqual(
        nodes.map((node) => node.ports.moved).sort(),
      );
      await client.mSet(['{nrc}a', '1', '{nrc}b', '2']);
      expect(await client.mGet(['{nrc}a', '{nrc}b', '{nrc}none'])).toEqual(['1', '2', null]);
      expect(await client.multi().set('{nrc}p', '1').incr('{nrc}p').execAsPipeline()).toEqual(['OK', 2]);
      // This client splits by slot what the server would refuse as a whole.
      expect(await client.mGet(['nrc:1', 'nrc:2'])).toEqual(['1', '2']);
    } finally {
      client.destroy();
    }
  });
});

describe('CLUSTER COUNTKEYSINSLOT', () => {
  it('counts the same through every node and both kinds of listeners', async () => {
    const writer = await RespClient.connect(nodeAt(0).resp);
    for (let i = 0; i < 20; i++) await writer.call('SET', `{counted}${i}`, 'v');
    const slot = await writer.call('CLUSTER', 'KEYSLOT', 'counted');
    writer.close();
    for (const address of nodes.flatMap((node) => [node.resp, node.moved])) {
      const client = await RespClient.connect(address);
      expect(await client.call('CLUSTER', 'COUNTKEYSINSLOT', Number(slot))).toBe(20);
      client.close();
    }
  });
});

describe('a node that comes back', () => {
  it('with another moved listener tells the cluster, and others send clients there', async () => {
    const node = nodeAt(2);
    const id = await myId(node.resp);
    await node.kill('SIGTERM');
    const moved = await otherPort();
    node.start([], ['--resp', node.resp, '--resp', `127.0.0.1:${moved},routing=moved`]);
    const asked = await RespClient.connect(nodeAt(0).moved);
    await until(async () => {
      const text = String(await asked.call('CLUSTER', 'NODES'));
      return text.includes(`${id} 127.0.0.1:${moved}@`);
    }, 'the new address is known');
    asked.close();
    const there = await RespClient.connect(`127.0.0.1:${moved}`);
    expect(await there.call('CLUSTER', 'MYID')).toBe(id);
    there.close();
  });
});

async function myId(address: string): Promise<string> {
  const client = await RespClient.connect(address);
  const id = String(await client.call('CLUSTER', 'MYID'));
  client.close();
  return id;
}

/** One that no node of this test has. */
async function otherPort(): Promise<number> {
  const taken = new Set(nodes.flatMap((node) => Object.values(node.ports)));
  for (;;) {
    const [ports] = await freePorts(1);
    if (ports && !taken.has(ports.moved)) return ports.moved;
  }
}
