/** The command line: what is passed on, what is refused with which exit code, what is printed. */
import { describe, expect, it } from 'vitest';

import { runCommandLine } from '../../../src/cli/index.js';
import type { ServerRequest, Terminal } from '../../../src/cli/index.js';
import type { ControlClient, ControlFailure } from '../../../src/ports/index.js';

interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
  readonly calls: { address: string; method: string; request: unknown; deadlineMs: number }[];
  readonly servers: ServerRequest[];
}

async function run(
  words: string[],
  answer: { failure?: ControlFailure; response?: unknown } = {},
): Promise<Ran> {
  const ran = { out: '', err: '', calls: [] as Ran['calls'], servers: [] as ServerRequest[] };
  const control: ControlClient = {
    call(address, method, request, deadlineMs, done) {
      ran.calls.push({ address, method, request, deadlineMs });
      queueMicrotask(() => done(answer.failure ?? null, (answer.response ?? null) as never));
    },
  };
  const terminal: Terminal = {
    version: '1.2.3',
    control,
    print: (line) => (ran.out += `${line}\n`),
    complain: (line) => (ran.err += `${line}\n`),
    runServer: (request) => {
      ran.servers.push(request);
      return Promise.resolve(0);
    },
    self: ['node', 'quorate.js'],
  };
  const code = await runCommandLine(words, terminal);
  return { code, ...ran };
}

const ADDRESSES = { grpc: 'h:1', peer: 'h:2', resp: 'h:3', respMoved: 'h:5', http: 'h:4' };
const CLUSTER = { clusterId: 'c1', nodes: [{ id: 1, addresses: ADDRESSES }], shards: 16, replicas: 3 };

describe('usage', () => {
  it('errors end with 2 and say what was expected', async () => {
    expect(await run(['sevrer'])).toMatchObject({
      code: 2,
      err: expect.stringContaining("unknown command 'sevrer'"),
    });
    expect(await run(['init', '--shard', '3'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('--shard'),
    });
    expect(await run(['init', '--shards', '0'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('from 1 to 4096'),
    });
    expect(await run(['init', '--wait', 'long'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('30s'),
    });
    expect(await run(['status', '--endpoint', 'x'])).toMatchObject({
      code: 2,
      err: expect.stringContaining('HOST:PORT'),
    });
    expect((await run(['status', 'extra'])).code).toBe(2);
    expect((await run([])).code).toBe(2);
  });

  it('version and help end with 0', async () => {
    expect(await run(['--version'])).toMatchObject({ code: 0, out: '1.2.3\n' });
    const help = await run(['server', '--help']);
    expect(help.code).toBe(0);
    expect(help.out).toContain('--raft-tick-ms <MS>');
    expect(help.out).toContain('--single');
    expect(help.out).toContain('Examples:');
    expect(help.out).not.toContain('watch-parent');
    expect((await run(['--help'])).out).toMatch(/dev .*server .*init .*status /s);
  });
});

describe('server', () => {
  it('passes on exactly the settings that were given', async () => {
    const { servers, code } = await run([
      'server',
      '--data',
      'd',
      '--single',
      '--grpc',
      '127.0.0.1:1',
      '--log-sync',
      'false',
      '--limits-value-bytes-max',
      '1MiB',
    ]);
    expect(code).toBe(0);
    expect(servers).toEqual([
      {
        flags: new Map([
          ['data', 'd'],
          ['grpc', '127.0.0.1:1'],
          ['single', 'true'],
          ['log.sync', 'false'],
          ['limits.valueBytesMax', '1MiB'],
        ]),
        configPath: null,
        watchParent: false,
      },
    ]);
  });
});

describe('listeners of a server', () => {
  it('may be given by repeating --resp', async () => {
    const { servers } = await run(['server', '--resp', 'a:1', '--resp', 'a:2,routing=moved']);
    expect(servers[0]?.flags.get('resp')).toBe('a:1 a:2,routing=moved');
  });
});

describe('init', () => {
  it('asks the endpoint and prints the cluster', async () => {
    const ran = await run(
      ['init', '--endpoint', 'h:1', '--shards', '4', '--replicas', '1', '--wait', '2s', '--allow-fewer'],
      { response: CLUSTER },
    );
    expect(ran.calls).toEqual([
      {
        address: 'h:1',
        method: 'init',
        request: { shards: 4, replicas: 1, waitMs: 2000, allowFewer: true },
        deadlineMs: 32_000,
      },
    ]);
    expect(ran.out).toContain('cluster c1: 1 nodes, 16 shards, 3 replicas of each');
    expect(ran.out).toContain('node 1: gRPC h:1, RESP h:3, Redis Cluster h:5, HTTP h:4');
  });

  it('prints JSON when asked', async () => {
    const ran = await run(['init', '--json'], { response: CLUSTER });
    expect(JSON.parse(ran.out)).toEqual(CLUSTER);
  });

  it('tells a refusal by exit code and in one line', async () => {
    const ran = await run(['init'], {
      failure: { code: 'ALREADY_INITIALISED', message: 'h:1 is part of cluster c1' },
    });
    expect(ran).toMatchObject({
      code: 78,
      err: 'quorate: h:1 is part of cluster c1 (ALREADY_INITIALISED)\n',
      out: '',
    });
  });
});

describe('status', () => {
  const replica = {
    group: 1,
    replica: 1,
    role: 'leader',
    term: 3,
    leaderNode: 1,
    commit: 9,
    applied: 9,
    suspect: null,
  };
  const response = {
    clusterId: 'c1',
    nodeId: 1,
    ready: false,
    missing: ['shard 2 has no leader'],
    json: JSON.stringify({ replicas: [replica] }),
  };

  it('prints a table', async () => {
    const { out } = await run(['status'], { response });
    expect(out).toContain('missing  shard 2 has no leader');
    expect(out).toMatch(/group +replica +role/);
    expect(out).toMatch(/1 +1 +leader +3 +1 +9 +9 +-/);
  });

  it('tells where the clients of its RESP listeners find it', async () => {
    const nodes = [
      { id: 2, resp: 'other:1' },
      { id: 1, ...ADDRESSES },
    ];
    const json = JSON.stringify({ replicas: [replica], nodes });
    const { out } = await run(['status'], { response: { ...response, json } });
    expect(out).toContain('resp     h:3\nresp     h:5 (routing=moved)\n');
    expect(out).not.toContain('other:1');
  });

  it('prints all as JSON', async () => {
    const { out } = await run(['status', '--json'], { response });
    expect(JSON.parse(out)).toEqual({
      clusterId: 'c1',
      nodeId: 1,
      ready: false,
      missing: response.missing,
      replicas: [replica],
    });
  });

  it('says that a node waits for a cluster', async () => {
    const { out } = await run(['status'], {
      response: { clusterId: '', nodeId: 0, ready: false, missing: [], json: '' },
    });
    expect(out).toContain('waits to be part of one');
  });

  it('fails with 1 when nobody answers', async () => {
    expect(
      await run(['status'], { failure: { code: 'UNAVAILABLE', message: "h can't be reached" } }),
    ).toMatchObject({ code: 1 });
  });
});
