/**
 * What must hold of every replica's log, commit index and role after every step of a random schedule (Raft paper,
 * figure 3), judged from their disks and from what was ever committed. What they say to each other is judged by
 * raft-chaos-talk.ts.
 */
import type { Configuration, Entry, Raft, Ready } from '../../src/raft/index.js';
import type { RaftCluster, TestReplica } from './raft-cluster.js';
import { RaftViolation } from './raft-violation.js';

interface PendingRead {
  /** What was committed anywhere when the read came: it must see all of it. */
  readonly committed: number;
}

export class ChaosChecks {
  committedMax = 0;
  readonly counts = { elections: 0, confirmed: 0, aborted: 0, installs: 0, applied: 0, leased: 0 };
  /** By index: the terms of entries that some replica called committed, and the term it was in. */
  readonly committedTerms: ({ readonly term: number; readonly at: number } | undefined)[] = [];
  private readonly leaders = new Map<number, number>();
  private readonly entries = new Map<string, { text: string; previousTerm: number }>();
  private readonly committed: Entry[] = [];
  private readonly commits = new Map<TestReplica, { raft: unknown; commit: number; term: number }>();
  private readonly reads = new Map<number, PendingRead>();
  /** Configurations that were in force in this step: which of them a decision in it was made under is not known. */
  private readonly inForce = new Map<TestReplica, Configuration[]>();

  constructor(
    private readonly seed: number,
    private readonly cluster: RaftCluster,
    /** Their disks lost something: what they once held or gave is taken on trust. */
    private readonly suspects: ReadonlySet<number>,
  ) {}

  /** `ask` returns false when the read was refused. */
  onRead(context: number, ask: () => boolean): void {
    this.reads.set(context, { committed: this.committedMax });
    if (!ask()) this.reads.delete(context);
  }

  checkAll(nowMs: number): void {
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
      if (!isSame || raft.commit > before.commit)
        this.checkCommitted(replica, isSame ? before.commit + 1 : 1);
      this.commits.set(replica, { raft, commit: raft.commit, term: raft.term });
      if (raft.role === 'leader') this.checkLeader(replica);
      if (raft.quiesced) this.checkSleeper(raft);
      const known = this.inForce.get(replica);
      if (known?.length !== 1 || known[0] !== raft.configuration)
        this.inForce.set(replica, [raft.configuration]);
      this.committedMax = Math.max(this.committedMax, raft.commit);
    }
    for (const { raft } of this.cluster.replicas.values()) {
      if (raft === null || raft.leaseUntilMs <= nowMs) continue;
      this.counts.leased++;
      this.demand(
        'a lessor knows all that is committed',
        raft.commit === this.committedMax,
        `replica ${raft.id} holds a lease at ${raft.commit}, ${this.committedMax} is committed`,
      );
    }
  }

  /** Its clock stands still: nobody repeats what gets lost, and nobody is missed. */
  private checkSleeper(raft: Raft): void {
    const isIdle = raft.leader !== 0 && raft.commit === raft.lastIndex;
    const what = `${raft.role} ${raft.id} sleeps under ${raft.leader} at commit ${raft.commit} of ${raft.lastIndex}`;
    this.demand('who sleeps has nothing to do', isIdle, what);
  }

  /** Whether under one of the configurations that may have been in force every majority of it consists of these. */
  private demandMajorities(
    rule: string,
    replica: TestReplica,
    isOne: (id: number) => boolean,
    what: string,
  ): void {
    const configurations = new Set([...(this.inForce.get(replica) ?? []), replica.live.configuration]);
    const texts: string[] = [];
    for (const { voters, outgoing } of configurations) {
      const [ones, olds] = [voters.filter(isOne), outgoing.filter(isOne)];
      const isMajority = ones.length * 2 > voters.length;
      if (isMajority && (outgoing.length === 0 || olds.length * 2 > outgoing.length)) return;
      texts.push(`(${ones.join(' ')}) of (${voters.join(' ')})`);
      if (outgoing.length > 0) texts.push(`and (${olds.join(' ')}) of (${outgoing.join(' ')})`);
    }
    this.demand(rule, false, `${what} ${texts.join(' ')}`);
  }

  /** A new leader's votes, its own among them, are on the disks of every majority that it needs. */
  private checkVotes(replica: TestReplica): void {
    const raft = replica.live;
    const hasVoted = (id: number): boolean => {
      const voter = this.cluster.replicas.get(id);
      // Who was removed may have voted before that.
      if (voter === undefined || this.suspects.has(id)) return true;
      const { term, vote } = voter.disk.hardState;
      // Who went on to a later term gave its vote before that, and votes in this one no more.
      return term > raft.term || (term === raft.term && vote === raft.id);
    };
    const what = `${raft.id} leads term ${raft.term} by votes on the disks of`;
    this.demandMajorities('votes are durable', replica, hasVoted, what);
  }

  /** A leader that calls an entry committed has it, or had it, on the disks of every majority that it needs. */
  private checkDurable(replica: TestReplica): void {
    const raft = replica.live;
    const index = raft.commit;
    const term = raft.termAt(index);
    const holds = (id: number): boolean => {
      const holder = this.cluster.replicas.get(id);
      // What a disk lost later was there when it was acknowledged.
      if (holder === undefined || this.suspects.has(id)) return true;
      return isOnDisk(holder, index, term);
    };
    const what = `${raft.id} committed ${index}@${term}, on the disks of`;
    this.demandMajorities('committed is durable', replica, holds, what);
  }

  private checkLeader(replica: TestReplica): void {
    const raft = replica.live;
    const known = this.leaders.get(raft.term);
    if (known === raft.id) return;
    const both = `replicas ${known} and ${raft.id} both lead term ${raft.term}`;
    this.demand('election safety', known === undefined, both);
    this.leaders.set(raft.term, raft.id);
    this.checkVotes(replica);
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
  private checkCommitted(replica: TestReplica, from: number): void {
    const raft = replica.live;
    if (raft.role === 'leader' && raft.commit >= from) this.checkDurable(replica);
    for (let index = Math.max(from, raft.status().firstIndex); index <= raft.commit; index++) {
      const term = raft.termAt(index);
      const known = (this.committedTerms[index] ??= { term, at: raft.term });
      const what = `${raft.id} committed ${index}@${term}, elsewhere it is of term ${known.term}`;
      this.demand('state machine safety', known.term === term, what);
    }
  }

  checkReady(replica: TestReplica, ready: Ready): void {
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
      const isDurable = isOnDisk(replica, index, term);
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

  /** Returns whether nobody applied it before. */
  checkApplied(replica: TestReplica, entry: Entry): boolean {
    this.inForce.get(replica)?.push(replica.live.configuration);
    const known = this.committed[entry.index - 1];
    if (known) {
      const same = known.term === entry.term && known.data.join() === entry.data.join();
      const applied = `applied ${entry.index}@${entry.term}, elsewhere it is of term ${known.term}`;
      this.demand('state machine safety', same, applied);
      return false;
    }
    const isNext = entry.index === this.committed.length + 1;
    this.demand('state machine safety', isNext, `applied ${entry.index} with a gap`);
    this.committed.push(entry);
    this.counts.applied++;
    return true;
  }

  demand(rule: string, holds: boolean, what: string): void {
    if (!holds) throw new RaftViolation(rule, `seed ${this.seed}: ${rule}: ${what}`);
  }
}

function isOnDisk({ disk }: TestReplica, index: number, term: number): boolean {
  if (index <= disk.truncatedIndex) return true;
  return disk.entries[index - disk.truncatedIndex - 1]?.term === term;
}
