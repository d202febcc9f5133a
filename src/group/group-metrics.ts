/** Figures shared by all replicas of a node. */
import type { Counter, Histogram, MetricsRegistry } from '../base/index.js';
import { SNAPSHOTS_FAILED_HELP } from '../storage/index.js';
import { ReadWay } from './read-batches.js';

/** A stale read that had to ask is as fresh as a follower's. */
const KINDS: Readonly<Record<ReadWay, string>> = {
  [ReadWay.quorum]: 'quorum',
  [ReadWay.lease]: 'lease',
  [ReadWay.leader]: 'follower',
  [ReadWay.stale]: 'follower',
  [ReadWay.known]: 'stale',
  [ReadWay.awaited]: 'stale',
};

/** Figures shared by all replicas of a node; bumped in place. */
export interface GroupMetrics {
  readonly proposals: Counter;
  readonly proposalsFailed: (reason: string) => Counter;
  readonly proposeLatency: Histogram;
  readonly readIndex: Counter;
  readonly readsInLog: Counter;
  readonly reads: (way: ReadWay) => Counter;
  /** Batches. */
  readonly leasesLost: Counter;
  readonly readIndexLatency: Histogram;
  readonly elections: (reason: string) => Counter;
  readonly leaderChanges: Counter;
  readonly leaderTenure: Histogram;
  readonly expired: Counter;
  readonly evicted: (reason: 'memory' | 'items') => Counter;
  readonly feedResyncs: (reason: 'too_old' | 'other_history') => Counter;
  readonly snapshotStreamBytes: (direction: 'in' | 'out') => Counter;
  readonly snapshotsResumed: Counter;
  readonly snapshotsFailed: (reason: 'send' | 'log_bound') => Counter;
}

export function createGroupMetrics(registry: MetricsRegistry): GroupMetrics {
  const reads: Partial<Record<ReadWay, Counter>> = {};
  return {
    reads: (way) =>
      (reads[way] ??= registry.counter(
        'raft_reads_total',
        'Reads that got their index here: by a quorum, under a lease, from the leader (follower), or a known one (stale)',
        { kind: KINDS[way] },
      )),
    leasesLost: registry.counter(
      'raft_leases_lost_total',
      'Batches of reads whose lease ended between reading and answering: a quorum was asked instead',
    ),
    proposals: registry.counter('raft_proposals_total', 'Entries proposed by this node as leader'),
    proposalsFailed: (reason) =>
      registry.counter('raft_proposals_failed_total', 'Entries refused before the append', { reason }),
    proposeLatency: registry.histogram(
      'raft_propose_latency_seconds',
      'From the proposal of an entry to its application on the leader',
    ),
    readIndex: registry.counter('raft_read_index_total', 'Reads confirmed by a ReadIndex round'),
    readsInLog: registry.counter(
      'raft_reads_in_log_total',
      'Reads answered from their place in the log, behind writes of their connection',
    ),
    readIndexLatency: registry.histogram(
      'raft_read_index_latency_seconds',
      'From asking for a read index to its confirmation',
    ),
    elections: (reason) =>
      registry.counter('raft_elections_total', 'Elections started or won by this node', { reason }),
    leaderTenure: registry.histogram(
      'shard_leader_tenure_seconds',
      'How long leaderships of this node lasted that are over',
      {},
      [0.1, 1, 10, 60, 600, 3600, 86_400],
    ),
    leaderChanges: registry.counter('shard_leader_changes_total', 'Changes of leader seen by this node'),
    expired: registry.counter('cache_expired_total', 'Items dropped because their time was over'),
    evicted: (reason) =>
      registry.counter(
        'cache_evicted_total',
        'Items dropped to make room, counted by the leader: for bytes (memory) or for their number (items)',
        { reason },
      ),
    feedResyncs: (reason) =>
      registry.counter(
        'feed_resyncs_total',
        'Readers of a change feed here that had to take a state: what they had not read was gone, or is not of its history',
        { reason },
      ),
    snapshotStreamBytes: (direction) =>
      registry.counter('snapshot_stream_bytes_total', 'Bytes of checkpoints streamed', { direction }),
    snapshotsResumed: registry.counter(
      'snapshots_resumed_total',
      'Transfers of checkpoints that went on where an earlier one had broken off, counted at both ends',
    ),
    snapshotsFailed: (reason) =>
      registry.counter('snapshots_failed_total', SNAPSHOTS_FAILED_HELP, { reason }),
  };
}
