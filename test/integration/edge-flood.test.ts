/** More commands than three live nodes can take, all through one of them: no election, and every command is answered. */
import { afterAll, beforeAll, expect, it } from 'vitest';

import { figureOf, untilServing } from '../support/live-node.js';
import { createNodes, Sandbox, startCluster } from '../support/process-cluster.js';
import type { ServerNode } from '../support/process-cluster.js';
import { ReplyError, RespClient } from '../support/resp-client.js';

const SHARDS = 4;
const CONNECTIONS = 24;
/** Of each connection at a time; all together more than a node holds unanswered. */
const PIPELINED = 400;
const ROUNDS = 6;
const VALUE = 'f'.repeat(1024);

let sandbox: Sandbox;
let nodes: ServerNode[] = [];

beforeAll(async () => {
  sandbox = new Sandbox();
  // A second and a half without a leader: on a busy machine a process may wait for its turn longer than the usual
  // 300 ms.
  nodes = await createNodes(sandbox, 3, [
    '--raft-election-ticks',
    '30',
    '--limits-inflight-bytes-max',
    String(4 * 1024 * 1024),
  ]);
  await startCluster(sandbox, nodes, SHARDS);
  await Promise.all(nodes.map(untilServing));
});
afterAll(() => sandbox.close());

/** Campaigns for want of a leader. Leaderships that are handed over, to balance them, are not among them. */
async function timedOut(): Promise<number> {
  const name = 'quorate_raft_elections_total';
  const figures = await Promise.all(nodes.map((node) => figureOf(node, name, 'reason="timeout"')));
  return figures.reduce((sum, figure) => sum + figure, 0);
}

/** Writes until told no more; how many were answered, by the first word of the answer. */
async function flood(address: string, name: string, answers: Map<string, number>): Promise<void> {
  const client = await RespClient.connect(address);
  for (let round = 0; round < ROUNDS; round++) {
    const replies = await Promise.all(
      Array.from({ length: PIPELINED }, (_, i) => client.call('SET', `${name}:${i}`, VALUE)),
    );
    for (const reply of replies) {
      const word = reply instanceof ReplyError ? (reply.text.split(' ', 1)[0] ?? '') : String(reply);
      answers.set(word, (answers.get(word) ?? 0) + 1);
    }
  }
  client.close();
}

it(
  'E71 E101 a forwarded flood starts no election; each command is answered, and the load gone, all is well',
  { timeout: 120_000 },
  async () => {
    const [entry] = nodes as [ServerNode];
    const before = {
      timedOut: await timedOut(),
      forwards: await figureOf(entry, 'quorate_forward_total'),
    };
    const answers = new Map<string, number>();
    await Promise.all(Array.from({ length: CONNECTIONS }, (_, i) => flood(entry.resp, `flood${i}`, answers)));
    console.log(`flood: ${[...answers].map(([word, count]) => `${count} ${word}`).join(', ')}`);
    const total = [...answers.values()].reduce((sum, count) => sum + count, 0);
    expect(total).toBe(CONNECTIONS * PIPELINED * ROUNDS);
    // Refused with a retryable error, or unknown (leaderships may be handed over just now): nothing else than that.
    const honest = ['OK', 'TRYAGAIN', 'CLUSTERDOWN', 'OUTCOMEUNKNOWN'];
    for (const word of answers.keys()) expect(honest).toContain(word);
    expect(answers.get('OK') ?? 0).toBeGreaterThan(total / 2);
    // Most of the shards are led elsewhere: it was a flood of forwards.
    expect((await figureOf(entry, 'quorate_forward_total')) - before.forwards).toBeGreaterThan(total / 4);
    expect(before.timedOut).toBeGreaterThan(0); // the first leaders were elected so: the figure is the right one
    expect(await timedOut()).toBe(before.timedOut);
    for (const node of nodes) {
      const client = await RespClient.connect(node.resp);
      for (let i = 0; i < 50; i++) expect(await client.call('SET', `after:${i}`, 'yes')).toBe('OK');
      client.close();
    }
  },
);
