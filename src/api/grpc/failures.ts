/**
 * Failures as clients are told them: reason, words, and where to go or how long to wait. One place for the trailer of
 * a failed call and for the result of a failed operation.
 */
import { ERROR_REASONS, type ErrorReason, type NodeId } from '../../base/index.js';
import { encodeError, type PipelineResponseWriter } from '../../codec/cache/index.js';
import type { CacheFailure } from '../../ports/index.js';
import type { ClusterDirectory } from '../gateway-port.js';
import type { OperationOutcome } from './outcome.js';

/** Advice where waiting is the cure; other reasons of the class `backoff` get `RETRY_AFTER_MS`. */
const RETRY_AFTER: Readonly<Partial<Record<ErrorReason, number>>> = {
  OUT_OF_MEMORY: 200,
  DISK_FULL: 1000,
  NOT_INITIALISED: 500,
  SHARD_LEADER_UNKNOWN: 100,
};
const RETRY_AFTER_MS = 50;

/** How long a caller should wait before it repeats; 0: no advice. */
export function retryAfterMs(reason: ErrorReason): number {
  if (ERROR_REASONS[reason].retry !== 'backoff') return 0;
  return RETRY_AFTER[reason] ?? RETRY_AFTER_MS;
}

/** The shard of an operation that has none: its map is not known, or it was refused before. */
export const NO_SHARD = -1;

export class FailureTeller {
  /** `directory` is null while the node is no member of a cluster. */
  constructor(private readonly directory: ClusterDirectory | null) {}

  /** The result of a failed operation; `shard` may be `NO_SHARD`. */
  writeResult(w: PipelineResponseWriter, id: number, outcome: OperationOutcome, shard: number): void {
    const reason = outcome.failure ?? 'INTERNAL';
    const leader = this.leaderOf(shard, outcome.leader);
    w.error(
      id,
      ERROR_REASONS[reason].number,
      outcome.message,
      Math.max(0, shard),
      leader,
      this.addressOf(leader),
      this.mapVersion,
      retryAfterMs(reason),
    );
  }

  /** A failed call. */
  failure(code: ErrorReason, message: string, shard = NO_SHARD, suggestedLeader: NodeId = 0): CacheFailure {
    const leaderNode = this.leaderOf(shard, suggestedLeader);
    const details = encodeError({
      reason: ERROR_REASONS[code].number,
      message,
      shard: Math.max(0, shard),
      leaderNode,
      leaderAddress: this.addressOf(leaderNode),
      mapVersion: this.mapVersion,
      retryAfterMs: retryAfterMs(code),
    });
    return { code, message, details };
  }

  private get mapVersion(): number {
    return this.directory?.map().version ?? 0;
  }

  private leaderOf(shard: number, suggested: NodeId): NodeId {
    if (suggested !== 0 || shard < 0) return suggested;
    return this.directory?.leaderOf(shard) ?? 0;
  }

  private addressOf(node: NodeId): string {
    if (node === 0) return '';
    return this.directory?.map().node(node)?.addresses.grpc ?? '';
  }
}
