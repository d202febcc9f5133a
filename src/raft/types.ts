/**
 * The vocabulary of the consensus core: entries, messages, configurations, and the Ready that the core hands out.
 * Plain data; nothing here decides anything. Peers are replica ids, never node ids.
 */
import type { LogIndex, MonoMs, NodeId, ReadyNumber, ReplicaId, Term } from '../base/index.js';
import type { RaftTracer } from './trace-events.js';

/** What an entry is: a state machine's data, a configuration change, or the empty entry that opens a term. */
export const EntryKind = { normal: 0, configuration: 1, empty: 2 } as const;
export type EntryKind = (typeof EntryKind)[keyof typeof EntryKind];

export interface Entry {
  readonly index: LogIndex;
  readonly term: Term;
  readonly kind: EntryKind;
  readonly data: Uint8Array;
}

/** What must survive a crash besides the entries. `vote` 0 means "none in this term". */
export interface HardState {
  readonly term: Term;
  readonly vote: ReplicaId;
  readonly commit: LogIndex;
}

/** Where a member lives. The core keeps it with the configuration, and never looks at the node. */
export interface Home {
  readonly replica: ReplicaId;
  readonly node: NodeId;
}

/**
 * Members of a group. `outgoing` is empty unless the group is in a joint configuration (Raft thesis, section 4.3).
 * Takes effect when applied. `version` grows with every change.
 */
export interface Configuration {
  readonly version: number;
  /** The highest replica id that the group ever had: a new member's is above it. */
  readonly highestId: ReplicaId;
  readonly voters: readonly ReplicaId[];
  readonly outgoing: readonly ReplicaId[];
  readonly learners: readonly ReplicaId[];
  /** Voters of `outgoing` that become learners when the joint configuration is left. */
  readonly learnersNext: readonly ReplicaId[];
  readonly autoLeave: boolean;
  /** One for each member, by replica id. */
  readonly homes: readonly Home[];
}

/** A configuration as the bytes of its log entry. */
export interface ConfigurationCodec {
  readonly encode: (configuration: Configuration) => Uint8Array;
  readonly decode: (data: Uint8Array) => Configuration;
}

/** What is to be true of the named replicas; everyone else stays as it is. A replica is named once. */
export interface MembershipChange {
  /** The version of the configuration that the change was planned on; the change is refused under any other. */
  readonly expectedVersion: number;
  /** Fresh replicas: they join as learners. */
  readonly addLearners?: readonly Home[];
  /** Learners that become voters. */
  readonly promote?: readonly ReplicaId[];
  /** Voters that become learners. */
  readonly demote?: readonly ReplicaId[];
  /** Members that leave. */
  readonly remove?: readonly ReplicaId[];
}

export type ChangeRefusal =
  | 'not_leader'
  | 'transferring'
  | 'overloaded'
  /** No entry of the leader's own term is committed yet. */
  | 'not_ready'
  /** An earlier change is on its way, or the group is joint. */
  | 'change_in_progress'
  | 'version_mismatch'
  /** A learner to be promoted doesn't answer, or is too far behind. */
  | 'learner_behind'
  | 'invalid';

export type ChangeResult =
  | { readonly kind: 'appended'; readonly index: LogIndex; readonly term: Term }
  /** Nothing was appended; `problem` says why, for people. */
  | { readonly kind: 'refused'; readonly reason: ChangeRefusal; readonly problem: string };

/** A run of entries of one term in the log: it begins at `index` and ends where the next run begins. */
export interface TermRun {
  readonly index: LogIndex;
  readonly term: Term;
}

export interface SnapshotMeta {
  readonly index: LogIndex;
  readonly term: Term;
  readonly configuration: Configuration;
}

interface Envelope {
  readonly from: ReplicaId;
  readonly to: ReplicaId;
  /** The sender's term; for a prevote request the term it would campaign in. */
  readonly term: Term;
  /** Of the configuration in force at the sender; 0 when it knows none. */
  readonly configurationVersion: number;
}

