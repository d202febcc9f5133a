/**
 * Memory on this node (docs/decisions/0011-budgets.md): the cluster's eviction policy reaches every replica here, a
 * share from group 0 becomes the budget of a shard led here, and the leader of group 0 hears of limits and use and
 * divides anew. Polled a few times a second; nothing here is on the way of a read or a write.
 */
import {
  ByteWriter,
  META_GROUP,
  type GroupId,
  type MetricsRegistry,
  type MonoMs,
  type NodeId,
} from '../base/index.js';
import { encodeMemoryReport, encodeTouches, type MemoryReport, type MemoryRow } from '../codec/index.js';
import { nextShares, type NodeLimits, type ShardUse } from '../coordinator/index.js';
import type { CommandSink, Replica } from '../group/index.js';
import type { Host } from '../host/index.js';
import { encodeSetBudget } from '../kv/index.js';
import type { MemoryShare, MetaState, NewShare } from '../meta/index.js';
import type { Logger, PeerNetwork } from '../ports/index.js';
import { clusterSettingsOf, type ClusterSettings } from '../settings/index.js';
import type { ClusterView } from './cluster-view.js';

const REPORT_MS = 5000;
const TOUCHES_MS = 1000;
/** Of one shard and second; the frame stays small. */
const TOUCHES_MAX = 512;
const DIVIDE_MS = 30_000;
/** After a change of what is divided: long enough for the reports of a cluster that has just been born. */
const SOON_MS = 1000;
/** A node that tells nothing for so long is divided around. */
const PATIENCE_MS = 10_000;
const AGAIN_MS = 2000;

export interface MemoryDeps {
  readonly nodeId: NodeId;
  readonly host: Host;
  readonly view: ClusterView;
  readonly peers: PeerNetwork;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly leaderOf: (group: GroupId) => NodeId;
  /** Of this node's own settings; 0: no limit. */
  readonly limits: NodeLimits;
  /** Spreads what replicas draw when they choose. */
  readonly seed: number;
  readonly proposeShares: (seen: number, shares: readonly NewShare[], done: () => void) => void;
}

export class Memory {
  private settings: ClusterSettings;
  private shares: readonly MemoryShare[] = [];
  private readonly shareOf = new Map<GroupId, MemoryShare>();
  /** Groups that may have another budget than their share, and when that may be tried (again). */
  private readonly pending = new Map<GroupId, MonoMs>();
  private readonly w = new ByteWriter(256);
  private reportedAtMs: MonoMs = -REPORT_MS;
  private toldLeader: NodeId = 0;
  private touchedAtMs: MonoMs = 0;

  /** Of the leader of group 0: what it was told. */
  private readonly limits = new Map<NodeId, NodeLimits>();
  private readonly uses = new Map<GroupId, ShardUse>();
  private leadsMetaSinceMs: MonoMs = -1;
  private divideAtMs: MonoMs = 0;
  private isDividing = false;

  constructor(private readonly deps: MemoryDeps) {
    this.settings = clusterSettingsOf(deps.view.state.settings);
    this.onMap(deps.view.state);
    const { metrics, host } = deps;
    metrics.gaugeValue(
      'cache_memory_limit_bytes',
      'Memory that this node gives to tables; 0: no limit',
      () => this.ownLimits.bytesMax,
    );
    metrics.gaugeValue(
      'cache_overhead_bytes',
      'Memory of the tables here beyond keys and values: index, headers, garbage, and what is known of use',
      () => {
        let sum = 0;
        for (const { machine } of host.all()) {
          const { memory } = machine;
          if (memory !== undefined) sum += memory.memoryBytes - memory.bytes;
        }
        return sum;
      },
    );
    metrics.gaugeValue(
      'cache_pinned_bytes',
      'What is overwritten or gone in the tables here, but kept until the checkpoint that is being written has read it',
      () => {
        let sum = 0;
        for (const { machine } of host.all()) sum += machine.memory?.pinnedBytes ?? 0;
        return sum;
      },
    );
    metrics.gauge(
      'cache_budget_bytes',
      'What the charges of the shard on this node may sum to; 0: no limit',
      () =>
        [...host.all()].flatMap(({ group, machine }) =>
          machine.memory === undefined
            ? []
            : [{ labels: { shard: String(group) }, value: machine.memory.budget.bytesMax }],
        ),
    );
  }

  /** What is in force of the cluster's settings. */
  get clusterSettings(): ClusterSettings {
    return this.settings;
  }

  /** This node's own limits, and the cluster's where that is lower. */
  get ownLimits(): NodeLimits {
    return this.effective(this.deps.limits);
  }

  /** A state machine that has just been made, or the policy of all of them. */
  equip(machine: Replica['machine']): void {
    machine.memory?.setEviction(this.settings.evictionPolicy, this.deps.seed);
  }

  onMap(state: MetaState): void {
    const { evictionPolicy } = this.settings;
    this.settings = clusterSettingsOf(state.settings);
    if (this.settings.evictionPolicy !== evictionPolicy) {
      this.deps.logger.info('eviction policy', { policy: this.settings.evictionPolicy });
      for (const replica of this.deps.host.all()) this.equip(replica.machine);
    }
    if (this.shares !== state.shares) {
      this.shares = state.shares;
      for (const share of state.shares) {
        if (this.shareOf.get(share.group)?.version === share.version) continue;
        this.shareOf.set(share.group, share);
        this.pending.set(share.group, 0);
      }
    }
    this.divideSoon();
  }

  /** A replica here came to lead, or no longer does. */
  onRole(replica: Replica): void {
    if (replica.group === META_GROUP) this.reportedAtMs = -REPORT_MS;
    else if (replica.raft.role === 'leader' && this.shareOf.has(replica.group))
      this.pending.set(replica.group, 0);
  }

