/**
 * The events by which a replica of the core can be held against a model of Raft: names and fields are the model's
 * (docs/testing.md, "A trace for a model check"). Plain data; tracer.ts tells them.
 */
import type { LogIndex, ReplicaId, Term } from '../base/index.js';

export type TracedMessageType =
  'MsgApp' | 'MsgAppResp' | 'MsgHeartbeat' | 'MsgHeartbeatResp' | 'MsgVote' | 'MsgVoteResp' | 'MsgSnap';

export interface TracedMessage {
  readonly type: TracedMessageType;
  readonly term: Term;
  readonly from: ReplicaId;
  readonly to: ReplicaId;
  /** How many; for a snapshot its index. */
  readonly entries: number;
  /** Term at `index`; of a rejection at its hint. */
  readonly logTerm: Term;
  /** The previous entry's index, the last one's of a vote request, the one acknowledged or rejected; 0 for a snapshot. */
  readonly index: LogIndex;
  readonly commit: LogIndex;
  readonly reject: boolean;
  readonly rejectHint: LogIndex;
}

/** What a configuration entry changes, and for whom. */
export interface TracedChange {
  readonly id: ReplicaId;
  readonly action: 'AddNewServer' | 'RemoveServer' | 'AddLearner';
}

export type TraceDetail =
  | {
      readonly name:
        | 'InitState'
        | 'BecomeFollower'
        | 'BecomeCandidate'
        | 'BecomeLeader'
        | 'Replicate'
        | 'Commit'
        | 'Ready';
    }
  | { readonly name: 'ChangeConf'; readonly changes: readonly TracedChange[] }
  | { readonly name: 'ApplyConfChange'; readonly newVoters: readonly ReplicaId[] }
  | { readonly name: 'Receive'; readonly message: TracedMessage }
  /** `match` and `next` of the receiver, for MsgApp alone. */
  | {
      readonly name: 'Send';
      readonly message: TracedMessage;
      readonly progress: { readonly match: LogIndex; readonly next: LogIndex } | null;
    };

/** The event, and the replica as it is: after a change, before a message that it receives or a configuration it applies. */
export type TraceEvent = TraceDetail & {
  readonly id: ReplicaId;
  readonly term: Term;
  readonly vote: ReplicaId;
  readonly commit: LogIndex;
  readonly role: 'follower' | 'candidate' | 'leader';
  readonly lastIndex: LogIndex;
  readonly voters: readonly ReplicaId[];
  /** Empty unless the configuration is joint. */
  readonly outgoing: readonly ReplicaId[];
};

export interface RaftTracer {
  onEvent(event: TraceEvent): void;
}
