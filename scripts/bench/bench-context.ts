/** What every part of a run needs: where things are, who was started, and which limits hold. */
import { createServer } from 'node:net';

import type { Children } from './children.js';
import type { Options } from './options.js';

export interface BenchContext {
  readonly options: Options;
  readonly children: Children;
  /** Temporary folder of this run, removed at its end. */
  readonly scratch: string;
  /** The checkout. */
  readonly root: string;
  /** quorate.js that is measured. */
  readonly program: string;
  /** etcd's load generator; null: etcd can't be measured. */
  readonly etcdload: string | null;
  /** Whether the program has listeners that redirect as Redis Cluster does. */
  readonly hasMoved: boolean;
  /** Arguments of node before the program; for profiles. */
  readonly nodeWords: readonly string[];
}

/** A system that runs: its processes, and the figures that prove what it did. */
export interface RunningSystem {
  readonly pids: readonly number[];
  stop(): Promise<void>;
}

/** Below the range from which the system draws ports of outgoing connections, which could sit on one of ours. */
const PORT_MIN = 10_240;
const PORT_MAX = 32_000;
const handedOut = new Set<number>();

export async function freePorts(count: number): Promise<number[]> {
  const ports: number[] = [];
  while (ports.length < count) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
    if (handedOut.has(port) || !(await isFree(port))) continue;
    handedOut.add(port);
    ports.push(port);
  }
  return ports;
}

function isFree(port: number): Promise<boolean> {
  const server = createServer();
  return new Promise((resolve) => {
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
