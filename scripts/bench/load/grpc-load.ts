/** Unary gRPC load in a process of its own: what any gRPC client made from the protos can do. No map, no batching. */
import { credentials, loadPackageDefinition } from '@grpc/grpc-js';
import type { Client, GrpcObject, ServiceClientConstructor, ServiceError } from '@grpc/grpc-js';
import { loadSync } from '@grpc/proto-loader';

import { Meter, readConfig, untilAnswered } from './meter.js';
import type { Timing } from './meter.js';
import { Dice, keyName } from './random.js';

export interface GrpcLoadConfig extends Timing {
  readonly protoFile: string;
  /** Clients are spread over them, a channel each. */
  readonly addresses: readonly string[];
  readonly mode: 'writes' | 'reads';
  readonly clients: number;
  readonly keys: number;
  readonly valueBytes: number;
}

type Call = (request: object, done: (error: ServiceError | null) => void) => void;

const config = readConfig<GrpcLoadConfig>();
const meter = new Meter(config);
const packages = loadPackageDefinition(loadSync(config.protoFile, { longs: Number }));
const { Cache } = (packages['quorate'] as GrpcObject)['v1'] as GrpcObject as {
  Cache: ServiceClientConstructor;
};
const channels = config.addresses.map(
  (address) => new Cache(address, credentials.createInsecure()) as Client,
);
const isRead = config.mode === 'reads';
const value = Buffer.alloc(config.valueBytes, 'x');
let openCount = 0;

const over = meter.run();
for (let i = 0; i < config.clients; i++) keepBusy(i);
await over;
await untilAnswered(() => openCount);
meter.print();
channels.forEach((channel) => channel.close());

function keepBusy(client: number): void {
  const dice = new Dice(client);
  const channel = channels[client % channels.length] as Client & Record<'get' | 'set', Call>;
  const next = (): void => {
    if (!meter.isRunning) return;
    const key = Buffer.from(keyName(dice.below(config.keys)));
    const startedMs = performance.now();
    openCount++;
    const done = (error: ServiceError | null): void => {
      openCount--;
      meter.onAnswer(performance.now() - startedMs, error?.message ?? null, isRead);
      // A refusal that comes at once must not make a loop without end within one turn of the event loop.
      if (error) setTimeout(next, 1);
      else next();
    };
    if (isRead) channel.get({ key }, done);
    else channel.set({ key, value }, done);
  };
  next();
}