export type Message =
  /** Append request; `entries` follow `prevIndex`. */
  | (Envelope & {
      readonly type: 'append';
      readonly prevIndex: LogIndex;
      readonly prevTerm: Term;
      readonly commit: LogIndex;
      readonly entries: readonly Entry[];
    })
  /** Accepted: `index` is the last one known to match. Rejected: `index` echoes prevIndex, the hint tells where to go on. */
  | (Envelope & {
      readonly type: 'append_response';
      readonly index: LogIndex;
      readonly reject: boolean;
      readonly hintIndex: LogIndex;
      readonly hintTerm: Term;
    })
  | (Envelope & {
      readonly type: 'heartbeat';
      readonly commit: LogIndex;
      /** An offer to stop the group's clock: to be taken by who has everything up to `commit`, and nothing behind it. */
      readonly quiesce: boolean;
    })
  | (Envelope & {
      readonly type: 'heartbeat_response';
      /** The offer was taken: the sender's clock stands. */
      readonly quiesced: boolean;
    })
  | (Envelope & {
      readonly type: 'vote';
      readonly lastIndex: LogIndex;
      readonly lastTerm: Term;
      /** Prevote: asks only whether a vote would be given; changes nothing at the voter. */
      readonly pre: boolean;
      /** Campaign on the leader's order: leader stickiness does not hold it back. */
      readonly transfer: boolean;
    })
  /**
   * `commit` is what the voter knows to be committed, with its term: a candidate may hold that entry without knowing,
   * and it may be the configuration by which it should count votes.
   */
  | (Envelope & {
      readonly type: 'vote_response';
      readonly pre: boolean;
      readonly granted: boolean;
      readonly commit: LogIndex;
      readonly commitTerm: Term;
    })
  /** ReadIndex confirmation round: answered only by a live member whose term is exactly `term`. */
  | (Envelope & { readonly type: 'read_round'; readonly round: number })
  /** `promised`: the sender will elect nobody else for as long as leases rely on (lease.ts). */
  | (Envelope & {
      readonly type: 'read_round_response';
      readonly round: number;
      readonly promised: boolean;
    })
  /** A replica that does not lead asks its leader for a read index; answered once a round confirmed it. */
  | (Envelope & { readonly type: 'read_request'; readonly context: number })
  /** `ok` false: refused for want of room, `index` is 0. */
  | (Envelope & {
      readonly type: 'read_answer';
      readonly context: number;
      readonly index: LogIndex;
      readonly ok: boolean;
    })
  /** Leader to successor: campaign now. */
  | (Envelope & { readonly type: 'timeout_now' })
  /** Handed to the core by the receiving host once the whole snapshot is on disk and verified. */
  | (Envelope & { readonly type: 'snapshot'; readonly snapshot: SnapshotMeta })
  /** To a replica whose group has gone on without it: of which version on, the envelope says. Bears no term (0). */
  | (Envelope & { readonly type: 'removed' })
  /** A suspect replica's only answer to its leader: replace me. */
  | (Envelope & { readonly type: 'suspect' });

export type MessageType = Message['type'];

/** Older entries wanted from the log store; answer with `onFetched`, in any order, late or never. */
export interface FetchRequest {
  readonly id: number;
  /** First index, included. */
  readonly lo: LogIndex;
  /** End, excluded. */
  readonly hi: LogIndex;
  readonly bytesMax: number;
  /** 'apply' for committed entries, else the follower they are for. */
  readonly purpose: 'apply' | ReplicaId;
}

/** A read that may be served once `index` is applied; or one that can't be confirmed any more (retry elsewhere). */
export type ReadOutcome =
  | { readonly kind: 'confirmed'; readonly context: number; readonly index: LogIndex }
  | { readonly kind: 'aborted'; readonly context: number; readonly leader: ReplicaId };

export type Role = 'follower' | 'precandidate' | 'candidate' | 'leader';

/**
 * What to do next, moved out of the core. Order for the host: send `messages`; persist `hardState`, `snapshot`
 * and `entries` in one atomic batch (entries replace everything from the first one's index on); once that is
 * durable call `onPersisted(number)` and only then send `messagesAfterPersist`. Several Readys may be waiting for
 * persistence, in order. `committed` never runs ahead of what is persisted locally.
 */
export interface Ready {
  readonly number: ReadyNumber;
  /** Whether anything has to be persisted; if not, `onPersisted` may follow at once (after earlier ones). */
  readonly mustPersist: boolean;
  readonly hardState: HardState | null;
  readonly entries: readonly Entry[];
  /** Install this snapshot (already on disk): it replaces the log and the applied state. */
  readonly snapshot: SnapshotMeta | null;
  readonly messages: readonly Message[];
  readonly messagesAfterPersist: readonly Message[];
  /** To apply in order, without gaps; then call `onApplied(last index)`. */
  readonly committed: readonly Entry[];
  readonly reads: readonly ReadOutcome[];
  readonly fetches: readonly FetchRequest[];
  /** Followers that need a snapshot: stream one, then call `onSnapshotSent`. */
  readonly snapshotsWanted: readonly ReplicaId[];
  /** Above 0: the group says that from this version of its configuration on this replica is no member. */
  readonly removedFromVersion: number;
  /** Set when role, term or leader changed since the last Ready. */
  readonly roleChange: RoleChange | null;
}

export interface RoleChange {
  readonly role: Role;
  readonly term: Term;
  /** 0 when unknown. */
  readonly leader: ReplicaId;
}

