/**
 * Who goes when a shard is over its budget: the interface between the leader that needs room and a policy. A policy is
 * no part of the replicated state: it sees reads and writes, is never the same on two replicas, and its choice becomes
 * a command in the log.
 */
import { createSweepEvictor } from './sweep-evictor.js';
import type { ItemName, Table } from './table.js';

/** `none`: nothing goes, writes are refused. */
export type EvictionPolicy = 'none' | 'lru' | 's3fifo';

export interface Evictor {
  /** A read at this replica, also of an absent key. */
  onRead(hash: number, hit: boolean): void;
  /** An applied write. */
  onWrite(hash: number, isNew: boolean): void;
  /**
   * Names living items, worst first, whose charges sum to at least `chargeMin`, or `countMax` of them; bounded work a
   * call, so perhaps fewer. Returns the charge named.
   */
  choose(chargeMin: number, countMax: number, into: ItemName[]): number;
  /** Hashes of items touched since the last call, a sample of at most `countMax`, for the other replicas. */
  takeTouches(countMax: number): Uint32Array;
  onTouches(hashes: Uint32Array): void;
}

export function createEvictor(policy: Exclude<EvictionPolicy, 'none'>, table: Table, seed: number): Evictor {
  return createSweepEvictor(policy, table, seed);
}
