/** A node may be asked to stop at any moment of its start, and more than once: each asker is told, and no log is closed twice. */
import { expect, test } from 'vitest';
import { must, Prng } from '../../../src/base/index.js';
import { SafetyCheckers } from '../../sim/checkers.js';
import { nodeUnderTest } from '../../sim/node-under-test.js';
import { SimCluster } from '../../sim/world/cluster.js';
import { SimLoop } from '../../sim/world/loop.js';
import { SimNetwork } from '../../sim/world/network.js';

/** A start takes some milliseconds: its steps lie between these moments. */
const MOMENTS_MS = [0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 10, 100, 2_000];

function world(founded: boolean) {
  const loop = new SimLoop();
  const prng = new Prng(7);
  const network = new SimNetwork(loop, prng.stream('network'), {});
  const checkers = new SafetyCheckers(loop);
  const cluster = new SimCluster(loop, network, prng.stream('nodes'), nodeUnderTest(null), checkers, {
    nodes: 1,
    shards: 1,
    replicas: 1,
    checkpointEntries: 1000,
    checkpointBytes: 1 << 20,
    inflightBytesMax: 64 << 20,
    print: null,
  });
  cluster.onRestart = (node) => checkers.onRestart(node);
  const machine = must(cluster.machines[0], 'the machine');
  if (founded) {
    cluster.start(machine);
    cluster.init(() => undefined);
    loop.runUntil(5_000);
    expect(cluster.ready).toBe(true);
    cluster.crash(machine, 'kill');
  }
  return { loop, cluster, machine };
}

test.each([
  ['one that waits for a cluster', false],
  ['a member', true],
])('asked to stop twice at any moment of its start: %s', (_, founded) => {
  for (const momentMs of MOMENTS_MS) {
    const { loop, cluster, machine } = world(founded);
    cluster.start(machine);
    const life = must(machine.life, 'its life');
    loop.runUntil(loop.now() + momentMs);
    const told: string[] = [];
    // Of the node itself: the cluster would end the process as soon as the first asker is told.
    life.node.stop(() => told.push('first'));
    life.node.stop(() => told.push('second'));
    loop.runUntil(loop.now() + 5_000);
    expect(told, `at ${momentMs} ms`).toEqual(['first', 'second']);
    life.node.stop(() => told.push('third'));
    loop.runUntil(loop.now() + 1_000);
    expect(told).toEqual(['first', 'second', 'third']);
    expect(cluster.failure).toBeNull();
    // Nothing of it is left that would hold its disk or its addresses: the next start finds both free.
    cluster.crash(machine, 'kill');
    cluster.start(machine);
    loop.runUntil(loop.now() + 5_000);
    expect(cluster.failure).toBeNull();
    expect(cluster.status(machine)?.ready ?? false).toBe(founded);
  }
});
