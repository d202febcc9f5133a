/** The whole door into the consensus core: synchronous, total, deterministic. `createRaft` (index.ts) returns one. */
import type { LogIndex, MonoMs, ReadyNumber, ReplicaId, Term } from '../base/index.js';
import type { StepVerdict } from './admission.js';
import type {
  ChangeResult,
  Configuration,
  MembershipChange,
  Entry,
  Message,
  ProposeResult,
  RaftStatus,
  ReadResult,
  Ready,
  Role,
} from './types.js';

export interface Raft {
  readonly id: ReplicaId;
  /** Cheap getters for the host's hot path. */
  readonly role: Role;
  readonly term: Term;
  /** 0 when unknown. */
  readonly leader: ReplicaId;
  readonly commit: LogIndex;
  readonly lastIndex: LogIndex;
  /** A leader that committed an entry of its own term: it may serve reads. */
  readonly leaderReady: boolean;
  /** A leader that refuses proposals because another is about to lead; ends by itself, see `transferLeader`. */
  readonly handingOver: boolean;
  /** Until then, on the host's monotonic clock, nobody else leads: a read at the present commit index needs no round. 0: no lease. */
  readonly leaseUntilMs: MonoMs;
  /** The group is idle and its clock stands still here: no tick is needed until that ends. */
  readonly quiesced: boolean;
  /** The one in force. */
  readonly configuration: Configuration;

  /** One tick of the group's clock. `decide` false counts time but starts no election (the host has not polled its sockets since the tick fell due). */
  tick(decide: boolean): void;
  /** Whether the message was looked at. What is 'malformed' or of a 'stranger' had no effect. */
  step(message: Message): StepVerdict;
  /** Appends one entry when leader. The bytes are kept, not copied. */
  propose(data: Uint8Array): ProposeResult;
  /** Appends a configuration when leader; it takes effect when applied. One at a time, refused clearly otherwise. */
  proposeChange(change: MembershipChange): ChangeResult;
  /** What a committed configuration entry puts in force; null when the configuration in force is as new. */
  targetOf(entry: Entry): Configuration | null;
  /** `targetOf` the entry to be applied next, once its record is durable; before `onApplied` of the entry. */
  applyConfiguration(configuration: Configuration): void;
  /**
   * Asks for a linearizable read point; the outcome with this context comes in a Ready. Contexts are the caller's, never
   * used twice. A replica that does not lead refuses, or asks its leader with `viaLeader`.
   */
  readIndex(context: number, viaLeader?: boolean): ReadResult;
  /** The host's monotonic time, before what it hands in next; only leases need it. */
  noteTime(nowMs: MonoMs): void;
  /** Hands leadership to a voter; false when not leader, the target is no voter, or it is this replica. Ends by itself after one election time-out. */
  transferLeader(to: ReplicaId): boolean;
  /** Gives leadership up without an heir: the others elect one. Nothing when not leader. */
  stepDown(): void;
  /** Campaigns at once (a test's or an operator's wish, or the only voter's start). */
  campaign(): void;

  /**
   * Once a tick, after it, while the host has nothing to do for the group: what leads to quiescence. `isGone`: whether
   * the replica's node is known to be down; the host wakes the group when that ends.
   */
  quiesce(isGone: (id: ReplicaId) => boolean): void;
  /** Ends quiescence, if any. `isLeaderLost`: the leader's node is down or began a new life, or its leadership ended. */
  wake(isLeaderLost: boolean): void;

  hasReady(): boolean;
  /** Moves out what is to be done. Only when `hasReady()`. */
  ready(): Ready;
  /** Everything up to this Ready is durable. */
  onPersisted(number: ReadyNumber): void;
  onApplied(index: LogIndex): void;
  /** Entries from the log, beginning at the request's `lo`; null when they were compacted away meanwhile. */
  onFetched(fetchId: number, entries: readonly Entry[] | null): void;
  /** The log store dropped everything up to `index` (at most applied). */
  onCompacted(index: LogIndex): void;
  /** A snapshot stream ended; `ok` means that the receiver holds the whole file. */
  onSnapshotSent(to: ReplicaId, index: LogIndex, ok: boolean): void;
  /** A link went down: go back to probing. */
  onUnreachable(to: ReplicaId): void;
  /** Term of an entry of the log, the truncation point included; 0 when unknown. */
  termAt(index: LogIndex): Term;
  status(): RaftStatus;
}
