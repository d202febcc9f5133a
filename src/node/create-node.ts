/**
 * One node from its ports and settings.
 *
 *   start: open the log store (refuse what is not ours) -> raise the boot number, durably -> listen for control calls
 *          -> member of a cluster: recover and serve      -> not yet: wait (waiting.ts), become a member, serve
 *
 * Neither the server nor the simulator wires anything besides.
 */
import {
  assert,
  KNOWN_VERSIONS,
  knowsVersion,
  META_GROUP,
  UnknownVersionError,
  type ErrorReason,
  type Fatal,
  type GroupId,
  type NodeId,
  type VersionRange,
} from '../base/index.js';
import { refuseUninitialised } from '../api/index.js';
import type { FeedDesk } from '../group/index.js';
import { createKv } from '../kv/index.js';
import type { MetaState } from '../meta/index.js';
import type {
  CacheHandler,
  CloseListener,
  ControlHandler,
  ControlMethods,
  Instance,
} from '../ports/index.js';
import { createRaft, NO_CONFIGURATION, type Configuration } from '../raft/index.js';
import type { NodeSettings } from '../settings/index.js';
import {
  DiskGuard,
  openCheckpoints,
  openLogStore,
  raiseFormat,
  type CheckpointStore,
  type LogStore,
  type RecoveredGroup,
} from '../storage/index.js';
import { ControlService } from './control-service.js';
import { advertisedAddress, advertisedResp } from './addresses.js';
import type { Node, NodePorts, NodeSeams, NodeStatus } from './api.js';
import { httpPage } from './http-pages.js';
import { Member } from './member.js';
import { freshGroup } from './recovery.js';
import { memberStatus, statusJson, WAITING_STATUS } from './status.js';
import {
  decodeMembership,
  decodeNumber,
  decodeText,
  encodeMembership,
  encodeNumber,
  encodeText,
  VALUE_BOOT,
  VALUE_INSTANCE,
  VALUE_MEMBER,
  type Membership,
} from './stored.js';
import { Waiting } from './waiting.js';

const HELLO_TIMEOUT_MS = 5000;

export function createNode(ports: NodePorts, settings: NodeSettings, seams: NodeSeams = {}): Node {
  return new QuorateNode(ports, settings, seams);
}

class QuorateNode implements Node {
  private store: LogStore | null = null;
  private checkpoints: CheckpointStore | null = null;
  private guard: DiskGuard | null = null;
  private waiting: Waiting | null = null;
  private member: Member | null = null;
  private self: Instance | null = null;
  private bootNumber = 0;
  private readonly nonce: string;
  private closers: CloseListener[] = [];
  private stopped = false;
  /** The log store is being opened: a stop waits for it, since it is not there to be closed yet. */
  private opening = false;
  /** Who asked to stop, until it is done; then null. */
  private stopWaiters: (() => void)[] | null = [];
  private readonly versions: VersionRange;
  /** What FORMAT is to name, and whether it is being written. */
  private formatVersion = 0;
  private isRaisingFormat = false;
  /** Listening addresses with port 0 resolved. */
  private bound = { grpc: '', http: '' };

  constructor(
    private readonly ports: NodePorts,
    private readonly settings: NodeSettings,
    private readonly seams: NodeSeams,
  ) {
    this.versions = seams.versions ?? KNOWN_VERSIONS;
    this.nonce = hex(ports.entropy.bytes(8));
    ports.metrics.gaugeValue('ready', 'Whether the node is a member and every shard has a leader', () =>
      this.isReady() ? 1 : 0,
    );
  }

