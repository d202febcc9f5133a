/**
 * The proof that an acknowledgement means "on disk on a quorum": the system calls of three nodes, traced. Between the
 * arrival of a write and its acknowledgement an fsync returns on at least two of them; with `log.sync` false on none.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, expect, it } from 'vitest';

import { createNodes, hasTool, isReady, Sandbox, until } from '../support/process-cluster.js';
import type { ServerNode } from '../support/process-cluster.js';
import { RespClient } from '../support/resp-client.js';

const WRITES = 5;
const SYNC_CALL = /\b(fsync|fdatasync)\(\d+.*\)\s+= 0|<\.\.\. (fsync|fdatasync) resumed>.*= 0/;
const HAS_STRACE = hasTool('strace');

let sandbox: Sandbox;
beforeEach(() => {
  sandbox = new Sandbox();
});
afterEach(() => sandbox.close());

interface Traced {
  readonly nodes: readonly ServerNode[];
  /** Wall clock, in seconds, around each write: before it was sent, after it was acknowledged. */
  readonly windows: readonly (readonly [number, number])[];
}

/** Three traced nodes, one shard, a few writes far enough apart that nothing else is under way. */
async function traceWrites(extra: readonly string[]): Promise<Traced> {
  const nodes = await createNodes(sandbox, 3, extra);
  for (const node of nodes) {
    const trace = [
      'strace',
      '-D', // the tracer is the child, so that a kill hits the node
      '-f',
      '-ff',
      '-ttt',
      '-T',
      '-e',
      'trace=fsync,fdatasync',
      '-o',
      sandbox.path(`trace${node.number}`),
    ];
    node.start(trace);
  }
  const first = nodes[0] as ServerNode;
  await until(
    async () => (await sandbox.run('status', '--endpoint', first.grpc)).code === 0,
    'the first node answers',
  );
  const init = await sandbox.run('init', '--endpoint', first.grpc, '--shards', '1');
  expect(init.err).toBe('');
  await until(
    async () => (await Promise.all(nodes.map(isReady))).every(Boolean),
    'all nodes are ready',
    40_000,
  );

  const client = await RespClient.connect(first.resp);
  const windows: [number, number][] = [];
  for (let i = 0; i < WRITES; i++) {
    await new Promise((resolve) => setTimeout(resolve, 300));
    const before = Date.now() / 1000;
    expect(await client.call('SET', 'key', String(i))).toBe('OK');
    windows.push([before, (Date.now() + 1) / 1000]);
  }
  client.close();
  for (const node of nodes) await node.kill();
  return { nodes, windows };
}

/** When syncs returned on a node: start of the call plus its duration. A thread has a file of its own. */
function syncTimes(node: ServerNode): number[] {
  const prefix = `trace${node.number}.`;
  return readdirSync(sandbox.folder)
    .filter((name) => name.startsWith(prefix))
    .flatMap((name) => readFileSync(sandbox.path(name), 'utf8').split('\n'))
    .filter((line) => SYNC_CALL.test(line))
    .map((line) => Number(line.split(' ')[0]) + Number(/<([\d.]+)>$/.exec(line)?.[1] ?? 0));
}

it('every acknowledged write is fsynced on at least two nodes before its acknowledgement', async (context) => {
  if (!HAS_STRACE) context.skip('strace is not installed (apt-get install strace)');
  const { nodes, windows } = await traceWrites([]);
  const times = nodes.map(syncTimes);
  for (const [before, after] of windows) {
    const synced = times.filter((own) => own.some((time) => time >= before && time <= after)).length;
    expect(synced).toBeGreaterThanOrEqual(2);
  }
});

it('with log.sync false no write is fsynced, and the log names it unsafe', async (context) => {
  if (!HAS_STRACE) context.skip('strace is not installed (apt-get install strace)');
  const { nodes, windows } = await traceWrites(['--log-sync', 'false']);
  for (const node of nodes) {
    const times = syncTimes(node);
    for (const [before, after] of windows) {
      expect(times.filter((time) => time >= before && time <= after)).toEqual([]);
    }
    expect(existsSync(node.logFile)).toBe(true);
    expect(node.log()).toMatch(/unsafe/i);
  }
});
