/**
 * A cluster under a random schedule: ticks, lost, doubled and reordered messages, slow disks, crashes that lose what
 * was not persisted, cut links, compaction, snapshots, transfers, changes of members. After every step the promises of Raft are checked
 * (paper, figure 3), and that reads are linearizable. `heal` then demands that the cluster comes back to work.
 */
import { Prng, encodeUtf8 } from '../../src/base/index.js';
import {
  isJoint,
  membersOf,
  type Entry,
  type Message,
  type RaftOptions,
  type Ready,
} from '../../src/raft/index.js';
import { makeConfiguration } from './raft-builders.js';
import { ChaosMembers } from './raft-chaos-members.js';
import { RaftCluster } from './raft-cluster.js';
import type { TestReplica } from './raft-cluster.js';

const NETWORK_MAX = 300;
/** In steps, of which a replica ticks in about one of twenty-five. */
const PROMISE_STEPS = 1000;

interface PendingRead {
  /** What was committed anywhere when the read came: it must see all of it. */
  readonly committed: number;
}

export type ChaosProfile = 'all' | 'elections' | 'members';

export class RaftChaos {
  readonly cluster: RaftCluster;
  private readonly prng: Prng;
  private readonly weights: readonly { readonly weight: number; readonly act: (id: number) => void }[];
  private readonly weightTotal: number;

  private readonly leaders = new Map<number, number>();
  private readonly entries = new Map<string, { text: string; previousTerm: number }>();
  private readonly committed: Entry[] = [];
  private readonly commits = new Map<TestReplica, { raft: unknown; commit: number; term: number }>();
  private readonly reads = new Map<number, PendingRead>();
  private committedMax = 0;
  private nextContext = 1;
  private proposals = 0;
  private nowMs = 0;
  /** A process that stands still: its clock goes on, and nothing else. */
  private asleep = 0;
  private asleepUntilMs = 0;
  private heldForSleeper: Message[] = [];
  /** How often the rarer things happened, so that a test can tell that they did. */
  readonly counts = {
    elections: 0,
    confirmed: 0,
    aborted: 0,
    crashes: 0,
    installs: 0,
    applied: 0,
    leased: 0,
    sleeps: 0,
  };
  readonly members: ChaosMembers;

