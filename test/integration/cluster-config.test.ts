/**
 * `quorate config` against three processes: settings of the whole cluster change at run time, on every node; what isn't
 * accepted is refused with what is, and changes nothing. And a budget that is smaller than one item.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { createNodes, Sandbox, startCluster, until } from '../support/process-cluster.js';
import type { Finished, ServerNode } from '../support/process-cluster.js';
import { ReplyError, RespClient } from '../support/resp-client.js';

const USAGE = 2;

interface Row {
  readonly name: string;
  readonly value: string;
  readonly default: boolean;
  readonly accepts: string;
}

describe('quorate config', () => {
  let sandbox: Sandbox;
  let nodes: ServerNode[] = [];
  let clients: RespClient[] = [];

  const config = (node: number, ...words: string[]): Promise<Finished> =>
    sandbox.run('config', ...words, '--endpoint', (nodes[node] as ServerNode).grpc, '--timeout', '20s');
  const rowOf = async (node: number, name: string): Promise<Row> =>
    JSON.parse((await config(node, 'get', name, '--json')).out) as Row;
  const policyOf = async (client: RespClient): Promise<string> =>
    JSON.stringify(await client.call('CONFIG', 'GET', 'maxmemory-policy'));

  beforeAll(async () => {
    sandbox = new Sandbox();
    nodes = await createNodes(sandbox, 3, ['--memory-max', '64mb']);
    await startCluster(sandbox, nodes, 4);
    clients = await Promise.all(nodes.map((node) => RespClient.connect(node.resp)));
  });
  afterAll(async () => {
    for (const client of clients) client.close();
    await sandbox.close();
  });

  it('lists what there is, what it accepts and what is in force', async () => {
    const { code, out } = await config(0, 'list', '--json');
    const rows = JSON.parse(out) as Row[];
    expect([code, rows.map(({ name }) => name)]).toEqual([
      0,
      ['eviction.policy', 'memory.max', 'memory.maxItems'],
    ]);
    expect(rows[0]).toMatchObject({ value: 's3fifo', default: true, accepts: 'none, lru, s3fifo' });
    expect((await config(0, 'list')).out).toContain('eviction.policy = s3fifo (default)');
  });

  it('sets a policy that every node goes by, and takes it back', async () => {
    expect((await config(0, 'set', 'eviction.policy', 'none')).out).toBe('eviction.policy = none\n');
    for (const client of clients) {
      await until(async () => (await policyOf(client)).includes('noeviction'), 'the node has the policy');
    }
    expect(await rowOf(2, 'eviction.policy')).toMatchObject({ value: 'none', default: false });
    expect((await config(1, 'reset', 'eviction.policy')).code).toBe(0);
    expect(await rowOf(2, 'eviction.policy')).toMatchObject({ value: 's3fifo', default: true });
    for (const client of clients) {
      await until(async () => !(await policyOf(client)).includes('noeviction'), 'the node has it back');
    }
  });

  it.each([
    ['eviction.policy', 'lfu', 'expected none, lru, s3fifo; got "lfu"'],
    ['memory.max', '512kb', 'expected a size of at least 1mb'],
    ['memory.max', 'much', 'expected a size of at least 1mb'],
    ['memory.maxItems', '0', 'expected a number of items from 1 on'],
    ['memory.min', '1mb', 'there are eviction.policy, memory.max, memory.maxItems'],
  ])('refuses %s = %s, says what is accepted, and changes nothing', async (name, value, words) => {
    const before = (await config(0, 'list', '--json')).out;
    const { code, out, err } = await config(1, 'set', name, value);
    expect([code, out]).toEqual([USAGE, '']);
    expect(err).toContain(words);
    expect((await config(0, 'list', '--json')).out).toBe(before);
  });

  it('is where CONFIG SET of a client is sent to', async () => {
    const [client] = clients as [RespClient];
    const reply = await client.call('CONFIG', 'SET', 'maxmemory-policy', 'no-such-policy');
    expect(reply instanceof ReplyError ? reply.text : reply).toContain(
      'quorate config set eviction.policy VALUE',
    );
  });

  it('a budget that is smaller than an item refuses that item, and takes smaller ones', async () => {
    const [client] = clients as [RespClient];
    expect((await config(0, 'set', 'memory.max', '1mb')).code).toBe(0);
    const set = async (length: number): Promise<string> => {
      const reply = await client.call('SET', 'a', 'v'.repeat(length));
      return reply instanceof ReplyError ? reply.text : String(reply);
    };
    await until(async () => (await set(1_000_000)).includes('the command is too large'), 'it is too large');
    await until(async () => (await set(1000)) === 'OK', 'the smaller one has room');
    expect((await config(0, 'reset', 'memory.max')).code).toBe(0);
  });
});
