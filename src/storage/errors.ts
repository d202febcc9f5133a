/** Errors of storage that a composition root tells apart by `code`; the message says what an operator should know. */
export type StorageErrorCode =
  /** The folder was written by a newer version of the program. */
  | 'NEWER_FORMAT'
  /** The folder was written before format 1 was declared. */
  | 'OLD_FORMAT'
  /** The folder's FORMAT file is none of ours. */
  | 'UNKNOWN_FORMAT'
  /** The watermark speaks of batches, and the log is empty: it was removed or replaced. */
  | 'LOG_MISSING'
  /** A record of the node itself (identity, fences) is damaged: the node can't know who it is. */
  | 'DAMAGED_NODE_RECORD'
  /** A log entry that was read back is not the one written. */
  | 'DAMAGED_ENTRY'
  /** A checkpoint's pointer names a file that is not there. */
  | 'MISSING_CHECKPOINT'
  /** A checkpoint file of no bytes. */
  | 'EMPTY_CHECKPOINT'
  /** A checkpoint file that ends before its footer does. */
  | 'TRUNCATED_CHECKPOINT'
  /** A checkpoint file of a version, or with a state of a format, that this program doesn't know. */
  | 'UNKNOWN_CHECKPOINT_VERSION'
  /** A whole checkpoint file of another group, index or term than its name and place say. */
  | 'FOREIGN_CHECKPOINT'
  /** A checkpoint file fails any other of its checks. */
  | 'DAMAGED_CHECKPOINT'
  /** A chunk of a checkpoint transfer that does not continue the last one, or another file than announced. */
  | 'BAD_TRANSFER'
  | 'ABORTED'
  | 'CLOSED';

export class StorageError extends Error {
  override readonly name = 'StorageError';

  constructor(
    readonly code: StorageErrorCode,
    message: string,
    options?: { cause?: unknown },
  ) {
    super(message, options);
  }
}

/** For `catch`: whatever was thrown, as an Error. */
export function toError(thrown: unknown): Error {
  return thrown instanceof Error ? thrown : new Error(String(thrown));
}