  /** `elections`: hardly anything but campaigns, crashes and slow disks, where votes get lost. */
  constructor(
    readonly seed: number,
    profile: ChaosProfile = 'all',
    /** Time goes by a millisecond a step, the same for all. */
    withLeases = false,
  ) {
    this.prng = new Prng(seed);
    const options = this.prng.stream('options');
    const voters = [1, 2, 3, 4, 5].slice(0, options.pick([1, 2, 3, 3, 4, 5]));
    const learners = options.chance(0.3) ? [voters.length + 1] : [];
    const drawn: Partial<RaftOptions> = {
      electionTicks: 5,
      heartbeatTicks: options.between(1, 2),
      eagerCommitNews: options.chance(0.5),
      preVote: options.chance(0.5),
      checkQuorum: options.chance(0.5),
      inflightMessagesMax: options.between(1, 8),
      inflightBytesMax: options.pick([1, 200, 100_000]),
      appendBytesMax: options.pick([1, 100, 100_000]),
      committedBytesMax: options.pick([1, 100, 100_000]),
      tailBytesMax: options.pick([0, 200, 100_000]),
      uncommittedBytesMax: options.pick([200, 100_000]),
      pendingReadsMax: 20,
      quiesceTicks: options.pick([0, 1, 3, 6]),
      promotionLagMax: options.pick([0, 2, 100]),
    };
    if (withLeases) {
      const startedAtMs = (): number => this.nowMs;
      const lease = {
        promiseMs: PROMISE_STEPS,
        holdMs: PROMISE_STEPS - 1,
        get startedAtMs() {
          return startedAtMs();
        },
      };
      Object.assign(drawn, { lease, checkQuorum: true });
    }
    const optionsOf = (id: number): Partial<RaftOptions> => {
      const random = this.prng.stream(`timeouts ${id}`);
      return { ...drawn, random: (limit) => random.below(limit) };
    };
    this.cluster = new RaftCluster(makeConfiguration(voters, { learners }), optionsOf, new Map(), {
      onReady: (replica, ready) => this.checkReady(replica, ready),
      onApply: (_replica, entry) => this.checkApplied(entry),
    });
    this.members = new ChaosMembers(this.cluster, this.prng.stream('members'));
    const isElections = profile === 'elections';
    const changes = profile === 'members' ? 1 : 0;
    if (isElections) for (const replica of this.cluster.replicas.values()) replica.slow = true;
    // Some kinds of trouble are switched off altogether in some runs: else they hide each other.
    // Members change only while the group mostly works.
    const factors = profile === 'members' ? [0, 0, 0, 1] : [0, 1, 1, 4];
    const weigh = (weight: number): number => weight * options.pick(factors);
    this.weights = [
      { weight: 30, act: (id) => this.tick(id) },
      { weight: 60, act: (id) => this.takeReady(id) },
      { weight: 60, act: () => this.deliver() },
      { weight: 25, act: (id) => this.persist(id) },
      { weight: 10, act: () => this.propose() },
      { weight: 8, act: () => this.read() },
      { weight: weigh(5), act: () => this.loseOne() },
      { weight: weigh(5), act: () => this.doubleOne() },
      {
        weight: isElections ? 0 : weigh(2),
        act: (id) => (this.cluster.at(id).slow = !this.cluster.at(id).slow),
      },
      { weight: isElections ? 6 : weigh(1), act: (id) => this.crash(id) },
      { weight: isElections ? 20 : 3, act: (id) => this.start(id) },
      { weight: weigh(2), act: () => this.cutOrHeal() },
      { weight: weigh(2), act: (id) => this.compact(id) },
      { weight: 5, act: (id) => this.stream(id) },
      { weight: weigh(1), act: () => this.transfer() },
      { weight: isElections ? 10 : weigh(1), act: (id) => this.cluster.at(id).raft?.campaign() },
      { weight: weigh(2), act: (id) => (this.cluster.at(id).holdFetches = !this.cluster.at(id).holdFetches) },
      { weight: 3, act: (id) => this.releaseFetches(id) },
      { weight: weigh(1), act: (id) => this.cluster.at(id).raft?.onUnreachable(this.anyId()) },
      { weight: withLeases ? 1 : 0, act: (id) => this.fallAsleep(id) },
      { weight: weigh(1), act: (id) => this.cluster.at(id).raft?.wake(this.prng.chance(0.5)) },
      { weight: changes * 4, act: () => this.members.change() },
      { weight: changes * 8, act: () => this.members.destroyRemoved() },
    ];
    this.weightTotal = this.weights.reduce((sum, one) => sum + one.weight, 0);
  }

  run(steps: number): void {
    for (let i = 0; i < steps; i++) {
      this.nowMs++;
      if (this.nowMs === this.asleepUntilMs) this.wakeUp();
      for (const { raft } of this.cluster.replicas.values()) raft?.noteTime(this.nowMs);
      let at = this.prng.below(this.weightTotal);
      for (const one of this.weights) {
        at -= one.weight;
        if (at >= 0) continue;
        one.act(this.anyId());
        break;
      }
      const { network } = this.cluster;
      if (network.length > NETWORK_MAX) network.splice(0, network.length - NETWORK_MAX);
      this.checkAll();
    }
  }

  /** Faults end; the cluster must elect a leader and bring a new entry to everybody. */
  heal(): void {
    const { cluster } = this;
    cluster.heal();
    this.members.destroyRemoved();
    for (const [id, replica] of cluster.replicas) {
      replica.slow = false;
      replica.holdFetches = false;
      if (replica.raft === null) replica.start();
      // What hosts do when they hear of each other again.
      replica.live.wake(this.prng.chance(0.5));
      cluster.persist(id);
      cluster.releaseFetches(id);
    }
    for (let round = 0; round < 400; round++) {
      cluster.run(1);
      for (const id of cluster.ids()) this.stream(id);
      this.checkAll();
      const leader = cluster.leader();
      if (!leader?.leaderReady) continue;
      if (leader.status().transferTarget !== 0) continue;
      this.propose();
      cluster.settle();
      cluster.run(2); // a heartbeat: it may be what brings the news of the commit
      this.checkAll();
      if (this.isConverged()) return;
    }
    const statuses = [...cluster.replicas.values()].map((one) => JSON.stringify(one.live.status()));
    throw new Error(`seed ${this.seed}: no convergence\n${statuses.join('\n')}`);
  }