  start(done: (error: Error | null) => void): void {
    const { ports, settings } = this;
    if (this.stopped) return;
    this.opening = true;
    openLogStore(
      {
        folder: settings.data,
        storePath: `${settings.data}/log`,
        openStore: ports.openStore,
        files: ports.files,
        crc32: ports.crc32,
        clock: ports.clock,
        timers: ports.timers,
        logger: ports.logger,
        metrics: ports.metrics,
        sync: settings.log.sync,
        versions: this.versions,
      },
      (error, store) => {
        this.opening = false;
        this.store = store;
        if (this.stopped) {
          this.endParts();
          return;
        }
        if (error !== null || store === null) {
          done(error ?? new Error('the log store did not open'));
          return;
        }
        this.checkpoints = openCheckpoints({
          folder: settings.data,
          files: ports.files,
          crc32: ports.crc32,
          compressor: ports.compressor,
          clock: ports.clock,
          timers: ports.timers,
          logger: ports.logger,
          metrics: ports.metrics,
        });
        this.guard = new DiskGuard(
          {
            folder: settings.data,
            files: ports.files,
            timers: ports.timers,
            logger: ports.logger,
            metrics: ports.metrics,
            reserveRatio: settings.disk.reserveRatio,
            reserveBytes: settings.disk.reserveBytes,
            ballastBytes: settings.disk.ballastBytes,
          },
          (state) => {
            ports.logger.warn('disk space', { state, freeBytes: this.guard?.freeBytes });
            if (state === 'low') this.member?.onDiskLow();
          },
        );
        this.guard.start((guardError) => {
          if (guardError !== null)
            ports.logger.warn('free disk space is unknown', { error: String(guardError) });
        });
        this.listen(store, done);
      },
    );
  }

  /**
   * At any moment of a start, and as often as one likes: a supervisor may ask twice, and each asker is told when it is
   * done. A start that is cut short by it says nothing more.
   */
  stop(done: () => void): void {
    if (this.stopWaiters === null) {
      done();
      return;
    }
    this.stopWaiters.push(done);
    if (this.stopped) return;
    this.stopped = true;
    if (!this.opening) this.endParts();
  }

  private endParts(): void {
    this.waiting?.end();
    this.guard?.stop();
    const closeNext = (): void => {
      const close = this.closers.pop();
      if (close !== undefined) close(closeNext);
      else this.closeStore();
    };
    if (this.member === null) closeNext();
    else this.member.stop(closeNext);
  }

  private closeStore(): void {
    const store = this.store;
    if (store === null) {
      this.onStopped();
      return;
    }
    store.close((error) => {
      if (error !== null) this.ports.logger.warn('closing the log store failed', { error: String(error) });
      this.onStopped();
    });
  }

  private onStopped(): void {
    const waiters = this.stopWaiters ?? [];
    this.stopWaiters = null;
    for (const done of waiters) done();
  }

  status(): NodeStatus {
    return this.member === null ? WAITING_STATUS : memberStatus(this.member);
  }

  feed(group: GroupId): FeedDesk | null {
    return this.member?.host.replica(group)?.feed ?? null;
  }

  private isReady(): boolean {
    return this.member !== null && this.member.readiness.missing().length === 0;
  }

  // ---- start ---------------------------------------------------------------------------------------------------

  /** Control and HTTP first: their ports may be drawn by the system, and are part of what the node advertises. */
  private listen(store: LogStore, done: (error: Error | null) => void): void {
    const { ports, settings } = this;
    const handlers = {
      control: this.control,
      cache: this.cache,
      ready: () => this.isReady(),
    };
    ports.rpcServer.listen(settings.grpc, handlers, (error, bound, close) => {
      if (this.stopped) {
        if (error === null) close(() => undefined);
        return;
      }
      if (error !== null) {
        done(error);
        return;
      }
      this.closers.push(close);
      this.bound.grpc = bound;
      ports.http.listen(
        settings.http,
        (path, answer) => httpPage(path, this.ports, this.status(), answer),
        (httpError, httpBound, closeHttp) => {
          if (this.stopped) {
            if (httpError === null) closeHttp(() => undefined);
            return;
          }
          if (httpError !== null) {
            done(httpError);
            return;
          }
          this.closers.push(closeHttp);
          this.bound.http = httpBound;
          this.identify(store, done);
        },
      );
    });
  }

