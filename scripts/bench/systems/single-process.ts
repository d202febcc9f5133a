/** Peers that are one process: Redis with every write made durable, and a bare RESP server in Node. */
import path from 'node:path';

import { freePorts } from '../bench-context.js';
import type { BenchContext, RunningSystem } from '../bench-context.js';
import { until } from '../children.js';
import { isListening } from './listening.js';

export interface RunningRespServer extends RunningSystem {
  readonly port: number;
}

const START_MS_MAX = 20_000;

/** The append-only file isn't rewritten meanwhile: a second process would share the cores with it by chance. */
export async function startRedis(context: BenchContext, folder: string): Promise<RunningRespServer> {
  const [port = 0] = await freePorts(1);
  // prettier-ignore
  const words = ['redis-server', '--port', String(port), '--bind', '127.0.0.1', '--dir', folder, '--save', '',
    '--appendonly', 'yes', '--appendfsync', 'always', '--auto-aof-rewrite-percentage', '0'];
  return start(context, 'redis-server', words, port, folder);
}

export async function startBareServer(context: BenchContext, folder: string): Promise<RunningRespServer> {
  const [port = 0] = await freePorts(1);
  const file = path.join(context.root, 'scripts', 'bench', 'load', 'bare-server.ts');
  return start(
    context,
    'bare server',
    [process.execPath, '--import', 'tsx', file, String(port)],
    port,
    folder,
  );
}

async function start(
  context: BenchContext,
  name: string,
  words: readonly string[],
  port: number,
  folder: string,
): Promise<RunningRespServer> {
  const cwd = name === 'bare server' ? context.root : folder;
  const child = context.children.start(name, words, path.join(folder, 'server.log'), cwd);
  await until(() => isListening(port), `${name} listens`, START_MS_MAX);
  return { port, pids: [child.pid], stop: () => child.stop() };
}
