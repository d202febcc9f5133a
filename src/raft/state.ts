/**
 * Everything a replica of the core knows, in one place; the files beside this one hold what is done with it.
 *
 * Invariants: term and vote only move forward (`vote` is set at most once per term); `followers` is empty unless
 * leader; `leader` is this replica exactly when it leads; at most one leader is ever seen in a term.
 */
import { assert } from '../base/index.js';
import type { LogIndex, ReadyNumber, ReplicaId, Term } from '../base/index.js';
import { IndexRequests } from './index-requests.js';
import { Lease } from './lease.js';
import { RaftLog } from './log.js';
import { checkConfiguration, isMember, isSoleVoter, isVoter, peersOf } from './membership.js';
import { Outbox } from './outbox.js';
import type { Progress } from './progress.js';
import { ReadRounds } from './read-rounds.js';
import { Tracing } from './tracer.js';
import type {
  Configuration,
  Entry,
  HardState,
  Message,
  MessageType,
  RaftInitial,
  RaftOptions,
  Role,
  RoleChange,
  SnapshotMeta,
} from './types.js';

/** The member of the message union with this type. */
export type MessageOf<T extends MessageType> = Extract<Message, { readonly type: T }>;

/** Committed entries that left the tail, asked back to be applied. */
export interface ApplyFetch {
  readonly id: number;
  readonly lo: LogIndex;
  readonly hi: LogIndex;
  atTick: number;
  /** The answer, until a Ready takes it. */
  entries: readonly Entry[] | null;
}

export interface QuiescenceState {
  /** The group's clock stands still here. */
  asleep: boolean;
  /** Leader: this tick's heartbeats are offers. */
  offering: boolean;
  /** Leader: how many ticks in a row found nothing to do; the last of them, and where the log ended then. */
  stillTicks: number;
  lastTick: number;
  lastIndex: LogIndex;
}

export class RaftState {
  readonly id: ReplicaId;
  readonly log: RaftLog;
  readonly outbox = new Outbox();
  readonly reads = new ReadRounds();
  /** While not leader: read indexes asked of the leader. */
  readonly requests: IndexRequests;
  /** Null: leases are off. */
  readonly lease: Lease | null;
  /** Moved by quiescence.ts; a change of leader ends sleep. */
  readonly quiescence: QuiescenceState = {
    asleep: false,
    offering: false,
    stillTicks: 0,
    lastTick: 0,
    lastIndex: 0,
  };
  /** Null in production. */
  readonly tracing: Tracing | null;

  role: Role = 'follower';
  term: Term;
  /** Whom this replica voted for in `term`; 0 if nobody. */
  vote: ReplicaId;
  leader: ReplicaId = 0;

  configuration: Configuration;
  /** All other members, in a fixed order. */
  peers: readonly ReplicaId[] = [];
  /** In `voters` or `outgoing`. */
  isVoter = false;
  isSoleVoter = false;

  ticks = 0;
  /** Ticks since the leader was heard or a vote was given; for a leader, since CheckQuorum last looked. */
  electionElapsed = 0;
  /** Drawn anew at every change of role. */
  electionTimeout = 0;
  heartbeatElapsed = 0;

  /** Answers in the running (pre)election. */
  readonly votes = new Map<ReplicaId, boolean>();
  /** One per peer while leader. */
  followers: Progress[] = [];
  /** Index of the empty entry that opened this leadership. */
  termStart: LogIndex = 0;
  /**
   * The newest entry of this leader's log that may be a configuration: until it is applied no other one is proposed.
   * After an election that may be any entry.
   */
  changeIndex: LogIndex = 0;
  /** Some follower may be due an append. */
  replicationDue = false;
  heartbeatDue = false;
  /** The replica that leadership is being handed to; 0 if none. */
  transferTarget: ReplicaId = 0;
  transferElapsed = 0;
  /** The target is nearly level: nothing is proposed any more. */
  handingOver = false;

  /** The leader of this term ordered a campaign, which waits until everything committed is applied. */
  campaignOrdered = false;

  /** Accepted, and not yet handed out to be installed. */
  pendingSnapshot: SnapshotMeta | null = null;
  applyFetch: ApplyFetch | null = null;
  lastFetchId = 0;

  /** Number of the last Ready handed out, and what it said. */
  readyNumber: ReadyNumber = 0;
  handedHardState: HardState;
  handedRole: RoleChange;

