/**
 * A node that belongs to a cluster: host, gateway, front ends and gossip, wired over the ports. Built once per start,
 * after the node's membership is durable.
 */
import {
  knowsVersion,
  META_GROUP,
  must,
  SESSIONS_SINCE,
  UnknownVersionError,
  type ErrorReason,
  type GroupId,
  type NodeId,
  type VersionRange,
} from '../base/index.js';
import {
  createCacheServer,
  createGatewayMetrics,
  createRespServer,
  ForwardServer,
  Gateway,
  SessionGrants,
  type CacheServer,
  type RespServer,
} from '../api/index.js';
import { LeaderBalance, SuspectRepair } from '../coordinator/index.js';
import type { Machine } from '../group/index.js';
import { Host } from '../host/index.js';
import { APPLY_VALUE_BYTES_MAX, type createKv } from '../kv/index.js';
import {
  decodeMetaState,
  encodeBootstrap,
  isAsReported,
  type GroupMembers,
  type MetaState,
} from '../meta/index.js';
import type {
  CloseListener,
  ControlFailure,
  Instance,
  PeerChannel,
  PeerHandlers,
  TransferResponse,
} from '../ports/index.js';
import type { createRaft } from '../raft/index.js';
import { feedBytesMax, isAddress, memoryPlan, type NodeSettings } from '../settings/index.js';
import type { CheckpointStore, LogStore, RecoveredGroup } from '../storage/index.js';
import type { NodePorts } from './api.js';
import { ClusterView } from './cluster-view.js';
import { Directory } from './directory.js';
import { ForwardFrames } from './forward-frames.js';
import { Gossip } from './gossip.js';
import { infoFacts, configRows, memoryLimits } from './info.js';
import { transferLeadership } from './leadership.js';
import { Lifecycle } from './lifecycle.js';
import { Memory } from './memory.js';
import { MetaClient } from './meta-client.js';
import { MetaReplicaMachine } from './meta-adapter.js';
import { Readiness } from './readiness.js';
import { recoverGroup } from './recovery.js';
import { ShardCheckpoints } from './shard-checkpoints.js';
import { ShardVerifier } from './shard-verify.js';
import { ShardVersions } from './shard-versions.js';

/** How often slow things are looked after: leader balance, address changes, the bootstrap of group 0. */
const HOUSEKEEPING_MS = 250;
/** How long after its birth a cluster's preferred leaders campaign as links come up. */
const NEWBORN_MS = 2000;

export interface MemberOptions {
  readonly ports: NodePorts;
  readonly settings: NodeSettings;
  readonly store: LogStore;
  readonly checkpoints: CheckpointStore;
  readonly createRaft: typeof createRaft;
  /** Another one in tests alone. */
  readonly createKv: typeof createKv;
  /** Cluster versions that this build knows. */
  readonly versions: VersionRange;
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** This process: its instance id, and the addresses it advertises now. */
  readonly self: Instance;
  readonly bootNumber: number;
  readonly nonce: string;
  readonly state: MetaState;
  /** Newly created by becoming a member; else what the log store recovered. */
  readonly groups: readonly RecoveredGroup[];
  /** The map moved: remember it. */
  readonly remember: (state: MetaState) => void;
  readonly writeRefusal: () => ErrorReason | null;
  /** Whether the disk can take a file of this size without touching its reserve. */
  readonly hasRoomFor: (bytes: number) => boolean;
}

export class Member implements PeerHandlers {
  readonly host: Host;
  readonly view: ClusterView;
  readonly gossip: Gossip;
  readonly meta: MetaClient;
  readonly memory: Memory;
  readonly directory: Directory;
  private readonly gateway: Gateway;
  private readonly forwardServer: ForwardServer;
  private readonly forwardFrames: ForwardFrames;
  private readonly resp: RespServer;
  /** What gRPC clients reach; the listener is the node's. */
  readonly cache: CacheServer;
  private bornAtMs = -NEWBORN_MS;
  private readonly balance: LeaderBalance;
  private readonly repair: SuspectRepair;
  private readonly lifecycle: Lifecycle;
  readonly verifier: ShardVerifier;
  readonly checkpoints: ShardCheckpoints;
  private readonly shardVersions: ShardVersions;
  private closersOfResp: CloseListener[] = [];
  private stopped = false;
  private bootstrapping = false;
  private telling = false;
  private tellings = 0;
  private readonly startedAtMs: number;
  recovering = true;
  readonly readiness = new Readiness(this);

