/** The HTTP pages of a live node: healthy, ready or what is missing, and figures that agree with a known workload. */
import { afterAll, beforeAll, expect, it } from 'vitest';

import { createNodes, isReady, Sandbox, until } from '../support/process-cluster.js';
import type { ServerNode } from '../support/process-cluster.js';
import { RespClient } from '../support/resp-client.js';

const SETS = 30;
const HITS = 20;
const MISSES = 7;

let sandbox: Sandbox;
let node: ServerNode;

beforeAll(async () => {
  sandbox = new Sandbox();
  [node] = (await createNodes(sandbox, 1, ['--shards', '2'])) as [ServerNode];
  node.start();
});
afterAll(() => sandbox.close());

async function page(path: string): Promise<{ status: number; body: string }> {
  const response = await fetch(`http://127.0.0.1:${node.ports.http}${path}`);
  return { status: response.status, body: await response.text() };
}

/** Sum over all label sets that contain `labels`. */
function figure(text: string, name: string, labels = ''): number {
  let sum = 0;
  for (const line of text.split('\n')) {
    const found = /^(\w+)(\{[^}]*\})? (\S+)$/.exec(line);
    if (found?.[1] === name && (found[2] ?? '').includes(labels)) sum += Number(found[3]);
  }
  return sum;
}

it('says what is missing before it is a member, and that it is ready afterwards', async () => {
  await until(async () => {
    try {
      return (await page('/healthz')).status === 200;
    } catch {
      return false;
    }
  }, 'it listens');
  const before = await page('/readyz');
  expect(before.status).toBe(503);
  expect(JSON.parse(before.body)).toMatchObject({ ready: false });
  expect(before.body).toContain('quorate init');
  const init = await sandbox.run('init', '--endpoint', node.grpc, '--shards', '2', '--replicas', '1');
  expect(init.code).toBe(0);
  await until(() => isReady(node), 'it is ready');
  expect(await page('/readyz')).toEqual({ status: 200, body: '{"ready":true,"missing":[]}\n' });
  expect((await page('/nothing')).status).toBe(404);
});

it('counts a known workload exactly', async () => {
  const client = await RespClient.connect(node.resp);
  for (let n = 0; n < SETS; n++) await client.call('SET', `k${n}`, 'four');
  for (let n = 0; n < HITS; n++) await client.call('GET', `k${n}`);
  for (let n = 0; n < MISSES; n++) await client.call('GET', `absent${n}`);
  await client.call('DEL', 'k0');
  const { body } = await page('/metrics');
  client.close();
  expect(figure(body, 'quorate_cache_put_total')).toBe(SETS);
  expect(figure(body, 'quorate_cache_put_success_total')).toBe(SETS);
  expect(figure(body, 'quorate_cache_get_hits_total')).toBe(HITS);
  expect(figure(body, 'quorate_cache_get_misses_total')).toBe(MISSES);
  expect(figure(body, 'quorate_cache_delete_total')).toBe(1);
  expect(figure(body, 'quorate_cache_items')).toBe(SETS - 1);
  expect(figure(body, 'quorate_request_duration_seconds_count', 'operation="get"')).toBe(HITS + MISSES);
  // Each of these reads was alone in its batch, and each was confirmed.
  expect(figure(body, 'quorate_raft_read_index_total')).toBe(HITS + MISSES);
  expect(figure(body, 'quorate_ready')).toBe(1);
  expect(figure(body, 'quorate_log_fsync_seconds_count')).toBeGreaterThanOrEqual(SETS);
  expect(figure(body, 'quorate_log_bytes')).toBeGreaterThan(0);
});
