/**
 * Which cluster versions this build knows (docs/decisions/0015-cluster-version.md). A cluster version says what may stand
 * in logs, snapshots and frames; whoever changes a meaning raises the maximum by one and keeps the older behaviour until
 * the minimum passes it.
 *
 *   1  everything but what follows
 *   2  writes under sessions
 */

/** The newest one; a test makes an older build by lowering it. */
const CLUSTER_VERSION_MAX = 2;
/** The oldest one in which this build can run. */
const CLUSTER_VERSION_MIN = 1;

/** Both included. */
export interface VersionRange {
  readonly min: number;
  readonly max: number;
}

export const KNOWN_VERSIONS: VersionRange = { min: CLUSTER_VERSION_MIN, max: CLUSTER_VERSION_MAX };

/** From this version on a write may be sent under a session. */
export const SESSIONS_SINCE = 2;

export function knowsVersion(range: VersionRange, version: number): boolean {
  return range.min <= version && version <= range.max;
}

/** `1 to 2`, or `1` alone. */
export function describeVersions({ min, max }: VersionRange): string {
  return min === max ? String(min) : `${min} to ${max}`;
}

/** The one behind an error that others wrapped; null when it is of another kind. */
export function unknownVersionIn(error: unknown): UnknownVersionError | null {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if (cause instanceof UnknownVersionError) return cause;
  }
  return null;
}

/** Something was written at a cluster version that this build does not know: it is not damaged, and must not be read. */
export class UnknownVersionError extends Error {
  override readonly name = 'UnknownVersionError';
  readonly code = 'UNSUPPORTED_VERSION';

  constructor(what: string, version: number, known: VersionRange) {
    const next = version > known.max ? 'start a newer one' : 'upgrade through a build that knows both';
    super(
      `${what} is of cluster version ${version}, and this build knows ${describeVersions(known)}: ${next}`,
    );
  }
}
