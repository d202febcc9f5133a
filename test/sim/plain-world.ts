/** A cluster of three real nodes in simulated time, without faults unless a test makes some: founded, and ready. */
import { Prng } from '../../src/base/index.js';
import { SafetyCheckers } from './checkers.js';
import { nodeUnderTest } from './node-under-test.js';
import { SimCluster, type Machine } from './world/cluster.js';
import { SimLoop } from './world/loop.js';
import { SimNetwork, type SimNetworkOptions } from './world/network.js';

const POLL_MS = 20;

export class PlainWorld {
  readonly loop = new SimLoop();
  readonly checkers = new SafetyCheckers(this.loop);
  readonly network: SimNetwork;
  readonly cluster: SimCluster;

  constructor(
    shards: number,
    seed: number,
    options: { readonly network?: Partial<SimNetworkOptions>; readonly reads?: 'lease' | 'quorum' } = {},
  ) {
    const prng = new Prng(seed);
    this.network = new SimNetwork(this.loop, prng.stream('network'), options.network ?? {});
    this.cluster = new SimCluster(
      this.loop,
      this.network,
      prng.stream('nodes'),
      nodeUnderTest(null),
      this.checkers,
      {
        nodes: 3,
        shards,
        replicas: 3,
        checkpointEntries: 1000,
        checkpointBytes: 1 << 20,
        inflightBytesMax: 64 << 20,
        print: null,
        ...(options.reads === undefined ? null : { reads: options.reads }),
      },
    );
    this.cluster.onRestart = (node) => this.checkers.onRestart(node);
    this.loop.afterEvent = () => this.checkers.check();
    let founded = false;
    for (const machine of this.cluster.machines) this.cluster.start(machine);
    this.cluster.init(() => {
      founded = true;
    });
    this.until('born', 60_000, () => (founded && this.cluster.ready ? null : 'not ready'));
  }

  /** Runs until nothing is missing; returns how long that took, in simulated milliseconds. */
  until(what: string, msMax: number, missing: () => string | null): number {
    const beginMs = this.loop.now();
    for (;;) {
      const why = missing();
      if (why === null) return this.loop.now() - beginMs;
      if (this.loop.now() > beginMs + msMax) throw new Error(`${what}: not within ${msMax} ms: ${why}`);
      this.loop.runUntil(this.loop.now() + POLL_MS);
    }
  }

  run(ms: number): void {
    this.loop.runUntil(this.loop.now() + ms);
  }

  leaderOf(group: number): Machine {
    const [machine] = this.cluster.leaders(group);
    if (machine === undefined) throw new Error(`group ${group} is not led`);
    return machine;
  }
}
