/**
 * A cluster under a random schedule: ticks, lost, doubled and reordered messages, slow disks, crashes that lose what
 * was not persisted, cut links, compaction, snapshots, transfers, changes of members. After every step the promises of Raft are checked
 * (paper, figure 3), and that reads are linearizable. `heal` then demands that the cluster comes back to work.
 */
import { Prng, encodeUtf8 } from '../../src/base/index.js';
import { isJoint, membersOf, type Message, type Raft, type RaftOptions } from '../../src/raft/index.js';
import { makeConfiguration } from './raft-builders.js';
import { ChaosChecks } from './raft-chaos-checks.js';
import { ChaosMembers } from './raft-chaos-members.js';
import { scheduleOf, type ChaosProfile, type Schedule } from './raft-chaos-schedules.js';
import { ChaosTalk } from './raft-chaos-talk.js';
import { RaftCluster } from './raft-cluster.js';
import type { ReplicaDisk } from './raft-cluster.js';

/** In steps, of which a replica ticks in about one of twenty-five. */
const PROMISE_STEPS = 1000;
const PROMISE_STEPS_LONG = 3000;
/** While a cluster heals all tick at once. */
const HEALING_TICK_STEPS = 25;
/** In ticks without faults, several election time-outs: for a follower that has to be sent a snapshot first, too. */
const READY_TICKS_MAX = 60;
/** Messages in flight, drawn anew for a run: with many all news is old, with few what was sent meets what it is about. */
const NETWORK_MAX = [12, 25, 60, 300];
const NETWORK_MAX_VOTES = 12;

export class RaftChaos {
  readonly cluster: RaftCluster;
  private readonly prng: Prng;
  private readonly weights: Schedule;
  private readonly weightTotal: number;
  private readonly networkMax: number;

  /** Terms whose deposed leaders were asked. */
  private readonly askedOld = new Set<number>();
  private nextContext = 1;
  private proposals = 0;
  private nowMs = 0;
  /** A process that stands still: its clock goes on, and nothing else. */
  private asleep = 0;
  private asleepUntilMs = 0;
  /** By candidate: its last requests for votes. */
  private readonly lastVotes = new Map<number, readonly Message[]>();
  private heldForSleeper: Message[] = [];
  /** Replicas whose disks lost something, and what the disks held some time ago. */
  private readonly suspects = new Set<number>();
  private readonly oldDisks = new Map<number, ReplicaDisk>();
  private crashes = 0;
  private sleeps = 0;
  private readonly checks: ChaosChecks;
  private readonly talk: ChaosTalk;
  readonly members: ChaosMembers;