  private identify(store: LogStore, done: (error: Error | null) => void): void {
    const { values } = store.recovered;
    const storedInstance = values.get(VALUE_INSTANCE);
    const instanceId =
      storedInstance === undefined ? hex(this.ports.entropy.bytes(8)) : decodeText(storedInstance);
    const storedBoot = values.get(VALUE_BOOT);
    this.bootNumber = (storedBoot === undefined ? 0 : decodeNumber(storedBoot)) + 1;
    store.putNodeValue(VALUE_INSTANCE, encodeText(instanceId));
    store.putNodeValue(VALUE_BOOT, encodeNumber(this.bootNumber));
    const { advertiseHost, resp } = this.settings;
    const advertise = (address: string): string => advertisedAddress(address, advertiseHost);
    this.self = {
      instanceId,
      addresses: {
        grpc: advertise(this.bound.grpc),
        peer: advertise(this.settings.peer),
        resp: advertisedResp(resp, 'forward', advertiseHost),
        respMoved: advertisedResp(resp, 'moved', advertiseHost),
        http: advertise(this.bound.http),
      },
      versions: this.versions,
    };
    this.flush(store, () => {
      const stored = values.get(VALUE_MEMBER);
      if (stored !== undefined)
        this.startMember(decodeMembership(stored), store.recovered.groups, false, done);
      else this.startWaiting(done);
    });
  }

  private flush(store: LogStore, then: () => void): void {
    store.flush((error) => {
      if (this.stopped) return;
      if (error !== null) this.fatal('disk', 'writing the log failed', error);
      else then();
    });
  }

  private startWaiting(done: (error: Error | null) => void): void {
    const { ports, settings } = this;
    assert(this.self !== null, 'identity is known');
    this.waiting = new Waiting({
      self: this.self,
      join: settings.join,
      clock: ports.clock,
      timers: ports.timers,
      entropy: ports.entropy,
      logger: ports.logger,
      client: ports.controlClient,
      become: (clusterId, nodeId, state, then) => this.become(clusterId, nodeId, state, then),
      refused: (message) => this.ports.fatal('refused', message),
    });
    this.waiting.start();
    if (settings.single) this.waiting.foundAlone(settings.shards);
    done(null);
  }

  /** Membership and the node's first replicas in one batch: a member never lacks the replicas it was born with. */
  private become(clusterId: string, nodeId: NodeId, state: MetaState, then: () => void): void {
    const store = this.store;
    if (store === null || this.stopped) return;
    this.waiting?.end();
    const groups = firstReplicas(nodeId, state);
    // Only the founding gives replicas; who joins later gets some from the coordinator.
    for (const { group, replica, configuration } of groups) store.createGroup(group, replica, configuration);
    store.putNodeValue(VALUE_MEMBER, encodeMembership({ clusterId, nodeId, state }));
    this.flush(store, () => {
      const recovered = groups.map(({ group, replica, configuration }) =>
        freshGroup(group, replica, configuration),
      );
      this.startMember({ clusterId, nodeId, state }, recovered, true, (error) => {
        if (error !== null)
          this.ports.fatal(portInUse(error) ? 'port_in_use' : 'internal', error.message, error);
        else then();
      });
    });
  }

  private startMember(
    membership: Membership,
    groups: readonly RecoveredGroup[],
    born: boolean,
    done: (error: Error | null) => void,
  ): void {
    const { ports, settings, store, checkpoints, self } = this;
    const { clusterVersion } = membership.state;
    if (!knowsVersion(this.versions, clusterVersion)) {
      done(new UnknownVersionError(`cluster ${membership.clusterId}`, clusterVersion, this.versions));
      return;
    }
    this.raiseFormat(clusterVersion);
    assert(store !== null && checkpoints !== null && self !== null, 'opened before');
    ports.logger.info('node is a member', { clusterId: membership.clusterId, nodeId: membership.nodeId });
    const member = new Member({
      ports: { ...ports, fatal: this.fatal },
      settings,
      store,
      checkpoints,
      createRaft: this.seams.createRaft ?? createRaft,
      createKv: this.seams.createKv ?? createKv,
      versions: this.versions,
      clusterId: membership.clusterId,
      nodeId: membership.nodeId,
      self,
      bootNumber: this.bootNumber,
      nonce: this.nonce,
      state: membership.state,
      groups,
      remember: (state) => {
        this.raiseFormat(state.clusterVersion);
        store.putNodeValue(VALUE_MEMBER, encodeMembership({ ...membership, state }));
        member.host.wake();
      },
      writeRefusal: () => this.writeRefusal(),
      hasRoomFor: (bytes) => this.guard?.hasRoomFor(bytes) ?? true,
    });
    this.member = member;
    this.askJoinAddresses(membership.clusterId, self);
    member.start((error) => {
      if (error === null && born) member.onBorn();
      done(error);
    });
  }

