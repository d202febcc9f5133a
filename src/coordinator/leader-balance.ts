/**
 * Brings leaderships back to where placement wants them. A shard's first replica is its preferred leader; after a
 * restart or a failure others lead. Each node looks after the groups that it leads itself: it hands one over when
 * the preferred replica is alive and close behind. One transfer at a time, so that clients see one short pause after
 * the other and not all at once; quiet groups, which nobody talks to, go some at a time. Each poll looks at some groups only, in turn: its cost doesn't grow with their number.
 */
import type { GroupId, MonoMs, ReplicaId } from '../base/index.js';
import type { Replica } from '../group/index.js';
import type { Host } from '../host/index.js';

/** How long a leadership must have lasted: a restarting node is given time to come up whole. */
const TENURE_MS = 3000;
/** Time between two hand-overs of this node. */
const PAUSE_MS = 500;
/** Doublings of the tenure, after hand-overs that nobody took (the heir's disk stands still, say). */
const FAILURES_MAX = 5;
/** Entries that the preferred replica may be behind. */
const LAG_MAX = 64;
/** Groups looked at in one poll. */
const LOOKS = 64;
/** Quiet groups handed over in one poll. */
const QUIET_MAX = 8;

export class LeaderBalance {
  private readonly leadingSinceMs = new Map<GroupId, MonoMs>();
  /** Hand-overs of this leadership that came to nothing: each costs writes a pause, so the next comes later. */
  private readonly failures = new Map<GroupId, number>();
  private lastTransferMs: MonoMs = 0;
  private quietLeft = 0;
  private round: Iterator<Replica> | null = null;

  constructor(
    private readonly host: Host,
    /** The preferred leader of a group, 0 when none. */
    private readonly preferred: (group: GroupId) => ReplicaId,
  ) {}

  /**
   * The node is short of disk: whoever is close behind takes its leaderships. Called once, when it becomes so; if the
   * others are no better off, the groups stay where they then are.
   */
  giveUpLeaderships(): void {
    for (const replica of this.host.all()) {
      if (!replica.serves) continue;
      const { followers, lastIndex } = replica.raft.status();
      const heir = followers.find(
        (f) =>
          replica.configuration.voters.includes(f.id) &&
          f.state === 'replicate' &&
          f.recentlyActive &&
          lastIndex - f.match <= LAG_MAX,
      );
      if (heir !== undefined && replica.raft.transferLeader(heir.id)) this.host.markDirty(replica);
    }
  }

  poll(nowMs: MonoMs): void {
    this.quietLeft = QUIET_MAX;
    for (let left = LOOKS; left > 0; left--) {
      this.round ??= this.host.all()[Symbol.iterator]();
      const next = this.round.next();
      if (next.done === true) {
        this.round = null;
        return;
      }
      this.look(next.value, nowMs);
    }
  }

  private look(replica: Replica, nowMs: MonoMs): void {
    if (!replica.serves) {
      this.leadingSinceMs.delete(replica.group);
      this.failures.delete(replica.group);
      return;
    }
    const since = this.leadingSinceMs.get(replica.group);
    if (since === undefined) {
      this.leadingSinceMs.set(replica.group, nowMs);
      return;
    }
    const isQuiet = replica.raft.quiesced;
    const mustWait = isQuiet ? this.quietLeft === 0 : nowMs - this.lastTransferMs <= PAUSE_MS;
    if (nowMs - since <= this.tenureMs(replica.group) || mustWait) return;
    const wanted = this.preferred(replica.group);
    if (wanted === 0 || wanted === replica.id) return;
    const home = this.host.nodeOf(replica.group, wanted);
    if (this.host.isNodeDown(home) || this.host.isClockOff(home)) return;
    const status = replica.raft.status();
    const follower = status.followers.find((f) => f.id === wanted);
    if (follower === undefined || follower.state !== 'replicate' || !follower.recentlyActive) return;
    if (status.lastIndex - follower.match > LAG_MAX) return;
    if (replica.raft.transferLeader(wanted)) {
      if (isQuiet) this.quietLeft--;
      else this.lastTransferMs = nowMs;
      this.leadingSinceMs.set(replica.group, nowMs);
      this.failures.set(replica.group, (this.failures.get(replica.group) ?? 0) + 1);
      this.host.markDirty(replica);
    }
  }

  private tenureMs(group: GroupId): number {
    return TENURE_MS * 2 ** Math.min(FAILURES_MAX, this.failures.get(group) ?? 0);
  }
}
