/** Options of `connect` and of single calls: their types, and what is made of them. */
import { CacheConsistency } from '../codec/cache/index.js';
import type { AbortSource } from './call.js';
import { parseDuration } from './durations.js';
import type { Duration } from './durations.js';
import { checkOptions, invalidArgument } from './invalid-argument.js';
import { PENDING_COUNT_LIMIT } from './operation-table.js';

export interface ConnectOptions {
  /** gRPC addresses of nodes, `HOST:PORT`; some of the cluster's are enough, the others are learned. */
  readonly endpoints: readonly string[];
  /** Time for `connect`, and for each call that does not say its own. Default 5 s, at most a day. */
  readonly deadline?: Duration;
  /** Calls without an answer; past it calls are refused with OVERLOADED. Default 100,000, at most 131,072. */
  readonly pendingCountMax?: number;
  /** Bytes of keys and values of calls without an answer, 64 more for each. Default 64 MiB. */
  readonly pendingBytesMax?: number;
  /**
   * Default true: writes are sent under a session of the client, and repeated without being applied twice when their
   * outcome is not known. False: such a write is OUTCOME_UNKNOWN at once.
   */
  readonly sessions?: boolean;
}

/**
 * How fresh a read is. `linearizable`, `quorum`, `lease` and `follower`: the last acknowledged value. `quorum` never
 * relies on clocks, also where the servers' setting `reads` is `lease`; `lease` is for such servers. `follower` is
 * answered by any replica, which asks the leader for no more than an index. `stale` is answered by any replica with what
 * was there at most `maxStaleness` ago.
 *
 * Reads with `follower` or `stale` see what was answered before they were called; they are not ordered with calls that
 * are still under way.
 */
export type Consistency = 'linearizable' | 'quorum' | 'lease' | 'follower' | 'stale';

export interface CallOptions {
  /** Time for the whole call, repetitions included. Default: that of `connect`. */
  readonly deadline?: Duration;
  /** Rejects the call with the signal's reason. A write may have taken effect then. */
  readonly signal?: AbortSource;
}

export interface ReadOptions extends CallOptions {
  /** Default `linearizable`. */
  readonly consistency?: Consistency;
  /** With `stale`, and only then: how old the answer may be. Default: the server's, 10 s. At most a day. */
  readonly maxStaleness?: Duration;
}

/** When a value ends: at most one of the three; none: never. */
export interface ExpiryOptions {
  /** From now. */
  readonly ttl?: Duration;
  /** Milliseconds since the Unix epoch. */
  readonly expireAt?: number;
  /** Keep the time to live that the key has. */
  readonly keepTtl?: boolean;
}

export interface WriteOptions extends CallOptions, ExpiryOptions {}

export interface ClientSettings {
  readonly endpoints: readonly string[];
  readonly deadlineMs: number;
  readonly pendingCountMax: number;
  readonly pendingBytesMax: number;
  readonly sessions: boolean;
}

const DEADLINE_MS_DEFAULT = 5000;
export const DEADLINE_MS_MAX = 86_400_000;
const MAX_STALENESS_MS_MAX = 86_400_000;
const PENDING_COUNT_DEFAULT = 100_000;
const PENDING_BYTES_DEFAULT = 64 * 1024 * 1024;
const CONNECT_OPTIONS = ['endpoints', 'deadline', 'pendingCountMax', 'pendingBytesMax', 'sessions'];
const ENDPOINT = /^(\[[0-9A-Fa-f:.]+\]|[^:\s/[\]]+):([0-9]{1,5})$/;

/** Throws INVALID_ARGUMENT. */
export function readConnectOptions(options: ConnectOptions): ClientSettings {
  if (options === undefined) throw invalidArgument('options', options, 'an object with endpoints');
  checkOptions(options, CONNECT_OPTIONS);
  const { endpoints, deadline, pendingCountMax, pendingBytesMax, sessions } = options;
  if (sessions !== undefined && typeof sessions !== 'boolean') {
    throw invalidArgument('sessions', sessions, 'true or false');
  }
  if (!Array.isArray(endpoints)) {
    throw invalidArgument('endpoints', endpoints, "an array of addresses such as ['127.0.0.1:7600']");
  }
  if (endpoints.length === 0) {
    throw invalidArgument('endpoints', endpoints, "at least one address, such as '127.0.0.1:7600'");
  }
  for (const endpoint of endpoints as readonly unknown[]) {
    const port = typeof endpoint === 'string' ? Number(ENDPOINT.exec(endpoint)?.[2] ?? 0) : 0;
    if (port < 1 || port > 65_535) throw invalidArgument('endpoints', endpoint, 'HOST:PORT for each');
  }
  return {
    endpoints: [...new Set(endpoints as readonly string[])],
    deadlineMs:
      deadline === undefined ? DEADLINE_MS_DEFAULT : parseDuration('deadline', deadline, DEADLINE_MS_MAX),
    pendingCountMax: readLimit(
      'pendingCountMax',
      pendingCountMax,
      PENDING_COUNT_DEFAULT,
      PENDING_COUNT_LIMIT,
    ),
    pendingBytesMax: readLimit(
      'pendingBytesMax',
      pendingBytesMax,
      PENDING_BYTES_DEFAULT,
      Number.MAX_SAFE_INTEGER,
    ),
    sessions: sessions ?? true,
  };
}

function readLimit(name: string, given: unknown, byDefault: number, max: number): number {
  if (given === undefined) return byDefault;
  if (typeof given !== 'number' || !Number.isSafeInteger(given) || given < 1 || given > max) {
    throw invalidArgument(name, given, `an integer from 1 to ${max}`);
  }
  return given;
}

const CONSISTENCIES: ReadonlyMap<unknown, CacheConsistency> = new Map([
  ['linearizable', CacheConsistency.linearizable],
  ['lease', CacheConsistency.lease],
  ['stale', CacheConsistency.stale],
  ['follower', CacheConsistency.follower],
  ['quorum', CacheConsistency.quorum],
]);

/** Throws INVALID_ARGUMENT. */
export function readConsistency(given: unknown): CacheConsistency {
  if (given === undefined) return CacheConsistency.linearizable;
  const consistency = CONSISTENCIES.get(given);
  if (consistency === undefined) {
    throw invalidArgument('consistency', given, "'linearizable', 'quorum', 'lease', 'follower' or 'stale'");
  }
  return consistency;
}

/** In milliseconds; 0: not given. Throws INVALID_ARGUMENT. */
export function readMaxStaleness(given: unknown, consistency: CacheConsistency): number {
  if (given === undefined) return 0;
  if (consistency !== CacheConsistency.stale) {
    throw invalidArgument('maxStaleness', given, "no value unless consistency is 'stale'");
  }
  return parseDuration('maxStaleness', given, MAX_STALENESS_MS_MAX);
}

/** Throws INVALID_ARGUMENT for what is no signal. */
export function readSignal(given: unknown): AbortSource | null {
  if (given === undefined) return null;
  const isSignal =
    typeof given === 'object' && given !== null && 'aborted' in given && 'addEventListener' in given;
  if (!isSignal) throw invalidArgument('signal', given, 'an AbortSignal');
  return given as AbortSource;
}