  constructor(readonly options: MemberOptions) {
    const { ports, settings } = options;
    this.startedAtMs = ports.clock.monoMs();
    this.view = new ClusterView(options.state, (state) => this.onMap(state));
    this.host = new Host({
      nodeId: options.nodeId,
      bootNumber: options.bootNumber,
      tickMs: settings.raft.tickMs,
      diskStallMs: settings.raft.diskStallMs,
      snapshotBytesPerSecond: settings.snapshot.bytesPerSecondMax,
      hasRoomFor: options.hasRoomFor,
      heartbeatTicks: settings.raft.heartbeatTicks,
      electionTicks: settings.raft.electionTicks,
      clock: ports.clock,
      timers: ports.timers,
      logger: ports.logger,
      metrics: ports.metrics,
      store: options.store,
      checkpoints: options.checkpoints,
      peers: ports.peers,
      observer: ports.observer,
      fatal: ports.fatal,
      nodeOf: (group, replica) => this.view.nodeOf(group, replica),
      mapVersion: () => this.view.version,
      onRoleChange: (replica, change) => {
        this.memory.onRole(replica);
        this.shardVersions.onRole(replica);
        this.onRoutesChanged();
        this.lifecycle.onConfiguration(replica);
        this.repair.onConfiguration(replica);
        if (change.leader === 0) return;
        const node = this.view.nodeOf(replica.group, change.leader);
        this.gossip.note(replica.group, change.term, replica.configuration.version, node);
      },
      onMapVersion: (from, version) => this.gossip.onMapVersion(from, version),
      onUnknownReplica: (group, message, from) => this.lifecycle.onUnknownReplica(group, message, from),
      onConfiguration: (replica) => {
        this.readiness.changed();
        this.lifecycle.onConfiguration(replica);
        this.repair.onConfiguration(replica);
      },
      onRemoved: (replica, version) => {
        this.readiness.changed();
        this.lifecycle.onRemoved(replica, version);
      },
      onSuspect: (replica) => this.repair.onSuspect(replica),
    });
    this.gossip = new Gossip({
      nodeId: options.nodeId,
      peers: ports.peers,
      view: this.view,
      timers: ports.timers,
      entropy: ports.entropy,
      logger: ports.logger,
      onHints: () => {
        this.gateway.poll();
        this.onRoutesChanged();
      },
    });
    this.directory = new Directory({
      nodeId: options.nodeId,
      host: this.host,
      view: this.view,
      timers: ports.timers,
    });
    const metrics = createGatewayMetrics(ports.metrics);
    const sessions = new SessionGrants(
      options.nodeId,
      ports.entropy,
      () => this.host.clocks.clusterWallMs(ports.clock.wallMs(), ports.clock.monoMs()),
      () => this.view.state.clusterVersion >= SESSIONS_SINCE,
    );
    this.gateway = new Gateway({
      nodeId: options.nodeId,
      host: this.host,
      clock: ports.clock,
      timers: ports.timers,
      peers: ports.peers,
      hints: this.view.hints,
      map: () => this.view.map,
      metrics,
      firstBatch: ports.entropy.u32(),
      inflightBytesMax: Math.min(
        settings.limits.inflightBytesMax,
        memoryPlan(settings.memory.max).inflightBytesMax,
      ),
      writeRefusal: options.writeRefusal,
      sessions,
    });
    this.forwardServer = new ForwardServer({
      host: this.host,
      peers: ports.peers,
      timers: ports.timers,
      metrics,
      mapVersion: () => this.view.version,
      leaderOf: (group) => this.leaderOf(group),
      writeRefusal: options.writeRefusal,
    });
    this.resp = createRespServer({
      gateway: this.gateway,
      directory: this.directory,
      clock: ports.clock,
      timers: ports.timers,
      entropy: ports.entropy,
      logger: ports.logger,
      metrics: ports.metrics,
      limits: settings.limits,
      info: () => infoFacts(this, ports.clock.monoMs() - this.startedAtMs),
      config: () => configRows(settings, this.memory),
    });
    this.cache = createCacheServer({
      gateway: this.gateway,
      directory: this.directory,
      clock: ports.clock,
      timers: ports.timers,
      logger: ports.logger,
      metrics: ports.metrics,
      limits: settings.limits,
      sessions,
    });
    this.meta = new MetaClient(this.host, this.view, ports.controlClient);
    this.memory = new Memory({
      nodeId: options.nodeId,
      host: this.host,
      view: this.view,
      peers: ports.peers,
      logger: ports.logger,
      metrics: ports.metrics,
      leaderOf: (group) => this.leaderOf(group),
      limits: memoryLimits(settings),
      seed: ports.entropy.u32(),
      proposeShares: (seen, shares, done) => this.meta.proposeShares(seen, shares, done),
    });
    const { gossip, forwardServer, gateway, memory } = this;
    this.forwardFrames = new ForwardFrames({ gossip, forwardServer, gateway, memory, logger: ports.logger });
    const { clock, timers, controlClient: client } = ports;
    this.verifier = new ShardVerifier({ host: this.host, view: this.view, clock, timers, client });
    const intervalMs = settings.log.checkpointIntervalMs;
    this.checkpoints = new ShardCheckpoints({
      host: this.host,
      view: this.view,
      clock,
      timers,
      client,
      intervalMs,
    });
    this.shardVersions = new ShardVersions(this.host, this.view.state.clusterVersion);
    this.balance = new LeaderBalance(this.host, (group) => this.view.preferredLeader(group));
    this.repair = new SuspectRepair(this.host, ports.logger);
    this.lifecycle = new Lifecycle({
      host: this.host,
      store: options.store,
      checkpoints: options.checkpoints,
      clock: ports.clock,
      logger: ports.logger,
      knownVersionOf: (group) => this.view.configurationVersionOf(group),
      report: (group, members, done) => this.report(group, members, done),
      recover: (recovered, done) => this.recover(recovered, done),
    });
  }

