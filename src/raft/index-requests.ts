/**
 * Read indexes that a replica has asked its leader for (Raft thesis, section 6.4, last paragraph).
 *
 * Every attempt has an id of its own, and ids begin at a random place: an answer to a request of this replica's life
 * before a restart, or to one that was given up, finds nobody. Requests end with the leader they went to, with its
 * term, and after an election time-out.
 */
import type { ReplicaId } from '../base/index.js';
import type { RaftOptions, ReadOutcome } from './types.js';

interface IndexRequest {
  /** The caller's. */
  readonly context: number;
  readonly atTick: number;
}

/** Places to begin at, and ids for each: together a safe integer. */
const PLACES = 2 ** 30;
const IDS_PER_PLACE = 2 ** 22;

export class IndexRequests {
  /** By id, oldest first. */
  private readonly open = new Map<number, IndexRequest>();
  private lastId = 0;

  constructor(private readonly options: Pick<RaftOptions, 'random' | 'electionTicks'>) {}

  get count(): number {
    return this.open.size;
  }

  /** Returns the id to ask under. */
  add(context: number, atTick: number): number {
    if (this.lastId === 0) this.lastId = this.options.random(PLACES) * IDS_PER_PLACE;
    this.open.set(++this.lastId, { context, atTick });
    return this.lastId;
  }

  /** The caller's context, once; null when nobody waits for this id. */
  take(id: number): number | null {
    const request = this.open.get(id);
    if (request === undefined) return null;
    this.open.delete(id);
    return request.context;
  }

  abort(leader: ReplicaId, outcomes: ReadOutcome[]): void {
    if (this.open.size === 0) return;
    for (const { context } of this.open.values()) outcomes.push({ kind: 'aborted', context, leader });
    this.open.clear();
  }

  /** Ends what got no answer in time: the question or the answer was lost, or the leader has no quorum. */
  expire(tick: number, outcomes: ReadOutcome[]): void {
    for (const [id, { context, atTick }] of this.open) {
      if (tick - atTick < this.options.electionTicks) return;
      this.open.delete(id);
      outcomes.push({ kind: 'aborted', context, leader: 0 });
    }
  }
}
