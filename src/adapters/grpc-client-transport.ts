/**
 * The SDK's way to nodes over gRPC (grpc-js), with messages as bytes: no schema is loaded here. One connection per
 * address and client carries the stream of operations and the one of maps.
 *
 * Invariant: `onOpen` comes with the server's headers, which it sends when it has the stream. What is written after
 * that is never sent twice by the library, since a call that has headers is not retried.
 */
import { Client, credentials, logVerbosity, setLogVerbosity, status } from '@grpc/grpc-js';
import type { ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import type { ErrorReason } from '../base/index.js';
import type { ClientStreamHandler, ClientTransport } from '../ports/index.js';
import { plainBytes } from './tcp-address.js';

const PIPELINE_PATH = '/quorate.v1.Cache/Pipeline';
const WATCH_PATH = '/quorate.v1.Cache/WatchShardMap';
/** A response holds the results of many operations; a server's own limit is 16 MiB unless set otherwise. */
const MESSAGE_BYTES_MAX = 64 * 1024 * 1024;

const CHANNEL_OPTIONS = {
  // A node that restarts is back within a second; the library would wait up to two minutes before it looks again.
  'grpc.initial_reconnect_backoff_ms': 50,
  'grpc.max_reconnect_backoff_ms': 1000,
  // A connection whose other end vanished without a word is found by these.
  'grpc.keepalive_time_ms': 10_000,
  'grpc.keepalive_timeout_ms': 5000,
  'grpc.enable_http_proxy': 0,
  'grpc.enable_retries': 0,
  'grpc.enable_channelz': 0,
  'grpc.service_config_disable_resolution': 1,
  // A client's connections are its own: closing one client leaves another's alone.
  'grpc.use_local_subchannel_pool': 1,
  'grpc.max_send_message_length': MESSAGE_BYTES_MAX,
  'grpc.max_receive_message_length': MESSAGE_BYTES_MAX,
} as const;

/** An empty `GetShardMapRequest`: no header. */
const NO_BYTES = new Uint8Array(0);

export function createGrpcClientTransport(): ClientTransport {
  setLogVerbosity(logVerbosity.NONE); // it would write to standard error; what fails here is told to the caller
  const channels = new Map<string, Client>();
  const open = new Set<{ close(): void }>();
  const channelTo = (address: string): Client => {
    let channel = channels.get(address);
    if (channel === undefined) {
      channel = new Client(address, credentials.createInsecure(), CHANNEL_OPTIONS);
      channels.set(address, channel);
    }
    return channel;
  };
  const follow = (call: ClientReadableStream<Buffer>, handler: ClientStreamHandler): { close(): void } => {
    let isOver = false;
    const stream = {
      close() {
        isOver = true;
        open.delete(stream);
        call.cancel();
      },
    };
    open.add(stream);
    call.on('metadata', () => {
      if (!isOver) handler.onOpen();
    });
    call.on('data', (bytes: Buffer) => {
      if (!isOver) handler.onMessage(plainBytes(bytes));
    });
    call.on('drain', () => {
      if (!isOver) handler.onDrain();
    });
    call.on('error', () => undefined); // its status follows
    call.on('status', ({ code, details }: Pick<ServiceError, 'code' | 'details'>) => {
      if (isOver) return;
      isOver = true;
      open.delete(stream);
      handler.onEnd({ code: reasonOf(code), message: describe(code, details) });
    });
    return stream;
  };
  return {
    openPipeline(address, handler) {
      const call = channelTo(address).makeBidiStreamRequest(PIPELINE_PATH, toBuffer, asIs);
      const { close } = follow(call, handler);
      return { write: (bytes) => call.write(bytes), close };
    },
    watchShardMap(address, handler) {
      const call = channelTo(address).makeServerStreamRequest(WATCH_PATH, toBuffer, asIs, NO_BYTES);
      return follow(call, handler);
    },
    close() {
      for (const stream of [...open]) stream.close();
      for (const channel of channels.values()) channel.close();
      channels.clear();
    },
  };
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}

function asIs(bytes: Buffer): Buffer {
  return bytes;
}

function reasonOf(code: status): ErrorReason {
  if (code === status.RESOURCE_EXHAUSTED) return 'OVERLOADED';
  return code === status.INVALID_ARGUMENT ? 'INVALID_ARGUMENT' : 'UNAVAILABLE';
}

function describe(code: status, details: string): string {
  if (code === status.OK) return 'the node ended the stream';
  if (code === status.UNIMPLEMENTED) return 'no Quorate node, or one of another version';
  return details || status[code];
}