  // ---- start and stop ------------------------------------------------------------------------------------------

  start(done: (error: Error | null) => void): void {
    const { ports, settings, options } = { ...this.options, options: this.options };
    this.announceAddresses();
    this.recoverAll(() => {
      if (this.stopped) return;
      this.recovering = false;
      this.readiness.changed();
      this.lifecycle.onMap(this.view.state);
      const identity = {
        clusterId: options.clusterId,
        nodeId: options.nodeId,
        bootNumber: options.bootNumber,
        nonce: options.nonce,
      };
      ports.peers.setVersions(options.versions, this.view.state.clusterVersion);
      ports.peers.start(settings.peer, identity, this, (error) => {
        if (error !== null || this.stopped) {
          done(error);
          return;
        }
        this.host.start();
        this.gossip.start();
        this.housekeeping();
        this.listenResp(0, done);
      });
    });
  }

  /** One listener after the other; the first that can't listen is the error. */
  private listenResp(index: number, done: (error: Error | null) => void): void {
    const listener = this.options.settings.resp[index];
    if (listener === undefined || this.stopped) {
      done(null);
      return;
    }
    this.options.ports.streams.listen(
      listener.address,
      (stream) => this.resp.accept(stream, listener.routing),
      (error, _bound, close) => {
        if (error !== null) {
          done(error);
          return;
        }
        this.closersOfResp.push(close);
        this.listenResp(index + 1, done);
      },
    );
  }

  stop(done: () => void): void {
    if (this.stopped) return;
    this.stopped = true;
    this.verifier.stop();
    this.gossip.stop();
    this.directory.stop();
    // What waits is answered first, then connections close; the host stops in between, so that nothing new runs.
    this.gateway.stop();
    this.forwardServer.stop();
    this.host.stop();
    const closeStreams = (next: () => void): void => {
      const close = this.closersOfResp.pop();
      if (close === undefined) next();
      else close(() => closeStreams(next));
    };
    let open = 2;
    const closed = (): void => {
      if (--open === 0) this.options.ports.peers.stop(done);
    };
    this.cache.close(closed);
    this.resp.close(() => closeStreams(closed));
  }

  private recoverAll(done: () => void): void {
    const groups = [...this.options.groups];
    const next = (): void => {
      if (this.stopped) return;
      const recovered = groups.shift();
      if (recovered === undefined) {
        done();
        return;
      }
      this.recover(this.withKnownId(recovered), next);
    };
    next();
  }

