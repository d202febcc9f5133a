/**
 * Commands of one connection (or stream) that have no answer yet, by shard: they decide what must wait for what, and
 * order is promised per shard alone (docs/decisions/0001).
 *
 * Shards share 32 counters of each kind: two that meet in one make a read go the long way now and then, never the
 * wrong one.
 */
import type { GroupId } from '../base/index.js';

const BUCKETS = 32;

export class PendingCounts {
  /** Over all shards. `ordered`: what goes through the log. */
  reads = 0;
  ordered = 0;
  /** The newest of them in the gateway's table, -1 for none; kept by the table. */
  firstSlot = -1;
  /** Two counters per bucket, reads and ordered ones; made with the first command, so that idle connections are cheap. */
  private counters: Uint32Array | null = null;

  get total(): number {
    return this.reads + this.ordered;
  }

  readsOf(shard: GroupId): number {
    return this.counters === null ? 0 : (this.counters[indexOf(shard)] as number);
  }

  orderedOf(shard: GroupId): number {
    return this.counters === null ? 0 : (this.counters[indexOf(shard) + 1] as number);
  }

  add(shard: GroupId, isOrdered: boolean): void {
    this.counters ??= new Uint32Array(2 * BUCKETS);
    const at = indexOf(shard) + (isOrdered ? 1 : 0);
    this.counters[at] = (this.counters[at] as number) + 1;
    if (isOrdered) this.ordered++;
    else this.reads++;
  }

  remove(shard: GroupId, isOrdered: boolean): void {
    const counters = this.counters as Uint32Array;
    const at = indexOf(shard) + (isOrdered ? 1 : 0);
    counters[at] = (counters[at] as number) - 1;
    if (isOrdered) this.ordered--;
    else this.reads--;
  }
}

function indexOf(shard: GroupId): number {
  return 2 * (shard & (BUCKETS - 1));
}
