/** The failure of some items of a batch: what became of each is kept, in the order of the call. */
import { QuorateError } from '../base/index.js';

export type ItemResult<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: QuorateError };

/**
 * At least one item of `getMany`, `setMany` or `deleteMany` failed; the others have their result in `results`.
 * `code` is OUTCOME_UNKNOWN if that of any item is, else the first failed item's.
 */
export class BatchError<T = unknown> extends QuorateError {
  constructor(
    /** One for each item, in the order of the call. */
    readonly results: readonly ItemResult<T>[],
    first: QuorateError,
    failedCount: number,
  ) {
    super(
      first.code,
      `${failedCount} of ${results.length} items failed: ${first.message}`,
      { failedCount, itemCount: results.length },
      { cause: first },
    );
  }
}

/** The results themselves when all are there; throws `BatchError` otherwise. */
export function unwrapAll<T>(results: readonly ItemResult<T>[]): T[] {
  const values: T[] = [];
  let worst: QuorateError | null = null;
  let failedCount = 0;
  for (const result of results) {
    if (result.ok) {
      values.push(result.value);
      continue;
    }
    failedCount++;
    const { error } = result;
    if (worst === null || (error.code === 'OUTCOME_UNKNOWN' && worst.code !== 'OUTCOME_UNKNOWN'))
      worst = error;
  }
  if (worst !== null) throw new BatchError(results, worst, failedCount);
  return values;
}
