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
  type Raft,
  type RaftOptions,
  type Ready,
} from '../../src/raft/index.js';
import { makeConfiguration } from './raft-builders.js';
import { ChaosMembers } from './raft-chaos-members.js';
import { scheduleOf, type ChaosProfile, type Schedule } from './raft-chaos-schedules.js';
import { RaftCluster } from './raft-cluster.js';
import type { ReplicaDisk, TestReplica } from './raft-cluster.js';

/** In steps, of which a replica ticks in about one of twenty-five. */
const PROMISE_STEPS = 1000;
/** Messages in flight, drawn anew for a run: with many all news is old, with few what was sent meets what it is about. */
const NETWORK_MAX = [12, 25, 60, 300];
const NETWORK_MAX_VOTES = 12;

interface PendingRead {
  /** What was committed anywhere when the read came: it must see all of it. */
  readonly committed: number;
}

/** A promise of Raft was broken; `rule` names it. */
export class RaftViolation extends Error {
  override readonly name = 'RaftViolation';

  constructor(
    readonly rule: string,
    what: string,
  ) {
    super(what);
  }
}

export class RaftChaos {
  readonly cluster: RaftCluster;
  private readonly prng: Prng;
  private readonly weights: Schedule;
  private readonly weightTotal: number;
  private readonly networkMax: number;

  private readonly leaders = new Map<number, number>();
  private readonly entries = new Map<string, { text: string; previousTerm: number }>();
  private readonly committed: Entry[] = [];
  /** By index: the terms of entries that some replica called committed, and the term it was in. */
  private readonly committedTerms: ({ readonly term: number; readonly at: number } | undefined)[] = [];
  private readonly commits = new Map<TestReplica, { raft: unknown; commit: number; term: number }>();
  private readonly reads = new Map<number, PendingRead>();
  private committedMax = 0;
  /** Terms whose deposed leaders were asked. */
  private readonly askedOld = new Set<number>();
  private nextContext = 1;
  private proposals = 0;
  private nowMs = 0;
  /** A process that stands still: its clock goes on, and nothing else. */
  private asleep = 0;
  private asleepUntilMs = 0;
  private heldForSleeper: Message[] = [];
  /** Replicas whose disks lost something, and what the disks held some time ago. */
  private readonly suspects = new Set<number>();
  private readonly oldDisks = new Map<number, ReplicaDisk>();
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
  /** Then the majorities that a decision needed are not those that can be seen after it. */
  private readonly membersChange: boolean;

  constructor(
    readonly seed: number,
    profile: ChaosProfile = 'all',
    /** Time goes by a millisecond a step, the same for all. */
    readonly withLeases = false,
  ) {
    this.prng = new Prng(seed);
    const options = this.prng.stream('options');
    const isNarrow = !['all', 'elections', 'members'].includes(profile);
    this.membersChange = profile === 'members';
    this.networkMax = profile === 'votes' ? NETWORK_MAX_VOTES : this.prng.stream('network').pick(NETWORK_MAX);
    const size = options.pick([1, 2, 3, 3, 4, 5]);
    const voters = [1, 2, 3, 4, 5].slice(0, votersOf(profile, size));
    const learners = options.chance(0.3) ? [voters.length + 1] : [];
    const drawn: Partial<RaftOptions> = {
      electionTicks: 5,
      heartbeatTicks: options.between(1, 2),
      eagerCommitNews: options.chance(0.5),
      preVote: options.chance(0.5) && !isNarrow,
      checkQuorum: options.chance(0.5) && !isNarrow,
      inflightMessagesMax: options.between(1, 8),
      inflightBytesMax: options.pick([1, 200, 100_000]),
      appendBytesMax: Math.min(options.pick([1, 100, 100_000]), profile === 'majorities' ? 1 : Infinity),
      committedBytesMax: options.pick([1, 100, 100_000]),
      tailBytesMax: options.pick([0, 200, 100_000]),
      uncommittedBytesMax: options.pick([200, 100_000]),
      pendingReadsMax: 20,
      quiesceTicks: isNarrow ? 0 : options.pick([0, 1, 3, 6]),
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
    const isSlow = profile === 'elections' || profile === 'votes';
    if (isSlow) for (const replica of this.cluster.replicas.values()) replica.slow = true;
    this.weights = scheduleOf(profile, this, options);
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
      if (network.length > this.networkMax) network.splice(0, network.length - this.networkMax);
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
    if (raft.quiesced && !wasAsleep) this.counts.sleeps++;
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
    if (this.cluster.at(id).raft?.hasReady()) this.cluster.take(id);
  }

  deliver(): void {
    const { network } = this.cluster;
    if (network.length === 0) return;
    // Mostly in order, sometimes not.
    const at = this.prng.chance(0.7) ? 0 : this.prng.below(network.length);
    const [message] = network.splice(at, 1);
    if (message === undefined) return;
    if (message.to === this.asleep) this.heldForSleeper.push(message);
    else this.cluster.deliver(message);
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
    this.reads.set(context, { committed: this.committedMax });
    if (raft.readIndex(context).kind === 'dropped') this.reads.delete(context);
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
      if (raft?.role !== 'leader' || raft.commit >= this.committedMax || this.askedOld.has(raft.term))
        continue;
      if (raft.term >= (this.cluster.leader()?.term ?? 0)) continue;
      this.askedOld.add(raft.term);
      this.ask(raft);
    }
  }

