/**
 * Checkpoints that no amount of log asked for.
 *
 *   by hand   `quorate shard checkpoint`: asked node ── writeCheckpoint ─> the node of every replica, learners too;
 *             each answers once a checkpoint that holds all it had applied is durable, its pointer too
 *   by time   a replica here that has applied something since its newest checkpoint, and that one is old
 *
 * Either way a node writes one at a time. A request that is over by its time gives up waiting, not the checkpoint.
 */
import { META_GROUP, type MonoMs } from '../base/index.js';
import type { Host } from '../host/index.js';
import type {
  CheckpointRequest,
  CheckpointResponse,
  CheckpointRow,
  Clock,
  ControlClient,
  ControlFailure,
  Timers,
  WriteCheckpointRequest,
  WriteCheckpointResponse,
} from '../ports/index.js';
import type { ClusterView } from './cluster-view.js';

/** Beyond what the callee waits itself. */
const ANSWER_MS = 1000;
/** Nobody may ask for more time. */
const TIMEOUT_MS_MAX = 600_000;
/** Between two looks at the replicas' ages: a fraction of any sensible age, and nothing to idle shards. */
const LOOK_MS = 5000;

type Answer<T> = (failure: ControlFailure | null, response: T | null) => void;

export interface ShardCheckpointsDeps {
  readonly host: Host;
  readonly view: ClusterView;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly client: ControlClient;
  /** 0: never by time. */
  readonly intervalMs: number;
}

export class ShardCheckpoints {
  private nextLookMs: MonoMs = 0;

  constructor(private readonly deps: ShardCheckpointsDeps) {}

  poll(nowMs: MonoMs): void {
    const { host, intervalMs } = this.deps;
    if (intervalMs === 0 || nowMs < this.nextLookMs) return;
    this.nextLookMs = nowMs + Math.min(LOOK_MS, intervalMs);
    for (const replica of host.all()) replica.policy.startIfOlder(intervalMs, nowMs);
  }

  /** Of all replicas of a shard, as this node knows them. */
  checkpoint({ group, timeoutMs }: CheckpointRequest, done: Answer<CheckpointResponse>): void {
    const { host, view, client } = this.deps;
    const members = view.replicasOf(group);
    if (group === META_GROUP || members.length === 0) {
      done({ code: 'INVALID_ARGUMENT', message: `there is no shard ${group}` }, null);
      return;
    }
    const waitMs = Math.min(timeoutMs, TIMEOUT_MS_MAX);
    const rows: CheckpointRow[] = [];
    for (const { replica, node, isLearner } of members) {
      const answer: Answer<WriteCheckpointResponse> = (failure, response) => {
        rows.push({ replica, node, isLearner, ...(response ?? unreachable(failure)) });
        if (rows.length < members.length) return;
        done(null, { group, replicas: rows.sort((a, b) => a.replica - b.replica) });
      };
      const request = { group, replica, waitMs };
      const address = view.map.node(node)?.addresses.grpc;
      if (node === host.nodeId) this.write(request, answer);
      else if (address === undefined)
        answer({ code: 'UNAVAILABLE', message: `the address of node ${node} is unknown` }, null);
      else client.call(address, 'writeCheckpoint', request, waitMs + ANSWER_MS, answer);
    }
  }

  /** Of a replica here. */
  write({ group, replica: id, waitMs }: WriteCheckpointRequest, done: Answer<WriteCheckpointResponse>): void {
    const { host, clock, timers } = this.deps;
    const replica = host.replica(group);
    if (replica === null || replica.id !== id) {
      const message = `replica ${id} of shard ${group} is not on node ${host.nodeId}`;
      done({ code: 'SHARD_NOT_LOCAL', message }, null);
      return;
    }
    const sinceMs = clock.monoMs();
    let answered = false;
    const answer = (outcome: Omit<WriteCheckpointResponse, 'tookMs'>): void => {
      if (answered) return;
      answered = true;
      cancel();
      done(null, { ...outcome, tookMs: Math.round(clock.monoMs() - sinceMs) });
    };
    const cancel = timers.after(Math.min(waitMs, TIMEOUT_MS_MAX), () =>
      answer({
        outcome: 'unreachable',
        ...NOTHING,
        detail: 'it is still being written, or waits for its turn',
      }),
    );
    replica.policy.request((told) => {
      if (told.kind === 'refused') answer({ outcome: 'refused', ...NOTHING, detail: told.reason });
      else if (told.kind === 'empty') answer({ outcome: 'empty', ...NOTHING, detail: '' });
      else {
        const outcome = told.isNew ? 'written' : 'current';
        answer({ outcome, index: told.pointer.index, bytes: told.bytes, detail: '' });
      }
    });
  }
}

const NOTHING = { index: 0, bytes: 0 } as const;

function unreachable(failure: ControlFailure | null): WriteCheckpointResponse {
  return { outcome: 'unreachable', ...NOTHING, tookMs: 0, detail: failure?.message ?? 'no answer' };
}
