/**
 * What a front end (RESP, later gRPC and the SDK's streams) sees of the cluster. The gateway implements it; a front
 * end's tests use a fake.
 */
import type { GroupId, MonoMs, NodeId, Slot, Term } from '../base/index.js';
import type { PendingCounts } from './pending-counts.js';
import type { ShardMap } from '../topology/index.js';

/** Takes results of submitted commands. `bytes[start, end)` is one result (kv/result.ts), valid during the call. */
export interface ResultSink {
  /** Commands submitted and not yet answered; kept by the gateway. They decide what must wait for what. */
  readonly unanswered: PendingCounts;
  onResult(token: number, bytes: Uint8Array, start: number, end: number): void;
}

/** A shard as a front end needs it: for commands that go to every shard (DBSIZE, FLUSHALL). */
export interface ShardRange {
  readonly shard: number;
  readonly firstSlot: Slot;
  /** Included. */
  readonly lastSlot: Slot;
}

export interface CommandGateway {
  /**
   * Runs one encoded command (kv/command.ts; `bytes[start, end)`, copied before the call returns) on the shard that
   * owns `slot`. Exactly one `sink.onResult(token, …)` follows, never from inside this call, by `deadline` at the
   * latest. Commands of one sink on one shard take effect in the order of the calls. `freshness` (of reads alone) is a
   * number of the group's freshness.ts; a read that any replica may answer sees the writes called before it, and may
   * see some that were called after it.
   */
  submit(
    slot: Slot,
    bytes: Uint8Array,
    start: number,
    end: number,
    deadline: MonoMs,
    sink: ResultSink,
    token: number,
    freshness?: number,
  ): void;
  /** Sink is gone (its connection closed): its results may be dropped. */
  forget(sink: ResultSink): void;
  /** Shard of a slot; for splitting multi-key commands. -1 when the map is not known yet. */
  shardOf(slot: Slot): number;
  /** Every shard; empty when the map is not known yet. */
  shards(): readonly ShardRange[];
  /** Whether new work should be taken now: false means "stop reading from clients until `onRoom`". */
  readonly hasRoom: boolean;
  onRoom(listener: () => void): void;
}

/** Who leads what, and where nodes are: for redirects, hints, and the maps that clients are told. */
export interface ClusterDirectory {
  readonly nodeId: NodeId;
  clusterId(): string;
  map(): ShardMap;
  /** The node that leads a shard as far as is known here, 0 for none. This node only while its replica serves. */
  leaderOf(shard: GroupId): NodeId;
  /** Whether a replica here may answer reads of the shard that any replica may answer. */
  servesAnyReads(shard: GroupId): boolean;
  /** Term of that leadership; 0 when unknown. */
  leaderTermOf(shard: GroupId): Term;
  /** `listener` runs after each change of the map or of a leader. */
  onChange(listener: () => void): void;
}
