/** What a replica is made of. */
import type { GroupId, LogIndex, ReplicaId } from '../base/index.js';
import type { Logger } from '../ports/index.js';
import type { Raft } from '../raft/index.js';
import type { CheckpointLimits } from './checkpoint-policy.js';
import type { Machine } from './machine.js';
import type { ReplicaHost } from './replica-host.js';

export interface ReplicaOptions {
  readonly group: GroupId;
  readonly id: ReplicaId;
  readonly raft: Raft;
  readonly machine: Machine;
  readonly appliedIndex: LogIndex;
  readonly suspect: string | null;
  readonly checkpointLimits: CheckpointLimits;
  readonly host: ReplicaHost;
  readonly logger: Logger;
  /** The core has leases: it is told the time, and reads may be answered under them. */
  readonly usesLeases?: boolean;
}