  constructor(
    readonly options: RaftOptions,
    initial: RaftInitial,
  ) {
    checkOptions(options);
    const { hardState } = initial;
    assert(Number.isSafeInteger(hardState.term), `term ${hardState.term}`);
    assert(Number.isSafeInteger(initial.lastIndex), `last index ${initial.lastIndex}`);
    this.id = options.id;
    this.term = hardState.term;
    this.vote = hardState.vote;
    // The commit index is written lazily: a checkpoint may have been taken further on.
    let commit = Math.max(
      hardState.commit,
      initial.truncatedIndex,
      initial.appliedIndex,
      initial.configurationIndex,
    );
    let applied = initial.appliedIndex;
    if (options.suspect) {
      // It may have lost entries that it knew to be committed, even applied; and what its log holds may be what others
      // replaced, or stand on a state that is gone. So it applies nothing more.
      applied = Math.min(applied, initial.lastIndex);
      commit = applied;
    }
    this.log = new RaftLog(initial, commit, applied, options.tailBytesMax);
    if (options.suspect && this.log.lastTerm > this.term) {
      // Nor does it know how it voted; it never will again.
      this.term = this.log.lastTerm;
      this.vote = 0;
    }
    assert(this.log.lastTerm <= this.term, `log of term ${this.log.lastTerm} under hard state ${this.term}`);
    this.requests = new IndexRequests(options);
    const leaseOptions = options.lease ?? null;
    this.lease = leaseOptions === null ? null : new Lease(leaseOptions, hardState.term > 0);
    this.configuration = initial.configuration;
    this.setConfiguration(initial.configuration);
    this.handedHardState = { term: this.term, vote: this.vote, commit };
    this.handedRole = { role: this.role, term: this.term, leader: this.leader };
    this.drawElectionTimeout();
    const { tracer = null } = options;
    this.tracing = tracer === null ? null : new Tracing(this, tracer);
    this.tracing?.tell({ name: 'InitState' });
  }

  setConfiguration(configuration: Configuration): void {
    checkConfiguration(configuration);
    this.tracing?.tell({ name: 'ApplyConfChange', newVoters: configuration.voters });
    this.configuration = configuration;
    this.peers = peersOf(configuration, this.id);
    this.isVoter = isVoter(configuration, this.id);
    this.isSoleVoter = isSoleVoter(configuration, this.id);
    // A lease is the word of the configuration's voters.
    this.lease?.void();
  }

  get isMember(): boolean {
    return isMember(this.configuration, this.id);
  }

  get leaderReady(): boolean {
    return this.role === 'leader' && this.log.commit >= this.termStart;
  }

  endTransfer(): void {
    this.transferTarget = 0;
    this.handingOver = false;
  }

  follower(id: ReplicaId): Progress | null {
    for (const progress of this.followers) if (progress.id === id) return progress;
    return null;
  }

  drawElectionTimeout(): void {
    const { electionTicks, random } = this.options;
    const draw = random(electionTicks);
    assert(Number.isInteger(draw) && draw >= 0 && draw < electionTicks, `random drew ${draw}`);
    this.electionTimeout = electionTicks + draw;
  }

  // What a member counts for in a quorum. Made once: these run per acknowledgement.

  readonly matchOf = (id: ReplicaId): number =>
    id === this.id ? this.log.persisted : (this.follower(id)?.match ?? 0);

  readonly roundOf = (id: ReplicaId): number =>
    id === this.id ? Infinity : (this.follower(id)?.roundAnswered ?? 0);

  readonly promisedOf = (id: ReplicaId): number =>
    id === this.id ? Infinity : (this.follower(id)?.roundPromised ?? 0);

  readonly activeOf = (id: ReplicaId): boolean =>
    id === this.id || (this.follower(id)?.recentlyActive ?? false);

  readonly voteOf = (id: ReplicaId): boolean | undefined => this.votes.get(id);
}

function checkOptions(options: RaftOptions): void {
  const { id, electionTicks, heartbeatTicks } = options;
  assert(Number.isSafeInteger(id) && id > 0, `replica id ${id}`);
  assert(Number.isInteger(heartbeatTicks) && heartbeatTicks >= 1, `heartbeatTicks ${heartbeatTicks}`);
  assert(Number.isInteger(electionTicks), `electionTicks ${electionTicks}`);
  assert(electionTicks > heartbeatTicks, `electionTicks ${electionTicks} not above ${heartbeatTicks}`);
  const limits = [
    options.inflightMessagesMax,
    options.inflightBytesMax,
    options.appendBytesMax,
    options.uncommittedBytesMax,
    options.committedBytesMax,
    options.pendingReadsMax,
  ];
  assert(options.checkQuorum || (options.lease ?? null) === null, 'leases without checkQuorum');
  assert(
    Number.isInteger(options.quiesceTicks) && options.quiesceTicks >= 0,
    `quiesceTicks ${options.quiesceTicks}`,
  );
  for (const limit of limits) assert(limit >= 1, `a limit of ${limit} lets nothing through`);
  assert(options.tailBytesMax >= 0, `tailBytesMax ${options.tailBytesMax}`);
}
