/** Finds a taken port before anything is started, so that the error names it instead of a child's log. */
import { createServer } from 'node:net';

import { DEV_HOST, DEV_LISTENERS } from './plan.js';
import type { PlannedNode } from './plan.js';

/** One line naming the first port in use; null when all are free. */
export async function findPortInUse(nodes: readonly PlannedNode[]): Promise<string | null> {
  for (const node of nodes) {
    for (const listener of DEV_LISTENERS) {
      const port = node.ports[listener];
      const code = await tryListen(port);
      if (code === null) continue;
      const why = code === 'EADDRINUSE' ? 'is in use' : `can't be listened on (${code})`;
      return (
        `port ${port} on ${DEV_HOST} (${listener} of node ${node.number}) ${why}; ` +
        `stop what uses it, or choose others with --base-${listener}`
      );
    }
  }
  return null;
}

function tryListen(port: number): Promise<string | null> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen({ port, host: DEV_HOST, exclusive: true }, () => server.close(() => resolve(null)));
  });
}
