/**
 * What storage gives to the loops above it: every group's Raft log in one ordered store with group commit, and
 * checkpoint files. Callbacks come from the event loop, never from inside the call. Any error of a write is final:
 * the caller ends the process.
 */
import type { GroupId, LogIndex, ReplicaId, Term } from '../base/index.js';
import type { Done, SnapshotLoader, SnapshotSource } from '../ports/index.js';
import type { Configuration, Entry, HardState, SnapshotMeta, TermRun } from '../raft/index.js';

/** Where a group's newest usable checkpoint is. */
export interface CheckpointPointer {
  readonly index: LogIndex;
  readonly term: Term;
  /** File name inside the group's checkpoint folder. */
  readonly file: string;
}

/** One group as recovery found it. */
export interface RecoveredGroup {
  readonly group: GroupId;
  readonly replica: ReplicaId;
  readonly hardState: HardState;
  /** The newest configuration that was applied (or the first one), and the log index it belongs to. */
  readonly configuration: Configuration;
  readonly configurationIndex: LogIndex;
  readonly truncatedIndex: LogIndex;
  readonly truncatedTerm: Term;
  readonly lastIndex: LogIndex;
  readonly termRuns: readonly TermRun[];
  /** Newest first; at most two. */
  readonly checkpoints: readonly CheckpointPointer[];
  /** Why this replica may have lost what it acknowledged; null when its log is whole. */
  readonly suspect: string | null;
  /** Bytes of its entries. */
  readonly logBytes: number;
}

export interface RecoveredNode {
  readonly groups: readonly RecoveredGroup[];
  /** Groups whose replica here was removed: replica ids up to this one never come back. */
  readonly tombstones: ReadonlyMap<GroupId, ReplicaId>;
  /** Values stored with `putNodeValue`. */
  readonly values: ReadonlyMap<string, Uint8Array>;
}

/**
 * The log of all groups of a node. Changes are collected in an open batch; `flush` writes it. While a write is in
 * flight the next batch collects (group commit); `flush` then asserts: at most one write is in flight.
 */
export interface LogStore {
  readonly recovered: RecoveredNode;
  /** Creates a replica's records: id, first configuration, empty log. */
  createGroup(group: GroupId, replica: ReplicaId, configuration: Configuration): void;
  /**
   * The group's replica here was removed: a tombstone refuses its id for ever. Its records go, the entries in slices;
   * nothing of the group is known here afterwards.
   */
  removeGroup(group: GroupId): void;
  /** Replica ids of the group up to this one were removed here; 0 when none was. */
  tombstoneOf(group: GroupId): ReplicaId;
  /** Entries replace everything from the first one's index on (a longer old suffix is deleted in the same batch). */
  append(group: GroupId, entries: readonly Entry[]): void;
  saveHardState(group: GroupId, hardState: HardState): void;
  /** The replica was found unreliable while it ran: it stays suspect from now on, whatever a later opening finds. */
  saveSuspect(group: GroupId, reason: string): void;
  saveConfiguration(group: GroupId, index: LogIndex, configuration: Configuration): void;
  /** The log and its truncation point are replaced by a snapshot whose checkpoint file is in place. */
  installSnapshot(group: GroupId, snapshot: SnapshotMeta, checkpoint: CheckpointPointer): void;
  /** Points at a new checkpoint (the former newest becomes the second). */
  saveCheckpoint(group: GroupId, checkpoint: CheckpointPointer): void;
  /** Forgets a checkpoint found broken. */
  dropCheckpoint(group: GroupId, file: string): void;
  /** Moves the truncation point now; the records are deleted in slices with later batches. */
  truncatePrefix(group: GroupId, index: LogIndex, term: Term): void;
  /** Small values of the node (identity, shard map, hints, fences). */
  putNodeValue(name: string, value: Uint8Array): void;
  /** Whether the open batch holds anything that `flush` should write. */
  readonly dirty: boolean;
  readonly writing: boolean;
  /** Writes the open batch, fsyncs it (unless sync is off), then moves the watermark. */
  flush(done: Done): void;
  /** Entries of [lo, hi), at least one, at most about `bytesMax` bytes; null when they were truncated away. */
  fetch(
    group: GroupId,
    lo: LogIndex,
    hi: LogIndex,
    bytesMax: number,
    done: (error: Error | null, entries: Entry[] | null) => void,
  ): void;
  /** Bytes of a group's entries since its truncation point, or behind an index that lies further on. */
  logBytes(group: GroupId, after?: LogIndex): number;
  close(done: Done): void;
}

export interface CheckpointMeta {
  readonly group: GroupId;
  readonly index: LogIndex;
  readonly term: Term;
  readonly configuration: Configuration;
  readonly stateHash: string;
}

/** A checkpoint file held open for streaming; it is not deleted before `release`. */
export interface CheckpointStream {
  readonly bytes: number;
  /** CRC-32 of the whole file. */
  readonly crc: number;
  readonly meta: CheckpointMeta;
  read(offset: number, length: number, done: (error: Error | null, bytes: Uint8Array) => void): void;
  release(): void;
}

/**
 * What makes two transfers the same file, so that the second can go on where the first broke off. `crc` is the whole
 * file's.
 */
export interface TransferIdentity {
  readonly group: GroupId;
  /** The sender's replica. */
  readonly from: ReplicaId;
  readonly index: LogIndex;
  readonly term: Term;
  readonly bytes: number;
  readonly crc: number;
}

/** A checkpoint file that arrives in chunks, in order. */
export interface CheckpointReceiver {
  /** Where the next chunk begins: 0, or behind what an earlier transfer of the same file left whole. */
  readonly position: number;
  /** The next chunk; its offset must be where the last one ended. Copies the bytes. */
  write(offset: number, bytes: Uint8Array, done: Done): void;
  /** Verifies every CRC, makes the file durable under its final name. */
  finish(
    done: (error: Error | null, pointer: CheckpointPointer | null, meta: CheckpointMeta | null) => void,
  ): void;
  /** The transfer broke off: what came of it stays on disk for a while, in case the same file is offered again. */
  suspend(): void;
  /** Nobody will want it: what came is deleted. */
  discard(): void;
}

export interface CheckpointStore {
  /** Writes a state in slices beside other work: temporary file, fsync, rename, fsync of the folder. */
  write(
    meta: CheckpointMeta,
    source: SnapshotSource,
    done: (error: Error | null, pointer: CheckpointPointer | null, bytes: number) => void,
  ): void;
  /**
   * Checks every CRC and feeds the loader in slices; on any error nothing was finished, and the loader was dropped.
   * `bytes` is the size of the file.
   */
  load(
    group: GroupId,
    pointer: CheckpointPointer,
    loader: SnapshotLoader,
    done: (error: Error | null, meta: CheckpointMeta | null, bytes: number) => void,
  ): void;
  openStream(
    group: GroupId,
    pointer: CheckpointPointer,
    done: (error: Error | null, stream: CheckpointStream | null) => void,
  ): void;
  /** Goes on with what an earlier transfer of the same file left; what is left of any other of the group goes. */
  receive(
    transfer: TransferIdentity,
    done: (error: Error | null, receiver: CheckpointReceiver | null) => void,
  ): void;
  /**
   * Deletes files that no pointer in `keep` names and nobody streams, and leftovers of crashes. The beginning of a
   * file that is newer than all of `keep` stays for a while: its transfer may go on; with nothing to keep it goes, too.
   */
  prune(group: GroupId, keep: readonly CheckpointPointer[], done: Done): void;
  /** Deletes what broken transfers left a long time ago. */
  dropOldPartials(): void;
}
