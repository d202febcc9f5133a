/** From endpoints to a client: made once the cluster's map is known, or not at all. */
import { QuorateError } from '../base/index.js';
import { EngineCacheClient } from './cache-client.js';
import type { CacheClient } from './cache-client.js';
import { readConnectOptions } from './client-options.js';
import type { ConnectOptions } from './client-options.js';
import { ClientEngine } from './engine.js';
import type { ClientEnginePorts } from './engine.js';

/**
 * Rejects with INVALID_ARGUMENT, or with UNAVAILABLE, naming the endpoints, when none of them has told the map by the
 * deadline; nothing is left open then.
 */
export function connectWith(ports: ClientEnginePorts, options: ConnectOptions): Promise<CacheClient> {
  return new Promise((resolve, reject) => {
    const settings = readConnectOptions(options);
    const engine = new ClientEngine(ports, settings);
    const close = (): Promise<void> => {
      engine.close();
      // Calls without an answer are rejected in the next turn, and before this.
      return new Promise((closed) => ports.timers.soon(closed));
    };
    const cancelTimer = ports.timers.after(settings.deadlineMs, () => {
      engine.close();
      reject(
        new QuorateError(
          'UNAVAILABLE',
          `no cluster at ${settings.endpoints.join(', ')} within ${settings.deadlineMs} ms (${engine.lastFailure})`,
          { endpoints: settings.endpoints.join(',') },
          { cause: new QuorateError('UNAVAILABLE', engine.lastFailure) },
        ),
      );
    });
    engine.start(() => {
      cancelTimer();
      resolve(new EngineCacheClient(engine, settings.deadlineMs, close));
    });
  });
}
