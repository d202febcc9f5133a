/**
 * Operations of one stream that wait for their results, as parallel arrays: no object per operation. A token is a
 * place in them, used again once its operation was answered.
 */
import { assert, type MonoMs } from '../../base/index.js';
import type { OperationKind } from '../../codec/cache/index.js';
import { PENDING_OPERATIONS_MAX } from './limits.js';

const FIRST_CAPACITY = 16;

export class PendingOperations {
  private capacity = 0;
  private ids = new Uint32Array(0);
  private kinds = new Uint8Array(0);
  private flags = new Uint8Array(0);
  private shards = new Int32Array(0);
  private sizes = new Float64Array(0);
  private startedMs = new Float64Array(0);
  private free = new Int32Array(0);
  private freeCount = 0;
  /** Operations that wait, and the bytes of their commands. */
  count = 0;
  bytes = 0;

  add(id: number, kind: OperationKind, flags: number, shard: number, bytes: number, nowMs: MonoMs): number {
    if (this.freeCount === 0) this.grow();
    const token = this.free[--this.freeCount] as number;
    this.ids[token] = id;
    this.kinds[token] = kind;
    this.flags[token] = flags;
    this.shards[token] = shard;
    this.sizes[token] = bytes;
    this.startedMs[token] = nowMs;
    this.count++;
    this.bytes += bytes;
    return token;
  }

  remove(token: number): void {
    this.count--;
    this.bytes -= this.sizes[token] as number;
    this.free[this.freeCount++] = token;
  }

  idOf(token: number): number {
    return this.ids[token] as number;
  }

  kindOf(token: number): OperationKind {
    return this.kinds[token] as OperationKind;
  }

  flagsOf(token: number): number {
    return this.flags[token] as number;
  }

  /** -1 when the map was not known. */
  shardOf(token: number): number {
    return this.shards[token] as number;
  }

  startedMsOf(token: number): MonoMs {
    return this.startedMs[token] as number;
  }

  private grow(): void {
    const from = this.capacity;
    assert(from < PENDING_OPERATIONS_MAX, 'a stream has too many operations');
    const to = Math.min(Math.max(FIRST_CAPACITY, from * 2), PENDING_OPERATIONS_MAX);
    this.ids = grown(new Uint32Array(to), this.ids);
    this.kinds = grown(new Uint8Array(to), this.kinds);
    this.flags = grown(new Uint8Array(to), this.flags);
    this.shards = grown(new Int32Array(to), this.shards);
    this.sizes = grown(new Float64Array(to), this.sizes);
    this.startedMs = grown(new Float64Array(to), this.startedMs);
    this.free = new Int32Array(to);
    this.freeCount = 0;
    for (let token = to - 1; token >= from; token--) this.free[this.freeCount++] = token;
    this.capacity = to;
  }
}

function grown<T extends { set(from: T): void }>(to: T, from: T): T {
  to.set(from);
  return to;
}
