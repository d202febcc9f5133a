/** E48, E66: a data directory of another cluster is refused by name, and clusters that meet do not mix. */
import { afterEach, beforeEach, expect, it } from 'vitest';

import { createNodes, isReady, Sandbox, statusOf, until } from '../support/process-cluster.js';
import type { ServerNode } from '../support/process-cluster.js';

/** Long enough for the other cluster to be asked. */
const REFUSED_MS = 15_000;

let sandbox: Sandbox;
beforeEach(() => {
  sandbox = new Sandbox();
});
afterEach(() => sandbox.close());

it('E48 a node of one cluster that is told to join another is refused, and tells both ids', async () => {
  const [a, b] = (await createNodes(sandbox, 2, ['--shards', '1', '--single'])) as [ServerNode, ServerNode];
  // Each founds a cluster of its own.
  const flagsOf = (node: ServerNode): string[] =>
    (['grpc', 'peer', 'resp', 'http'] as const).flatMap((name) => [
      `--${name}`,
      `127.0.0.1:${node.ports[name]}`,
    ]);
  for (const node of [a, b]) {
    node.running = sandbox.start(
      ['server', '--data', node.folder, '--single', '--shards', '1', ...flagsOf(node)],
      {
        logTo: node.logFile,
      },
    );
  }
  await until(async () => (await isReady(a)) && (await isReady(b)), 'both are ready');
  const ids = [await statusOf(sandbox, a.grpc), await statusOf(sandbox, b.grpc)].map(
    (status) => status?.clusterId ?? '',
  );
  expect(ids[0]).not.toBe(ids[1]);

  await b.kill('SIGTERM');
  const told = sandbox.start(['server', '--data', b.folder, '--single', 'false', '--join', a.grpc]);
  await until(() => told.isEnded, 'the node ends', REFUSED_MS);
  const refused = await told.ended;
  expect(refused.code).toBe(78);
  expect(refused.out).toContain(ids[0]);
  expect(refused.out).toContain(ids[1]);
});
