/** Numbers of the public protocol that callers name: values of its enums and of `Operation`'s alternatives. */

/** Field numbers of `Operation.kind`; `none`: no alternative is set, or one that this version does not know. */
export const OperationKind = {
  none: 0,
  get: 3,
  set: 4,
  delete: 5,
  compareAndSet: 6,
  compareAndDelete: 7,
  increment: 8,
  touch: 9,
  persist: 10,
} as const;
export type OperationKind = (typeof OperationKind)[keyof typeof OperationKind];

/** `ttl`: milliseconds from now; `at`: milliseconds since the epoch. The same numbers as the commands' own. */
export const CacheExpiryKind = { none: 0, ttl: 1, at: 2 } as const;
export type CacheExpiryKind = (typeof CacheExpiryKind)[keyof typeof CacheExpiryKind];

/** `SetCondition`. */
export const CacheSetCondition = { none: 0, ifAbsent: 1, ifPresent: 2 } as const;
export type CacheSetCondition = (typeof CacheSetCondition)[keyof typeof CacheSetCondition];

/** `Consistency`. */
export const CacheConsistency = {
  linearizable: 0,
  lease: 1,
  stale: 2,
  follower: 3,
  quorum: 4,
} as const;
export type CacheConsistency = (typeof CacheConsistency)[keyof typeof CacheConsistency];
