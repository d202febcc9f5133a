/**
 * Coverage marks: which rare paths a run took. They are read off what a node tells anyhow (its log lines, its figures,
 * the observer's calls, what its consensus cores hand out), so that they cost a production node nothing. A batch prints
 * their counts, and a long one fails when a required mark was never hit: such a batch proved less than it claims.
 *
 * To add a mark: name it in `MARKS`, hit it below, and leave it out of `NOT_REQUIRED`.
 */
import type { GroupId, LogIndex, MetricsRegistry, NodeId, ReplicaId, Term } from '../../src/base/index.js';
import type { ReplicaObserver } from '../../src/ports/index.js';
import type { Configuration, Raft, Ready } from '../../src/raft/index.js';
import type { ClusterMarks } from './world/cluster.js';

export const MARKS = [
  'prevote_sent',
  'vote_refused',
  'election_lost',
  'leader_deposed',
  'leadership_transferred',
  'append_refused',
  'suffix_cut',
  'entries_fetched',
  'read_aborted',
  'read_in_log',
  'proposal_refused',
  'overloaded',
  'snapshot_wanted',
  'snapshot_installed',
  'second_snapshot_in_a_life',
  'snapshot_stream_failed',
  'snapshot_refused',
  'learner_added',
  'joint_entered',
  'joint_left',
  'replica_created',
  'replica_removed',
  'suspect_found',
  'suspect_being_replaced',
  'suspect_gave_way',
  'fell_silent',
  'damaged_record',
  'checkpoint_fallback',
  'disk_low',
  'ended_for_full_disk',
  'ended_for_failed_write',
  'node_refused_directory',
  'clock_off',
  'stale_frame',
  'outcome_unknown',
  'forward_failed',
  'evicted',
  'feed_resync',
  'feed_ahead',
] as const;
export type Mark = (typeof MARKS)[number];

/** Rarer than a batch of minutes can promise. */
const NOT_REQUIRED: ReadonlySet<Mark> = new Set([
  'clock_off',
  'overloaded',
  'second_snapshot_in_a_life',
  'stale_frame',
  'node_refused_directory',
  'snapshot_refused',
  'fell_silent',
]);
export const REQUIRED_MARKS: readonly Mark[] = MARKS.filter((mark) => !NOT_REQUIRED.has(mark));

const OF_LOG_LINES: Readonly<Record<string, Mark>> = {
  'replica is suspect': 'suspect_found',
  'replica created': 'replica_created',
  'replica removed': 'replica_removed',
  'suspect replica is being replaced': 'suspect_being_replaced',
  'suspect replica gives way': 'suspect_gave_way',
  'replica falls silent': 'fell_silent',
  'damaged log records': 'damaged_record',
  'checkpoint is broken, falling back': 'checkpoint_fallback',
  'snapshot refused': 'snapshot_refused',
  'disk is low': 'disk_low',
  'the clock is off that of most nodes: leads nothing': 'clock_off',
};
const OF_FIGURES: Readonly<Record<string, Mark>> = {
  raft_reads_in_log_total: 'read_in_log',
  raft_proposals_failed_total: 'proposal_refused',
  forward_failures_total: 'forward_failed',
  cache_evicted_total: 'evicted',
  feed_resyncs_total: 'feed_resync',
};

export class Marks implements ClusterMarks {
  readonly counts = new Map<Mark, number>();

  hit(mark: Mark, by = 1): void {
    if (by > 0) this.counts.set(mark, (this.counts.get(mark) ?? 0) + by);
  }

  onLogLine(event: string, fields: Readonly<Record<string, unknown>>): void {
    const mark = OF_LOG_LINES[event];
    if (mark !== undefined) this.hit(mark);
    else if (event === 'snapshot stream ended' && fields['outcome'] !== 'sent')
      this.hit('snapshot_stream_failed');
  }

  onMetrics(metrics: MetricsRegistry): void {
    for (const { name, cells } of metrics.list()) {
      const mark = OF_FIGURES[name];
      if (mark === undefined) continue;
      for (const { cell } of cells) if ('value' in cell) this.hit(mark, cell.value);
    }
  }

  onFatal(cause: unknown): void {
    const words = cause instanceof Error ? `${cause.name} ${cause.message}` : '';
    if (words.includes('ENOSPC')) this.hit('ended_for_full_disk');
    else if (words.includes('EIO')) this.hit('ended_for_failed_write');
    else if (words.startsWith('StorageError')) this.hit('node_refused_directory');
  }

