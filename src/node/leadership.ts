/**
 * Handing a group's leadership over on somebody's wish: here when this node leads the group, else by one call to the
 * node that does. Answered when it is known who leads then.
 */
import type { GroupId, NodeId } from '../base/index.js';
import type { Replica } from '../group/index.js';
import type { Host } from '../host/index.js';
import type { Clock, ControlClient, ControlFailure, Timers, TransferResponse } from '../ports/index.js';
import type { ClusterView } from './cluster-view.js';

const CALL_MS = 10_000;
/** How often it is looked whether the group has another leader. */
const LOOK_MS = 5;
/** A transfer ends by itself after an election time-out; this is beyond any. */
const PATIENCE_MS = 8000;

type Done = (failure: ControlFailure | null, response: TransferResponse | null) => void;

export interface LeadershipDeps {
  readonly host: Host;
  readonly view: ClusterView;
  readonly client: ControlClient;
  readonly clock: Clock;
  readonly timers: Timers;
}

/** `node` 0: to whichever voter is furthest. `forwarded`: this node is asked because it should lead. */
export function transferLeadership(
  deps: LeadershipDeps,
  group: GroupId,
  node: NodeId,
  forwarded: boolean,
  done: Done,
): void {
  const { host, view, client } = deps;
  const replica = host.replica(group);
  if (replica !== null && replica.raft.role === 'leader') {
    transferHere(deps, replica, node, done);
    return;
  }
  const leader = replica?.leaderNode || view.hints.nodeOf(group);
  const address = view.map.node(leader)?.addresses.grpc;
  if (view.replicasOf(group).length === 0)
    done({ code: 'INVALID_ARGUMENT', message: `there is no shard ${group}` }, null);
  else if (forwarded || address === undefined || leader === host.nodeId)
    done({ code: 'SHARD_LEADER_UNKNOWN', message: `shard ${group} has no leader at the moment` }, null);
  else client.call(address, 'transfer', { group, node, forwarded: true }, CALL_MS, done);
}

function transferHere(deps: LeadershipDeps, replica: Replica, node: NodeId, done: Done): void {
  const { clock, timers, host } = deps;
  const target = targetOn(replica, node);
  if (typeof target === 'string') {
    done({ code: 'INVALID_ARGUMENT', message: target }, null);
    return;
  }
  const { group } = replica;
  if (target === replica.id) {
    done(null, { leader: host.nodeId, tookMs: 0 });
    return;
  }
  if (!replica.raft.transferLeader(target)) {
    done({ code: 'UNAVAILABLE', message: `shard ${group} can't be handed to replica ${target} now` }, null);
    return;
  }
  host.markDirty(replica);
  const sinceMs = clock.monoMs();
  const look = (): void => {
    const tookMs = clock.monoMs() - sinceMs;
    const leader = replica.leaderNode;
    const isOver = replica.raft.role !== 'leader' && leader !== 0;
    const isGivenUp = replica.raft.role === 'leader' && replica.raft.status().transferTarget === 0;
    if (isOver) done(null, { leader, tookMs });
    else if (isGivenUp || tookMs > PATIENCE_MS)
      done(
        { code: 'UNAVAILABLE', message: `replica ${target} did not take shard ${group} over in time` },
        null,
      );
    else timers.after(LOOK_MS, look);
  };
  timers.after(LOOK_MS, look);
}

/** The voter that lives on the node, or is furthest; in words when there is none. */
function targetOn(replica: Replica, node: NodeId): number | string {
  const { voters, homes } = replica.configuration;
  if (node !== 0) {
    const home = homes.find((at) => at.node === node && voters.includes(at.replica));
    return home?.replica ?? `node ${node} has no voting replica of shard ${replica.group}`;
  }
  const others = replica.raft
    .status()
    .followers.filter(({ id, recentlyActive }) => voters.includes(id) && recentlyActive);
  const best = others.sort((a, b) => b.match - a.match)[0];
  return best?.id ?? `shard ${replica.group} has no other voter that answers`;
}