  private isConverged(): boolean {
    const leader = this.cluster.leader();
    if (leader === null) return false;
    const { configuration } = leader;
    if (isJoint(configuration)) return false;
    return membersOf(configuration).every((id) => this.cluster.at(id).applied.length === leader.lastIndex);
  }

  // What may happen.

  private anyId(): number {
    return this.prng.pick(this.cluster.ids());
  }

  private tick(id: number): void {
    if (id !== this.asleep) this.cluster.at(id).raft?.tick(!this.prng.chance(0.1));
  }

  private wakeUp(): void {
    this.asleep = 0;
    this.cluster.network.push(...this.heldForSleeper.splice(0));
  }

  private fallAsleep(id: number): void {
    if (this.asleep !== 0) return;
    this.asleep = id;
    this.asleepUntilMs = this.nowMs + this.prng.between(100, 2 * PROMISE_STEPS);
    const { raft } = this.cluster.at(id);
    if (raft === null || raft === undefined) return;
    const wasAsleep = raft.quiesced;
    raft.tick(!this.prng.chance(0.1));
    // Hosts are wrong about who is gone: that may cost time, never more.
    if (this.prng.chance(0.9)) raft.quiesce(() => this.prng.chance(0.2));
    if (raft.quiesced && !wasAsleep) this.counts.sleeps++;
  }

  private takeReady(id: number): void {
    if (this.cluster.at(id).raft?.hasReady()) this.cluster.take(id);
  }

  private deliver(): void {
    const { network } = this.cluster;
    if (network.length === 0) return;
    // Mostly in order, sometimes not.
    const at = this.prng.chance(0.7) ? 0 : this.prng.below(network.length);
    const [message] = network.splice(at, 1);
    if (message === undefined) return;
    if (message.to === this.asleep) this.heldForSleeper.push(message);
    else this.cluster.deliver(message);
  }

  private persist(id: number): void {
    if (this.cluster.at(id).raft !== null) this.cluster.persist(id, 1);
  }

  private loseOne(): void {
    const { network } = this.cluster;
    if (network.length > 0) network.splice(this.prng.below(network.length), 1);
  }

  private doubleOne(): void {
    const { network } = this.cluster;
    if (network.length > 0) network.push(this.prng.pick(network));
  }

  private propose(): void {
    const data = encodeUtf8(`p${++this.proposals}`);
    for (const { raft } of this.cluster.replicas.values()) if (raft?.role === 'leader') raft.propose(data);
  }

  private read(): void {
    for (const { raft } of this.cluster.replicas.values()) {
      if (raft?.role !== 'leader') continue;
      const context = this.nextContext++;
      this.reads.set(context, { committed: this.committedMax });
      if (raft.readIndex(context).kind === 'dropped') this.reads.delete(context);
    }
  }

  private crash(id: number): void {
    const replica = this.cluster.at(id);
    if (replica.raft === null) return;
    this.counts.crashes++;
    this.cluster.crash(id, this.prng.below(replica.unsaved.length + 1));
  }

  private start(id: number): void {
    const replica = this.cluster.at(id);
    if (replica.raft === null) replica.start();
  }

  private cutOrHeal(): void {
    const what = this.prng.unit();
    const leader = this.cluster.leader()?.id ?? this.anyId();
    if (what < 0.4) this.cluster.heal();
    else if (what < 0.6) this.cluster.isolate(leader);
    else this.cluster.cuts.add(`${this.anyId()}>${this.anyId()}`);
  }

  private compact(id: number): void {
    const replica = this.cluster.at(id);
    if (replica.raft === null || replica.unsaved.length > 0) return;
    const { truncatedIndex } = replica.disk;
    const applied = replica.applied.length;
    if (applied > truncatedIndex) this.cluster.compact(id, this.prng.between(truncatedIndex + 1, applied));
  }

