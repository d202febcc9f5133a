/**
 * Whether a replica's side of its group is quiet, so that the core may bring the group to rest, and what a leader at
 * rest is woken for: items that fell due (docs/decisions/0006-quiescence.md).
 */
import type { ReplicaId, WallMs } from '../base/index.js';
import type { ReplicaHost } from './replica-host.js';
import type { Replica } from './replica.js';

/** An item that is due so soon is worth staying awake for. */
const DUE_SOON_MS = 1000;

/** Ticks that a leader stays awake for tidying its table up: a minute. What is left then waits for the next writes. */
const TIDY_TICKS_MAX = 1200;

export class Quietness {
  /** Whether the host gives the replica ticks. */
  ticking = false;
  /** Ticks on end at which the table was being tidied up. */
  private tidyTicks = 0;

  constructor(
    private readonly replica: Replica,
    private readonly host: ReplicaHost,
    /** Reads or entries are on their way through the replica. */
    private readonly isBusy: () => boolean,
    /** The leader's log clock. */
    private readonly nowMs: () => WallMs,
  ) {}

  /** Once a tick, on the leader. */
  poll(): void {
    this.tidyTicks = this.replica.machine.isTidying === true ? this.tidyTicks + 1 : 0;
    if (!this.isQuiet) return;
    const { raft, policy } = this.replica;
    raft.quiesce(this.isGone);
    if (raft.quiesced) policy.streams.rest();
  }

  /** A leader that sleeps over items that fell due. */
  wakeToReap(): void {
    const { replica } = this;
    const isDue = replica.raft.quiesced && replica.serves && replica.machine.nextDueMs() <= this.nowMs();
    if (isDue) this.wake(false);
  }

  /** `isLeaderLost`: whoever led the group is gone, so the replica campaigns without waiting any longer. */
  wake(isLeaderLost: boolean): void {
    this.replica.raft.wake(isLeaderLost);
    this.host.markDirty(this.replica);
  }

  private get isQuiet(): boolean {
    const { replica } = this;
    return (
      !replica.hasClientWork &&
      !this.isBusy() &&
      !replica.installing &&
      (this.tidyTicks === 0 || this.tidyTicks > TIDY_TICKS_MAX) &&
      replica.policy.isQuiet &&
      replica.machine.nextDueMs() > this.nowMs() + DUE_SOON_MS
    );
  }

  private readonly isGone = (id: ReplicaId): boolean => {
    const node = this.host.nodeOf(this.replica.group, id);
    return node !== 0 && this.host.isNodeDown(node);
  };
}
