/**
 * The cache over real gRPC on three real nodes, with a client made from the protos: every call, a long stream, errors
 * with their details, cancelled and expired calls, limits, health and reflection.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { GrpcClient, reflectedServices, type Fields } from '../support/grpc-client.js';
import { figureOf } from '../support/live-node.js';
import { createNodes, isReady, Sandbox, until, type ServerNode } from '../support/process-cluster.js';
import { RespClient } from '../support/resp-client.js';

const SHARDS = 8;
/** The machine may be busy with other things: how long processes may take to come up. */
const SLOW_MS = 60_000;
const MIB = 1024 * 1024;
const STREAM_OPERATIONS = 6000;
const STREAM_KEYS = 300;
const WRONG_SHOWN = 5;
/** What a change of leaders may cost an operation. */
const RETRYABLE = [
  'REASON_OUTCOME_UNKNOWN',
  'REASON_UNAVAILABLE',
  'REASON_SHARD_LEADER_UNKNOWN',
  'REASON_DEADLINE_EXCEEDED',
  'REASON_NOT_LEADER',
];
/** Elections are slow here: other work on the machine must not change leaders under the test. */
const FLAGS = ['--raft-tick-ms', '200'];

let sandbox: Sandbox;
let nodes: ServerNode[] = [];
const clients: GrpcClient[] = [];

beforeAll(async () => {
  sandbox = new Sandbox();
  nodes = await createNodes(sandbox, 3, FLAGS);
  for (const node of nodes) node.start();
  for (const node of nodes) clients.push(new GrpcClient(node.grpc));
  await until(
    async () => (await Promise.all(clients.map((one) => one.health('')))).every(answers),
    'all answer',
    SLOW_MS,
  );
}, SLOW_MS);
afterAll(async () => {
  for (const client of clients) client.close();
  await sandbox.close();
});

const answers = (status: string): boolean => status === 'NOT_SERVING';
const client = (): GrpcClient => clients[0] as GrpcClient;
const node = (): ServerNode => nodes[0] as ServerNode;
const key = (name: string): Buffer => Buffer.from(name);

async function ok(method: string, request: Fields, through = client()): Promise<Fields> {
  const outcome = await through.call(method, request);
  expect({ method, code: outcome.code, message: outcome.message }).toEqual({
    method,
    code: 'OK',
    message: '',
  });
  return outcome.response;
}

async function settled(): Promise<void> {
  for (const one of nodes) {
    await until(
      async () => (await figureOf(one, 'quorate_requests_pending', 'protocol="grpc"')) === 0,
      `node ${one.number} has no operation left`,
    );
  }
}

describe('gRPC before the cluster is there', () => {
  it('is refused with a reason, and told as not serving', async () => {
    const { code, error } = await client().call('Get', { key: key('k') });
    expect(code).toBe('UNAVAILABLE');
    expect(error).toMatchObject({ reason: 'REASON_NOT_INITIALISED' });
    expect(Number(error?.['retryAfterMs'])).toBeGreaterThan(0);
    expect(await client().health('')).toBe('NOT_SERVING');
    expect(await client().health('quorate.v1.Cache')).toBe('NOT_SERVING');
  });
});