  private recover(recovered: RecoveredGroup, done: () => void): void {
    const { ports, settings, checkpoints, createRaft } = this.options;
    const { host } = this;
    const { entropy, logger } = ports;
    const machineOf = (group: GroupId): Machine => this.machineOf(group);
    const groupsHere = this.view.state.shards.length + 1;
    recoverGroup(
      { host, checkpoints, createRaft, machineOf, entropy, logger, settings, groupsHere },
      recovered,
      done,
    );
  }

  /** The record of a suspect replica's id may be what was damaged: group 0's copy tells it, so that it can be replaced. */
  private withKnownId(recovered: RecoveredGroup): RecoveredGroup {
    if (recovered.replica !== 0) return recovered;
    const own = this.view.replicasOf(recovered.group).find(({ node }) => node === this.options.nodeId);
    return own === undefined ? recovered : { ...recovered, replica: own.replica };
  }

  private report(group: GroupId, members: GroupMembers, done: (state: MetaState | null) => void): void {
    this.meta.report(group, members, (_, outcome) => {
      if (this.stopped) return;
      if (outcome !== null) this.view.update(outcome.state);
      done(outcome?.state ?? null);
    });
  }

  private machineOf(group: GroupId): Machine {
    if (group === META_GROUP) return new MetaReplicaMachine((state) => this.view.update(state));
    const shard = this.view.map.shard(group);
    const { memory, feed } = this.options.settings;
    const shards = this.view.state.shards.length;
    const kv = this.options.createKv({
      hashSeed: hashSeed(this.options.clusterId, group),
      valueBytesMax: APPLY_VALUE_BYTES_MAX,
      firstSlot: shard?.firstSlot ?? 0,
      lastSlot: shard?.lastSlot ?? 0,
      born: this.view.state.shards.find(({ id }) => id === group)?.born ?? this.options.versions.min,
      versions: this.options.versions,
      feed: {
        bytesMax: feedBytesMax(memoryPlan(memory.max), shards, feed.bytesMax),
        eventsMax: feed.eventsMax,
      },
    });
    this.memory.equip(kv);
    return kv;
  }

  /**
   * Preferred leaders of a cluster that was just born need not wait for a time-out: they campaign now, and again as
   * links to the others come up. Else others would win first, and the first seconds would be spent handing over.
   */
  onBorn(): void {
    this.bornAtMs = this.options.ports.clock.monoMs();
    this.campaignWherePreferred();
  }

  private campaignWherePreferred(): void {
    for (const replica of this.host.all()) {
      if (this.view.preferredLeader(replica.group) !== replica.id || replica.leaderNode !== 0) continue;
      replica.raft.campaign();
      this.host.markDirty(replica);
    }
  }

  /** Room is made by checkpoints, behind which the log can go, and by leading nothing. */
  onDiskLow(): void {
    for (const replica of this.host.all()) replica.policy.start();
    this.balance.giveUpLeaderships();
  }

  // ---- the cluster's state -------------------------------------------------------------------------------------

  leaderOf(group: GroupId): NodeId {
    const replica = this.host.replica(group);
    if (replica !== null && replica.leaderNode !== 0) return replica.leaderNode;
    return this.view.hints.nodeOf(group);
  }

  /** Whether an encoded founding state is of this node's own cluster. */
  knowsGenesis(bytes: Uint8Array): boolean {
    return decodeMetaState(bytes).clusterId === this.options.clusterId;
  }

  transferLeadership(
    group: GroupId,
    node: NodeId,
    forwarded: boolean,
    done: (failure: ControlFailure | null, response: TransferResponse | null) => void,
  ): void {
    const { controlClient: client, clock, timers } = this.options.ports;
    const { host, view } = this;
    transferLeadership({ host, view, client, clock, timers }, group, node, forwarded, done);
  }

  private onMap(state: MetaState): void {
    const { versions, clusterId, ports } = this.options;
    if (!knowsVersion(versions, state.clusterVersion)) {
      const error = new UnknownVersionError(`cluster ${clusterId}`, state.clusterVersion, versions);
      ports.fatal('refused', error.message, error);
      return;
    }
    ports.peers.setVersions(versions, state.clusterVersion);
    this.shardVersions.onVersion(state.clusterVersion);
    this.lifecycle.onMap(state);
    this.memory.onMap(state);
    this.options.remember(state);
    this.announceAddresses();
    this.onRoutesChanged();
  }

  /** Who leads what, or where it is, may have changed. */
  private onRoutesChanged(): void {
    this.readiness.changed();
    this.directory.changed();
  }

