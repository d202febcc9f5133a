/**
 * Messages of proto/quorate/v1/cache.proto that travel once per call, as plain objects: headers, unary requests and
 * responses, the shard map, errors. The tables below repeat the proto's field numbers; tests compare the two.
 *
 * Three pairs of messages have the same layout, so that one reader and one writer serve both: `BatchWriteRequest` is
 * read and written as a `PipelineRequest`; `BatchGetResponse` and `BatchWriteResponse` as a `PipelineResponse` without
 * hints and map version.
 */
import {
  BOOL,
  BYTES,
  LIST_OF_BYTES,
  LIST_OF_UINT32,
  listOf,
  MessageDescription,
  part,
  SINT64,
  STRING,
  UINT32,
  UINT64,
  type FieldType,
} from './description.js';
import { EXPIRY } from './expiry.js';
import type { Expiry } from './expiry.js';

export { NO_EXPIRY, type Expiry } from './expiry.js';

/** What every request may say about itself; all zero: nothing. */
export interface RequestHeader {
  /** Time left; 0: the call's own deadline, or the server's default. */
  readonly deadlineMs: number;
  readonly session: number;
  readonly sequence: number;
  readonly lowestUnanswered: number;
  /** A `CacheConsistency`, or a number of a later version. */
  readonly consistency: number;
  /** Of the shard map that the caller routed by; 0: none. */
  readonly mapVersion: number;
  /** W3C `traceparent`; empty: none. */
  readonly traceParent: string;
  /** How old a `stale` read may be; 0: the server's default. */
  readonly maxStalenessMs: number;
  readonly sessionGrantedMs: number;
  readonly sessionLifetimeMs: number;
  /** The next response of the stream is to bring a session. */
  readonly wantSession: boolean;
}

/** `Session` of the proto. */
export interface SessionMessage {
  readonly session: number;
  readonly grantedMs: number;
  readonly lifetimeMs: number;
}

export interface KeyRequest {
  readonly header: RequestHeader;
  readonly key: Uint8Array;
}
export interface GetRequest extends KeyRequest {
  readonly withMeta: boolean;
}
export interface SetRequest extends KeyRequest {
  readonly value: Uint8Array;
  readonly expiry: Expiry;
  /** A `CacheSetCondition`, or a number of a later version. */
  readonly condition: number;
  readonly keepTtl: boolean;
}
export interface CompareAndSetRequest extends KeyRequest {
  readonly expectedVersion: number;
  readonly value: Uint8Array;
  readonly expiry: Expiry;
  readonly keepTtl: boolean;
}
export interface CompareAndDeleteRequest extends KeyRequest {
  readonly expectedVersion: number;
}
export interface IncrementRequest extends KeyRequest {
  readonly delta: number | bigint;
}
export interface TouchRequest extends KeyRequest {
  readonly expiry: Expiry;
}
export interface BatchGetRequest {
  readonly header: RequestHeader;
  /** At most 65,536. */
  readonly keys: readonly Uint8Array[];
  readonly withMeta: boolean;
}
export interface GetShardMapRequest {
  readonly header: RequestHeader;
}
export interface OpenSessionRequest {
  readonly header: RequestHeader;
}

export interface GetResponse {
  readonly found: boolean;
  readonly value: Uint8Array;
  readonly version: number;
  /** 0: no time to live. */
  readonly ttlMs: number;
}
/** Of Set, CompareAndSet and CompareAndDelete: `version` is the key's now. */
export interface AppliedResponse {
  readonly applied: boolean;
  readonly version: number;
}
/** Of Delete and Touch. */
export interface FoundResponse {
  readonly found: boolean;
}
export interface IncrementResponse {
  readonly number: number | bigint;
  readonly version: number;
}
export interface PersistResponse {
  readonly found: boolean;
  readonly applied: boolean;
}

/** `ShardMap` of the proto: what clients need of a topology map. */
export interface MapMessage {
  readonly clusterId: string;
  readonly version: number;
  readonly nodes: readonly MapNodeMessage[];
  /** In the order of their slots. */
  readonly shards: readonly MapShardMessage[];
}
export interface MapNodeMessage {
  readonly id: number;
  /** HOST:PORT each; empty: no such listener. */
  readonly grpc: string;
  readonly resp: string;
  readonly respMoved: string;
}
export interface MapShardMessage {
  readonly id: number;
  readonly firstSlot: number;
  /** Included. */
  readonly lastSlot: number;
  readonly nodes: readonly number[];
  /** Node; 0: not known. */
  readonly leader: number;
  /** Of that leadership. */
  readonly term: number;
}

/** `Error` of the proto. */
export interface ErrorMessage {
  /** `number` of a row of ERROR_REASONS. */
  readonly reason: number;
  readonly message: string;
  readonly shard: number;
  /** 0: unknown. */
  readonly leaderNode: number;
  readonly leaderAddress: string;
  readonly mapVersion: number;
  /** 0: no advice. */
  readonly retryAfterMs: number;
}

export const REQUEST_HEADER = new MessageDescription<RequestHeader>({
  deadlineMs: [1, UINT32],
  session: [2, UINT64],
  sequence: [3, UINT64],
  lowestUnanswered: [4, UINT64],
  consistency: [5, UINT32],
  mapVersion: [6, UINT64],
  traceParent: [7, STRING],
  maxStalenessMs: [8, UINT32],
  sessionGrantedMs: [9, UINT64],
  sessionLifetimeMs: [10, UINT32],
  wantSession: [11, BOOL],
});

export const SESSION_MESSAGE = new MessageDescription<SessionMessage>({
  session: [1, UINT64],
  grantedMs: [2, UINT64],
  lifetimeMs: [3, UINT32],
});

