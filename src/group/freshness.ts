/**
 * How fresh a read must be, as one number, so that it costs the way of a command nothing. Writes have none.
 *
 * From `follower` on any replica may answer; the others are the leader's. A number of `staleReadOf` is a bound.
 */
export const Freshness = {
  /** Every write acknowledged before; by the way that the node's setting `reads` names. */
  linearizable: 0,
  /** The same, and a quorum is asked whatever the setting says. */
  quorum: 1,
  /** The same under a valid lease of the leader, where the setting allows leases. */
  lease: 2,
  /** The same, answered by whichever replica is asked; it gets the index from the leader. */
  follower: 3,
} as const;

const FIRST_STALE = 4;

/** What was there at most `boundMs` before the read came. */
export function staleReadOf(boundMs: number): number {
  return FIRST_STALE + boundMs;
}

/** The bound in milliseconds; -1 for reads that may not be stale. */
export function staleBoundOf(freshness: number): number {
  return freshness >= FIRST_STALE ? freshness - FIRST_STALE : -1;
}

/** Whether a replica that does not lead may answer. */
export function isForAnyReplica(freshness: number): boolean {
  return freshness >= Freshness.follower;
}
