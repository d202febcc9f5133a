/**
 * The control calls over gRPC (grpc-js): what a server needs to answer them (grpc-server.ts), and a client for nodes
 * and the command line.
 *
 * A failure crosses as the metadata entry `quorate-reason`; the gRPC status beside it is the nearest one, for tools
 * that know only those. Whatever fails before a handler answered (nobody listens, deadline) is `UNAVAILABLE`: the
 * callers of these few calls repeat them, and every call may be repeated.
 */
import { Client, credentials, Metadata, setLogVerbosity, logVerbosity, status } from '@grpc/grpc-js';
import type {
  sendUnaryData,
  ServerUnaryCall,
  ServiceError,
  UntypedServiceImplementation,
} from '@grpc/grpc-js';

import { ERROR_REASONS, QuorateError } from '../base/index.js';
import type { ErrorReason } from '../base/index.js';
import type { ControlClient, ControlFailure, ControlHandler, ControlMethod } from '../ports/index.js';
import { CONTROL_CODECS, loadControlService } from './grpc-control-schema.js';
import type { WireMessage } from './wire-message.js';

const REASON_KEY = 'quorate-reason';
const MESSAGE_BYTES_MAX = 16 * 1024 * 1024;
/** Addresses this process keeps a channel to; the least recently used is closed beyond that. */
const CHANNELS_MAX = 64;

/** A node that restarts is back within a second; grpc-js would wait up to two minutes before it looks again. */
const CHANNEL_OPTIONS = {
  'grpc.initial_reconnect_backoff_ms': 100,
  'grpc.max_reconnect_backoff_ms': 1000,
  'grpc.enable_http_proxy': 0,
  'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
  'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
} as const;

const METHODS = Object.keys(CONTROL_CODECS) as ControlMethod[];

/** The service `Control` for a server: decodes, hands over, encodes. */
export function controlImplementation(handler: ControlHandler): UntypedServiceImplementation {
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
  return { code: status[ERROR_REASONS[failure.code].grpc], details: failure.message, metadata };
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
