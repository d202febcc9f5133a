/** etcd: three members on loopback, everything at its default but the quota, so that a long run can't fill it. */
import { mkdirSync, existsSync, statSync } from 'node:fs';
import path from 'node:path';

import type { BenchContext, RunningSystem } from '../bench-context.js';
import { freePorts } from '../bench-context.js';
import { hasTool, until } from '../children.js';
import type { Children } from '../children.js';

export interface RunningEtcd extends RunningSystem {
  readonly endpoints: readonly string[];
}

const MEMBERS = 3;
const BUILD_MS_MAX = 300_000;
const START_MS_MAX = 30_000;

/** The load generator's path, built if needed; or what is missing. */
export async function buildEtcdLoad(
  root: string,
  children: Children,
): Promise<{ readonly file: string } | { readonly problem: string }> {
  if (!hasTool('etcd')) return { problem: 'etcd is not installed (Debian: etcd-server)' };
  if (!hasTool('go', 'version'))
    return { problem: 'go is not installed (Debian: golang golang-etcd-server-dev)' };
  const source = path.join(root, 'scripts', 'bench', 'etcdload', 'main.go');
  const file = path.join(root, 'dist', 'bench', 'etcdload');
  if (existsSync(file) && statSync(file).mtimeMs >= statSync(source).mtimeMs) return { file };
  mkdirSync(path.dirname(file), { recursive: true });
  const env = { ...process.env, GO111MODULE: 'off', GOPATH: '/usr/share/gocode' };
  try {
    await children.run('go build', ['go', 'build', '-o', file, source], BUILD_MS_MAX, root, env);
    return { file };
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    return { problem: `etcd's load generator can't be built (Debian: golang-etcd-server-dev): ${why}` };
  }
}

export async function startEtcd(context: BenchContext, folder: string): Promise<RunningEtcd> {
  const ports = await freePorts(2 * MEMBERS);
  const names = Array.from({ length: MEMBERS }, (_, i) => `n${i + 1}`);
  const clientUrl = (i: number): string => `http://127.0.0.1:${ports[i]}`;
  const peerUrl = (i: number): string => `http://127.0.0.1:${ports[MEMBERS + i]}`;
  const cluster = names.map((name, i) => `${name}=${peerUrl(i)}`).join(',');
  const members = names.map((name, i) =>
    context.children.start(
      `etcd ${name}`,
      // prettier-ignore
      ['etcd', '--name', name, '--data-dir', path.join(folder, name),
        '--listen-peer-urls', peerUrl(i), '--initial-advertise-peer-urls', peerUrl(i),
        '--listen-client-urls', clientUrl(i), '--advertise-client-urls', clientUrl(i),
        '--initial-cluster', cluster, '--initial-cluster-state', 'new',
        '--quota-backend-bytes', '4294967296'],
      path.join(folder, `${name}.log`),
      folder,
    ),
  );
  for (let i = 0; i < MEMBERS; i++) {
    await until(() => isHealthy(`${clientUrl(i)}/health`), `etcd's member ${i + 1} is healthy`, START_MS_MAX);
  }
  return {
    pids: members.map((member) => member.pid),
    endpoints: names.map((_, i) => `127.0.0.1:${ports[i]}`),
    stop: async () => {
      await Promise.all(members.map((member) => member.stop()));
    },
  };
}

async function isHealthy(url: string): Promise<boolean> {
  try {
    const response = await fetch(url, { signal: AbortSignal.timeout(2000) });
    return response.status === 200 && (await response.text()).includes('"true"');
  } catch {
    return false; // nobody listens yet, or no leader is elected
  }
}
