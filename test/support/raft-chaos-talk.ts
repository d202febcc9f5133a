/**
 * What must hold of the messages of a random schedule: an acknowledgement is true and stays true for its term, nobody
 * promises anything in an older term than one it promised in (whatever its disk forgot), who asked for prevotes has
 * what was committed when it asked, strangers move nothing, and a leader is heard by those it leads.
 */
import { isMember, type Message, type Ready } from '../../src/raft/index.js';
import type { ChaosChecks } from './raft-chaos-checks.js';
import type { RaftCluster, TestReplica } from './raft-cluster.js';

interface Acknowledged {
  readonly term: number;
  readonly index: number;
  /** Of the entry at `index`. */
  readonly entryTerm: number;
}

export class ChaosTalk {
  /** By replica, over all its lives: the highest term in which it acknowledged or voted. */
  private readonly promisedTerms = new Map<number, number>();
  /** By replica: the furthest that it acknowledged in its newest term. */
  private readonly acknowledged = new Map<number, Acknowledged>();
  /** By replica and term: what was committed when it first asked for prevotes in it. */
  private readonly askedAt = new Map<string, number>();

  constructor(
    private readonly cluster: RaftCluster,
    private readonly checks: ChaosChecks,
    private readonly suspects: ReadonlySet<number>,
    /** Then votes may be counted by an older configuration than what was committed needed. */
    private readonly membersChange: boolean,
  ) {}

  /** After every step. */
  noteRoles(): void {
    for (const { raft } of this.cluster.replicas.values()) {
      if (raft?.role !== 'precandidate') continue;
      const key = `${raft.id}@${raft.term}`;
      if (!this.askedAt.has(key)) this.askedAt.set(key, this.checks.committedMax);
    }
  }

  /** A Ready was handed out: its `messages` are on their way. */
  checkReady(replica: TestReplica, ready: Ready): void {
    if (this.membersChange || !replica.options.preVote) return;
    for (const message of ready.messages) {
      if (message.type !== 'vote' || message.pre || message.transfer) continue;
      const committed = this.askedAt.get(`${message.from}@${message.term - 1}`) ?? 0;
      const term = this.checks.committedTerms[committed]?.term ?? 0;
      const { lastIndex, lastTerm } = message;
      const hasAll = lastTerm > term || (lastTerm === term && lastIndex >= committed);
      const what = `${message.from} campaigns in term ${message.term} with a log up to ${lastIndex}@${lastTerm}, ${committed}@${term} was committed when it asked for prevotes`;
      this.checks.demand('prevotes are for who can win', hasAll, what);
    }
  }

  /** A Ready is durable, and what waited for that is on its way. */
  checkPersisted(replica: TestReplica, ready: Ready): void {
    for (const message of ready.messagesAfterPersist) {
      const isVote = message.type === 'vote_response' && message.granted && !message.pre;
      const isAck = message.type === 'append_response' && !message.reject;
      if (!isVote && !isAck) continue;
      const { from, term } = message;
      const promised = this.promisedTerms.get(from) ?? 0;
      const what = `${from} ${isVote ? 'votes' : 'acknowledges'} in term ${term}, after a promise in term ${promised}`;
      this.checks.demand('promises never go back', term >= promised, what);
      this.promisedTerms.set(from, term);
      if (isAck) this.checkAcknowledged(replica, term, message.index);
    }
  }

  private checkAcknowledged(replica: TestReplica, term: number, index: number): void {
    const raft = replica.live;
    // In a later term its log may have changed since.
    if (raft.term !== term || index === 0) return;
    const entryTerm = raft.termAt(index);
    for (const { raft: leader } of this.cluster.replicas.values()) {
      if (leader?.role !== 'leader' || leader.term !== term) continue;
      const leaderHas = leader.termAt(index);
      // Below the truncation the term is not known; there the entry is committed.
      const isKnown = entryTerm > 0 && (leaderHas > 0 || index > leader.lastIndex);
      const what = `${raft.id} acknowledges ${index}, of term ${entryTerm}, which is of term ${leaderHas} at leader ${leader.id}`;
      this.checks.demand('what is acknowledged is the leader’s', !isKnown || leaderHas === entryTerm, what);
    }
    const known = this.acknowledged.get(raft.id);
    if (known !== undefined && known.term === term && known.index >= index) return;
    this.acknowledged.set(raft.id, { term, index, entryTerm });
  }

  /** Delivers by `step`, which returns whether it arrived, and looks at what that did. */
  watch(message: Message, step: () => boolean): void {
    const receiver = this.cluster.replicas.get(message.to);
    if (!receiver?.raft) {
      step();
      return;
    }
    const raft = receiver.live;
    const isStranger =
      !isMember(raft.configuration, message.from) &&
      message.configurationVersion <= raft.configuration.version;
    const before = isStranger ? stateOf(receiver) : '';
    const mustHear = this.mustHear(receiver, message);
    if (!step()) return;
    if (isStranger) {
      const after = stateOf(receiver);
      const what = `${message.type} of ${message.from}, no member at ${raft.id}, turned ${before} into ${after}`;
      this.checks.demand('strangers move nothing', before === after, what);
    }
    if (mustHear) {
      const isHeard = raft.term === message.term && raft.leader === message.from;
      const what = `${raft.id} takes ${raft.leader} for leader of term ${raft.term}, after the ${message.type} of ${message.from} in term ${message.term}`;
      this.checks.demand('a leader is heard by those it leads', isHeard, what);
    }
    this.checkStillThere(receiver);
  }

  /** A message of a leader that leads still, to one of its members, from one that knows no less of the members. */
  private mustHear({ live: raft }: TestReplica, message: Message): boolean {
    if (message.type !== 'append' && message.type !== 'heartbeat') return false;
    const sender = this.cluster.replicas.get(message.from)?.raft ?? null;
    if (sender?.role !== 'leader' || sender.term !== message.term || message.term < raft.term) return false;
    if (message.configurationVersion < raft.configuration.version) return false;
    return isMember(sender.configuration, raft.id) && isMember(sender.configuration, sender.id);
  }

  /** Within a term a log only grows behind what was acknowledged in it. */
  private checkStillThere({ live: raft }: TestReplica): void {
    const known = this.acknowledged.get(raft.id);
    if (known === undefined || known.term !== raft.term || this.suspects.has(raft.id)) return;
    const term = raft.termAt(known.index);
    const isThere = known.index <= raft.lastIndex && (term === 0 || term === known.entryTerm);
    const what = `${raft.id} acknowledged ${known.index}@${known.entryTerm} in term ${known.term}, its log ends at ${raft.lastIndex} and has term ${term} there`;
    this.checks.demand('what is acknowledged stays', isThere, what);
  }
}

function stateOf({ live }: TestReplica): string {
  const { role, term, vote, leader, commit, lastIndex } = live.status();
  return `${role} term ${term} vote ${vote} leader ${leader} commit ${commit} last ${lastIndex}`;
}