  /** Looks at what a core hands out, on its way to the node. */
  onRaft(raft: Raft): void {
    const take = raft.ready.bind(raft);
    raft.ready = () => {
      const ready = take();
      this.onReady(ready);
      return ready;
    };
    const apply = raft.applyConfiguration.bind(raft);
    raft.applyConfiguration = (next) => {
      // Once for a change: by the leader that applies it.
      if (raft.role === 'leader') this.onChange(raft.configuration, next);
      apply(next);
    };
  }

  private onChange(old: Configuration, next: Configuration): void {
    if (next.outgoing.length > 0) this.hit('joint_entered');
    else if (old.outgoing.length > 0) this.hit('joint_left');
    if (next.learners.some((id) => id > old.highestId)) this.hit('learner_added');
  }

  private onReady(ready: Ready): void {
    for (const read of ready.reads) if (read.kind === 'aborted') this.hit('read_aborted');
    if (ready.fetches.length > 0) this.hit('entries_fetched');
    if (ready.snapshotsWanted.length > 0) this.hit('snapshot_wanted');
    for (const message of ready.messages) {
      if (message.type === 'vote' && message.pre) this.hit('prevote_sent');
      else if (message.type === 'vote' && message.transfer) this.hit('leadership_transferred');
      else if (message.type === 'vote_response' && !message.granted) this.hit('vote_refused');
      else if (message.type === 'append_response' && message.reject) this.hit('append_refused');
    }
  }
}

interface Told {
  role: string;
  /** Terms of the entries that may still be replaced, by index. */
  readonly terms: Map<LogIndex, Term>;
  snapshots: number;
}

/** Passes on what replicas tell, and marks what is rare in it. */
export class MarkingObserver implements ReplicaObserver {
  private readonly replicas = new Map<string, Told>();

  constructor(
    private readonly inner: ReplicaObserver,
    private readonly marks: Marks,
  ) {}

  onRestart(node: NodeId): void {
    for (const key of [...this.replicas.keys()]) if (key.startsWith(`${node}/`)) this.replicas.delete(key);
  }

  onRole(node: NodeId, group: GroupId, replica: ReplicaId, role: string, term: Term): void {
    const told = this.told(node, group, replica);
    if (told.role === 'candidate' && role !== 'leader') this.marks.hit('election_lost');
    if (told.role === 'leader' && role !== 'leader') this.marks.hit('leader_deposed');
    told.role = role;
    this.inner.onRole(node, group, replica, role, term);
  }

  onAppend(
    node: NodeId,
    group: GroupId,
    replica: ReplicaId,
    entries: Parameters<ReplicaObserver['onAppend']>[3],
  ): void {
    const told = this.told(node, group, replica);
    for (const { index, term } of entries) {
      const old = told.terms.get(index);
      if (old !== undefined && old !== term) this.marks.hit('suffix_cut');
      told.terms.set(index, term);
    }
    this.inner.onAppend(node, group, replica, entries);
  }

  onCommit(node: NodeId, group: GroupId, replica: ReplicaId, commit: LogIndex, term: Term): void {
    const { terms } = this.told(node, group, replica);
    for (const index of terms.keys()) {
      if (index > commit) break;
      terms.delete(index);
    }
    this.inner.onCommit(node, group, replica, commit, term);
  }

  onApply(
    node: NodeId,
    group: GroupId,
    replica: ReplicaId,
    entry: Parameters<ReplicaObserver['onApply']>[3],
    hash: () => string,
  ): void {
    this.inner.onApply(node, group, replica, entry, hash);
  }

  onSnapshot(
    node: NodeId,
    group: GroupId,
    replica: ReplicaId,
    index: LogIndex,
    term: Term,
    hash: string,
  ): void {
    const told = this.told(node, group, replica);
    told.terms.clear();
    this.marks.hit('snapshot_installed');
    if (++told.snapshots > 1) this.marks.hit('second_snapshot_in_a_life');
    this.inner.onSnapshot(node, group, replica, index, term, hash);
  }

  private told(node: NodeId, group: GroupId, replica: ReplicaId): Told {
    const key = `${node}/${group}/${replica}`;
    let told = this.replicas.get(key);
    if (told === undefined) {
      told = { role: 'follower', terms: new Map(), snapshots: 0 };
      this.replicas.set(key, told);
    }
    return told;
  }
}
