/**
 * Which replicas get ticks: those whose group is not quiet. A replica leaves the list at the first tick that it does
 * not need, and comes back in the turn in which something woke it; nothing here walks over replicas that sleep, but
 * for a sweep that takes a minute for a round: who sleeps over items that fell due is woken.
 */
import type { Counter, GroupId } from '../base/index.js';
import type { Replica } from '../group/index.js';

const SWEEP_MS = 60_000;

export class Clockwork {
  private readonly ticking: Replica[] = [];
  private sweep: Iterator<Replica> | null = null;
  private readonly ticksPerSweep: number;

  constructor(
    private readonly replicas: ReadonlyMap<GroupId, Replica>,
    tickMs: number,
    private readonly fellAsleep: Counter,
  ) {
    this.ticksPerSweep = Math.max(1, Math.floor(SWEEP_MS / tickMs));
  }

  /** Call whenever the replica may have woken. */
  noteAwake(replica: Replica): void {
    if (replica.quietness.ticking || replica.raft.quiesced) return;
    replica.quietness.ticking = true;
    this.ticking.push(replica);
  }

  /** `visit` gives the tick, and tells whether the replica needs further ones. */
  tick(visit: (replica: Replica) => boolean): void {
    let kept = 0;
    for (let i = 0; i < this.ticking.length; i++) {
      const replica = this.ticking[i] as Replica;
      if (visit(replica)) this.ticking[kept++] = replica;
      else {
        replica.quietness.ticking = false;
        if (replica.raft.quiesced) this.fellAsleep.inc();
      }
    }
    this.ticking.length = kept;
    this.sweepSome();
  }

  private sweepSome(): void {
    for (let left = Math.ceil(this.replicas.size / this.ticksPerSweep); left > 0; left--) {
      this.sweep ??= this.replicas.values();
      const next = this.sweep.next();
      if (next.done === true) {
        this.sweep = null;
        return;
      }
      next.value.quietness.wakeToReap();
    }
  }
}
