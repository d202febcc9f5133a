/**
 * An ordered key-value store with atomic batches (LevelDB in production).
 *
 * Rules that callers keep and implementations assert: at most one `write` is in flight (two are not ordered by
 * LevelDB); after any error the store is finished, every later call fails. Completions arrive as calls from the
 * event loop, never from inside the call that started the work.
 */
export type Done = (error: Error | null) => void;

/**
 * Bytes of the newest batches that a store keeps, at most, in one write buffer and its log file, before it moves them
 * to tables; it has two such buffers. What was moved, or was there before the store was opened, a damaged log file
 * can't take away any more.
 */
export const STORE_BUFFER_BYTES = 64 * 1024 * 1024;

export interface StoreBatch {
  /** Copies both: the caller may reuse its buffers at once. */
  put(key: Uint8Array, value: Uint8Array): void;
  del(key: Uint8Array): void;
  /** Operations so far. */
  readonly length: number;
}

export interface StoreRange {
  /** First key, included. */
  readonly gte: Uint8Array;
  /** End, excluded. */
  readonly lt: Uint8Array;
  /** Stops after this many records. */
  readonly countMax?: number;
  /** Stops once values add up to this many bytes; at least one record is returned. */
  readonly bytesMax?: number;
  /** From the end backwards. */
  readonly reverse?: boolean;
}

export interface StoreRecord {
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

export interface OrderedStore {
  /** A new, empty batch. */
  batch(): StoreBatch;
  /** Applies the batch atomically. With `sync` it survives power loss once `done(null)` was called. */
  write(batch: StoreBatch, sync: boolean, done: Done): void;
  scan(range: StoreRange, done: (error: Error | null, records: StoreRecord[]) => void): void;
  close(done: Done): void;
}

/** Opens a store; the error of a directory that another process has open carries `code: 'LOCKED'`. */
export type OpenOrderedStore = (
  path: string,
  done: (error: Error | null, store: OrderedStore | null) => void,
) => void;
