/**
 * A log write that does not end. Heartbeats go on, so nobody would depose a leader whose disk stands still, and yet
 * its shard acknowledges nothing: the leader itself has to give way.
 *
 *   write in flight for `limitTicks`: stalled
 *     leader:   hands over to whoever holds all of the log; when nobody takes it, and the others have a quorum
 *               without this replica, it steps down, and they elect whom they like
 *     anybody:  does not campaign, and does not take a leadership over: it could not make its own vote durable
 *
 * Counted in ticks, which a late event loop does not owe: a loop that stood still for as long proves nothing about
 * the disk, whose completion may be waiting in the queue.
 */
import type { Counter, GroupId, MetricsRegistry, MonoMs, ReplicaId, Term } from '../base/index.js';
import type { Replica } from '../group/index.js';
import type { Logger } from '../ports/index.js';
import type { RaftStatus } from '../raft/index.js';

/** Heirs asked before the leader steps down without one. */
const HEIRS_MAX = 3;

export const GIVEN_UP_HELP =
  'Leaderships that this node tried to hand over because its disk stood still, or its clock was off';

export interface StallOptions {
  readonly limitTicks: number;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly nowMs: () => MonoMs;
}

interface Attempt {
  readonly term: Term;
  readonly asked: Set<ReplicaId>;
}

export class DiskStall {
  /** Ticks since the write in flight began; null without one. */
  private ticks: number | null = null;
  private sinceMs: MonoMs = 0;
  private told = false;
  private readonly attempts = new Map<GroupId, Attempt>();
  private readonly givenUp: Counter;

  constructor(private readonly options: StallOptions) {
    const { metrics } = options;
    this.givenUp = metrics.counter('leaderships_given_up_total', GIVEN_UP_HELP, { reason: 'disk' });
    metrics.gaugeValue('log_write_stalled', '1 while a log write takes longer than raft.diskStallMs', () =>
      this.isStalled ? 1 : 0,
    );
  }

  get isStalled(): boolean {
    return this.ticks !== null && this.ticks >= this.options.limitTicks;
  }

  onWriteStarted(): void {
    this.ticks = 0;
    this.sinceMs = this.options.nowMs();
  }

  onWriteDone(): void {
    this.ticks = null;
    if (!this.told) return;
    this.told = false;
    this.attempts.clear();
    this.options.logger.warn('the disk goes on', { stoodMs: this.options.nowMs() - this.sinceMs });
  }

  tick(): void {
    if (this.ticks === null) return;
    this.ticks++;
    if (!this.isStalled || this.told) return;
    this.told = true;
    this.options.logger.error('a log write does not end: leaderships are given up', {
      stoodMs: this.options.nowMs() - this.sinceMs,
    });
  }

  /** One step towards another leader of this group; false when there is none to take. */
  relieve(replica: Replica): boolean {
    const { raft } = replica;
    if (raft.role !== 'leader') return false;
    const status = raft.status();
    if (status.transferTarget !== 0) return false; // one is being asked
    const attempt = this.attemptFor(replica.group, status.term);
    const heir = attempt.asked.size < HEIRS_MAX ? heirOf(status, attempt.asked) : null;
    if (heir !== null) {
      attempt.asked.add(heir);
      raft.transferLeader(heir);
    } else if (othersHaveQuorum(status)) {
      raft.stepDown();
    } else {
      return false;
    }
    this.givenUp.inc();
    return true;
  }

  private attemptFor(group: GroupId, term: Term): Attempt {
    const known = this.attempts.get(group);
    if (known?.term === term) return known;
    const attempt = { term, asked: new Set<ReplicaId>() };
    this.attempts.set(group, attempt);
    return attempt;
  }
}

/** A voter that holds everything, durably, and was heard of lately: its own disk moves. */
function heirOf(status: RaftStatus, asked: ReadonlySet<ReplicaId>): ReplicaId | null {
  const heir = status.followers.find(
    (f) =>
      f.match === status.lastIndex &&
      !f.suspect &&
      f.recentlyActive &&
      status.configuration.voters.includes(f.id) &&
      !asked.has(f.id),
  );
  return heir?.id ?? null;
}

/** Whether the group can go on without this replica. */
function othersHaveQuorum(status: RaftStatus): boolean {
  const active = new Set(status.followers.filter((f) => f.recentlyActive && !f.suspect).map((f) => f.id));
  const isMajority = (ids: readonly ReplicaId[]): boolean =>
    ids.filter((id) => active.has(id)).length > ids.length / 2;
  const { voters, outgoing } = status.configuration;
  return isMajority(voters) && (outgoing.length === 0 || isMajority(outgoing));
}
