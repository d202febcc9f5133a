/** What a node needs of the world, and what the world may ask of it. */
import type { Fatal, GroupId, MetricsRegistry, NodeId, VersionRange } from '../base/index.js';
import type {
  Clock,
  Compressor,
  ControlClient,
  Crc32,
  Entropy,
  Files,
  HttpListeners,
  Logger,
  OpenOrderedStore,
  PeerNetwork,
  ReplicaObserver,
  RpcServer,
  StreamListeners,
  Timers,
} from '../ports/index.js';
import type { FeedDesk, StreamStatus } from '../group/index.js';
import type { ReceiveStatus } from '../host/index.js';
import type { createKv } from '../kv/index.js';
import type { Configuration, createRaft } from '../raft/index.js';
import type { NodeSettings } from '../settings/index.js';

export interface NodePorts {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly entropy: Entropy;
  readonly logger: Logger;
  readonly metrics: MetricsRegistry;
  readonly openStore: OpenOrderedStore;
  readonly files: Files;
  readonly crc32: Crc32;
  readonly compressor: Compressor;
  readonly peers: PeerNetwork;
  readonly streams: StreamListeners;
  readonly http: HttpListeners;
  readonly rpcServer: RpcServer;
  readonly controlClient: ControlClient;
  /** Renders the registry for `/metrics`. */
  readonly renderMetrics: (done: (text: string, contentType: string) => void) => void;
  readonly fatal: Fatal;
  readonly observer: ReplicaObserver | null;
}

export interface ReplicaStatus {
  readonly group: GroupId;
  readonly replica: number;
  readonly role: string;
  readonly term: number;
  readonly leaderNode: NodeId;
  readonly commit: number;
  readonly applied: number;
  readonly lastIndex: number;
  readonly firstIndex: number;
  readonly hash: string;
  readonly suspect: string | null;
  /** Snapshots that this leader owes to followers, and how far they are. */
  readonly snapshotsOut: readonly StreamStatus[];
  /** The snapshot that this replica is receiving. */
  readonly snapshotIn: ReceiveStatus | null;
  /** The one in force. */
  readonly configuration: Configuration;
  /** Idle: its clock stands still. */
  readonly quiesced: boolean;
}

export interface NodeStatus {
  /** 0 and '' until the node is a member. */
  readonly nodeId: NodeId;
  readonly clusterId: string;
  readonly ready: boolean;
  readonly missing: readonly string[];
  readonly replicas: readonly ReplicaStatus[];
  readonly snapshotsInstalled: number;
  readonly checkpointsWritten: number;
}

export interface Node {
  /** Opens the data directory, listens, rejoins or waits for a cluster. `done` once it listens. */
  start(done: (error: Error | null) => void): void;
  /** Hands over, answers what waits, closes everything. */
  stop(done: () => void): void;
  status(): NodeStatus;
  /** The change feed of the group's replica here, for readers in this process; null when there is none. */
  feed(group: GroupId): FeedDesk | null;
}

/** For tests: what to build the node from instead of the real thing, and cluster versions as another build knows them. */
export interface NodeSeams {
  readonly createRaft?: typeof createRaft;
  readonly createKv?: typeof createKv;
  readonly versions?: VersionRange;
}

export type CreateNode = (ports: NodePorts, settings: NodeSettings, seams?: NodeSeams) => Node;
