/** Figures of the loop: what is dropped, and per replica what is read when somebody scrapes. */
import type { Counter, GroupId, MetricsRegistry, MonoMs } from '../base/index.js';
import type { MachineFigures, Replica } from '../group/index.js';
import type { ChangeFeed } from '../kv/index.js';
import type { ClockOffsets } from './clock-offsets.js';

export interface HostMetrics {
  readonly dropped: (reason: string) => Counter;
  readonly quiesced: Counter;
}

/** Registers the figures that are read from the replicas when somebody scrapes. */
export function createHostMetrics(
  registry: MetricsRegistry,
  replicas: ReadonlyMap<GroupId, Replica>,
  clockOffsets: () => ReturnType<ClockOffsets['rows']>,
  logBytes: (group: GroupId) => number,
  nowMs: () => MonoMs,
): HostMetrics {
  const perShard = (name: string, help: string, value: (replica: Replica) => number): void => {
    registry.gauge(name, help, () =>
      [...replicas.values()].map((replica) => ({
        labels: { shard: String(replica.group) },
        value: value(replica),
      })),
    );
  };
  registry.gaugeValue('raft_quiesced_groups', 'Groups whose clock stands still on this node', () => {
    let count = 0;
    for (const replica of replicas.values()) if (replica.raft.quiesced) count++;
    return count;
  });
  registry.gaugeValue('raft_led_groups', 'Groups that this node leads and serves', () => {
    let count = 0;
    for (const replica of replicas.values()) if (replica.serves) count++;
    return count;
  });
  perShard('raft_term', 'Current term of the replica', (r) => r.raft.term);
  perShard('raft_commit_index', 'Last committed index', (r) => r.raft.commit);
  perShard('raft_applied_index', 'Last applied index', (r) => r.appliedIndex);
  const perFollower = (
    name: string,
    help: string,
    value: (replica: Replica, lastIndex: number, match: number) => number,
  ): void => {
    registry.gauge(name, help, () =>
      [...replicas.values()]
        .filter((r) => r.raft.role === 'leader')
        .flatMap((r) => {
          const { followers, lastIndex } = r.raft.status();
          return followers.map((follower) => ({
            labels: { shard: String(r.group), replica: String(follower.id) },
            value: value(r, lastIndex, follower.match),
          }));
        }),
    );
  };
  perFollower(
    'raft_replication_lag_entries',
    'Entries a follower is behind, on the leader',
    (_r, last, match) => Math.max(0, last - match),
  );
  perFollower('replication_lag_seconds', 'Time a follower is behind, on the leader', (r, _last, match) =>
    r.lag.of(match, nowMs()),
  );
  registry.gaugeValue(
    'suspect_replicas',
    'Replicas of this node that may have lost what they acknowledged: silent until they are replaced',
    () => [...replicas.values()].filter((replica) => replica.suspect !== null).length,
  );
  perShard('log_bytes', "Bytes of the group's log entries", (r) => logBytes(r.group));
  const shards = (name: string, help: string, value: (figures: MachineFigures) => number): void => {
    registry.gauge(name, help, () =>
      [...replicas.values()].flatMap((r) => {
        const figures = r.machine.figures?.();
        return figures === undefined ? [] : [{ labels: { shard: String(r.group) }, value: value(figures) }];
      }),
    );
  };
  shards(
    'cache_items',
    'Items of the shard on this node, expired ones not yet dropped included',
    (f) => f.items,
  );
  shards('cache_bytes', 'Bytes of keys and values of the shard on this node', (f) => f.bytes);
  const feeds = (name: string, help: string, value: (feed: ChangeFeed) => number): void => {
    registry.gauge(name, help, () =>
      [...replicas.values()].flatMap(({ group, machine: { feed } }) =>
        feed === undefined ? [] : [{ labels: { shard: String(group) }, value: value(feed) }],
      ),
    );
  };
  feeds('feed_window_bytes', "Memory of the shard's change feed on this node", (f) => f.memoryBytes);
  feeds('feed_window_events', 'Events of the change feed that are kept on this node', (f) => f.eventCount);
  feeds(
    'feed_oldest_index',
    'Log index from which on the change feed can be read on this node',
    (f) => f.oldest.index,
  );
  registry.gaugeValue('feed_subscribers', 'Readers of change feeds on this node', () => {
    let count = 0;
    for (const replica of replicas.values()) count += replica.feed.readerCount;
    return count;
  });
  const duplicatesTold = new WeakMap<object, number>();
  registry.gauge('sessions', 'Sessions that the shard keeps on this node', () =>
    [...replicas.values()].flatMap(({ group, machine }) => {
      const figures = machine.figures?.();
      if (figures === undefined) return [];
      duplicates.inc(figures.sessionDuplicates - (duplicatesTold.get(machine) ?? 0));
      duplicatesTold.set(machine, figures.sessionDuplicates);
      return [{ labels: { shard: String(group) }, value: figures.sessions }];
    }),
  );
  // Behind the gauge, whose reading brings it up to date.
  const duplicates = registry.counter(
    'session_duplicates_total',
    'Writes that came again in their session and were not applied again, on this node',
  );
  registry.gauge('clock_offset_seconds', 'How far a peer’s wall clock is ahead of this one', () =>
    clockOffsets().map(({ node, offsetMs }) => ({ labels: { peer: String(node) }, value: offsetMs / 1000 })),
  );
  return {
    quiesced: registry.counter('raft_quiesces_total', 'Times that a replica here stopped its clock'),
    dropped: (reason) =>
      registry.counter('raft_messages_dropped_total', 'Raft messages dropped by this node', { reason }),
  };
}
