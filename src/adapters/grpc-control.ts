/**
 * The control calls over gRPC (grpc-js): a server for a node, a client for nodes and the command line.
 *
 * A failure crosses as the metadata entry `quorate-reason`; the gRPC status beside it is the nearest one, for tools
 * that know only those. Whatever fails before a handler answered (nobody listens, deadline) is `UNAVAILABLE`: the
 * callers of these few calls repeat them, and every call may be repeated.
 */
import {
  Client,
  credentials,
  Metadata,
  Server,
  ServerCredentials,
  setLogVerbosity,
  logVerbosity,
  status,
} from '@grpc/grpc-js';
import type {
  sendUnaryData,
  ServerUnaryCall,
  ServiceError,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';

import { ERROR_REASONS, QuorateError } from '../base/index.js';
import type { ErrorReason } from '../base/index.js';
import type {
  ControlClient,
  ControlFailure,
  ControlHandler,
  ControlMethod,
  ControlServer,
} from '../ports/index.js';
import { CONTROL_CODECS, loadControlService } from './grpc-control-schema.js';
import type { WireMessage } from './grpc-control-schema.js';

const REASON_KEY = 'quorate-reason';
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
/** Addresses this process keeps a channel to; the least recently used is closed beyond that. */
const CHANNELS_MAX = 64;
/** Calls under way get this long when the server closes. */
const CLOSE_GRACE_MS = 500;

/** A node that restarts is back within a second; grpc-js would wait up to two minutes before it looks again. */
const CHANNEL_OPTIONS = {
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.enable_http_proxy': 0,
  'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
  'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
} as const;

/** No `Partial`: a new reason doesn't compile until it has a status. */
const STATUS_OF: Readonly<Record<ErrorReason, status>> = {
  OUTCOME_UNKNOWN: status.UNKNOWN,
  NOT_LEADER: status.FAILED_PRECONDITION,
  SHARD_NOT_LOCAL: status.FAILED_PRECONDITION,
  SHARD_LEADER_UNKNOWN: status.UNAVAILABLE,
  STALE_MAP: status.FAILED_PRECONDITION,
  OVERLOADED: status.RESOURCE_EXHAUSTED,
  OUT_OF_MEMORY: status.RESOURCE_EXHAUSTED,
  DISK_FULL: status.RESOURCE_EXHAUSTED,
  DEADLINE_EXCEEDED: status.DEADLINE_EXCEEDED,
  TOO_MANY_HOPS: status.UNAVAILABLE,
  INVALID_ARGUMENT: status.INVALID_ARGUMENT,
  TOO_LARGE: status.INVALID_ARGUMENT,
  NOT_INITIALISED: status.UNAVAILABLE,
  ALREADY_INITIALISED: status.ALREADY_EXISTS,
  WRONG_CLUSTER: status.FAILED_PRECONDITION,
  REPLICA_REMOVED: status.FAILED_PRECONDITION,
  SESSION_EXPIRED: status.ABORTED,
  STALE_COORDINATOR: status.FAILED_PRECONDITION,
  OLD_DATA_DIRECTORY: status.FAILED_PRECONDITION,
  UNAVAILABLE: status.UNAVAILABLE,
  INTERNAL: status.INTERNAL,
};

const METHODS = Object.keys(CONTROL_CODECS) as ControlMethod[];

export function createGrpcControlServer(): ControlServer {
  setLogVerbosity(logVerbosity.NONE); // it would write to standard error; what fails here is told to the caller
  return {
    listen(address, handler, done) {
      const server = new Server(CHANNEL_OPTIONS);
      server.addService(loadControlService().service, implementation(handler));
      const close = (closed: () => void): void => closeServer(server, closed);
      server.bindAsync(address, ServerCredentials.createInsecure(), (error, port) => {
        if (error) done(bindError(error, address), '', close);
        else done(null, `${address.slice(0, address.lastIndexOf(':'))}:${port}`, close);
      });
    },
  };
}

function closeServer(server: Server, closed: () => void): void {
  let isDone = false;
  const finish = (): void => {
    if (isDone) return;
    isDone = true;
    clearTimeout(timer);
    closed();
  };
  const timer = setTimeout(() => {
    server.forceShutdown();
    finish();
  }, CLOSE_GRACE_MS);
  server.tryShutdown(finish);
}

/** grpc-js keeps only the text of a listen error, so the system's code has to be read out of it. */
function bindError(error: Error, address: string): Error {
  const code = /\bE[A-Z]{4,}\b/.exec(error.message)?.[0];
  const told =
    code === 'EADDRINUSE' ? `${address} is in use` : `can't listen on ${address}: ${error.message}`;
  return Object.assign(new Error(told, { cause: error }), code === undefined ? {} : { code });
}

function implementation(handler: ControlHandler): UntypedServiceImplementation {
  return Object.fromEntries(METHODS.map((method) => [method, serve(method, handler)]));
}

function serve<M extends ControlMethod>(method: M, handler: ControlHandler) {
  const codec = CONTROL_CODECS[method];
  return (call: ServerUnaryCall<WireMessage, WireMessage>, answer: sendUnaryData<WireMessage>): void => {
    let request;
    try {
      request = codec.decodeRequest(call.request);
    } catch (error) {
      if (!QuorateError.is(error)) throw error;
      answer(asServiceError(error));
      return;
    }
    handler(method, request, (failure, response) => {
      if (failure) answer(asServiceError(failure));
      else if (response) answer(null, codec.encodeResponse(response));
      else answer(asServiceError({ code: 'INTERNAL', message: `${method}: no answer` }));
    });
  };
}

function asServiceError(failure: ControlFailure): Partial<ServiceError> {
  const metadata = new Metadata();
  metadata.set(REASON_KEY, failure.code);
  return { code: STATUS_OF[failure.code], details: failure.message, metadata };
}

export interface ClosableControlClient extends ControlClient {
  /** Closes every channel, so that the process may end; calls under way still get their answer. */
  close(): void;
}

export function createGrpcControlClient(): ClosableControlClient {
  setLogVerbosity(logVerbosity.NONE);
  /** In order of last use. */
  const channels = new Map<string, Client>();
  const channelTo = (address: string): Client => {
    let client = channels.get(address);
    channels.delete(address);
    if (!client) {
      client = new Client(address, credentials.createInsecure(), CHANNEL_OPTIONS);
      closeOldest(channels);
    }
    channels.set(address, client);
    return client;
  };
  return {
    call(address, method, request, deadlineMs, done) {
      const codec = CONTROL_CODECS[method];
      const definition = loadControlService().service[wireName(method)];
      if (!definition) throw new QuorateError('INTERNAL', `control.proto has no call for ${method}`);
      channelTo(address).makeUnaryRequest<WireMessage, WireMessage>(
        definition.path,
        definition.requestSerialize,
        definition.responseDeserialize as (bytes: Buffer) => WireMessage,
        codec.encodeRequest(request),
        new Metadata(),
        { deadline: Date.now() + deadlineMs },
        (error, wire) => {
          if (error) done(asFailure(error, address), null);
          else answerDecoded(() => codec.decodeResponse(wire ?? {}), done);
        },
      );
    },
    close() {
      for (const client of channels.values()) client.close();
      channels.clear();
    },
  };
}

function closeOldest(channels: Map<string, Client>): void {
  if (channels.size < CHANNELS_MAX) return;
  for (const [address, client] of channels) {
    client.close();
    channels.delete(address);
    return;
  }
}

function wireName(method: ControlMethod): string {
  return method.charAt(0).toUpperCase() + method.slice(1);
}

function answerDecoded<T>(
  decode: () => T,
  done: (failure: ControlFailure | null, response: T | null) => void,
): void {
  let response: T;
  try {
    response = decode();
  } catch (error) {
    done({ code: 'INTERNAL', message: error instanceof Error ? error.message : String(error) }, null);
    return;
  }
  done(null, response);
}

function asFailure(error: ServiceError, address: string): ControlFailure {
  const reason = error.metadata.get(REASON_KEY)[0];
  if (typeof reason === 'string' && Object.hasOwn(ERROR_REASONS, reason)) {
    return { code: reason as ErrorReason, message: error.details };
  }
  if (error.code === status.UNIMPLEMENTED) {
    return { code: 'UNAVAILABLE', message: `${address} is no Quorate node, or one of another version` };
  }
  if (error.code === status.DEADLINE_EXCEEDED) {
    return { code: 'UNAVAILABLE', message: `${address} did not answer in time` };
  }
  if (error.code === status.UNAVAILABLE) {
    return { code: 'UNAVAILABLE', message: `${address} can't be reached: ${error.details}` };
  }
  return { code: 'INTERNAL', message: `${address}: ${error.details}` };
}
