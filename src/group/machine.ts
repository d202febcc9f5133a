/** The state machine as a replica drives it: what it asks besides `apply`, for reads, reaping, audits and memory. */
import type { ByteWriter, LogIndex } from '../base/index.js';
import type { Budget, ChangeFeed, EvictionPolicy, Evictor, Item } from '../kv/index.js';
import type { StateMachine, StateRehash } from '../ports/index.js';

export interface MachineFigures {
  readonly items: number;
  readonly bytes: number;
  readonly sessions: number;
  /** Writes that came again in their session, since the program started. */
  readonly sessionDuplicates: number;
}

/** What a replica needs of a state machine besides applying: reads at the applied state, and expired items to reap. */
export interface Machine extends StateMachine {
  /** Runs one read; 'needs_time' (nothing written) when its answer depends on time the log has not reached yet. */
  read(bytes: Uint8Array, start: number, end: number, nowMs: number, out: ByteWriter): 'done' | 'needs_time';
  /** Runs one read as of `stampMs`, the stamp of the entry that is about to be applied. Always answers. */
  readAt(bytes: Uint8Array, start: number, end: number, stampMs: number, out: ByteWriter): void;
  /** When the next item expires (ms, log time); Infinity when none does. */
  nextDueMs(): number;
  /** For metrics; absent where there is nothing to count. */
  figures?(): MachineFigures;
  /** The state's hash after the entry of this index; null when it is not (or no longer) noted. */
  hashAt?(index: LogIndex): string | null;
  /** Hashes noted up to this index, oldest first: u64 index | u64 hash each. */
  notedUpTo?(index: LogIndex): Uint8Array;
  /** Of the state as it is now; absent where there is nothing to hash. */
  rehash?(): StateRehash;
  /** Gives memory back while nothing else is to do: a step of at most `itemsMax` items. Changes nothing that is seen. */
  maintain?(itemsMax: number): boolean;
  /** The replica is gone: what it held goes back to the process, in steps. Nothing is asked of it any more. */
  close?(): void;
  /** `maintain` is not at its end: worth staying awake for, for a while. Depends on this machine alone. */
  readonly isTidying?: boolean;
  /** Writes one command that drops up to `countMax` items expired at `nowMs`; returns how many it names. */
  encodeReap(nowMs: number, countMax: number, out: ByteWriter): number;
  /** The cluster version that the group's log has reached; absent where group 0's own state says it. */
  readonly clusterVersion?: number;
  /** What was changed; absent where nobody may ask. The replica says where in the log a state stands that was loaded. */
  readonly feed?: ChangeFeed;
  /** The item that an event of the feed left, unless a later one took its place: fills `into`, a view for the moment. */
  itemOf?(hash: number, version: number, into: Item): boolean;
  /** Absent where nothing is kept that could be evicted. */
  readonly memory?: MachineMemory;
}

/** What a leader has to know to keep a shard within its budget. */
export interface MachineMemory {
  /** The sum of the items' charges. */
  readonly charge: number;
  readonly itemCount: number;
  /** Bytes of keys and values, and all bytes that are held for them. */
  readonly bytes: number;
  readonly memoryBytes: number;
  /** Of `memoryBytes`, what is overwritten or gone, but kept while a checkpoint of it is written. */
  readonly pinnedBytes: number;
  readonly budget: Budget;
  /** Null where nothing is to be evicted: writes are refused then. */
  readonly evictor: Evictor | null;
  setEviction(policy: EvictionPolicy, seed: number): void;
}
