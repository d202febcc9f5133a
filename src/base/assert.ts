/**
 * Assertions: on in production, because a broken invariant in a replicated log is worse than a crash.
 *
 * A failed assertion is a programmer's error, never an operating error (a full disk, a bad frame, a lost peer):
 * those are values or `QuorateError`s. `InvariantError` is caught only at the composition root, which logs and
 * exits with code 70, and by the simulator, which reports the seed.
 */

export class InvariantError extends Error {
  override readonly name = 'InvariantError';
}

/** Throws `InvariantError` with `message` unless `condition` holds. Give values in the message: it is all a log keeps. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message);
}

/** Closes a `switch` over a union: does not compile while a member is unhandled. */
export function assertNever(value: never, what: string): never {
  throw new InvariantError(`${what}: unexpected ${String(value)}`);
}

/** Returns `value`, or fails naming `what` when it is null or undefined. */
export function must<T>(value: T | null | undefined, what: string): T {
  if (value === null || value === undefined) throw new InvariantError(`missing ${what}`);
  return value;
}
