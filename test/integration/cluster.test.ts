/**
 * Three real processes: one killed under load, then all of them. Whatever was acknowledged has to be readable, and
 * every shard writable again.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { createNodes, isReady, Sandbox, statusOf, until } from '../support/process-cluster.js';
import type { ServerNode } from '../support/process-cluster.js';
import { ReplyError, RespClient } from '../support/resp-client.js';
import type { Reply } from '../support/resp-client.js';

const SHARDS = 8;
/** One key for each of these lands in every shard with near certainty. */
const PROBE_KEYS = 400;
/** On a busy machine a test must not fail for the machine's sake; the figure itself is printed. */
const WRITABLE_AGAIN_MS_MAX = 10_000;
const READ_BATCH = 500;
const RETRY_MS = 10_000;
const WRONG_SHOWN = 10;

let sandbox: Sandbox;
let nodes: ServerNode[] = [];

beforeAll(async () => {
  sandbox = new Sandbox();
  nodes = await createNodes(sandbox, 3);
  for (const node of nodes) node.start();
});
afterAll(() => sandbox.close());

async function allReady(): Promise<void> {
  await until(async () => (await Promise.all(nodes.map(isReady))).every(Boolean), 'all nodes are ready');
}

/** Writes numbered keys through one node, a few at a time, until told to stop. Keeps what was acknowledged. */
class Writer {
  readonly acknowledged = new Map<string, string>();
  unclear = 0;
  private isStopped = false;
  private readonly finished: Promise<void>;

  constructor(
    private readonly node: ServerNode,
    private readonly name: string,
  ) {
    this.finished = this.run();
  }

  async stop(): Promise<void> {
    this.isStopped = true;
    await this.finished;
  }

