/**
 * A node whose log lost something in the middle: its replicas are suspect, say so, never vote again under their ids,
 * and are replaced by fresh ones on the same node, while clients go on and nothing acknowledged is lost.
 */
import { openSync, closeSync, readdirSync, readSync, statSync, writeSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { createNodes, Sandbox, startCluster, statusOf, until } from '../support/process-cluster.js';
import type { ServerNode } from '../support/process-cluster.js';
import { RespClient } from '../support/resp-client.js';

const SHARDS = 4;
const KEYS = 400;

let sandbox: Sandbox;
beforeEach(() => {
  sandbox = new Sandbox();
});
afterEach(() => sandbox.close());

interface Row {
  readonly group: number;
  readonly replica: number;
  readonly suspect: string | null;
  readonly applied: number;
  readonly hash: string;
}

async function rowsOf(node: ServerNode): Promise<Row[]> {
  return ((await statusOf(sandbox, node.grpc))?.replicas ?? []) as Row[];
}

/** One bit in the middle of the store's newest log file: LevelDB drops a batch there, and says nothing. */
function flipBit(node: ServerNode): void {
  const folder = path.join(node.folder, 'log');
  const logs = readdirSync(folder).filter((name) => name.endsWith('.log'));
  const file = path.join(folder, logs.sort().at(-1) ?? '');
  const at = Math.floor(statSync(file).size / 2);
  const descriptor = openSync(file, 'r+');
  const byte = Buffer.alloc(1);
  readSync(descriptor, byte, 0, 1, at);
  byte[0] = (byte[0] as number) ^ 0x10;
  writeSync(descriptor, byte, 0, 1, at);
  closeSync(descriptor);
}

it('E42 E62 E103 replicas that a damaged log made suspect are replaced by fresh ones, and nothing is lost', async () => {
  const nodes = await createNodes(sandbox, 3);
  await startCluster(sandbox, nodes, SHARDS);
  const [first, second, damaged] = nodes as [ServerNode, ServerNode, ServerNode];
  const client = await RespClient.connect(second.resp);
  for (let i = 0; i < KEYS; i++) expect(await client.call('SET', `key:${i}`, `value ${i}`)).toBe('OK');
  const idsBefore = new Map((await rowsOf(damaged)).map(({ group, replica }) => [group, replica]));
  expect(idsBefore.size).toBe(SHARDS + 1);

  await damaged.kill();
  flipBit(damaged);
  damaged.start();
  await until(
    async () => {
      const rows = await rowsOf(damaged);
      return (
        rows.length === SHARDS + 1 &&
        rows.every(({ group, replica, suspect }) => suspect === null && replica > (idsBefore.get(group) ?? 0))
      );
    },
    'fresh replicas stand on the damaged node',
    60_000,
  );
  expect(damaged.log()).toContain('suspect');

  // The fresh ones are voters: with another node gone the two that are left serve everything.
  await until(
    async () => {
      const shards = (await statusOf(sandbox, first.grpc))?.shards ?? [];
      return shards.every(({ replicas }) => replicas.every(({ isLearner }) => !isLearner));
    },
    'the fresh replicas are voters',
    60_000,
  );
  await second.kill();
  const other = await RespClient.connect(damaged.resp);
  await until(async () => (await other.call('SET', 'after', 'the kill')) === 'OK', 'writes go on', 40_000);
  for (let i = 0; i < KEYS; i++) {
    expect(await other.call('GET', `key:${i}`)).toBe(`value ${i}`);
  }
  other.close();
  client.close();
});
