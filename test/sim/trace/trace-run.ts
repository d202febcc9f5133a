/**
 * A run of one group made for a model check: the core with an in-memory network, told event by event. It goes through
 * elections, a partition with a log that has to be cut, a crash, a learner that is caught up by snapshot, and a joint
 * change of members, in an order and with messages late or lost as the seed says; then through the same again until
 * there are enough events.
 *
 * The model's terms are kept: what a Ready hands out is durable at once; a replica crashes only when it has nothing to
 * hand out; no message comes twice; and the group is born with one entry for each of its first voters, of term 1 and
 * committed, as the model's groups are.
 */
import { must, Prng } from '../../../src/base/index.js';
import type { Entry, MembershipChange, Message, Raft, TraceEvent } from '../../../src/raft/index.js';
import { EntryKind } from '../../../src/raft/index.js';
import { makeConfiguration, makeOptions } from '../../support/raft-builders.js';
import { RaftCluster, type ReplicaDisk } from '../../support/raft-cluster.js';
import { formatEvent } from './format.js';

export interface TraceOptions {
  readonly seed: number;
  readonly preVote: boolean;
  /** At most so many, and as many unless the run ends before: it never does. */
  readonly events: number;
}

const ELECTION_TICKS = 10;
const HEARTBEAT_TICKS = 2;
const LATE_CHANCE = 0.15;
const LOSS_CHANCE = 0.02;
/** Bounds for what should come about soon; past it the run is stuck, which is a bug of its own. */
const ROUNDS_MAX = 200;
const FIRST_VOTERS = [1, 2, 3];

/** The trace, a JSON line for each event. */
export function traceRun(options: TraceOptions): string[] {
  const run = new TraceRun(options);
  run.play();
  return run.lines;
}

class TraceRun {
  readonly lines: string[] = [];
  private readonly prng: Prng;
  private readonly cluster: RaftCluster;
  private nextId = FIRST_VOTERS.length + 1;
  private proposals = 0;

  constructor(private readonly options: TraceOptions) {
    this.prng = new Prng(options.seed).stream('trace');
    const configuration = makeConfiguration(FIRST_VOTERS);
    const { configurations } = makeOptions(1);
    const birth = FIRST_VOTERS.map((_, i): Entry => ({
      index: i + 1,
      term: 1,
      kind: EntryKind.configuration,
      data: configurations.encode(configuration),
    }));
    const disk: Partial<ReplicaDisk> = {
      hardState: { term: 1, vote: 0, commit: birth.length },
      entries: birth,
      checkpoint: birth,
    };
    const random = this.prng.stream('timeouts');
    this.cluster = new RaftCluster(
      configuration,
      () => ({
        electionTicks: ELECTION_TICKS,
        heartbeatTicks: HEARTBEAT_TICKS,
        eagerCommitNews: false,
        preVote: options.preVote,
        // Without PreVote also no stickiness: the model has neither.
        checkQuorum: options.preVote,
        random: (limit) => random.below(limit),
        tracer: { onEvent: (event) => this.add(event) },
      }),
      new Map(FIRST_VOTERS.map((id) => [id, disk])),
    );
  }

  play(): void {
    this.elect();
    this.write(2);
    const stages = [() => this.partition(), () => this.crash(), () => this.changeMembers()];
    while (this.lines.length < this.options.events) {
      for (const stage of this.prng.shuffle([...stages])) {
        if (this.lines.length < this.options.events) stage();
      }
    }
  }

  private add(event: TraceEvent): void {
    if (this.lines.length < this.options.events) this.lines.push(formatEvent(event, this.lines.length));
  }

  // ---- stages; each leaves a whole group with a leader behind ----------------------------------------------------

  private elect(): void {
    this.until('a leader', () => this.cluster.leader()?.leaderReady === true);
  }

  private write(count: number): void {
    for (let i = 0; i < count; i++) {
      this.leader().propose(new TextEncoder().encode(`p${++this.proposals}`));
      this.settle();
    }
  }

  /** The leader is cut off with entries that nobody has; the others go on; then it gives them up. */
  private partition(): void {
    const old = this.leader();
    this.cluster.isolate(old.id);
    for (let i = this.prng.between(1, 2); i > 0; i--) {
      old.propose(new TextEncoder().encode(`lost ${++this.proposals}`));
    }
    this.settle();
    const others = this.cluster.ids().filter((id) => id !== old.id);
    this.until(
      'another leader',
      () => {
        const leader = this.cluster.leader();
        return leader !== null && leader.id !== old.id && leader.leaderReady;
      },
      others,
    );
    this.write(1);
    this.cluster.heal();
    this.catchUp();
  }

  /** Power is cut at one replica; it comes back with what it had handed out. */
  private crash(): void {
    const voters = this.leader().status().configuration.voters;
    const id = this.prng.pick(voters);
    this.settle();
    this.cluster.crash(id);
    this.elect();
    this.write(1);
    this.cluster.at(id).start();
    this.catchUp();
  }