  private stream(id: number): void {
    const replica = this.cluster.at(id);
    const to = replica.snapshotsWanted.shift();
    if (to === undefined || replica.raft?.role !== 'leader') return;
    const message = this.cluster.snapshotMessage(id, to);
    const ok = this.prng.chance(0.7);
    if (ok) this.cluster.network.push(message);
    if (message.type === 'snapshot') replica.raft.onSnapshotSent(to, message.snapshot.index, ok);
  }

  private transfer(): void {
    this.cluster.leader()?.transferLeader(this.anyId());
  }

  private releaseFetches(id: number): void {
    if (this.cluster.at(id).raft !== null) this.cluster.releaseFetches(id);
  }

  // What must hold.

  private checkAll(): void {
    for (const replica of this.cluster.replicas.values()) {
      const { raft } = replica;
      if (raft === null) continue;
      const before = this.commits.get(replica);
      if (before?.raft === raft) {
        this.demand(
          raft.commit >= before.commit,
          `commit of ${raft.id} fell from ${before.commit} to ${raft.commit}`,
        );
        this.demand(raft.term >= before.term, `term of ${raft.id} fell`);
      }
      this.commits.set(replica, { raft, commit: raft.commit, term: raft.term });
      if (raft.role === 'leader') this.checkLeader(replica);
      this.committedMax = Math.max(this.committedMax, raft.commit);
    }
    for (const { raft } of this.cluster.replicas.values()) {
      if (raft === null || raft.leaseUntilMs <= this.nowMs) continue;
      this.counts.leased++;
      this.demand(
        raft.commit === this.committedMax,
        `replica ${raft.id} holds a lease at ${raft.commit}, ${this.committedMax} is committed`,
      );
    }
  }

  private checkLeader(replica: TestReplica): void {
    const raft = replica.live;
    const known = this.leaders.get(raft.term);
    if (known === raft.id) return;
    this.demand(known === undefined, `replicas ${known} and ${raft.id} both lead term ${raft.term}`);
    this.leaders.set(raft.term, raft.id);
    this.counts.elections++;
    const first = raft.status().firstIndex;
    for (const entry of this.committed) {
      if (entry.index < first) continue;
      const term = raft.termAt(entry.index);
      this.demand(term === entry.term, `leader ${raft.id} lacks committed ${entry.index}@${entry.term}`);
    }
  }

  private checkReady(replica: TestReplica, ready: Ready): void {
    const raft = replica.live;
    for (const entry of ready.entries) {
      const key = `${entry.index}@${entry.term}`;
      const text = `${entry.kind} ${entry.data.join(',')}`;
      const first = ready.entries[0] as Entry;
      const previousTerm =
        entry === first
          ? raft.termAt(entry.index - 1)
          : (ready.entries[entry.index - first.index - 1] as Entry).term;
      const known = this.entries.get(key);
      if (known) {
        this.demand(known.text === text && known.previousTerm === previousTerm, `two logs differ at ${key}`);
      } else this.entries.set(key, { text, previousTerm });
    }
    const { persisted } = raft.status();
    for (const { index } of ready.committed)
      this.demand(index <= persisted, `${index} applied, not persisted`);
    if (ready.snapshot !== null) this.counts.installs++;
    for (const outcome of ready.reads) {
      if (outcome.kind === 'aborted') {
        this.counts.aborted++;
        this.reads.delete(outcome.context);
        continue;
      }
      this.counts.confirmed++;
      const read = this.reads.get(outcome.context);
      this.demand(read !== undefined, `read ${outcome.context} answered twice`);
      this.demand(
        outcome.index >= (read?.committed ?? 0),
        `stale read: at ${outcome.index}, but ${read?.committed} was committed when it came`,
      );
      this.reads.delete(outcome.context);
    }
  }

  private checkApplied(entry: Entry): void {
    const known = this.committed[entry.index - 1];
    if (known) {
      const same = known.term === entry.term && known.data.join() === entry.data.join();
      this.demand(same, `applied ${entry.index}@${entry.term}, elsewhere it is of term ${known.term}`);
      return;
    }
    this.demand(entry.index === this.committed.length + 1, `applied ${entry.index} with a gap`);
    this.committed.push(entry);
    this.counts.applied++;
  }

  private demand(holds: boolean, what: string): void {
    if (!holds) throw new Error(`seed ${this.seed}: ${what}`);
  }
}
