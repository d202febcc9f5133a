import type { GroupId, LogIndex, NodeId, ReplicaId, Term } from '../base/index.js';

/**
 * What happens inside a replica, told as it happens, for the simulator's checkers. Production passes none; every
 * call site tests for null first, so that it costs nothing.
 */
export interface ReplicaObserver {
  /** A role was taken. */
  onRole(node: NodeId, group: GroupId, replica: ReplicaId, role: string, term: Term): void;
  /** These entries are about to be persisted; they replace everything from the first one on. */
  onAppend(
    node: NodeId,
    group: GroupId,
    replica: ReplicaId,
    entries: readonly { readonly index: LogIndex; readonly term: Term; readonly data: Uint8Array }[],
  ): void;
  onCommit(node: NodeId, group: GroupId, replica: ReplicaId, commit: LogIndex, term: Term): void;
  /** An entry was applied; `hash()` is the state after it. */
  onApply(
    node: NodeId,
    group: GroupId,
    replica: ReplicaId,
    entry: { readonly index: LogIndex; readonly term: Term; readonly data: Uint8Array },
    hash: () => string,
  ): void;
  /** State and log were replaced by a snapshot at this index. */
  onSnapshot(
    node: NodeId,
    group: GroupId,
    replica: ReplicaId,
    index: LogIndex,
    term: Term,
    hash: string,
  ): void;
}
