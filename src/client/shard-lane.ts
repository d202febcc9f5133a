/**
 * A shard's operations, in the order of the calls: those on a stream (`sent`), those refused and to be sent again
 * (`refused`), those never sent (`fresh`). Operations leave a lane for one stream at a time, so that the server's
 * order of a stream is the order of the calls; the engine's header has the rules.
 */
import type { GroupId, MonoMs } from '../base/index.js';
import type { NodeLink } from './node-link.js';
import { createList, Place } from './operation-table.js';
import type { OperationList, OperationTable } from './operation-table.js';
import { isRead } from './operation.js';

export interface ShardLane {
  /** Its place in the engine's list of lanes. */
  readonly index: number;
  readonly shard: GroupId;
  /** For reads that any replica may answer: a lane of their own, which goes to any node with a replica. */
  readonly isForAnyReplica: boolean;
  /** Index of the shard's lane for such reads, or of its ordinary lane from there; -1 while there is none. */
  twin: number;
  readonly fresh: OperationList;
  readonly refused: OperationList;
  readonly sent: OperationList;
  /** Of `sent`, how many are writes. */
  sentWrites: number;
  /** The node that `sent` went to; the last one while there is none. */
  link: NodeLink | null;
  /** Nothing that was refused is sent before. */
  pausedUntil: MonoMs;
  /** Attempts in a row that met a refusal. */
  failures: number;
  /** The refusal that decides the pause of this attempt was seen. */
  isRefusalCounted: boolean;
  /** What is on the stream was refused before: nothing that is fresh joins it. */
  isRepeating: boolean;
  /** In the engine's list of lanes to look at. */
  isDirty: boolean;
}

/** `twin`: the shard's ordinary lane, for a lane of reads that any replica may answer. */
export function createLane(index: number, shard: GroupId, twin = -1): ShardLane {
  return {
    index,
    shard,
    isForAnyReplica: twin >= 0,
    twin,
    fresh: createList(Place.fresh),
    refused: createList(Place.refused),
    sent: createList(Place.sent),
    sentWrites: 0,
    link: null,
    pausedUntil: 0,
    failures: 0,
    isRefusalCounted: false,
    isRepeating: false,
    isDirty: false,
  };
}

export function hasWaiting(lane: ShardLane): boolean {
  return lane.fresh.count > 0 || lane.refused.count > 0;
}

/** Whether the list holds an operation that was called before this number. */
export function isBehind(table: OperationTable, list: OperationList, number: number): boolean {
  return list.first >= 0 && table.numberOf(list.first) < number;
}

/** Whether what is on the lane's stream may be sent again although it is unaccounted for. */
export function mayAllRepeat(lane: ShardLane, table: OperationTable): boolean {
  if (lane.sentWrites === 0) return true;
  for (let slot = lane.sent.first; slot >= 0; slot = table.after(slot)) {
    if (!isRead(table.operation(slot)) && table.sessionOf(slot) === null) return false;
  }
  return true;
}
