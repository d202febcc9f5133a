import type { GroupId, LogIndex, NodeId, ReplicaId } from '../base/index.js';

/** The control calls behind `quorate shard checkpoint`: see node/shard-checkpoints.ts. */

/** To any node: has every replica of a shard write a checkpoint. */
export interface CheckpointRequest {
  readonly group: GroupId;
  readonly timeoutMs: number;
}
/**
 * `written`: for this request. `current`: the newest held everything already. `empty`: nothing was ever applied.
 * `refused`: it can't, now or ever. `unreachable`: it did not answer in time; perhaps it is still writing.
 */
export const CHECKPOINT_OUTCOMES = ['written', 'current', 'empty', 'refused', 'unreachable'] as const;
export type CheckpointOutcomeName = (typeof CHECKPOINT_OUTCOMES)[number];

export interface CheckpointRow {
  readonly replica: ReplicaId;
  readonly node: NodeId;
  readonly isLearner: boolean;
  readonly outcome: CheckpointOutcomeName;
  /** Log index that it holds, and the size of its file; 0 when there is none. */
  readonly index: LogIndex;
  readonly bytes: number;
  readonly tookMs: number;
  /** What is wrong, in words; empty when nothing is. */
  readonly detail: string;
}
export interface CheckpointResponse {
  readonly group: GroupId;
  readonly replicas: readonly CheckpointRow[];
}

/** To the node of one replica: has it write one. */
export interface WriteCheckpointRequest {
  readonly group: GroupId;
  readonly replica: ReplicaId;
  readonly waitMs: number;
}
export type WriteCheckpointResponse = Pick<
  CheckpointRow,
  'outcome' | 'index' | 'bytes' | 'tookMs' | 'detail'
>;