  private async run(): Promise<void> {
    let client: RespClient | null = null;
    for (let n = 0; !this.isStopped;) {
      try {
        client ??= await RespClient.connect(this.node.resp);
        const connection: RespClient = client;
        const keys = Array.from({ length: 8 }, () => `${this.name}:${n++}`);
        const replies = await Promise.all(keys.map((key) => connection.call('SET', key, `v-${key}`)));
        for (const [i, reply] of replies.entries()) {
          if (reply === 'OK') this.acknowledged.set(keys[i] ?? '', `v-${keys[i]}`);
          else this.unclear++;
        }
      } catch {
        // The node was killed: what waited has an unknown outcome, and the next attempt uses new keys.
        client = null;
        this.unclear++;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
    client?.close();
  }
}

/** Reads all keys through one node. "Try again" is asked again for a while, as any client does; a wrong answer never. */
async function expectAll(node: ServerNode, written: ReadonlyMap<string, string>): Promise<void> {
  const client = await RespClient.connect(node.resp);
  const endMs = performance.now() + RETRY_MS;
  const wrong: string[] = [];
  let open = [...written.keys()];
  while (open.length > 0 && wrong.length === 0) {
    const again: string[] = [];
    for (let at = 0; at < open.length; at += READ_BATCH) {
      const part = open.slice(at, at + READ_BATCH);
      const replies = await Promise.all(part.map((key) => client.call('GET', key)));
      for (const [i, reply] of replies.entries()) {
        const key = part[i] ?? '';
        if (reply === written.get(key)) continue;
        if (isTryAgain(reply) && performance.now() < endMs) again.push(key);
        else wrong.push(`${key}: ${reply instanceof ReplyError ? reply.text : String(reply)}`);
      }
    }
    open = again;
  }
  client.close();
  expect(wrong.slice(0, WRONG_SHOWN)).toEqual([]);
}

function isTryAgain(reply: Reply): boolean {
  return reply instanceof ReplyError && /^(TRYAGAIN|CLUSTERDOWN) /.test(reply.text);
}

/** How long until a key of every shard can be written through this node. */
async function writableAgainMs(node: ServerNode): Promise<number> {
  const startMs = performance.now();
  const client = await RespClient.connect(node.resp);
  let open = Array.from({ length: PROBE_KEYS }, (_, i) => `probe:${i}`);
  while (open.length > 0 && performance.now() - startMs < WRITABLE_AGAIN_MS_MAX) {
    const replies = await Promise.all(open.map((key) => client.call('SET', key, '1')));
    open = open.filter((_, i) => replies[i] !== 'OK');
  }
  client.close();
  expect(open).toEqual([]);
  return performance.now() - startMs;
}

describe('three processes', () => {
  it('E118 become one cluster although two inits run at once', async () => {
    await until(
      async () => (await Promise.all(nodes.map((node) => statusOf(sandbox, node.grpc)))).every(Boolean),
      'all answer',
    );
    const inits = await Promise.all(
      nodes
        .slice(0, 2)
        .map((node) => sandbox.run('init', '--endpoint', node.grpc, '--shards', String(SHARDS), '--json')),
    );
    // One founds it. The other is refused, or told of the same cluster.
    expect(inits.filter((init) => init.code === 0).length).toBeGreaterThanOrEqual(1);
    await allReady();
    const statuses = await Promise.all(nodes.map((node) => statusOf(sandbox, node.grpc)));
    expect(new Set(statuses.map((status) => status?.clusterId)).size).toBe(1);
    expect(statuses.map((status) => status?.nodeId).sort()).toEqual([1, 2, 3]);
    for (const init of inits) if (init.code === 0) expect(init.out).toContain(statuses[0]?.clusterId);
    const again = await sandbox.run('init', '--endpoint', nodes[2]?.grpc ?? '', '--shards', String(SHARDS));
    expect(again.code).toBe(78);
    expect(again.err).toContain(statuses[0]?.clusterId);
  });

  it('serve every key through every node', async () => {
    for (const writer of nodes) {
      const client = await RespClient.connect(writer.resp);
      expect(await client.call('SET', `by:${writer.number}`, `${writer.number}`)).toBe('OK');
      client.close();
      for (const reader of nodes)
        await expectAll(reader, new Map([[`by:${writer.number}`, `${writer.number}`]]));
    }
  });

  it('lose nothing acknowledged when one is killed under load, and write to every shard again', async () => {
    for (const victim of nodes) {
      const writers = nodes.map((node) => new Writer(node, `kill${victim.number}:${node.number}`));
      await until(() => writers.every((writer) => writer.acknowledged.size > 200), 'there is load');
      const others = nodes.filter((node) => node !== victim);
      await victim.kill();
      const blockedMs = await writableAgainMs(others[0] as ServerNode);
      console.log(
        `node ${victim.number} killed: every shard writable again after ${Math.round(blockedMs)} ms`,
      );
      for (const writer of writers) await writer.stop();
      for (const writer of writers) await expectAll(others[1] as ServerNode, writer.acknowledged);
      victim.start();
      await allReady();
      for (const writer of writers) await expectAll(victim, writer.acknowledged);
    }
  });

  it('E60 have everything acknowledged after all were killed at once', async () => {
    const writers = nodes.map((node) => new Writer(node, `all:${node.number}`));
    await until(() => writers.every((writer) => writer.acknowledged.size > 300), 'there is load');
    await Promise.all(nodes.map((node) => node.kill()));
    for (const writer of writers) await writer.stop();
    for (const node of nodes) node.start();
    await allReady();
    for (const writer of writers) await expectAll(nodes[0] as ServerNode, writer.acknowledged);
    await writableAgainMs(nodes[2] as ServerNode);
  });

  it('stop in order when asked, and start again from their directories alone', async () => {
    for (const node of nodes) expect((await node.kill('SIGTERM')).code).toBe(0);
    for (const node of nodes) node.start();
    await allReady();
    await expectAll(nodes[1] as ServerNode, new Map([['by:1', '1']]));
  });

  it('E94 close a connection that sends garbage with an error, and no other', async () => {
    const node = nodes[0] as ServerNode;
    const other = await RespClient.connect(node.resp);
    const bad = await RespClient.connect(node.resp);
    expect(await bad.raw('*2147483647\r\n')).toMatchObject({
      text: expect.stringContaining('Protocol error'),
    });
    await expect(bad.call('PING')).rejects.toThrow();
    expect(await other.call('PING')).toBe('PONG');
    other.close();
  });
});