  poll(nowMs: MonoMs): void {
    for (const [group, dueMs] of this.pending) if (dueMs <= nowMs) this.applyShare(group, nowMs);
    // A new leader of group 0 knows nothing yet.
    if (nowMs - this.reportedAtMs >= REPORT_MS || this.deps.leaderOf(META_GROUP) !== this.toldLeader)
      this.report(nowMs);
    if (nowMs - this.touchedAtMs >= TOUCHES_MS) this.tellTouches(nowMs);
    this.divide(nowMs);
  }

  // ---- shards led here -------------------------------------------------------------------------------------------

  /** The leader has the share appended as its shard's budget, until it is applied. */
  private applyShare(group: GroupId, nowMs: MonoMs): void {
    const share = this.shareOf.get(group);
    const replica = this.deps.host.replica(group);
    const memory = replica?.machine.memory;
    const isDone = share === undefined || memory === undefined || memory.budget.version >= share.version;
    if (isDone || replica === null || replica.raft.role !== 'leader') {
      this.pending.delete(group);
      return;
    }
    if (!replica.serves) return;
    this.pending.set(group, nowMs + AGAIN_MS);
    this.w.reset();
    encodeSetBudget(this.w, share);
    replica.submitWrite(this.w.buffer, 0, this.w.length, false, NOBODY, 0, false, true);
  }

  private tellTouches(nowMs: MonoMs): void {
    this.touchedAtMs = nowMs;
    for (const replica of this.deps.host.all()) {
      const evictor = replica.machine.memory?.evictor;
      if (evictor === null || evictor === undefined || !replica.serves || replica.raft.quiesced) continue;
      const hashes = evictor.takeTouches(TOUCHES_MAX);
      if (hashes.length === 0) continue;
      const frame = encodeTouches(this.w, replica.group, hashes);
      const { voters, homes } = replica.configuration;
      for (const { replica: id, node } of homes) {
        if (node !== this.deps.nodeId && voters.includes(id)) this.deps.peers.send(node, 'forward', frame);
      }
    }
  }

  /** A leader tells what is read: whoever leads next shall not evict it. */
  onTouches(group: GroupId, hashes: Uint32Array): void {
    const replica = this.deps.host.replica(group);
    if (replica !== null && !replica.serves) replica.machine.memory?.evictor?.onTouches(hashes);
  }

  // ---- reports ---------------------------------------------------------------------------------------------------

  private report(nowMs: MonoMs): void {
    const leader = this.deps.leaderOf(META_GROUP);
    if (leader === 0) return;
    this.reportedAtMs = nowMs;
    this.toldLeader = leader;
    const rows: MemoryRow[] = [];
    for (const replica of this.deps.host.all()) {
      const { memory } = replica.machine;
      if (memory === undefined || !replica.serves || !this.shareOf.has(replica.group)) continue;
      rows.push({
        group: replica.group,
        charge: memory.charge,
        items: memory.itemCount,
        budgetVersion: memory.budget.version,
        budgetBytes: memory.budget.bytesMax,
        budgetItems: memory.budget.itemsMax,
      });
    }
    const report: MemoryReport = { node: this.deps.nodeId, ...this.deps.limits, rows };
    if (leader === this.deps.nodeId) this.onReport(leader, report);
    else this.deps.peers.send(leader, 'forward', encodeMemoryReport(this.w, report));
  }

  onReport(from: NodeId, { bytesMax, itemsMax, rows }: MemoryReport): void {
    const known = this.limits.get(from);
    if (known?.bytesMax !== bytesMax || known.itemsMax !== itemsMax) this.divideSoon();
    this.limits.set(from, { bytesMax, itemsMax });
    for (const row of rows) this.uses.set(row.group, row);
  }

  // ---- the leader of group 0 -------------------------------------------------------------------------------------

  private divideSoon(): void {
    this.divideAtMs = Math.min(this.divideAtMs, 0);
  }

  private divide(nowMs: MonoMs): void {
    const { host, view } = this.deps;
    if (host.replica(META_GROUP)?.serves !== true) {
      if (this.leadsMetaSinceMs >= 0) this.forget();
      return;
    }
    if (this.leadsMetaSinceMs < 0) {
      this.leadsMetaSinceMs = nowMs;
      this.divideAtMs = 0;
    }
    if (this.divideAtMs === 0) this.divideAtMs = nowMs + SOON_MS;
    if (nowMs < this.divideAtMs || this.isDividing) return;
    const { state } = view;
    const isComplete = state.nodes.every(({ id }) => this.limits.has(id));
    if (!isComplete && nowMs - this.leadsMetaSinceMs < PATIENCE_MS) return;
    this.divideAtMs = nowMs + DIVIDE_MS;
    const limits = new Map([...this.limits].map(([node, own]) => [node, this.effective(own)]));
    const shares = nextShares({ shards: state.shards, shares: state.shares, limits, uses: this.uses });
    if (shares.length === 0) return;
    this.isDividing = true;
    this.deps.proposeShares(state.mapVersion, shares, () => {
      this.isDividing = false;
    });
  }

  private forget(): void {
    this.leadsMetaSinceMs = -1;
    this.limits.clear();
    this.uses.clear();
  }

  private effective({ bytesMax, itemsMax }: NodeLimits): NodeLimits {
    const { memoryBytesMax, memoryItemsMax } = this.settings;
    return { bytesMax: lower(bytesMax, memoryBytesMax), itemsMax: lower(itemsMax, memoryItemsMax) };
  }
}

/** The lower of two limits of which 0 is none. */
function lower(a: number, b: number): number {
  return a === 0 ? b : b === 0 ? a : Math.min(a, b);
}

const NOBODY: CommandSink = { onResult: () => undefined, onRefused: () => undefined };
