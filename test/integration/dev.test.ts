/** `quorate dev`: the ready line and dev.json, what it refuses, and that nothing outlives it. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

import { freePorts, isAlive, Sandbox, until } from '../support/process-cluster.js';
import { RespClient } from '../support/resp-client.js';

interface DevJson {
  readonly nodes: readonly {
    id: number;
    pid: number;
    grpc: string;
    resp: string;
    moved: string;
    http: string;
    data: string;
  }[];
}

let sandbox: Sandbox;
let bases: string[] = [];

beforeEach(async () => {
  sandbox = new Sandbox();
  bases = await baseFlags();
});
afterEach(() => sandbox.close());

/** Bases with room for three nodes each: far enough from each other, and from the ports the system hands out. */
async function baseFlags(): Promise<string[]> {
  const start = 10_000 + (process.pid % 1000) * 20;
  for (let base = start; base < 32_000; base += 20) {
    const all = [0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 16, 17, 18].map((offset) => base + offset);
    if (await areFree(all)) {
      const [grpc, peer, resp, moved, http] = [0, 4, 8, 12, 16].map((offset) => base + offset);
      return [
        '--base-grpc',
        `${grpc}`,
        '--base-peer',
        `${peer}`,
        '--base-resp',
        `${resp}`,
        '--base-moved',
        `${moved}`,
        '--base-http',
        `${http}`,
      ];
    }
  }
  throw new Error('no free ports');
}

async function areFree(ports: readonly number[]): Promise<boolean> {
  for (const port of ports) {
    const isFree = await new Promise<boolean>((resolve) => {
      const server = net.createServer();
      server.once('error', () => resolve(false));
      server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
    });
    if (!isFree) return false;
  }
  return true;
}

function devJson(): DevJson {
  const list = JSON.parse(readFileSync(sandbox.path('dev', 'dev.json'), 'utf8')) as DevJson;
  for (const { pid } of list.nodes) sandbox.alsoKill(pid);
  return list;
}

describe('quorate dev', () => {
  it('is ready, serves through every node, survives a restart, and ends all in order', async () => {
    const words = ['dev', '--data', 'dev', ...bases];
    const first = sandbox.start(words);
    await first.untilPrinted('quorate: ready, 3 nodes, 16 shards\n');
    const { nodes } = devJson();
    expect(nodes.map((node) => node.id)).toEqual([1, 2, 3]);
    const grpc = nodes.map((node) => node.grpc).join(', ');
    await first.untilPrinted(`quorate: the SDK and gRPC clients: ${grpc}\n`);
    for (const node of nodes) {
      expect(isAlive(node.pid)).toBe(true);
      const client = await RespClient.connect(node.resp);
      expect(await client.call('SET', `from:${node.id}`, 'kept')).toBe('OK');
      client.close();
      const ofCluster = await RespClient.connect(node.moved);
      expect(await ofCluster.call('CLUSTER', 'INFO')).toContain('cluster_state:ok');
      expect(await ofCluster.call('CLUSTER', 'NODES')).toContain(`${node.moved}@`);
      ofCluster.close();
      expect((await fetch(`http://${node.http}/readyz`)).status).toBe(200);
    }
    expect((await first.kill('SIGINT')).code).toBe(0);
    expect(nodes.filter((node) => isAlive(node.pid))).toEqual([]);
    expect(existsSync(sandbox.path('dev', 'dev.json'))).toBe(false);

    const second = sandbox.start(words);
    await second.untilPrinted('quorate: ready, 3 nodes, 16 shards\n');
    const client = await RespClient.connect(devJson().nodes[2]?.resp ?? '');
    for (const id of [1, 2, 3]) expect(await client.call('GET', `from:${id}`)).toBe('kept');
    client.close();
    await second.kill('SIGTERM');
  });

  it('tells of a node that died, keeps the others, and its children end when it is killed', async () => {
    const dev = sandbox.start(['dev', '--data', 'dev', '--shards', '4', ...bases]);
    await dev.untilPrinted('quorate: ready, 3 nodes, 4 shards\n');
    const { nodes } = devJson();
    const [victim, ...others] = nodes;
    process.kill(victim?.pid ?? 0, 'SIGKILL');
    await until(() => /node 1 \(pid \d+\) ended: killed by SIGKILL/.test(dev.err), 'the death is told');
    await until(
      () => /node \S*quorate\.js server --data dev\/n1\n/.test(dev.err),
      'the restart line is printed',
    );
    for (const node of others) expect(isAlive(node.pid)).toBe(true);

    await dev.kill('SIGKILL');
    await until(() => !nodes.some((node) => isAlive(node.pid)), 'the children end too');
  });

  it('names a port in use before it starts anything', async () => {
    const server = net.createServer();
    const port = Number(bases[5]) + 1; // RESP of node 2
    await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
    const { code, err } = await sandbox.run('dev', '--data', 'dev', ...bases);
    server.close();
    expect(code).toBe(69);
    expect(err).toContain(`port ${port} on 127.0.0.1 (resp of node 2) is in use`);
    expect(existsSync(sandbox.path('dev'))).toBe(false);
  });

  it('refuses other counts than the stored ones, and wipes only what is its own', async () => {
    const dev = sandbox.start(['dev', '--data', 'dev', '--nodes', '1', '--shards', '2', ...bases]);
    await dev.untilPrinted('quorate: ready, 1 nodes, 2 shards\n');
    devJson();
    await dev.kill('SIGINT');
    expect(await sandbox.run('dev', '--data', 'dev', '--nodes', '3', ...bases)).toMatchObject({
      code: 78,
      err: expect.stringContaining('--nodes 1 --shards 2 --replicas 1'),
    });
    writeFileSync(sandbox.path('dev', 'thesis.txt'), 'years of work');
    expect(await sandbox.run('dev', '--data', 'dev', '--fresh', ...bases)).toMatchObject({
      code: 78,
      err: expect.stringContaining('thesis.txt'),
    });
    expect(readFileSync(sandbox.path('dev', 'thesis.txt'), 'utf8')).toBe('years of work');
  });
});