  constructor(
    readonly seed: number,
    profile: ChaosProfile = 'all',
    /** Time goes by a millisecond a step, the same for all. */
    readonly withLeases = profile === 'leases' || profile === 'pairs',
  ) {
    this.prng = new Prng(seed);
    const options = this.prng.stream('options');
    const isNarrow = !['all', 'elections', 'members', 'pairs'].includes(profile);
    this.networkMax = profile === 'votes' ? NETWORK_MAX_VOTES : this.prng.stream('network').pick(NETWORK_MAX);
    const size = options.pick([1, 2, 3, 3, 4, 5]);
    const voters = [1, 2, 3, 4, 5].slice(0, votersOf(profile, size));
    const learners = options.chance(0.3) ? [voters.length + 1] : [];
    const drawn: Partial<RaftOptions> = {
      electionTicks: 5,
      heartbeatTicks: options.between(1, 2),
      eagerCommitNews: options.chance(0.5),
      preVote: profile === 'prevotes' || (options.chance(0.5) && !isNarrow),
      checkQuorum: options.chance(0.5) && !isNarrow,
      inflightMessagesMax: options.between(1, 8),
      inflightBytesMax: options.pick([1, 200, 100_000]),
      appendBytesMax: Math.min(options.pick([1, 100, 100_000]), profile === 'majorities' ? 1 : Infinity),
      committedBytesMax: options.pick([1, 100, 100_000]),
      tailBytesMax: profile === 'pairs' ? 0 : options.pick([0, 200, 100_000]),
      uncommittedBytesMax: options.pick([200, 100_000]),
      pendingReadsMax: 20,
      quiesceTicks: isNarrow ? 0 : options.pick([0, 1, 3, 6]),
      promotionLagMax: options.pick([0, 2, 100]),
    };
    if (withLeases) {
      const startedAtMs = (): number => this.nowMs;
      const promiseMs = profile === 'all' || profile === 'members' ? PROMISE_STEPS : PROMISE_STEPS_LONG;
      const lease = {
        promiseMs,
        holdMs: promiseMs - 1,
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
      onReady: (replica, ready) => {
        this.checks.checkReady(replica, ready);
        this.talk.checkReady(replica, ready);
        const votes = ready.messages.filter(({ type }) => type === 'vote');
        if (votes.length > 0) this.lastVotes.set(replica.options.id, votes);
      },
      onPersisted: (replica, ready) => this.talk.checkPersisted(replica, ready),
      onApply: (replica, entry) => {
        const isFirst = this.checks.checkApplied(replica, entry);
        if (isFirst) this.members.checkApplied(replica, entry);
      },
    });
    this.checks = new ChaosChecks(seed, this.cluster, this.suspects);
    const membersChange = profile === 'members' || profile === 'pairs';
    this.talk = new ChaosTalk(this.cluster, this.checks, this.suspects, membersChange);
    this.members = new ChaosMembers(this.cluster, this.prng.stream('members'), this.checks);
    const isSlow = profile === 'elections' || profile === 'votes';
    if (isSlow) for (const replica of this.cluster.replicas.values()) replica.slow = true;
    this.weights = scheduleOf(profile, this, options);
    this.weightTotal = this.weights.reduce((sum, one) => sum + one.weight, 0);
  }

  /** How often the rarer things happened, so that a test can tell that they did. */
  get counts(): ChaosChecks['counts'] & { crashes: number; sleeps: number } {
    return { ...this.checks.counts, crashes: this.crashes, sleeps: this.sleeps };
  }

