/**
 * Nodes that come later, and nodes that come back elsewhere: a newcomer is known, routes every key and holds nothing;
 * a node with other addresses tells the meta group, and the others find it there.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { createNodes, freePorts, isReady, Sandbox, statusOf, until } from '../support/process-cluster.js';
import type { Ports, ServerNode } from '../support/process-cluster.js';
import { RespClient } from '../support/resp-client.js';

const KEYS = 60;

let sandbox: Sandbox;
let nodes: ServerNode[] = [];

beforeAll(() => {
  sandbox = new Sandbox();
});
afterAll(() => sandbox.close());

async function writeAndRead(through: string, round: string): Promise<void> {
  const client = await RespClient.connect(through);
  try {
    for (let n = 0; n < KEYS; n++) expect(await client.call('SET', `k${n}`, `${round} ${n}`)).toBe('OK');
    for (let n = 0; n < KEYS; n++) expect(await client.call('GET', `k${n}`)).toBe(`${round} ${n}`);
  } finally {
    client.close();
  }
}

describe('newcomers and movers', () => {
  it('a node that joins after the birth gets the next id, routes every key and holds no replica', async () => {
    nodes = await createNodes(sandbox, 4);
    const founders = nodes.slice(0, 3);
    for (const node of founders) node.start();
    await until(
      async () => (await Promise.all(founders.map((node) => statusOf(sandbox, node.grpc)))).every(Boolean),
      'the founders answer',
    );
    const init = await sandbox.run('init', '--endpoint', (nodes[0] as ServerNode).grpc, '--shards', '4');
    expect(init.code).toBe(0);
    const newcomer = nodes[3] as ServerNode;
    newcomer.start();
    await until(() => isReady(newcomer), 'the newcomer is ready');
    const status = await statusOf(sandbox, newcomer.grpc);
    expect(status?.nodeId).toBe(4);
    expect(status?.replicas).toEqual([]);
    await writeAndRead(newcomer.resp, 'newcomer');
  });

  it('a node that comes back at other addresses serves there, and the others reach it', async () => {
    const mover = nodes[1] as ServerNode;
    await mover.kill('SIGTERM');
    const [ports] = (await freePorts(1)) as [Ports];
    const flags = (['grpc', 'peer', 'resp', 'http'] as const).flatMap((name) => [
      `--${name}`,
      `127.0.0.1:${ports[name]}`,
    ]);
    sandbox.start(['server', '--data', mover.folder, ...flags]);
    await until(async () => {
      const status = await statusOf(sandbox, `127.0.0.1:${ports.grpc}`);
      return status?.ready === true;
    }, 'the mover is ready');
    // The others have the new address once their map has it; then a leader may be there, too.
    await until(async () => {
      const status = await statusOf(sandbox, (nodes[0] as ServerNode).grpc);
      return status?.nodes?.some((node) => node.peer === `127.0.0.1:${ports.peer}`) === true;
    }, 'the new address is known');
    await writeAndRead(`127.0.0.1:${ports.resp}`, 'moved');
    await writeAndRead((nodes[3] as ServerNode).resp, 'after the move');
  });
});
