/**
 * Bugs planted on purpose, to prove that the checkers would see them. Each wraps the consensus core as the node
 * builds it and breaks one promise; the node under test is otherwise the real one.
 *
 *  vote_before_persist   a vote leaves before it is durable: a crash forgets it, and the voter votes again
 *  ack_before_fsync      an append is acknowledged before it is durable: power loss takes what a quorum "has"
 *  read_without_quorum   a leader answers reads on its own word: a deposed one answers with old values
 */
import type { LogIndex, MonoMs, ReadyNumber, ReplicaId, Term } from '../../src/base/index.js';
import type {
  ChangeResult,
  Configuration,
  Entry,
  MembershipChange,
  Message,
  ProposeResult,
  Raft,
  RaftInitial,
  RaftOptions,
  RaftStatus,
  ReadOutcome,
  ReadResult,
  Ready,
  Role,
  StepVerdict,
} from '../../src/raft/index.js';
import type { FaultKind } from './fault-plan.js';

export const BREAK_RULES = ['vote_before_persist', 'ack_before_fsync', 'read_without_quorum'] as const;
export type BreakRule = (typeof BREAK_RULES)[number];
/** The faults that give each bug its moment. */
export const BREAK_FAULTS: Readonly<Record<BreakRule, readonly FaultKind[]>> = {
  vote_before_persist: ['strike_election', 'crash'],
  ack_before_fsync: ['strike_acknowledgement', 'crash'],
  read_without_quorum: ['isolate_leader', 'crash'],
};
export type RaftFactory = (options: RaftOptions, initial: RaftInitial) => Raft;

export function isBreakRule(name: string): name is BreakRule {
  return (BREAK_RULES as readonly string[]).includes(name);
}

/** A factory whose replicas break `rule`. */
export function breakRaft(create: RaftFactory, rule: BreakRule): RaftFactory {
  return (options, initial) => {
    const inner = create(options, initial);
    switch (rule) {
      case 'vote_before_persist':
        return new EarlySender(inner, (m) => m.type === 'vote_response');
      case 'ack_before_fsync':
        return new EarlySender(inner, (m) => m.type === 'append_response');
      case 'read_without_quorum':
        return new LonelyReader(inner);
    }
  };
}

/** Passes everything on; the broken ones change one thing. */
class WrappedRaft implements Raft {
  constructor(protected readonly inner: Raft) {}

  get id(): ReplicaId {
    return this.inner.id;
  }
  get role(): Role {
    return this.inner.role;
  }
  get term(): Term {
    return this.inner.term;
  }
  get leader(): ReplicaId {
    return this.inner.leader;
  }
  get commit(): LogIndex {
    return this.inner.commit;
  }
  get lastIndex(): LogIndex {
    return this.inner.lastIndex;
  }
  get leaderReady(): boolean {
    return this.inner.leaderReady;
  }
  get handingOver(): boolean {
    return this.inner.handingOver;
  }
  get leaseUntilMs(): MonoMs {
    return this.inner.leaseUntilMs;
  }
  get quiesced(): boolean {
    return this.inner.quiesced;
  }
  quiesce(isGone: (id: ReplicaId) => boolean): void {
    this.inner.quiesce(isGone);
  }
  wake(isLeaderLost: boolean): void {
    this.inner.wake(isLeaderLost);
  }
  tick(decide: boolean): void {
    this.inner.tick(decide);
  }
  get configuration(): Configuration {
    return this.inner.configuration;
  }
  step(message: Message): StepVerdict {
    return this.inner.step(message);
  }
  proposeChange(change: MembershipChange): ChangeResult {
    return this.inner.proposeChange(change);
  }
  targetOf(entry: Entry): Configuration | null {
    return this.inner.targetOf(entry);
  }
  applyConfiguration(configuration: Configuration): void {
    this.inner.applyConfiguration(configuration);
  }
  propose(data: Uint8Array): ProposeResult {
    return this.inner.propose(data);
  }
  readIndex(context: number, viaLeader?: boolean): ReadResult {
    return this.inner.readIndex(context, viaLeader);
  }
  noteTime(nowMs: MonoMs): void {
    this.inner.noteTime(nowMs);
  }
  transferLeader(to: ReplicaId): boolean {
    return this.inner.transferLeader(to);
  }
  stepDown(): void {
    this.inner.stepDown();
  }
  campaign(): void {
    this.inner.campaign();
  }
  hasReady(): boolean {
    return this.inner.hasReady();
  }
  ready(): Ready {
    return this.inner.ready();
  }
  onPersisted(number: ReadyNumber): void {
    this.inner.onPersisted(number);
  }
  onApplied(index: LogIndex): void {
    this.inner.onApplied(index);
  }
  onFetched(fetchId: number, entries: readonly Entry[] | null): void {
    this.inner.onFetched(fetchId, entries);
  }
  onCompacted(index: LogIndex): void {
    this.inner.onCompacted(index);
  }
  onSnapshotSent(to: ReplicaId, index: LogIndex, ok: boolean): void {
    this.inner.onSnapshotSent(to, index, ok);
  }
  onUnreachable(to: ReplicaId): void {
    this.inner.onUnreachable(to);
  }
  termAt(index: LogIndex): Term {
    return this.inner.termAt(index);
  }
  status(): RaftStatus {
    return this.inner.status();
  }
}

/** Sends at once what must wait for the disk. */
class EarlySender extends WrappedRaft {
  constructor(
    inner: Raft,
    private readonly isEarly: (message: Message) => boolean,
  ) {
    super(inner);
  }

  override ready(): Ready {
    const ready = this.inner.ready();
    return {
      ...ready,
      messages: [...ready.messages, ...ready.messagesAfterPersist.filter(this.isEarly)],
      messagesAfterPersist: ready.messagesAfterPersist.filter((m) => !this.isEarly(m)),
    };
  }
}

/** Confirms a read the moment a replica that thinks it leads is asked. */
class LonelyReader extends WrappedRaft {
  private answers: ReadOutcome[] = [];
  private lastNumber: ReadyNumber = 0;
  private lastPersisted: ReadyNumber = 0;

  override get leaderReady(): boolean {
    return this.inner.role === 'leader';
  }

  override readIndex(context: number): ReadResult {
    if (this.inner.role !== 'leader') return this.inner.readIndex(context);
    this.answers.push({ kind: 'confirmed', context, index: this.inner.commit });
    return { kind: 'accepted' };
  }

  override hasReady(): boolean {
    return this.answers.length > 0 || this.inner.hasReady();
  }

  override ready(): Ready {
    const reads = this.answers;
    this.answers = [];
    if (!this.inner.hasReady()) return readsOnly(this.lastNumber, reads);
    const ready = this.inner.ready();
    this.lastNumber = ready.number;
    return { ...ready, reads: [...ready.reads, ...reads] };
  }

  override onPersisted(number: ReadyNumber): void {
    if (number <= this.lastPersisted) return;
    this.lastPersisted = number;
    this.inner.onPersisted(number);
  }
}

/** A Ready that the core knows nothing of: it bears the number of the last real one, and has nothing to persist. */
function readsOnly(number: ReadyNumber, reads: readonly ReadOutcome[]): Ready {
  return {
    number,
    mustPersist: false,
    hardState: null,
    entries: [],
    snapshot: null,
    messages: [],
    messagesAfterPersist: [],
    committed: [],
    reads,
    fetches: [],
    snapshotsWanted: [],
    removedFromVersion: 0,
    roleChange: null,
  };
}