  crash(id: number): void {
    const replica = this.cluster.at(id);
    if (replica.raft === null) return;
    this.counts.crashes++;
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

  // What must hold.

  private checkAll(): void {
    for (const replica of this.cluster.replicas.values()) {
      const { raft } = replica;
      if (raft === null) continue;
      const before = this.commits.get(replica);
      if (before?.raft === raft) {
        this.demand(
          'monotonic commit and term',
          raft.commit >= before.commit,
          `commit of ${raft.id} fell from ${before.commit} to ${raft.commit}`,
        );
        this.demand('monotonic commit and term', raft.term >= before.term, `term of ${raft.id} fell`);
      }
      const isSame = before?.raft === raft;
      if (!isSame || raft.commit > before.commit) this.checkCommitted(raft, isSame ? before.commit + 1 : 1);
      this.commits.set(replica, { raft, commit: raft.commit, term: raft.term });
      if (raft.role === 'leader') this.checkLeader(replica);
      this.committedMax = Math.max(this.committedMax, raft.commit);
    }
    for (const { raft } of this.cluster.replicas.values()) {
      if (raft === null || raft.leaseUntilMs <= this.nowMs) continue;
      this.counts.leased++;
      this.demand(
        'a lessor knows all that is committed',
        raft.commit === this.committedMax,
        `replica ${raft.id} holds a lease at ${raft.commit}, ${this.committedMax} is committed`,
      );
    }
  }

  /** A new leader's votes, its own among them, are on the disks of every majority that it needs. */
  private checkVotes(raft: Raft): void {
    if (this.membersChange) return;
    const { voters, outgoing } = raft.status().configuration;
    for (const ids of [voters, outgoing]) {
      const given = ids.filter((id) => {
        const { term, vote } = this.cluster.at(id).disk.hardState;
        // Who went on to a later term gave its vote before that, and votes in this one no more.
        return this.suspects.has(id) || term > raft.term || (term === raft.term && vote === raft.id);
      });
      const what = `${raft.id} leads term ${raft.term} by votes on the disks of (${given.join(' ')}) of (${ids.join(' ')})`;
      this.demand('votes are durable', ids.length === 0 || given.length > ids.length >> 1, what);
    }
  }

  /** A leader that calls an entry committed has it, or had it, on the disks of every majority that it needs. */
  private checkDurable(raft: Raft): void {
    if (this.membersChange) return;
    const index = raft.commit;
    const term = raft.termAt(index);
    const { voters, outgoing } = raft.status().configuration;
    for (const ids of [voters, outgoing]) {
      const holders = ids.filter((id) => {
        // What a disk lost later was there when it was acknowledged.
        if (this.suspects.has(id)) return true;
        return this.isOnDisk(this.cluster.at(id), index, term);
      });
      const what = `${raft.id} committed ${index}@${term}, on the disks of (${holders.join(' ')}) of (${ids.join(' ')})`;
      this.demand('committed is durable', ids.length === 0 || holders.length > ids.length >> 1, what);
    }
  }

  private isOnDisk({ disk }: TestReplica, index: number, term: number): boolean {
    if (index <= disk.truncatedIndex) return true;
    return disk.entries[index - disk.truncatedIndex - 1]?.term === term;
  }

  private checkLeader(replica: TestReplica): void {
    const raft = replica.live;
    const known = this.leaders.get(raft.term);
    if (known === raft.id) return;
    const both = `replicas ${known} and ${raft.id} both lead term ${raft.term}`;
    this.demand('election safety', known === undefined, both);
    this.leaders.set(raft.term, raft.id);
    this.checkVotes(raft);
    this.counts.elections++;
    for (let index = raft.status().firstIndex; index < this.committedTerms.length; index++) {
      const known = this.committedTerms[index];
      // One elected late into an older term than it was committed in may lack it: it commits nothing any more.
      if (known === undefined || raft.term <= known.at) continue;
      const lacks = `leader ${raft.id} of term ${raft.term} lacks committed ${index}@${known.term}`;
      this.demand('leader completeness', raft.termAt(index) === known.term, lacks);
    }
  }

  /** What any replica calls committed, applied or not, is committed for ever. */
  private checkCommitted(raft: Raft, from: number): void {
    if (raft.role === 'leader' && raft.commit >= from) this.checkDurable(raft);
    for (let index = Math.max(from, raft.status().firstIndex); index <= raft.commit; index++) {
      const term = raft.termAt(index);
      const known = (this.committedTerms[index] ??= { term, at: raft.term });
      const what = `${raft.id} committed ${index}@${term}, elsewhere it is of term ${known.term}`;
      this.demand('state machine safety', known.term === term, what);
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
        const isSame = known.text === text && known.previousTerm === previousTerm;
        this.demand('log matching', isSame, `two logs differ at ${key}`);
      } else this.entries.set(key, { text, previousTerm });
    }
    for (const { index, term } of ready.committed) {
      const isDurable = this.isOnDisk(replica, index, term);
      this.demand('apply what is durable', isDurable, `${index}@${term} applied, not on disk`);
    }
    if (ready.snapshot !== null) this.counts.installs++;
    for (const outcome of ready.reads) {
      if (outcome.kind === 'aborted') {
        this.counts.aborted++;
        this.reads.delete(outcome.context);
        continue;
      }
      this.counts.confirmed++;
      const read = this.reads.get(outcome.context);
      this.demand('linearizable reads', read !== undefined, `read ${outcome.context} answered twice`);
      this.demand(
        'linearizable reads',
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
      const applied = `applied ${entry.index}@${entry.term}, elsewhere it is of term ${known.term}`;
      this.demand('state machine safety', same, applied);
      return;
    }
    const isNext = entry.index === this.committed.length + 1;
    this.demand('state machine safety', isNext, `applied ${entry.index} with a gap`);
    this.committed.push(entry);
    this.counts.applied++;
  }

  private demand(rule: string, holds: boolean, what: string): void {
    if (!holds) throw new RaftViolation(rule, `seed ${this.seed}: ${rule}: ${what}`);
  }
}

/** Losing one of few is the end; figure 8 needs room for majorities that share one replica. */
function votersOf(profile: ChaosProfile, drawn: number): number {
  switch (profile) {
    case 'majorities':
    case 'reads':
      return 5;
    case 'slow':
    case 'votes':
    case 'suspects':
      return drawn > 3 ? 5 : 3;
    case 'snapshots':
      return Math.max(3, drawn);
    case 'all':
    case 'elections':
    case 'members':
      return drawn;
  }
}
