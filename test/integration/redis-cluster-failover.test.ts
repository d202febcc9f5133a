/**
 * A node is killed with SIGKILL while stock Redis clients write: ioredis and node-redis, each plain through a node that
 * stays and as a Cluster client. Every client goes on by itself, and what was acknowledged to it is there afterwards.
 */
import { Cluster, Redis } from 'ioredis';
import { createClient, createCluster } from 'redis';
import { afterAll, beforeAll, expect, it } from 'vitest';

import { createNodes, Sandbox, startCluster, until } from '../support/process-cluster.js';
import type { ServerNode } from '../support/process-cluster.js';
import { RespClient } from '../support/resp-client.js';

const SHARDS = 8;
/** Acknowledged by each client before the kill, and again after it. */
const WRITES_MIN = 50;
/** Writes that a client has under way at a time. */
const LANES = 4;
/** On a busy machine a test must not fail for the machine's sake. */
const GOES_ON_MS_MAX = 35_000;

let sandbox: Sandbox;
let nodes: ServerNode[] = [];

beforeAll(async () => {
  sandbox = new Sandbox();
  nodes = await createNodes(sandbox, 3);
  await startCluster(sandbox, nodes, SHARDS);
});
afterAll(() => sandbox.close());

interface Client {
  readonly name: string;
  set(key: string, value: string): Promise<unknown>;
  close(): void;
}

/** Writes each key once, whatever becomes of it, until told to stop. Keeps what was acknowledged. */
class Writer {
  readonly acknowledged: string[] = [];
  readonly failures = new Map<string, number>();
  private next = 0;
  private isStopped = false;
  private readonly finished: Promise<unknown>;

  constructor(readonly client: Client) {
    this.finished = Promise.all(Array.from({ length: LANES }, () => this.lane()));
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await this.finished;
  }

  private async lane(): Promise<void> {
    while (!this.isStopped) {
      const key = `${this.client.name}:${this.next++}`;
      try {
        await this.client.set(key, key);
        this.acknowledged.push(key);
      } catch (error) {
        const word = error instanceof Error ? (error.message.split(' ')[0] ?? '') : String(error);
        this.failures.set(word, (this.failures.get(word) ?? 0) + 1);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }
}

async function connectAll(seeds: readonly ServerNode[], plain: ServerNode): Promise<Client[]> {
  const ignore = (): void => undefined; // lost connections are what this test is about
  const io = new Redis(plain.ports.resp, '127.0.0.1');
  const ioCluster = new Cluster(seeds.map((node) => ({ host: '127.0.0.1', port: node.ports.moved })));
  const nr = createClient({ url: `redis://${plain.resp}` });
  const nrCluster = createCluster({ rootNodes: seeds.map((node) => ({ url: `redis://${node.moved}` })) });
  io.on('error', ignore);
  ioCluster.on('error', ignore);
  nr.on('error', ignore);
  nrCluster.on('error', ignore);
  await nr.connect();
  await nrCluster.connect();
  return [
    { name: 'ioredis', set: (key, value) => io.set(key, value), close: () => io.disconnect() },
    {
      name: 'ioredis-cluster',
      set: (key, value) => ioCluster.set(key, value),
      close: () => ioCluster.disconnect(),
    },
    { name: 'node-redis', set: (key, value) => nr.set(key, value), close: () => nr.destroy() },
    {
      name: 'node-redis-cluster',
      set: (key, value) => nrCluster.set(key, value),
      close: () => nrCluster.destroy(),
    },
  ];
}

it('clients of both kinds go on when a leader is killed, and no acknowledged write is lost', async () => {
  const [killed, plain] = nodes;
  if (!killed || !plain) throw new Error('no nodes');
  const before = await RespClient.connect(killed.moved);
  expect(String(await before.call('CLUSTER', 'NODES'))).toMatch(/myself,master - 0 0 \d+ connected \d/);
  before.close();

  const clients = await connectAll(nodes, plain);
  const writers = clients.map((client) => new Writer(client));
  try {
    const haveWritten = (from: readonly number[]): boolean =>
      writers.every((writer, i) => writer.acknowledged.length >= (from[i] ?? 0) + WRITES_MIN);
    await until(() => haveWritten([]), 'every client has written before the kill');
    const atKill = writers.map((writer) => writer.acknowledged.length);
    await killed.kill('SIGKILL');
    const describe = (): string =>
      writers
        .map(
          ({ client, acknowledged, failures }, i) =>
            `${client.name} +${acknowledged.length - (atKill[i] ?? 0)} ${JSON.stringify([...failures])}`,
        )
        .join('; ');
    await until(() => haveWritten(atKill), 'every client goes on after the kill', GOES_ON_MS_MAX).catch(
      (error: unknown) => {
        throw new Error(`${String(error)}: ${describe()}`);
      },
    );
    await Promise.all(writers.map((writer) => writer.stop()));

    const reader = await RespClient.connect(plain.resp);
    const lost: string[] = [];
    for (const { acknowledged } of writers) {
      for (let at = 0; at < acknowledged.length; at += 200) {
        const keys = acknowledged.slice(at, at + 200);
        const values = await reader.call('MGET', ...keys);
        if (!Array.isArray(values)) throw new Error('MGET failed');
        lost.push(...keys.filter((key, i) => values[i] !== key));
      }
    }
    reader.close();
    expect(lost).toEqual([]);
    const slots = await RespClient.connect(plain.moved);
    const info = String(await slots.call('CLUSTER', 'INFO'));
    slots.close();
    expect(info).toContain('cluster_state:ok');
    expect(info).toContain('cluster_size:2');
  } finally {
    for (const client of clients) client.close();
    await Promise.all(writers.map((writer) => writer.stop()));
  }
});
