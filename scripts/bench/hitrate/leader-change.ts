/**
 * What a change of leaders costs: three replicas apply the same entries, only the leader sees reads, and once a second
 * the others are told what a frame of touches holds. Beside it, the same stream with a leader that stays.
 */
import { QuorateCache } from './caches.js';
import type { Stream } from './streams.js';

/** Words of a frame: one small frame for each shard and second. */
export const TOUCHES_PER_SECOND = 256;
const SECONDS_PER_MINUTE = 60;

export interface LeaderChange {
  readonly steadyPercent: number;
  readonly movedPercent: number;
  readonly changes: number;
}

/** `perSecond` requests make a second; the counted part and the warm-up are whole minutes. */
export function runLeaderChange(
  streamOf: () => Stream,
  room: number,
  perSecond: number,
  warmMinutes: number,
  minutes: number,
): LeaderChange {
  const steady = run(streamOf(), room, perSecond, warmMinutes, minutes, 1);
  const moved = run(streamOf(), room, perSecond, warmMinutes, minutes, 3);
  return { steadyPercent: steady, movedPercent: moved, changes: minutes };
}

function run(
  stream: Stream,
  room: number,
  perSecond: number,
  warmMinutes: number,
  minutes: number,
  replicaCount: number,
): number {
  const replicas: QuorateCache[] = [];
  for (let i = 0; i < replicaCount; i++) replicas.push(new QuorateCache('s3fifo', room, 7));
  let leader = 0;
  for (const [i, replica] of replicas.entries()) {
    replica.onEntry = (data) => {
      for (const [j, other] of replicas.entries()) if (i === leader && j !== i) other.follow(data);
    };
  }
  const keys = new Uint32Array(perSecond);
  let hits = 0;
  for (let minute = 0; minute < warmMinutes + minutes; minute++) {
    if (minute >= warmMinutes) leader = (leader + 1) % replicaCount;
    for (let second = 0; second < SECONDS_PER_MINUTE; second++) {
      for (let i = 0; i < perSecond; i++) keys[i] = stream.next();
      const leading = replicas[leader] as QuorateCache;
      const now = leading.ask(keys, perSecond);
      if (minute >= warmMinutes) hits += now;
      const touches = leading.evictor.takeTouches(TOUCHES_PER_SECOND);
      for (const other of replicas) if (other !== leading) other.evictor.onTouches(touches);
    }
  }
  return (100 * hits) / (minutes * SECONDS_PER_MINUTE * perSecond);
}