describe('gRPC on a cluster of three', () => {
  it('tells its watchers of health that it serves now', async () => {
    const told: string[] = [];
    const watch = client().watchHealth('quorate.v1.Cache');
    watch.on('data', (message: { status: string }) => told.push(message.status));
    watch.on('error', () => undefined);
    await until(() => told.length > 0, 'the first status');
    const init = await sandbox.run('init', '--endpoint', node().grpc, '--shards', String(SHARDS));
    expect(init.code).toBe(0);
    await until(
      async () => (await Promise.all(nodes.map(isReady))).every(Boolean),
      'all nodes are ready',
      SLOW_MS,
    );
    await until(() => told.at(-1) === 'SERVING', 'the watcher is told');
    expect(told[0]).toBe('NOT_SERVING');
    expect(await client().health('')).toBe('SERVING');
    expect(await client().health('no.such.Service')).toBe('NOT_FOUND');
    watch.cancel();
  });

  it('answers every single call, through any node', async () => {
    for (const [i, through] of clients.entries()) {
      const k = key(`single:${i}`);
      const set = await ok('Set', { key: k, value: Buffer.from('41'), expiry: { ttlMs: 60_000 } }, through);
      expect(set['applied']).toBe(true);
      expect(await ok('Get', { key: k }, through)).toMatchObject({ found: true, value: Buffer.from('41') });
      const meta = await ok('Get', { key: k, withMeta: true }, through);
      expect(meta['version']).toBe(set['version']);
      expect(Number(meta['ttlMs'])).toBeGreaterThan(1000);
      expect(await ok('Persist', { key: k }, through)).toEqual({ found: true, applied: true });
      expect(await ok('Touch', { key: k, expiry: { ttlMs: 50_000 } }, through)).toEqual({ found: true });
      const counted = await ok('Increment', { key: k, delta: 1 }, through);
      expect(counted['number']).toBe(42);
      const version = counted['version'];
      expect(await ok('CompareAndSet', { key: k, expectedVersion: 1, value: key('x') }, through)).toEqual({
        applied: false,
        version,
      });
      const swapped = await ok(
        'CompareAndSet',
        { key: k, expectedVersion: version, value: key('x') },
        through,
      );
      expect(swapped['applied']).toBe(true);
      const { version: last } = swapped;
      expect(await ok('CompareAndDelete', { key: k, expectedVersion: last }, through)).toEqual({
        applied: true,
        version: 0,
      });
      expect(await ok('Delete', { key: k }, through)).toEqual({ found: false });
    }
  });

  it('answers batches in their order', async () => {
    const operations = Array.from({ length: 50 }, (_, id) => ({
      id,
      key: key(`batch:${id}`),
      set: { value: key(`v${id}`) },
    }));
    const written = (await ok('BatchWrite', { operations }))['results'] as Fields[];
    expect(written.map((result) => [result['id'], result['applied']])).toEqual(
      operations.map(({ id }) => [id, true]),
    );
    const keys = [...operations.map((operation) => operation.key), key('batch:none')];
    const read = (await ok('BatchGet', { keys }, clients[1]))['results'] as Fields[];
    expect(read.map((result) => String(result['value']))).toEqual([
      ...operations.map(({ id }) => `v${id}`),
      '',
    ]);
    expect(read.at(-1)?.['found']).toBe(false);
  });

  it('tells the shard map, and its watchers of a new leader', async () => {
    const map = await ok('GetShardMap', {});
    expect((map['nodes'] as Fields[]).map((one) => one['grpc']).sort()).toEqual(
      nodes.map((one) => one.grpc).sort(),
    );
    expect((map['shards'] as Fields[]).length).toBe(SHARDS);
    const watched: Fields[] = [];
    const watch = client().watchMap();
    watch.on('data', (message: Fields) => watched.push(message));
    watch.on('error', () => undefined);
    await until(() => {
      const shards = (watched.at(-1)?.['shards'] ?? []) as Fields[];
      return shards.length === SHARDS && shards.every((shard) => Number(shard['leader']) > 0);
    }, 'every leader is known');
    expect(watched[0]?.['clusterId']).toBe(map['clusterId']);
    watch.cancel();
  });

  it('runs thousands of mixed operations on one stream, in order for each key', async () => {
    const stream = client().pipeline();
    const results = new Map<number, Fields>();
    const hints = new Map<number, number>();
    let ended = '';
    stream.on('data', (message: { results: Fields[]; hints: Fields[] }) => {
      for (const result of message.results) results.set(Number(result['id']), result);
      for (const hint of message.hints) hints.set(Number(hint['shard']), Number(hint['node']));
    });
    stream.on('error', (error) => (ended = error.message));
    stream.on('end', () => (ended ||= 'in order'));
    const model = new Map<string, number>();
    const expected: [id: number, number: number, kind: string, name: string][] = [];
    for (let id = 0; id < STREAM_OPERATIONS;) {
      const operations: Fields[] = [];
      for (let i = 0; i < 40; i++, id++) {
        const name = `stream:${(id * 7919) % STREAM_KEYS}`;
        const before = model.get(name) ?? 0;
        const kind = ['increment', 'get', 'increment', 'set'][id % 4] as string;
        if (kind === 'increment') model.set(name, before + (id % 9));
        if (kind === 'set') model.set(name, id);
        const body = kind === 'set' ? { value: key(`${id}`) } : kind === 'increment' ? { delta: id % 9 } : {};
        operations.push({ id, key: key(name), [kind]: body });
        expected.push([id, model.get(name) ?? 0, kind, name]);
      }
      stream.write({ operations });
    }
    stream.end();
    await until(() => ended !== '', 'the stream ends', SLOW_MS);
    expect(ended).toBe('in order');
    expect(results.size).toBe(STREAM_OPERATIONS);
    // A leader that is lost on the way (a busy machine) makes its keys uncertain; the others are exact.
    const uncertain = new Set<string>();
    for (const [id, , , name] of expected) {
      const error = results.get(id)?.['error'] as Fields | null;
      if (error === null) continue;
      expect(RETRYABLE).toContain(error['reason']);
      uncertain.add(name);
    }
    const exact = expected.filter(([, , , name]) => !uncertain.has(name));
    expect(exact.length).toBeGreaterThan(0);
    const wrong = exact.filter(([id, number, kind]) => {
      const result = results.get(id) ?? {};
      if (kind === 'increment') return result['number'] !== number;
      if (kind === 'set') return result['applied'] !== true;
      return Number(String(result['value']) || '0') !== number;
    });
    expect(wrong.slice(0, WRONG_SHOWN).map(([id, number]) => [number, results.get(id)])).toEqual([]);
    // What another node leads was forwarded, and the client told where to go.
    expect(hints.size).toBeGreaterThan(0);
    await settled();
  });

  it('E99 leaves nothing of cancelled and expired calls, whose writes may yet commit', async () => {
    const outcomes: Promise<{ code: string }>[] = [];
    for (let i = 0; i < 200; i++) {
      const request = { key: key(`e99:${i}`), value: key('v') };
      if (i % 2 === 0) {
        outcomes.push(client().call('Set', request, { cancelled: (cancel) => setImmediate(cancel) }));
      } else outcomes.push(client().call('Set', request, { deadlineMs: 1 + (i % 5) }));
    }
    const stream = client().pipeline();
    stream.on('error', () => undefined);
    stream.on('data', () => undefined);
    stream.write({
      operations: Array.from({ length: 500 }, (_, id) => ({
        id,
        key: key(`e99:s${id}`),
        increment: { delta: 1 },
      })),
    });
    setImmediate(() => stream.cancel());
    const codes = new Set((await Promise.all(outcomes)).map((outcome) => outcome.code));
    for (const code of codes) expect(['OK', 'CANCELLED', 'DEADLINE_EXCEEDED']).toContain(code);
    await settled();
    // Whatever became of them: each key has the one value that was written, or none; each counter 1 or none.
    for (let i = 0; i < 200; i += 20) {
      const read = await ok('Get', { key: key(`e99:${i}`) });
      expect(['', 'v']).toContain(String(read['value']));
      const counter = await ok('Get', { key: key(`e99:s${i}`) });
      expect(['', '1']).toContain(String(counter['value']));
    }
  });

  it('tells failures with their reason in the trailer', async () => {
    await ok('Set', { key: key('text'), value: key('abc') });
    const notANumber = await client().call('Increment', { key: key('text'), delta: 1 });
    expect(notANumber).toMatchObject({
      code: 'FAILED_PRECONDITION',
      error: { reason: 'REASON_NOT_A_NUMBER' },
    });
    const session = await client().call('Get', { header: { session: 7 }, key: key('text') });
    expect(session).toMatchObject({
      code: 'INVALID_ARGUMENT',
      message: 'a session comes with the time of its grant and its lifetime, and only with one',
      error: { reason: 'REASON_INVALID_ARGUMENT' },
    });
    const tooLarge = await client().call('Set', { key: key('k'), value: Buffer.alloc(8 * MIB + 1) });
    expect(tooLarge).toMatchObject({ code: 'INVALID_ARGUMENT', error: { reason: 'REASON_TOO_LARGE' } });
  });

  it('E98 refuses a message over the limit as RESOURCE_EXHAUSTED, and serves on', async () => {
    const { code } = await client().call('Set', { key: key('k'), value: Buffer.alloc(17 * MIB) });
    expect(code).toBe('RESOURCE_EXHAUSTED');
    expect(await ok('Get', { key: key('text') })).toMatchObject({ found: true });
  });

  it('carries a value of the largest size both ways', async () => {
    const value = Buffer.alloc(8 * MIB, 'ab');
    await ok('Set', { key: key('large'), value });
    const read = await ok('Get', { key: key('large') }, clients[2]);
    expect(Buffer.compare(read['value'] as Buffer, value)).toBe(0);
  });

  it('names its services to a client that has no protos', async () => {
    const services = await reflectedServices(node().grpc);
    for (const name of ['quorate.v1.Cache', 'quorate.v1.Control', 'grpc.health.v1.Health'])
      expect(services).toContain(name);
  });

  it('serves the same data as the RESP listener, and counts both protocols', async () => {
    const resp = await RespClient.connect(node().resp);
    await ok('Set', { key: key('shared'), value: key('from grpc') });
    expect(await resp.call('GET', 'shared')).toBe('from grpc');
    resp.close();
    expect(await figureOf(node(), 'quorate_requests_total', 'protocol="grpc"')).toBeGreaterThan(1000);
    expect(await figureOf(node(), 'quorate_connections', 'protocol="grpc"')).toBeGreaterThan(0);
    expect(await figureOf(node(), 'quorate_cache_get_hits_total')).toBeGreaterThan(0);
  });

  it('stops in order with streams open', async () => {
    const last = nodes[2] as ServerNode;
    const stream = (clients[2] as GrpcClient).pipeline();
    let code = -1;
    stream.on('data', () => undefined);
    stream.on('error', (error: Error & { code: number }) => (code = error.code));
    stream.write({ operations: [{ id: 1, key: key('text'), get: {} }] });
    await new Promise((resolve) => stream.once('data', resolve));
    expect((await last.kill('SIGTERM')).code).toBe(0);
    await until(() => code !== -1, 'the stream is ended');
    expect(code).toBe(14); // UNAVAILABLE
  });
});
