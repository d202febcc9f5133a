/**
 * Load through the SDK in a process of its own: `clients` workers of one SDK client, each with `pipeline` operations
 * open, half of them reads and half writes by a coin.
 */
import { Meter, readConfig, untilAnswered } from './meter.js';
import type { Timing } from './meter.js';
import { Dice, keyName } from './random.js';

export interface SdkLoadConfig extends Timing {
  /** sdk.js of the build that is measured. */
  readonly sdkFile: string;
  readonly endpoints: readonly string[];
  readonly clients: number;
  readonly pipeline: number;
  readonly keys: number;
  readonly valueBytes: number;
}

/** The part of the SDK that is used here. */
interface CacheClient {
  get(key: string): Promise<unknown>;
  set(key: string, value: Uint8Array): Promise<unknown>;
  close(): unknown;
}

const config = readConfig<SdkLoadConfig>();
const meter = new Meter(config);
const sdk = (await import(config.sdkFile)) as {
  connect(options: { endpoints: readonly string[] }): CacheClient | Promise<CacheClient>;
};
const client = await sdk.connect({ endpoints: config.endpoints });
const value = new Uint8Array(config.valueBytes).fill(120);
let openCount = 0;

const over = meter.run();
for (let i = 0; i < config.clients * config.pipeline; i++) void keepBusy(i);
await over;
await untilAnswered(() => openCount);
meter.print();
await client.close();

async function keepBusy(seed: number): Promise<void> {
  const dice = new Dice(seed);
  while (meter.isRunning) {
    const key = keyName(dice.below(config.keys));
    const isRead = dice.below(2) === 0;
    const startedMs = performance.now();
    let error: string | null = null;
    openCount++;
    try {
      await (isRead ? client.get(key) : client.set(key, value));
    } catch (thrown) {
      error = thrown instanceof Error ? thrown.message : String(thrown);
    }
    openCount--;
    meter.onAnswer(performance.now() - startedMs, error, isRead);
    if (error !== null) await new Promise((resolve) => setTimeout(resolve, 1));
  }
}
