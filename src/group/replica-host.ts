import type { Fatal, GroupId, NodeId, ReadyNumber, ReplicaId, WallMs } from '../base/index.js';
import type { Clock, ReplicaObserver } from '../ports/index.js';
import type { Message, RoleChange } from '../raft/index.js';
import type { CheckpointStore, LogStore } from '../storage/index.js';
import type { GroupMetrics } from './group-metrics.js';
import type { Replica } from './replica.js';

/** What a replica needs of the node's loop. */
export interface ReplicaHost {
  readonly nodeId: NodeId;
  readonly clock: Clock;
  readonly store: LogStore;
  readonly checkpoints: CheckpointStore;
  readonly metrics: GroupMetrics;
  readonly observer: ReplicaObserver | null;
  readonly fatal: Fatal;
  /** The wall clock, held back to the peers' median when it is ahead of it. */
  trustedWallMs(): WallMs;
  /** Has work for the coming turn. */
  markDirty(replica: Replica): void;
  /** Into this turn's frame for the peer's node. */
  send(group: GroupId, message: Message): void;
  /** After the open batch (or, when the replica has nothing in it, the one in flight) is durable. */
  afterPersist(
    replica: Replica,
    number: ReadyNumber,
    mustPersist: boolean,
    messages: readonly Message[],
  ): void;
  /** Runs once what is in the open batch now is durable. */
  whenDurable(run: () => void): void;
  nodeOf(group: GroupId, replica: ReplicaId): NodeId;
  /** Another configuration is in force at this replica. */
  onConfiguration(replica: Replica): void;
  /** Its group says, or its own log, that it is no member from this version of the configuration on. */
  onRemoved(replica: Replica, version: number): void;
  /** A follower of this leader waits for a successor. */
  onSuspect(replica: Replica): void;
  /** Calls `start` when this replica may write a checkpoint: one at a time on a node. It must call `done`. */
  queueCheckpoint(replica: Replica, start: (done: () => void) => void): void;
  /** A frame on the bulk channel; false when there is no room or no link. */
  sendBulk(node: NodeId, frame: Uint8Array): boolean;
  /** A number for a snapshot transfer, unique for this start of the node. */
  nextTransfer(): number;
  onRoleChange(replica: Replica, change: RoleChange): void;
}
