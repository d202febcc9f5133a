/**
 * The cluster's failures, and the state machine's refusals, as Redis clients see them.
 *
 * The first word is what clients act upon, so it is chosen with care: `OUTCOMEUNKNOWN` is one that no client retries
 * by itself, since the write may have happened; a definite reason says that nothing was applied, and `TRYAGAIN` and
 * `CLUSTERDOWN` are Redis' own words for "later". A missing row does not compile.
 */
import { ERROR_REASONS, type ErrorReason } from '../../base/index.js';
import { KvError } from '../../kv/index.js';

export const FAILURE_TEXTS: Readonly<Record<ErrorReason, string>> = {
  OUTCOME_UNKNOWN: 'OUTCOMEUNKNOWN the command may or may not have been applied; read before repeating it',
  NOT_LEADER: 'CLUSTERDOWN the shard is changing its leader; nothing was applied',
  SHARD_NOT_LOCAL: 'CLUSTERDOWN this node does not serve the shard; nothing was applied',
  SHARD_LEADER_UNKNOWN: 'CLUSTERDOWN the shard has no known leader; nothing was applied',
  STALE_MAP: 'CLUSTERDOWN the shard map has changed; nothing was applied',
  OVERLOADED: 'TRYAGAIN the node is overloaded; nothing was applied',
  OUT_OF_MEMORY: "OOM command not allowed when used memory > 'maxmemory'.",
  DISK_FULL: 'MISCONF the disk is nearly full, writes are refused; nothing was applied',
  DEADLINE_EXCEEDED: 'TRYAGAIN the command was not started in time; nothing was applied',
  TOO_MANY_HOPS: 'CLUSTERDOWN the shard has no settled leader; nothing was applied',
  INVALID_ARGUMENT: 'ERR invalid argument; nothing was applied',
  TOO_LARGE: 'ERR the command is too large; nothing was applied',
  NOT_INITIALISED: 'CLUSTERDOWN the node belongs to no cluster yet; nothing was applied',
  ALREADY_INITIALISED: 'ERR the cluster is already initialised; nothing was applied',
  WRONG_CLUSTER: 'CLUSTERDOWN the node belongs to another cluster; nothing was applied',
  REPLICA_REMOVED: 'CLUSTERDOWN the replica was removed from its shard; nothing was applied',
  SESSION_EXPIRED: 'ERR the session has expired; nothing was applied',
  STALE_COORDINATOR: 'CLUSTERDOWN the order came from an earlier coordinator; nothing was applied',
  OLD_DATA_DIRECTORY: 'CLUSTERDOWN the node has an outdated data directory; nothing was applied',
  UNAVAILABLE: 'CLUSTERDOWN the shard is not available; nothing was applied',
  NOT_A_NUMBER: 'ERR value is not an integer or out of range',
  OVERFLOW: 'ERR increment or decrement would overflow',
  WRONG_TYPE: 'WRONGTYPE Operation against a key holding the wrong kind of value',
  TOO_STALE: 'TRYAGAIN the replica here is too far behind and does not reach its leader; nothing was applied',
  UNSUPPORTED_VERSION: 'CLUSTERDOWN the node does not know the version of the cluster; nothing was applied',
  INTERNAL: 'OUTCOMEUNKNOWN internal error; the command may or may not have been applied',
};

/** A command over several shards was applied on some and not on others: neither yes nor no would be true. */
export const PARTLY_APPLIED_TEXT = 'OUTCOMEUNKNOWN a part of the command was applied, another was not';

const KV_ERROR_TEXTS: Readonly<Record<Exclude<KvError, typeof KvError.invalidExpire>, string>> = {
  [KvError.notInteger]: 'ERR value is not an integer or out of range',
  [KvError.overflow]: 'ERR increment or decrement would overflow',
  [KvError.wrongType]: 'WRONGTYPE Operation against a key holding the wrong kind of value',
  [KvError.malformed]: 'ERR malformed command',
  [KvError.notFloat]: 'ERR value is not a valid float',
  [KvError.infinite]: 'ERR increment would produce NaN or Infinity',
  [KvError.sessionExpired]: FAILURE_TEXTS.SESSION_EXPIRED,
  [KvError.sessionsFull]: FAILURE_TEXTS.OVERLOADED,
  [KvError.sequenceAnswered]: FAILURE_TEXTS.OUTCOME_UNKNOWN,
  [KvError.replyNotKept]: 'OUTCOMEUNKNOWN the command was applied, its reply was lost',
  [KvError.tooLarge]: 'ERR the value or the reply is larger than this server allows',
};

/** Redis' words where a value would grow past the limit. */
export const STRING_TOO_LONG = 'ERR string exceeds maximum allowed size (proto-max-bulk-len)';

/** Text of a state machine's refusal of the command `name`. */
export function kvErrorText(error: number, name: string): string {
  if (error === KvError.tooLarge && (name === 'append' || name === 'setrange')) return STRING_TOO_LONG;
  if (error === KvError.invalidExpire) return invalidExpireText(name);
  return KV_ERROR_TEXTS[error as keyof typeof KV_ERROR_TEXTS] ?? `ERR refused with unknown error ${error}`;
}

export function invalidExpireText(name: string): string {
  return `ERR invalid expire time in '${name}' command`;
}

/** Text of a failure; `detail` is for people and may be empty. */
export function failureText(reason: ErrorReason, detail: string): string {
  const text = FAILURE_TEXTS[reason];
  // Clients compare this one whole, as Redis says it.
  if (detail === '' || reason === 'OUT_OF_MEMORY') return text;
  return `${text} (${detail})`;
}

/** Of two failures of one command the one to tell: what is unknown outranks what certainly did not happen. */
export function worseFailure(a: ErrorReason, b: ErrorReason): ErrorReason {
  return rank(b) > rank(a) ? b : a;
}

function rank(reason: ErrorReason): number {
  if (reason === 'OUTCOME_UNKNOWN') return 2;
  return ERROR_REASONS[reason].definite ? 0 : 1;
}
