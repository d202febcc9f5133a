/**
 * A client as any user of gRPC would make it from the protos: no code of the server's or of the SDK. 64-bit integers
 * are bigint-free numbers, bytes are Buffers, enums are names.
 */
import path from 'node:path';
import { Client, credentials, loadPackageDefinition, Metadata, status } from '@grpc/grpc-js';
import type { ClientDuplexStream, ClientReadableStream, ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';
import type { MethodDefinition } from '@grpc/proto-loader';

/** A message as JSON-like fields in camelCase; unset ones are zero. */
export type Fields = Record<string, unknown>;

export interface CallOutcome {
  /** gRPC status by name; OK. */
  readonly code: string;
  readonly message: string;
  readonly response: Fields;
  /** The decoded trailer `quorate-error-bin`, if there was one. */
  readonly error: Fields | null;
}

const OPTIONS = { longs: Number, enums: String, defaults: true, bytes: Buffer } as const;
const CACHE = loadSync('quorate/v1/cache.proto', { includeDirs: [path.resolve('proto')], ...OPTIONS });

type Methods = Record<string, MethodDefinition<object, object>>;
const METHODS = CACHE['quorate.v1.Cache'] as unknown as Methods;
const HEALTH = loadSync('health/v1/health.proto', {
  includeDirs: [path.resolve('node_modules/grpc-health-check/proto')],
  ...OPTIONS,
})['grpc.health.v1.Health'] as unknown as Methods;

/** Decodes an `Error` with the library's own decoder, by way of a result that holds it. */
function decodeError(bytes: Buffer): Fields {
  const decode = METHODS['BatchGet']?.responseDeserialize;
  if (decode === undefined || bytes.length > 16_000)
    throw new Error('no decoder, or an error that is too long');
  const field = (body: Buffer, tag: number): Buffer => {
    const length = body.length < 128 ? [body.length] : [(body.length & 127) | 128, body.length >> 7];
    return Buffer.concat([Buffer.from([tag, ...length]), body]);
  };
  const { results } = decode(field(field(bytes, 0x12), 0x0a)) as { results: { error: Fields }[] };
  return results[0]?.error ?? {};
}

export class GrpcClient {
  private readonly client: Client;

  constructor(address: string) {
    this.client = new Client(address, credentials.createInsecure(), {
      'grpc.max_receive_message_length': 64 * 1024 * 1024,
      'grpc.max_send_message_length': 64 * 1024 * 1024,
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_retries': 0,
    });
  }

  close(): void {
    this.client.close();
  }

  /** One unary call; its failure is an outcome. */
  call(
    method: string,
    request: Fields,
    options: { deadlineMs?: number; compress?: 'gzip'; cancelled?: (cancel: () => void) => void } = {},
  ): Promise<CallOutcome> {
    return this.unary(METHODS, method, request, options);
  }

  async health(service: string): Promise<string> {
    const { code, response } = await this.unary(HEALTH, 'Check', { service }, {});
    return code === 'OK' ? String(response['status']) : code;
  }

  watchHealth(service: string): ClientReadableStream<object> {
    return this.serverStream(HEALTH, 'Watch', { service });
  }

  watchMap(): ClientReadableStream<object> {
    return this.serverStream(METHODS, 'WatchShardMap', {});
  }

  pipeline(): ClientDuplexStream<object, object> {
    const { path: at, requestSerialize, responseDeserialize } = definition(METHODS, 'Pipeline');
    return this.client.makeBidiStreamRequest(at, requestSerialize, responseDeserialize);
  }

  private serverStream(methods: Methods, method: string, request: Fields): ClientReadableStream<object> {
    const { path: at, requestSerialize, responseDeserialize } = definition(methods, method);
    return this.client.makeServerStreamRequest(at, requestSerialize, responseDeserialize, request);
  }

  private unary(
    methods: Methods,
    method: string,
    request: Fields,
    options: { deadlineMs?: number; compress?: 'gzip'; cancelled?: (cancel: () => void) => void },
  ): Promise<CallOutcome> {
    const { path: at, requestSerialize, responseDeserialize } = definition(methods, method);
    const metadata = new Metadata();
    const deadline = options.deadlineMs === undefined ? {} : { deadline: Date.now() + options.deadlineMs };
    return new Promise((resolve) => {
      const call = this.client.makeUnaryRequest(
        at,
        requestSerialize,
        responseDeserialize,
        request,
        metadata,
        deadline,
        (error, response) => resolve(outcomeOf(error, response as Fields | undefined)),
      );
      options.cancelled?.(() => call.cancel());
    });
  }
}

function definition(methods: Methods, method: string): MethodDefinition<object, object> {
  const found = methods[method];
  if (found === undefined) throw new Error(`the protos have no method ${method}`);
  return found;
}

function outcomeOf(error: ServiceError | null, response: Fields | undefined): CallOutcome {
  if (error === null) return { code: 'OK', message: '', response: response ?? {}, error: null };
  const trailer = error.metadata.get('quorate-error-bin')[0];
  return {
    code: status[error.code],
    message: error.details,
    response: {},
    error: trailer instanceof Buffer ? decodeError(trailer) : null,
  };
}

/** Services that a server's reflection names. */
export async function reflectedServices(address: string): Promise<string[]> {
  const tree = loadPackageDefinition(
    loadSync('reflection/v1/reflection.proto', {
      includeDirs: [path.resolve('node_modules/@grpc/reflection/build/proto/grpc')],
    }),
  ) as unknown as {
    grpc: { reflection: { v1: { ServerReflection: new (...args: unknown[]) => Client } } };
  };
  const client = new tree.grpc.reflection.v1.ServerReflection(address, credentials.createInsecure());
  const call = (
    client as unknown as { serverReflectionInfo(): ClientDuplexStream<object, object> }
  ).serverReflectionInfo();
  const answer = new Promise<Fields>((resolve, reject) => {
    call.once('data', resolve);
    call.once('error', reject);
  });
  call.write({ listServices: '' });
  const { listServicesResponse } = (await answer) as {
    listServicesResponse: { service: { name: string }[] };
  };
  call.end();
  client.close();
  return listServicesResponse.service.map((service) => service.name);
}