  private announceAddresses(): void {
    for (const node of this.view.state.nodes) {
      if (node.id !== this.options.nodeId && isAddress(node.addresses.peer))
        this.options.ports.peers.setAddress(node.id, node.addresses.peer);
    }
  }

  private housekeeping(): void {
    if (this.stopped) return;
    if (this.options.writeRefusal() === null) this.balance.poll(this.options.ports.clock.monoMs());
    this.repair.poll();
    this.lifecycle.poll(this.options.ports.clock.monoMs());
    this.checkpoints.poll(this.options.ports.clock.monoMs());
    this.memory.poll(this.options.ports.clock.monoMs());
    this.shardVersions.poll(this.options.ports.clock.monoMs());
    this.bootstrapMeta();
    this.tellOwnAddresses();
    this.options.ports.timers.after(HOUSEKEEPING_MS, () => this.housekeeping());
  }

  /** The first leader of group 0 writes the genesis into its log; later ones find it there. */
  private bootstrapMeta(): void {
    const replica = this.host.replica(META_GROUP);
    if (replica === null || !replica.serves || this.bootstrapping) return;
    if (!(replica.machine instanceof MetaReplicaMachine) || replica.machine.state.clusterId !== '') return;
    this.bootstrapping = true;
    const command = encodeBootstrap(this.options.state);
    const again = (): void => {
      this.bootstrapping = false;
    };
    replica.submitWrite(command, 0, command.length, false, { onResult: again, onRefused: again }, 0);
  }

  /** After a start with other addresses, or another build, the cluster is told, until it knows. */
  private tellOwnAddresses(): void {
    const { self, nodeId } = this.options;
    const known = this.view.state.nodes.find(({ id }) => id === nodeId);
    if (this.telling || known === undefined || isAsReported(known, self.addresses, self.versions)) return;
    this.telling = true;
    // With a new peer address nobody reaches this node yet, so it hears of no leader: any other node will do.
    const others = this.view.state.nodes.filter((node) => node.id !== nodeId);
    const fallback = others.length === 0 ? 0 : must(others[this.tellings++ % others.length], 'a node').id;
    this.meta.upsertNode(self, fallback, (failure, outcome) => {
      this.telling = false;
      if (failure?.code === 'UNSUPPORTED_VERSION' && !this.stopped)
        this.options.ports.fatal('refused', failure.message);
      if (outcome !== null) this.view.update(outcome.state);
    });
  }

  // ---- PeerHandlers --------------------------------------------------------------------------------------------

  onFrame(from: NodeId, channel: PeerChannel, frame: Uint8Array): void {
    if (this.stopped) return;
    if (channel === 'raft') this.host.onRaftFrame(from, frame);
    else if (channel === 'bulk') this.host.onBulkFrame(from, frame);
    else this.forwardFrames.onFrame(from, frame);
  }

  onHeard(): void {
    // Nodes are judged by their Raft frames, which bear what a mere sign of life doesn't (host/node-liveness.ts).
  }

  onLinkUp(node: NodeId, channel: PeerChannel): void {
    this.gateway.poll();
    if (this.stopped) return;
    if (channel === 'forward') this.forwardServer.onDrain(node);
    const isNewborn = this.options.ports.clock.monoMs() < this.bornAtMs + NEWBORN_MS;
    if (channel === 'raft' && isNewborn) this.campaignWherePreferred();
  }

  onLinkDown(node: NodeId, channel: PeerChannel): void {
    if (this.stopped) return;
    if (channel === 'forward') {
      this.gateway.onLinkDown(node);
      this.forwardServer.onLinkDown(node);
      this.gossip.onLinkDown(node);
    } else this.host.onLinkDown(node, channel);
  }

  onDrain(node: NodeId, channel: PeerChannel): void {
    if (channel === 'bulk') this.host.onBulkDrain(node);
    else if (channel === 'forward' && !this.stopped) this.forwardServer.onDrain(node);
  }
}

/** Equal on all replicas of a shard, different from cluster to cluster. */
function hashSeed(clusterId: string, group: GroupId): number {
  let h = 0x811c9dc5 ^ group;
  for (let i = 0; i < clusterId.length; i++) h = Math.imul(h ^ clusterId.charCodeAt(i), 0x01000193);
  return h >>> 0;
}
