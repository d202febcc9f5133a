import type { ErrorReason, GroupId, NodeAddresses, NodeId, ReplicaId, VersionRange } from '../base/index.js';
import type { CacheHandler } from './cache-calls.js';
import type { CloseListener } from './listeners.js';
import type {
  CheckpointRequest,
  CheckpointResponse,
  WriteCheckpointRequest,
  WriteCheckpointResponse,
} from './checkpoint-calls.js';
import type {
  AuditRequest,
  AuditResponse,
  MarkRequest,
  MarkResponse,
  VerifyRequest,
  VerifyResponse,
} from './verify-calls.js';

/**
 * The control calls between nodes before they share a cluster, and from the CLI: gRPC in production
 * (proto/quorate/v1/control.proto), plain calls in the simulator. Few and slow; never on the write or read path.
 */

/** A server process that may be or become a node. `instanceId` is drawn once per data directory. */
export interface Instance {
  readonly instanceId: string;
  readonly addresses: NodeAddresses;
  /** Cluster versions that its build knows. */
  readonly versions: VersionRange;
}

export interface HelloRequest {
  readonly from: Instance;
  /** Empty while the caller is no member of a cluster. */
  readonly clusterId: string;
}
export interface HelloResponse {
  readonly self: Instance;
  readonly clusterId: string;
  /** Instances without a cluster that the answering one has heard of lately, itself included. */
  readonly waiting: readonly Instance[];
}

export interface JoinRequest {
  readonly from: Instance;
}
/** Encoded cluster state a new member starts from (meta/ decides the bytes). */
export interface JoinResponse {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  readonly state: Uint8Array;
}

export interface InitRequest {
  readonly shards: number;
  readonly replicas: number;
  readonly waitMs: number;
  readonly allowFewer: boolean;
}
export interface InitResponse {
  readonly clusterId: string;
  readonly nodes: readonly { readonly id: NodeId; readonly addresses: NodeAddresses }[];
  readonly shards: number;
  readonly replicas: number;
}

/** `claim` asks an instance not to join any other founding; `genesis` makes it a member; `release` gives it free. */
export interface FoundRequest {
  readonly step: 'claim' | 'genesis' | 'release';
  readonly founder: Instance;
  /** With `genesis`: the encoded first state of the cluster (meta/ decides the bytes), and which node the callee is. */
  readonly nodeId: NodeId;
  readonly state: Uint8Array;
}
export interface FoundResponse {
  readonly accepted: boolean;
  /** When not accepted: why, in words for an operator. */
  readonly reason: string;
}

/** A group leader's word on its configuration; with version 0 only a question for the state. */
export interface ReportRequest {
  readonly group: GroupId;
  readonly members: {
    readonly configurationVersion: number;
    readonly highestId: ReplicaId;
    readonly replicas: readonly {
      readonly replica: ReplicaId;
      readonly node: NodeId;
      readonly isLearner: boolean;
    }[];
  };
}
/** Encoded cluster state after it (meta/ decides the bytes). */
export interface ReportResponse {
  readonly state: Uint8Array;
}

/** Hands a group's leadership to a node; 0: to whichever voter is furthest. */
export interface TransferRequest {
  readonly group: GroupId;
  readonly node: NodeId;
  /** Passed on by another node: not to be passed on again. */
  readonly forwarded: boolean;
}
export interface TransferResponse {
  /** The node that leads now. */
  readonly leader: NodeId;
  readonly tookMs: number;
}

/** Looks at, or changes, settings of the cluster. With `get` and `list` nothing changes; `reset` goes back to the default. */
export interface ConfigRequest {
  readonly action: 'get' | 'list' | 'set' | 'reset';
  /** Empty with `list`. */
  readonly name: string;
  readonly value: string;
}
export interface ConfigResponse {
  readonly settings: readonly {
    readonly name: string;
    readonly value: string;
    /** Nobody has set it. */
    readonly isDefault: boolean;
    readonly accepts: string;
    readonly help: string;
  }[];
  /** Encoded cluster state after it (meta/ decides the bytes). */
  readonly state: Uint8Array;
}

/** Tells of the cluster version, or raises it to the newest that any node knows, if all do. */
export interface UpgradeRequest {
  readonly action: 'status' | 'finish';
}
export interface UpgradeResponse {
  /** The version in force. */
  readonly clusterVersion: number;
  /** The newest version that any node knows: what `finish` raises to. */
  readonly target: number;
  readonly nodes: readonly {
    readonly id: NodeId;
    /** Of its gRPC listener. */
    readonly address: string;
    /** As it reported at its last start. */
    readonly versions: VersionRange;
  }[];
  /** Encoded cluster state after it (meta/ decides the bytes). */
  readonly state: Uint8Array;
}

export interface StatusResponse {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  readonly ready: boolean;
  /** What is missing until ready, in words. */
  readonly missing: readonly string[];
  /** The whole status as JSON, for people and programs. */
  readonly json: string;
}

export interface ControlMethods {
  hello: { request: HelloRequest; response: HelloResponse };
  join: { request: JoinRequest; response: JoinResponse };
  init: { request: InitRequest; response: InitResponse };
  found: { request: FoundRequest; response: FoundResponse };
  report: { request: ReportRequest; response: ReportResponse };
  transfer: { request: TransferRequest; response: TransferResponse };
  config: { request: ConfigRequest; response: ConfigResponse };
  upgrade: { request: UpgradeRequest; response: UpgradeResponse };
  verify: { request: VerifyRequest; response: VerifyResponse };
  mark: { request: MarkRequest; response: MarkResponse };
  audit: { request: AuditRequest; response: AuditResponse };
  checkpoint: { request: CheckpointRequest; response: CheckpointResponse };
  writeCheckpoint: { request: WriteCheckpointRequest; response: WriteCheckpointResponse };
  status: { request: Record<string, never>; response: StatusResponse };
}
export type ControlMethod = keyof ControlMethods;

/** Failures cross this edge as `QuorateError`; an unreachable address is `UNAVAILABLE`. */
export interface ControlFailure {
  readonly code: ErrorReason;
  readonly message: string;
}

export interface ControlClient {
  call<M extends ControlMethod>(
    address: string,
    method: M,
    request: ControlMethods[M]['request'],
    deadlineMs: number,
    done: (failure: ControlFailure | null, response: ControlMethods[M]['response'] | null) => void,
  ): void;
}

export type ControlHandler = <M extends ControlMethod>(
  method: M,
  request: ControlMethods[M]['request'],
  reply: (failure: ControlFailure | null, response: ControlMethods[M]['response'] | null) => void,
) => void;

/** Who answers the calls that come to one gRPC listener. */
export interface RpcHandlers {
  readonly control: ControlHandler;
  /** While the node is no member of a cluster it refuses every call with `NOT_INITIALISED`. */
  readonly cache: CacheHandler;
  /** What the standard health service says, asked at every check and a few times a second for its watchers. */
  readonly ready: () => boolean;
}

/** The listener of clients, administrators and nodes: control calls, the cache, health and reflection. */
export interface RpcServer {
  /** `done` gets the bound address; an address in use is an error with `code: 'EADDRINUSE'`. */
  listen(
    address: string,
    handlers: RpcHandlers,
    done: (error: Error | null, bound: string, close: CloseListener) => void,
  ): void;
}
