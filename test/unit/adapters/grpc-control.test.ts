/** Control calls over real sockets: every message whole, every failure with its reason, addresses that don't answer. */
import net from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';

import { createGrpcControlClient } from '../../../src/adapters/grpc-control.js';
import { ERROR_REASONS } from '../../../src/base/index.js';
import type { ErrorReason } from '../../../src/base/index.js';
import type {
  ControlFailure,
  ControlHandler,
  ControlMethod,
  ControlMethods,
} from '../../../src/ports/index.js';
import { grpcServer, onlyControl } from '../../support/rpc-handlers.js';

const ADDRESSES = { grpc: 'h:1', peer: 'h:2', resp: '[::1]:3', respMoved: '[::1]:5', http: 'h:4' };
const INSTANCE = { instanceId: 'i1', addresses: ADDRESSES, versions: { min: 2, max: 70_000 } };
const STATE = Uint8Array.from({ length: 300 }, (_, i) => i & 255);

/** One full request and answer of every call. */
const SAMPLES: {
  [M in ControlMethod]: { request: ControlMethods[M]['request']; response: ControlMethods[M]['response'] };
} = {
  hello: {
    request: { from: INSTANCE, clusterId: '' },
    response: { self: INSTANCE, clusterId: 'c', waiting: [INSTANCE, { ...INSTANCE, instanceId: 'i2' }] },
  },
  join: { request: { from: INSTANCE }, response: { clusterId: 'c', nodeId: 3, state: STATE } },
  init: {
    request: { shards: 16, replicas: 3, waitMs: 30_000, allowFewer: true },
    response: { clusterId: 'c', nodes: [{ id: 1, addresses: ADDRESSES }], shards: 16, replicas: 3 },
  },
  found: {
    request: { step: 'genesis', founder: INSTANCE, nodeId: 2, state: STATE },
    response: { accepted: false, reason: 'claimed by another' },
  },
  upgrade: {
    request: { action: 'finish' },
    response: {
      clusterVersion: 2,
      target: 3,
      nodes: [{ id: 7, address: 'h:1', versions: { min: 1, max: 3 } }],
      state: STATE,
    },
  },
  report: {
    request: {
      group: 4,
      members: {
        configurationVersion: 7,
        highestId: 9,
        replicas: [
          { replica: 3, node: 1, isLearner: false },
          { replica: 9, node: 2, isLearner: true },
        ],
      },
    },
    response: { state: STATE },
  },
  config: {
    request: { action: 'set', name: 'eviction.policy', value: 'lru' },
    response: {
      settings: [
        { name: 'eviction.policy', value: 'lru', isDefault: false, accepts: 'none, lru', help: 'who goes' },
      ],
      state: STATE,
    },
  },
  transfer: { request: { group: 2, node: 3, forwarded: true }, response: { leader: 3, tookMs: 12 } },
  verify: {
    request: { group: 3, timeoutMs: 60_000 },
    response: {
      group: 3,
      index: 70_000_000_000,
      differsFrom: 69_000_000_000,
      replicas: (['equal', 'differs', 'rotten', 'unreachable'] as const).map((verdict, i) => ({
        replica: i + 1,
        node: i + 2,
        isLearner: i === 3,
        verdict,
        hash: '0123456789abcdef',
        rehashedIndex: 70_000_000_001,
        items: 12,
        detail: 'in words',
      })),
    },
  },
  mark: {
    request: { group: 3 },
    response: {
      index: 5,
      members: [
        { replica: 1, node: 2, isLearner: false },
        { replica: 4, node: 3, isLearner: true },
      ],
    },
  },
  audit: {
    request: { group: 3, replica: 4, index: 70_000_000_000, waitMs: 500 },
    response: { hash: '0123456789abcdef', isRotten: true, rehashedIndex: 9, items: 2, noted: STATE },
  },
  checkpoint: {
    request: { group: 3, timeoutMs: 60_000 },
    response: {
      group: 3,
      replicas: [
        {
          replica: 4,
          node: 2,
          isLearner: true,
          outcome: 'written',
          index: 70_000_000_000,
          bytes: 5_000_000_000,
          tookMs: 1200,
          detail: '',
        },
        {
          replica: 5,
          node: 3,
          isLearner: false,
          outcome: 'unreachable',
          index: 0,
          bytes: 0,
          tookMs: 0,
          detail: 'gone',
        },
      ],
    },
  },
  writeCheckpoint: {
    request: { group: 3, replica: 4, waitMs: 500 },
    response: { outcome: 'refused', index: 0, bytes: 0, tookMs: 3, detail: 'suspect' },
  },
  status: {
    request: {},
    response: {
      clusterId: 'c',
      nodeId: 1,
      ready: false,
      missing: ['shard 1 has no leader'],
      json: '{"a":1}',
    },
  },
};