describe('a server', () => {
  it('E67 refuses a port in use and a directory in use by name', async () => {
    const [one, two] = await freePorts(2);
    const grpc = `127.0.0.1:${one?.grpc}`;
    const flags = [
      '--grpc',
      grpc,
      '--peer',
      `127.0.0.1:${one?.peer}`,
      '--resp',
      `127.0.0.1:${one?.resp}`,
      '--http',
      `127.0.0.1:${one?.http}`,
    ];
    const server = sandbox.start(['server', '--data', 'a', '--single', '--shards', '1', ...flags]);
    await until(async () => (await sandbox.run('status', '--endpoint', grpc)).code === 0, 'the node answers');

    const samePort = await sandbox.run('server', '--data', 'b', ...flags);
    expect(samePort.code).toBe(69);
    expect(samePort.out).toContain(grpc);

    const sameFolder = await sandbox.run('server', '--data', 'a', '--grpc', `127.0.0.1:${two?.grpc}`);
    expect(sameFolder.code).toBe(78);
    expect(sameFolder.out).toContain('the data directory a is in use by another process');

    expect((await server.kill('SIGTERM')).code).toBe(0);
  });

  it('refuses a data directory of a newer format by name', async () => {
    const [ports] = await freePorts(1);
    const flags = [
      '--grpc',
      `127.0.0.1:${ports?.grpc}`,
      '--peer',
      `127.0.0.1:${ports?.peer}`,
      '--resp',
      `127.0.0.1:${ports?.resp}`,
      '--http',
      `127.0.0.1:${ports?.http}`,
    ];
    const server = sandbox.start(['server', '--data', 'a', '--single', '--shards', '1', ...flags]);
    await until(
      async () => (await sandbox.run('status', '--endpoint', `127.0.0.1:${ports?.grpc}`)).code === 0,
      'the node answers',
    );
    await server.kill('SIGTERM');
    const file = sandbox.path('a', 'FORMAT');
    writeFileSync(file, readFileSync(file, 'utf8').replace(/\d+/, '999'));
    const newer = await sandbox.run('server', '--data', 'a');
    expect(newer.code).toBe(78);
    expect(newer.out).toMatch(/999/);
  });

  it('listens beyond this machine only when told to, and then needs an advertised host', async () => {
    expect(await sandbox.run('server', '--data', 'a', '--grpc', '0.0.0.0:7600')).toMatchObject({
      code: 2,
      err: expect.stringContaining('--insecure'),
    });
    expect(await sandbox.run('server', '--data', 'a', '--grpc', '0.0.0.0:7600', '--insecure')).toMatchObject({
      code: 2,
      err: expect.stringContaining('--advertise-host'),
    });
    expect(existsSync(sandbox.path('a'))).toBe(false);
  });
});