export type ProposeResult =
  | { readonly kind: 'appended'; readonly index: LogIndex; readonly term: Term }
  /** Certainly not appended, now or later. */
  | {
      readonly kind: 'dropped';
      readonly reason: 'not_leader' | 'transferring' | 'overloaded';
      /** The leader as far as known, else 0. */
      readonly leader: ReplicaId;
    };

export type ReadResult =
  | { readonly kind: 'accepted' }
  | { readonly kind: 'dropped'; readonly reason: 'not_leader' | 'overloaded'; readonly leader: ReplicaId };

export interface RaftOptions {
  readonly id: ReplicaId;
  /** Base election time-out in ticks; the real one is drawn from [electionTicks, 2 * electionTicks). */
  readonly electionTicks: number;
  readonly heartbeatTicks: number;
  /** Append messages in flight to one follower. */
  readonly inflightMessagesMax: number;
  /** Bytes of entries in flight to one follower. */
  readonly inflightBytesMax: number;
  /** Bytes of entries in one append message; one entry is always let through. */
  readonly appendBytesMax: number;
  /** Bytes of entries of the leader that are not committed yet; past it `propose` answers 'overloaded'. */
  readonly uncommittedBytesMax: number;
  /** Bytes of recent entries kept in memory; older ones are fetched. */
  readonly tailBytesMax: number;
  /** Bytes of committed entries handed out in one Ready. */
  readonly committedBytesMax: number;
  /** Reads waiting for a first commit or a round; past it `readIndex` answers 'overloaded'. */
  readonly pendingReadsMax: number;
  /**
   * Whether followers are told of a new commit index at once, by an empty append if need be. If not, it goes with the
   * next entries or heartbeat: fewer messages a write, and followers apply up to a heartbeat later.
   */
  readonly eagerCommitNews: boolean;
  readonly preVote: boolean;
  readonly checkQuorum: boolean;
  /** Ticks without anything to do after which a leader offers its group to quiesce; 0: never, and no offer is taken. */
  readonly quiesceTicks: number;
  /** A replica that may have lost what it acknowledged: it never votes, campaigns or acknowledges. */
  readonly suspect: boolean;
  /** Leases for reads (lease.ts); they need `checkQuorum`. Absent or null: every read asks a quorum. */
  readonly lease?: LeaseOptions | null;
  /** How far behind, in entries, a learner may be that becomes a voter. */
  readonly promotionLagMax: number;
  /** Uniform integer over [0, limit): the host's randomness. */
  readonly random: (limit: number) => number;
  readonly configurations: ConfigurationCodec;
  /** Told all that happens; none in production. */
  readonly tracer?: RaftTracer | null;
}

/** Times on the host's monotonic clock. */
export interface LeaseOptions {
  /** For so long after a leader's round this replica elects nobody else. */
  readonly promiseMs: number;
  /** For so long after a round was opened its leader may rely on that: shorter, by what clocks may drift apart. */
  readonly holdMs: number;
  /** Now. A replica with a past may have promised just before it stopped. */
  readonly startedAtMs: MonoMs;
}

/** What recovery found on disk. */
export interface RaftInitial {
  readonly hardState: HardState;
  readonly configuration: Configuration;
  /** The entry that `configuration` was applied from; 0 for a first one. It is committed, then. */
  readonly configurationIndex: LogIndex;
  /** Everything up to here is gone from the log: it is in the snapshot. 0 for a fresh group. */
  readonly truncatedIndex: LogIndex;
  readonly truncatedTerm: Term;
  /** At least `truncatedIndex`. */
  readonly lastIndex: LogIndex;
  /** Terms of (truncatedIndex, lastIndex], ascending; empty when there are no entries. */
  readonly termRuns: readonly TermRun[];
  /** The state machine's index: at least `truncatedIndex`, at most `hardState.commit` or the snapshot's index. */
  readonly appliedIndex: LogIndex;
}

export interface FollowerStatus {
  readonly id: ReplicaId;
  readonly state: 'probe' | 'replicate' | 'snapshot';
  readonly match: LogIndex;
  readonly next: LogIndex;
  readonly recentlyActive: boolean;
  /** It said that its disk lost something: it waits for a successor. */
  readonly suspect: boolean;
  /** The version of the configuration in force there, as it last said. */
  readonly configurationVersion: number;
  readonly inflightMessages: number;
  readonly inflightBytes: number;
}

export interface RaftStatus {
  readonly id: ReplicaId;
  readonly role: Role;
  readonly term: Term;
  readonly vote: ReplicaId;
  readonly leader: ReplicaId;
  readonly commit: LogIndex;
  readonly applied: LogIndex;
  readonly persisted: LogIndex;
  readonly firstIndex: LogIndex;
  readonly lastIndex: LogIndex;
  readonly configuration: Configuration;
  readonly transferTarget: ReplicaId;
  readonly uncommittedBytes: number;
  readonly followers: readonly FollowerStatus[];
}