/** A header that says nothing. */
export const NO_HEADER: RequestHeader = Object.freeze(REQUEST_HEADER.create());

const HEADER: readonly [number, FieldType<RequestHeader>] = [1, part(REQUEST_HEADER)];
const KEY: readonly [number, FieldType<Uint8Array>] = [2, BYTES];

const KEY_REQUEST = new MessageDescription<KeyRequest>({ header: HEADER, key: KEY });
const APPLIED_RESPONSE = new MessageDescription<AppliedResponse>({
  applied: [1, BOOL],
  version: [2, UINT64],
});
const FOUND_RESPONSE = new MessageDescription<FoundResponse>({ found: [1, BOOL] });

const MAP_MESSAGE = new MessageDescription<MapMessage>({
  clusterId: [1, STRING],
  version: [2, UINT64],
  nodes: [
    3,
    listOf(
      new MessageDescription<MapNodeMessage>({
        id: [1, UINT32],
        grpc: [2, STRING],
        resp: [3, STRING],
        respMoved: [4, STRING],
      }),
    ),
  ],
  shards: [
    4,
    listOf(
      new MessageDescription<MapShardMessage>({
        id: [1, UINT32],
        firstSlot: [2, UINT32],
        lastSlot: [3, UINT32],
        nodes: [4, LIST_OF_UINT32],
        leader: [5, UINT32],
        term: [6, UINT64],
      }),
    ),
  ],
});

export const ERROR_MESSAGE = new MessageDescription<ErrorMessage>({
  reason: [1, UINT32],
  message: [2, STRING],
  shard: [3, UINT32],
  leaderNode: [4, UINT32],
  leaderAddress: [5, STRING],
  mapVersion: [6, UINT64],
  retryAfterMs: [7, UINT32],
});

/** One message as bytes and back. `encode`: missing fields are zero. `decode` throws `MalformedMessage`; its bytes
 * fields are views of what was given. */
export interface MessageCodec<T extends object> {
  encode(value: Readonly<Partial<T>>): Uint8Array;
  decode(bytes: Uint8Array): T;
}

function codec<T extends object>(of: MessageDescription<T>): MessageCodec<T> {
  return of;
}

/** Requests of the unary methods by name; of BatchWrite see `PipelineRequestReader` and `PipelineRequestWriter`. */
export const UNARY_REQUESTS = {
  Get: codec(new MessageDescription<GetRequest>({ header: HEADER, key: KEY, withMeta: [3, BOOL] })),
  Set: codec(
    new MessageDescription<SetRequest>({
      header: HEADER,
      key: KEY,
      value: [3, BYTES],
      expiry: [4, EXPIRY],
      condition: [5, UINT32],
      keepTtl: [6, BOOL],
    }),
  ),
  Delete: codec(KEY_REQUEST),
  CompareAndSet: codec(
    new MessageDescription<CompareAndSetRequest>({
      header: HEADER,
      key: KEY,
      expectedVersion: [3, UINT64],
      value: [4, BYTES],
      expiry: [5, EXPIRY],
      keepTtl: [6, BOOL],
    }),
  ),
  CompareAndDelete: codec(
    new MessageDescription<CompareAndDeleteRequest>({
      header: HEADER,
      key: KEY,
      expectedVersion: [3, UINT64],
    }),
  ),
  Increment: codec(
    new MessageDescription<IncrementRequest>({ header: HEADER, key: KEY, delta: [3, SINT64] }),
  ),
  Touch: codec(new MessageDescription<TouchRequest>({ header: HEADER, key: KEY, expiry: [3, EXPIRY] })),
  Persist: codec(KEY_REQUEST),
  BatchGet: codec(
    new MessageDescription<BatchGetRequest>({
      header: HEADER,
      keys: [2, LIST_OF_BYTES],
      withMeta: [3, BOOL],
    }),
  ),
  GetShardMap: codec(new MessageDescription<GetShardMapRequest>({ header: HEADER })),
  OpenSession: codec(new MessageDescription<OpenSessionRequest>({ header: HEADER })),
} as const;

/** Responses of the unary methods by name; of BatchGet and BatchWrite see `PipelineResponseWriter`. */
export const UNARY_RESPONSES = {
  Get: codec(
    new MessageDescription<GetResponse>({
      found: [1, BOOL],
      value: [2, BYTES],
      version: [3, UINT64],
      ttlMs: [4, UINT64],
    }),
  ),
  Set: codec(APPLIED_RESPONSE),
  Delete: codec(FOUND_RESPONSE),
  CompareAndSet: codec(APPLIED_RESPONSE),
  CompareAndDelete: codec(APPLIED_RESPONSE),
  Increment: codec(new MessageDescription<IncrementResponse>({ number: [1, SINT64], version: [2, UINT64] })),
  Touch: codec(FOUND_RESPONSE),
  Persist: codec(new MessageDescription<PersistResponse>({ found: [1, BOOL], applied: [2, BOOL] })),
  GetShardMap: codec(MAP_MESSAGE),
  OpenSession: codec(SESSION_MESSAGE),
} as const;

export function encodeMapMessage(map: Readonly<Partial<MapMessage>>): Uint8Array {
  return MAP_MESSAGE.encode(map);
}

/** Throws `MalformedMessage`. What the map says is not checked for sense. */
export function decodeMapMessage(bytes: Uint8Array): MapMessage {
  return MAP_MESSAGE.decode(bytes);
}

export function encodeError(error: Readonly<Partial<ErrorMessage>>): Uint8Array {
  return ERROR_MESSAGE.encode(error);
}

/** Throws `MalformedMessage`. */
export function decodeError(bytes: Uint8Array): ErrorMessage {
  return ERROR_MESSAGE.decode(bytes);
}
