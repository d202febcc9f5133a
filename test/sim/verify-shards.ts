/**
 * At the end of a run, what an operator would do: `quorate shard verify` of every shard. All replicas must be equal, and
 * what lies in their memory must be what was put there, after all that the run did to them.
 */
import { must } from '../../src/base/index.js';
import type { ControlMethods } from '../../src/ports/index.js';
import type { SimCluster } from './world/cluster.js';

type Verified = ControlMethods['verify']['response'];

export class ShardVerification {
  private next = 1;
  private asking = false;
  private last = 'not asked yet';

  constructor(private readonly cluster: SimCluster) {}

  /** Asks on; what is still missing, in words, and null when every shard is good. Throws when one is not. */
  missing(): string | null {
    const { cluster } = this;
    if (this.next > cluster.options.shards) return null;
    if (!this.asking) {
      this.asking = true;
      const group = this.next;
      const up = cluster.machines.filter((machine) => machine.life !== null);
      cluster.verify(must(up[group % up.length], 'a machine that is up'), group, (failure, verified) => {
        this.asking = false;
        if (verified === null) this.last = failure?.message ?? 'no answer';
        else this.judge(verified);
      });
    }
    return `shard ${this.next} is not verified: ${this.last}`;
  }

  /** Who could not be reached is asked again, unless it is gone for good. */
  private judge({ group, replicas }: Verified): void {
    for (const { node, verdict, detail } of replicas) {
      if (verdict === 'equal' || this.cluster.ofNode(node)?.isLeftOut === true) continue;
      if (verdict === 'unreachable') {
        this.last = `node ${node}: ${detail}`;
        return;
      }
      const error = new Error(`shard ${group} ${verdict} on node ${node}: ${detail}`);
      error.name = 'SafetyViolation';
      throw error;
    }
    this.next++;
  }
}
