import type { GroupId, NodeId, ReplicaId } from '../base/index.js';

/** The control calls behind `quorate shard verify`: see node/shard-verify.ts. */

/** To any node: has a shard marked, asks all its replicas, compares. */
export interface VerifyRequest {
  readonly group: GroupId;
  readonly timeoutMs: number;
}
/**
 * `equal`: same state at the mark, and its memory hashes to what it should. `differs`: another state than most.
 * `rotten`: what lies in its memory is not what was put there. `unreachable`: it did not answer; nothing is known.
 */
export const VERDICTS = ['equal', 'differs', 'rotten', 'unreachable'] as const;
export type Verdict = (typeof VERDICTS)[number];

export interface ReplicaVerdict {
  readonly replica: ReplicaId;
  readonly node: NodeId;
  readonly isLearner: boolean;
  readonly verdict: Verdict;
  /** Of the state at the mark; empty when it is not known. */
  readonly hash: string;
  /** The index whose items were hashed again, and how many they were; 0 when nothing was. */
  readonly rehashedIndex: number;
  readonly items: number;
  /** What is wrong, in words; empty when nothing is. */
  readonly detail: string;
}
export interface VerifyResponse {
  readonly group: GroupId;
  /** Of the mark in the shard's log. */
  readonly index: number;
  /** The first index at which a state is known to differ; 0 when none does, or it lies too far back. */
  readonly differsFrom: number;
  readonly replicas: readonly ReplicaVerdict[];
}

/** To the node that leads the shard: appends a mark to its log. */
export interface MarkRequest {
  readonly group: GroupId;
}
export interface MarkResponse {
  readonly index: number;
  readonly members: readonly {
    readonly replica: ReplicaId;
    readonly node: NodeId;
    readonly isLearner: boolean;
  }[];
}

/** To the node of one replica: its state at the mark, and its items hashed again. */
export interface AuditRequest {
  readonly group: GroupId;
  readonly replica: ReplicaId;
  readonly index: number;
  readonly waitMs: number;
}
export interface AuditResponse {
  /** Empty when it is not noted (any more). */
  readonly hash: string;
  readonly isRotten: boolean;
  readonly rehashedIndex: number;
  readonly items: number;
  /** Noted hashes up to the mark, newest last: u64 index | u64 hash each. */
  readonly noted: Uint8Array;
}
