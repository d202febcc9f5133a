import type { LogIndex, Term } from '../base/index.js';

/** Gets the result of each command of an applied entry, in order. The bytes are a view, valid during the call. */
export interface EntryResults {
  onResult(position: number, bytes: Uint8Array, start: number, end: number): void;
}

/** A state at one index, cut into chunks while later entries are applied. */
export interface SnapshotSource {
  /** The next chunk of about `bytesMax` bytes, or null at the end. A chunk ends between items. */
  next(bytesMax: number): Uint8Array | null;
  /** It holds on to much that was overwritten since: it should be read to its end, even if other work has to wait. */
  readonly isPressed?: boolean;
  /** Nothing is held on to any more, and `next` must not be called again. Also after the end; any number of times. */
  release(): void;
}

/** Takes the chunks of a snapshot in order. */
export interface SnapshotLoader {
  /**
   * Throws on malformed bytes; `UnknownSnapshotFormat` or `UnknownVersionError` when they are of a layout or a cluster
   * version that this program doesn't know.
   */
  push(chunk: Uint8Array): void;
  /**
   * Replaces the state machine's state by what was pushed. Throws a `RangeError`, and replaces nothing, when that is
   * not all, or not what was written.
   */
  finish(): void;
  /** Nothing comes of it: what was built so far lets go of its memory. Not after `finish` succeeded. */
  drop(): void;
}

/**
 * Hashes the items of one moment again, from the bytes that lie in memory, and compares with the sum that was kept:
 * in steps, while entries are applied. Holds on to the items of its moment until it is done or dropped.
 */
export interface StateRehash {
  /** One step of bounded work; false when it was the last. */
  step(): boolean;
  /** Ends it early: nothing is held on to any more. */
  drop(): void;
  /** After the last step: whether the sum came out otherwise than the one kept. */
  readonly isRotten: boolean;
  /** Items hashed so far. */
  readonly items: number;
}

/**
 * What a group replicates. `apply` is a pure function of (state, entry): same state and entry, same state and
 * results, on every replica, in every version of the program.
 */
export interface StateMachine {
  apply(index: LogIndex, term: Term, data: Uint8Array, results: EntryResults | null): void;
  /** Milliseconds stamped into the last applied entry; never goes back. */
  timestampMs(): number;
  /** Order-independent sum over the whole state, as 16 hex digits; kept incrementally. */
  stateHash(): string;
  /** Frozen at the last applied index. */
  snapshot(): SnapshotSource;
  loader(): SnapshotLoader;
}