const METHODS = Object.keys(SAMPLES) as ControlMethod[];
const client = createGrpcControlClient();
let closers: (() => Promise<void>)[] = [];

afterEach(async () => {
  for (const close of closers) await close();
  closers = [];
});

function listen(handler: ControlHandler, address = '127.0.0.1:0'): Promise<string> {
  return new Promise((resolve, reject) => {
    grpcServer().listen(address, onlyControl(handler), (error, bound, close) => {
      closers.push(() => new Promise((closed) => close(closed)));
      if (error) reject(error);
      else resolve(bound);
    });
  });
}

type Outcome = { failure: ControlFailure | null; response: unknown };

function call<M extends ControlMethod>(
  address: string,
  method: M,
  request: ControlMethods[M]['request'],
  deadlineMs = 5_000,
): Promise<Outcome> {
  return new Promise((resolve) => {
    client.call(address, method, request, deadlineMs, (failure, response) => resolve({ failure, response }));
  });
}

/** Buffers of the wire become plain bytes, so that they compare. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

describe('control over gRPC', () => {
  it('carries every call and every answer whole', async () => {
    const seen: unknown[] = [];
    const address = await listen((method, request, reply) => {
      seen.push(plain(request));
      reply(null, SAMPLES[method].response);
    });
    for (const method of METHODS) {
      const { failure, response } = await call(address, method, SAMPLES[method].request);
      expect(failure).toBeNull();
      expect(plain(response)).toEqual(plain(SAMPLES[method].response));
    }
    expect(seen).toEqual(METHODS.map((method) => plain(SAMPLES[method].request)));
  });

  it('carries every founding step', async () => {
    const steps: string[] = [];
    const address = await listen((_, request, reply) => {
      if ('step' in request) steps.push(request.step);
      reply(null, SAMPLES.found.response as never);
    });
    for (const step of ['claim', 'genesis', 'release'] as const) {
      await call(address, 'found', { ...SAMPLES.found.request, step });
    }
    expect(steps).toEqual(['claim', 'genesis', 'release']);
  });

  it('carries empty bytes, empty lists and zeros', async () => {
    const response = { clusterId: '', nodeId: 0, state: new Uint8Array(0) };
    const address = await listen((_, __, reply) => reply(null, response as never));
    expect(plain((await call(address, 'join', { from: INSTANCE })).response)).toEqual(plain(response));
  });

  it('carries every reason of a failure with its words', async () => {
    const reasons = Object.keys(ERROR_REASONS) as ErrorReason[];
    let next = 0;
    const address = await listen((_, __, reply) => {
      const code = reasons[next++] ?? 'INTERNAL';
      reply({ code, message: `because of ${code}: ünïcode %` }, null);
    });
    for (const code of reasons) {
      const { failure } = await call(address, 'status', {});
      expect(failure).toEqual({ code, message: `because of ${code}: ünïcode %` });
    }
  });

  it('tells an address where nobody listens', async () => {
    const { failure } = await call('127.0.0.1:1', 'status', {});
    expect(failure).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('127.0.0.1:1') });
  });

  it('keeps its deadline when the other side keeps silent', async () => {
    const address = await listen(() => undefined);
    const { failure } = await call(address, 'status', {}, 100);
    expect(failure).toMatchObject({ code: 'UNAVAILABLE', message: expect.stringContaining('in time') });
  });

  it('reaches a node that came back', async () => {
    const handler: ControlHandler = (method, _, reply) => reply(null, SAMPLES[method].response);
    const address = await listen(handler);
    expect((await call(address, 'status', {})).failure).toBeNull();
    await closers.pop()?.();
    expect((await call(address, 'status', {})).failure?.code).toBe('UNAVAILABLE');
    await listen(handler, address);
    await expect.poll(async () => (await call(address, 'status', {})).failure, { timeout: 5_000 }).toBeNull();
  });

  it('names a port in use', async () => {
    const other = net.createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const { port } = other.address() as net.AddressInfo;
    await expect(listen(() => undefined, `127.0.0.1:${port}`)).rejects.toMatchObject({
      code: 'EADDRINUSE',
      message: `127.0.0.1:${port} is in use`,
    });
    await new Promise((resolve) => other.close(resolve));
  });

  it('closes although a call is under way', async () => {
    const address = await listen(() => undefined);
    const pending = call(address, 'status', {}, 10_000);
    await new Promise((resolve) => setTimeout(resolve, 50));
    await closers.pop()?.();
    expect((await pending).failure?.code).toBeDefined();
  });
});