  private checkAll(): void {
    this.checks.checkAll(this.nowMs);
    this.talk.noteRoles();
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
      if (network.length > this.networkMax) network.splice(0, network.length - this.networkMax);
      this.checkAll();
    }
  }

  /** Faults end; the cluster must elect a leader and bring a new entry to everybody. */
  heal(): void {
    const { cluster } = this;
    cluster.heal();
    if (this.asleep !== 0) this.wakeUp();
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
    let unready = 0;
    for (let round = 0; round < 400; round++) {
      this.nowMs += HEALING_TICK_STEPS;
      for (const { raft } of cluster.replicas.values()) raft?.noteTime(this.nowMs);
      cluster.run(1);
      for (const id of cluster.ids()) this.stream(id);
      this.checkAll();
      const leader = cluster.leader();
      unready = leader?.leaderReady === false ? unready + 1 : 0;
      const waits = `${leader?.id} leads term ${leader?.term} for ${unready} ticks without faults, and has committed nothing of it`;
      this.checks.demand('a leader commits what it took over', unready <= READY_TICKS_MAX, waits);
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
    const isThere = (id: number): boolean => this.cluster.at(id).applied.length === leader.lastIndex;
    return membersOf(configuration).every((id) => this.suspects.has(id) || isThere(id));
  }

  // What may happen: the actions of schedules (raft-chaos-schedules.ts).

  /** A snapshot as the leader might have sent it some time ago: nobody waits for it any more. */
  lateSnapshot(id: number): void {
    const { cluster } = this;
    if (cluster.at(id).raft?.role !== 'leader' || cluster.at(id).applied.length === 0) return;
    const to = this.anyId();
    if (to !== id) cluster.network.push(cluster.snapshotMessage(id, to));
  }

  /** Its last requests for votes come again, long after: by an answer an old candidate learns of a new term. */
  lateVotes(id: number): void {
    this.cluster.network.push(...(this.lastVotes.get(id) ?? []));
  }

  /** Who leads under a lease stands still while somebody else campaigns, and all hear each other. */
  oversleep(): void {
    const live = [...this.cluster.replicas.values()].flatMap(({ raft }) => raft ?? []);
    const lessor = live.find((raft) => raft.leaseUntilMs > this.nowMs);
    if (lessor === undefined || !live.some(({ role }) => role === 'candidate')) return;
    this.fallAsleep(lessor.id);
    this.cluster.heal();
  }

  /** A voter's disk forgets the term that made a new leader, and it meets the old one, which still leads. */
  loseVote(): void {
    const { cluster } = this;
    const leaders = cluster.ids().filter((id) => cluster.at(id).raft?.role === 'leader');
    const [old, young] = leaders.sort((a, b) => cluster.raft(a).term - cluster.raft(b).term);
    if (old === undefined || young === undefined) return;
    const { term } = cluster.raft(old);
    const isVictim = (id: number): boolean => {
      const terms = [this.oldDisks.get(id)?.hardState.term ?? Infinity, cluster.at(id).disk.hardState.term];
      return !leaders.includes(id) && terms[0] === term && terms[1] !== term;
    };
    const victim = cluster.ids().find(isVictim);
    if (victim === undefined) return;
    this.loseDisk(victim);
    cluster.heal();
    cluster.isolate(young);
  }

  private anyId(): number {
    return this.prng.pick(this.cluster.ids());
  }

  tick(id: number): void {
    const { raft } = this.cluster.at(id);
    if (raft === null || id === this.asleep) return;
    const wasAsleep = raft.quiesced;
    raft.tick(!this.prng.chance(0.1));
    // Hosts are wrong about who is gone: that may cost time, never more.
    if (this.prng.chance(0.9)) raft.quiesce(() => this.prng.chance(0.2));
    if (raft.quiesced && !wasAsleep) this.sleeps++;
  }

  private wakeUp(): void {
    this.asleep = 0;
    this.cluster.network.push(...this.heldForSleeper.splice(0));
  }

  wake(id: number): void {
    this.cluster.at(id).raft?.wake(this.prng.chance(0.5));
  }

  /** The process stands still for a while. */
  fallAsleep(id: number): void {
    if (this.asleep !== 0) return;
    this.asleep = id;
    this.asleepUntilMs = this.nowMs + this.prng.between(100, 2 * PROMISE_STEPS);
  }

  takeReady(id: number): void {
    if (id !== this.asleep && this.cluster.at(id).raft?.hasReady()) this.cluster.take(id);
  }

  deliver(): void {
    const { network } = this.cluster;
    if (network.length === 0) return;
    // Mostly in order, sometimes not.
    const at = this.prng.chance(0.7) ? 0 : this.prng.below(network.length);
    const [message] = network.splice(at, 1);
    if (message === undefined) return;
    if (message.to === this.asleep) this.heldForSleeper.push(message);
    else this.talk.watch(message, () => this.cluster.deliver(message));
  }

  persist(id: number): void {
    if (this.cluster.at(id).raft !== null) this.cluster.persist(id, 1);
  }

  loseOne(): void {
    const { network } = this.cluster;
    if (network.length > 0) network.splice(this.prng.below(network.length), 1);
  }

  doubleOne(): void {
    const { network } = this.cluster;
    if (network.length > 0) network.push(this.prng.pick(network));
  }

  propose(): void {
    const data = encodeUtf8(`p${++this.proposals}`);
    for (const { raft } of this.cluster.replicas.values()) if (raft?.role === 'leader') raft.propose(data);
  }

  read(): void {
    for (const { raft } of this.cluster.replicas.values()) if (raft?.role === 'leader') this.ask(raft);
  }

  private ask(raft: Raft): void {
    const context = this.nextContext++;
    this.checks.onRead(context, () => raft.readIndex(context).kind === 'accepted');
  }

  toggleSlow(id: number): void {
    this.cluster.at(id).slow = !this.cluster.at(id).slow;
  }

  toggleFetches(id: number): void {
    this.cluster.at(id).holdFetches = !this.cluster.at(id).holdFetches;
  }

  loseLink(id: number): void {
    this.cluster.at(id).raft?.onUnreachable(this.anyId());
  }

  /** Asks a leader that was deposed and has not heard of it, once: others have committed more since. */
  readOld(): void {
    for (const { raft } of this.cluster.replicas.values()) {
      if (raft?.role !== 'leader' || raft.commit >= this.checks.committedMax || this.askedOld.has(raft.term))
        continue;
      if (raft.term >= (this.cluster.leader()?.term ?? 0)) continue;
      this.askedOld.add(raft.term);
      this.ask(raft);
    }
  }

  crash(id: number): void {
    const replica = this.cluster.at(id);
    if (replica.raft === null) return;
    this.crashes++;
    this.cluster.crash(id, this.prng.below(replica.unsaved.length + 1));
  }

  campaign(id: number): void {
    this.cluster.at(id).raft?.campaign();
  }

  /** A bare majority, drawn anew, hears each other, and nobody else. */
  regroup(): void {
    const { cluster } = this;
    const ids = cluster.ids();
    const side = this.prng.shuffle([...ids]).slice(0, (ids.length >> 1) + 1);
    cluster.heal();
    for (const id of ids) if (!side.includes(id)) cluster.isolate(id);
  }

  remember(id: number): void {
    if (!this.suspects.has(id)) this.oldDisks.set(id, { ...this.cluster.at(id).disk });
  }

  /** The disk is what it was some time ago, and the replica is told that it may lack something: for ever. */
  loseDisk(id: number): void {
    const old = this.oldDisks.get(id);
    const { voters } = this.cluster.configuration;
    if (old === undefined || this.suspects.has(id) || !voters.includes(id)) return;
    if (this.suspects.size >= (voters.length - 1) >> 1) return;
    this.suspects.add(id);
    this.crash(id);
    const replica = this.cluster.at(id);
    Object.assign(replica.disk, old);
    Object.assign(replica.options, { suspect: true });
    replica.start();
  }

  start(id: number): void {
    const replica = this.cluster.at(id);
    if (replica.raft === null) replica.start();
  }

  cutOrHeal(): void {
    const what = this.prng.unit();
    const leader = this.cluster.leader()?.id ?? this.anyId();
    if (what < 0.4) this.cluster.heal();
    else if (what < 0.6) this.cluster.isolate(leader);
    else this.cluster.cuts.add(`${this.anyId()}>${this.anyId()}`);
  }

  compact(id: number): void {
    const replica = this.cluster.at(id);
    if (replica.raft === null || replica.unsaved.length > 0) return;
    const { truncatedIndex } = replica.disk;
    const applied = replica.applied.length;
    if (applied > truncatedIndex) this.cluster.compact(id, this.prng.between(truncatedIndex + 1, applied));
  }

  stream(id: number): void {
    const replica = this.cluster.at(id);
    const to = replica.snapshotsWanted.shift();
    if (to === undefined || replica.raft?.role !== 'leader') return;
    const message = this.cluster.snapshotMessage(id, to);
    const ok = this.prng.chance(0.7);
    if (ok) this.cluster.network.push(message);
    if (message.type === 'snapshot') replica.raft.onSnapshotSent(to, message.snapshot.index, ok);
  }

  transfer(): void {
    this.cluster.leader()?.transferLeader(this.anyId());
  }

  releaseFetches(id: number): void {
    if (this.cluster.at(id).raft !== null) this.cluster.releaseFetches(id);
  }
}

/** Losing one of few is the end; figure 8 needs room for majorities that share one replica. */
function votersOf(profile: ChaosProfile, drawn: number): number {
  switch (profile) {
    case 'majorities':
    case 'reads':
    case 'prevotes':
      return 5;
    case 'slow':
    case 'votes':
    case 'suspects':
      return drawn > 3 ? 5 : 3;
    case 'leases':
      return 3;
    case 'snapshots':
      return Math.max(3, drawn);
    case 'all':
    case 'elections':
    case 'members':
      return drawn;
    case 'pairs':
      return drawn > 3 ? 3 : 2;
  }
}
