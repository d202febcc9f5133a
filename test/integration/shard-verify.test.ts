/**
 * `quorate shard verify` on three processes under writes: every shard is equal; with one process gone it says so. And one
 * process whose wall clock is an hour ahead (faketime): it leads nothing for long, and keys live as long as they should.
 */
import { existsSync } from 'node:fs';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { createNodes, Sandbox, startCluster, until } from '../support/process-cluster.js';
import type { ServerNode } from '../support/process-cluster.js';
import { RespClient } from '../support/resp-client.js';

const SHARDS = 4;

interface Verified {
  readonly equal: boolean;
  readonly shards: readonly {
    readonly group: number;
    readonly replicas: readonly { readonly node: number; readonly verdict: string; readonly items: number }[];
  }[];
}

async function verify(
  sandbox: Sandbox,
  node: ServerNode,
  ...words: string[]
): Promise<{ code: number | null; answer: Verified }> {
  const { code, out, err } = await sandbox.run(
    'shard',
    'verify',
    '--endpoint',
    node.grpc,
    '--json',
    ...words,
  );
  if (out === '') throw new Error(`shard verify ended with ${code}: ${err}`);
  return { code, answer: JSON.parse(out) as Verified };
}

describe('shard verify', () => {
  let sandbox: Sandbox;
  let nodes: ServerNode[] = [];

  beforeAll(async () => {
    sandbox = new Sandbox();
    nodes = await createNodes(sandbox, 3);
    await startCluster(sandbox, nodes, SHARDS);
  });
  afterAll(() => sandbox.close());

  it('finds all replicas equal while clients write', async () => {
    const client = await RespClient.connect((nodes[0] as ServerNode).resp);
    for (let n = 0; n < 300; n++) await client.call('SET', `k${n}`, `value ${n}`, 'EX', '1000');
    let writing = true;
    const writer = (async () => {
      for (let n = 0; writing; n++) await client.call('INCRBYFLOAT', `f${n % 50}`, '0.1');
    })();
    const { code, answer } = await verify(sandbox, nodes[1] as ServerNode);
    writing = false;
    await writer;
    client.close();
    expect([code, answer.equal]).toEqual([0, true]);
    expect(answer.shards.map(({ group }) => group)).toEqual([1, 2, 3, 4]);
    for (const { replicas } of answer.shards) {
      expect(replicas.map(({ verdict }) => verdict)).toEqual(['equal', 'equal', 'equal']);
      for (const { items } of replicas) expect(items).toBeGreaterThan(20);
    }
  });

  it('says who can not be reached, and ends with 1', async () => {
    await (nodes[2] as ServerNode).kill();
    const { code, answer } = await verify(sandbox, nodes[0] as ServerNode, '1', '--timeout', '20s');
    expect([code, answer.equal]).toEqual([1, false]);
    const verdicts = answer.shards[0]?.replicas.map(({ verdict }) => verdict).sort();
    expect(verdicts).toEqual(['equal', 'equal', 'unreachable']);
  });
});

/** Preloaded here, not by the tool of that name: that one stays between us and the process, which then outlives a kill. */
const fakeTime = ['/usr/lib/x86_64-linux-gnu', '/usr/lib/aarch64-linux-gnu']
  .map((folder) => `${folder}/faketime/libfaketime.so.1`)
  .find(existsSync);
const canFake = fakeTime !== undefined;

describe.skipIf(!canFake)(
  `a process whose clock is an hour ahead${canFake ? '' : ': no faketime here'}`,
  () => {
    let sandbox: Sandbox;
    let nodes: ServerNode[] = [];

    beforeAll(async () => {
      sandbox = new Sandbox();
      nodes = await createNodes(sandbox, 3);
      await startCluster(sandbox, nodes, SHARDS);
    });
    afterAll(() => sandbox.close());

    it('E106 E88 leads no shard, keys live as long as they should, and replicas stay equal', async () => {
      const [honest, , ahead] = nodes as [ServerNode, ServerNode, ServerNode];
      await ahead.kill('SIGTERM');
      ahead.start(['env', `LD_PRELOAD=${fakeTime}`, 'FAKETIME_DONT_FAKE_MONOTONIC=1', 'FAKETIME=+1h']);
      await until(() => ahead.log().includes('leads nothing'), 'the node notices its clock', 60_000);
      const client = await RespClient.connect(honest.resp);
      for (let n = 0; n < 40; n++) await client.call('SET', `k${n}`, 'v', 'PX', '600000');
      const leading = async (): Promise<number> => {
        const { out } = await sandbox.run('status', '--endpoint', ahead.grpc, '--json');
        const { replicas } = JSON.parse(out) as { replicas: { group: number; role: string }[] };
        return replicas.filter(({ group, role }) => group !== 0 && role === 'leader').length;
      };
      await until(async () => (await leading()) === 0, 'it leads nothing', 60_000);
      for (let n = 0; n < 40; n++) {
        const left = Number(await client.call('PTTL', `k${n}`));
        expect(left).toBeGreaterThan(300_000);
        expect(left).toBeLessThanOrEqual(601_000);
      }
      client.close();
      const { code } = await verify(sandbox, honest);
      expect(code).toBe(0);
    });
  },
);