  /** A newcomer is caught up by snapshot, and takes the place of a follower in one joint change. */
  private changeMembers(): void {
    const newcomer = this.nextId++;
    this.catchUp();
    const leader = this.leader();
    this.cluster.compact(leader.id, leader.status().applied);
    this.cluster.create(newcomer);
    this.change({ addLearners: [{ replica: newcomer, node: newcomer }] });
    this.until('a snapshot is wanted', () => this.sendSnapshot() || this.hasAll(newcomer));
    this.catchUp();
    const { voters } = this.leader().status().configuration;
    const leaves = this.prng.pick(voters.filter((id) => id !== this.leader().id));
    this.change({ promote: [newcomer], remove: [leaves] });
    this.until('the joint change is over', () => {
      const { configuration } = this.leader().status();
      return configuration.outgoing.length === 0 && !configuration.voters.includes(leaves);
    });
    this.cluster.crash(leaves);
    this.cluster.replicas.delete(leaves);
    this.catchUp();
  }

  private change(change: Omit<MembershipChange, 'expectedVersion'>): void {
    let before = 0;
    this.until('the change is taken', () => {
      const leader = this.leader();
      before = leader.status().configuration.version;
      return leader.proposeChange({ ...change, expectedVersion: before }).kind === 'appended';
    });
    this.until('the change is in force', () => this.leader().status().configuration.version > before);
  }

  /** The host's part: the leader's snapshot is told as sent, and is on its way once the leader took a Ready. */
  private sendSnapshot(): boolean {
    const leader = this.leader();
    const to = this.cluster.at(leader.id).snapshotsWanted.shift();
    if (to === undefined) return false;
    const message = this.cluster.snapshotMessage(leader.id, to);
    if (message.type !== 'snapshot') return false;
    const { term, vote, commit, lastIndex, configuration } = leader.status();
    const { index } = message.snapshot;
    this.add({
      name: 'Send',
      message: {
        type: 'MsgSnap',
        term,
        from: leader.id,
        to,
        entries: index,
        logTerm: 0,
        index: 0,
        commit: 0,
        reject: false,
        rejectHint: 0,
      },
      progress: null,
      id: leader.id,
      term,
      vote,
      commit,
      role: 'leader',
      lastIndex,
      voters: configuration.voters,
      outgoing: configuration.outgoing,
    });
    leader.onSnapshotSent(to, index, true);
    for (let i = 0; i < HEARTBEAT_TICKS; i++) leader.tick(true);
    this.drain();
    this.cluster.network.push(message);
    return true;
  }

  // ---- time and messages -----------------------------------------------------------------------------------------

  private leader(): Raft {
    this.elect();
    return must(this.cluster.leader(), 'leader');
  }

  /** Ticks, of these replicas or of all, until something came about. */
  private until(what: string, isSo: () => boolean, ids: readonly number[] = []): void {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      this.settle();
      if (isSo()) return;
      for (const [id, { raft }] of this.cluster.replicas) {
        if (ids.length === 0 || ids.includes(id)) raft?.tick(true);
      }
    }
    throw new Error(`seed ${this.options.seed}: ${what}: not in ${ROUNDS_MAX} ticks`);
  }

  /** Until every member has all that the leader has, and knows that it is committed. */
  private catchUp(): void {
    this.until('all have all', () => {
      if (this.cluster.leader()?.leaderReady !== true) return false;
      return this.cluster.ids().every((id) => this.hasAll(id));
    });
  }

  private hasAll(id: number): boolean {
    const leader = this.cluster.leader();
    const raft = this.cluster.at(id).raft;
    return (
      raft !== null && leader !== null && raft.lastIndex === leader.lastIndex && raft.commit === leader.commit
    );
  }

  /** Delivers until nothing is on its way; some messages are late, and few are lost. */
  private settle(): void {
    const { cluster, prng } = this;
    this.drain();
    while (cluster.network.length > 0) {
      const at = prng.chance(LATE_CHANCE) ? prng.below(cluster.network.length) : 0;
      const [message] = cluster.network.splice(at, 1);
      if (message === undefined) continue;
      // A lost snapshot would be wanted again only after an election time-out.
      if (message.type === 'snapshot' || !prng.chance(LOSS_CHANCE)) cluster.deliver(asModelled(message));
      this.drain();
    }
  }

  /** Takes all Readys; what they hand out is durable at once, the commit index, too. */
  private drain(): void {
    for (const [id, replica] of this.cluster.replicas) {
      while (replica.raft?.hasReady() === true) {
        this.cluster.take(id);
        const { term, vote, commit } = replica.raft.status();
        replica.disk.hardState = { term, vote, commit };
      }
    }
  }
}

/** A voter tells what is committed; in the model it doesn't. */
function asModelled(message: Message): Message {
  return message.type === 'vote_response' ? { ...message, commit: 0, commitTerm: 0 } : message;
}