  /** FORMAT follows the cluster's version, so that an older build refuses the folder before it opens anything. */
  private raiseFormat(clusterVersion: number): void {
    if (clusterVersion <= this.formatVersion) return;
    this.formatVersion = clusterVersion;
    if (this.isRaisingFormat) return;
    this.isRaisingFormat = true;
    raiseFormat(this.ports.files, this.settings.data, clusterVersion, (error) => {
      this.isRaisingFormat = false;
      if (this.stopped) return;
      if (error !== null) {
        this.fatal('disk', 'writing FORMAT failed', error);
        return;
      }
      const { formatVersion } = this;
      if (formatVersion === clusterVersion) return;
      this.formatVersion = clusterVersion;
      this.raiseFormat(formatVersion);
    });
  }

  /** A member that is told to join nodes of another cluster was given the wrong directory, or the wrong address. */
  private askJoinAddresses(clusterId: string, self: Instance): void {
    for (const address of this.settings.join) {
      const request = { from: self, clusterId };
      this.ports.controlClient.call(address, 'hello', request, HELLO_TIMEOUT_MS, (_, response) => {
        if (this.stopped || response === null || response.clusterId === '') return;
        if (response.clusterId === clusterId) return;
        this.ports.fatal(
          'refused',
          `the data directory ${this.settings.data} belongs to cluster ${clusterId}, and ${address} to cluster ` +
            `${response.clusterId}: give another --data, or another --join`,
        );
      });
    }
  }

  /** A full disk: the ballast goes first, so that the next start has room to truncate in. */
  private readonly fatal: Fatal = (reason, message, cause) => {
    const { guard, ports } = this;
    this.member?.host.halt();
    if (guard === null || !isDiskFull(cause)) ports.fatal(reason, message, cause);
    else guard.giveUpBallast(() => ports.fatal(reason, message, cause));
  };

  private writeRefusal(): ErrorReason | null {
    return this.guard?.state === 'low' ? 'DISK_FULL' : null;
  }

  // ---- calls of clients ----------------------------------------------------------------------------------------

  private readonly uninitialised = refuseUninitialised();

  private get cacheNow(): CacheHandler {
    return this.member?.cache ?? this.uninitialised;
  }

  private readonly cache: CacheHandler = {
    unary: (method, request, deadlineMs, answer) => this.cacheNow.unary(method, request, deadlineMs, answer),
    pipeline: (stream) => this.cacheNow.pipeline(stream),
    watchShardMap: (request, stream) => this.cacheNow.watchShardMap(request, stream),
  };

  // ---- control calls -------------------------------------------------------------------------------------------

  private readonly control: ControlHandler = (method, request, reply) => {
    new ControlService({
      self: this.self,
      waiting: this.member === null ? this.waiting : null,
      member: this.member,
      status: () => {
        const status = this.status();
        return {
          clusterId: status.clusterId,
          nodeId: status.nodeId,
          ready: status.ready,
          missing: status.missing,
          json: statusJson(this.member, status),
        } satisfies ControlMethods['status']['response'];
      },
    }).handle(method, request, reply);
  };
}

/** The replicas that the founding state puts on a node. Only for a state that nobody has changed since. */
function firstReplicas(
  nodeId: NodeId,
  state: MetaState,
): { group: number; replica: number; configuration: Configuration }[] {
  const all = [
    { id: META_GROUP, replicas: state.metaGroup.replicas },
    ...state.shards.map(({ id, replicas }) => ({ id, replicas })),
  ];
  return all.flatMap(({ id, replicas }) => {
    const own = replicas.find(({ node }) => node === nodeId);
    if (own === undefined) return [];
    const configuration: Configuration = {
      ...NO_CONFIGURATION,
      version: 1,
      highestId: Math.max(...replicas.map(({ replica }) => replica)),
      voters: replicas.map(({ replica }) => replica),
      homes: replicas.map(({ replica, node }) => ({ replica, node })),
    };
    return [{ group: id, replica: own.replica, configuration }];
  });
}

function isDiskFull(cause: unknown): boolean {
  return cause instanceof Error && 'code' in cause && cause.code === 'ENOSPC';
}

function portInUse(error: Error): boolean {
  return 'code' in error && (error.code === 'EADDRINUSE' || error.code === 'EADDRNOTAVAIL');
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');
}
