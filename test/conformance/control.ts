/** What every pair of `RpcServer` and `ControlClient` does with control calls, on the simulated and on the real one (control.test.ts). */
import { afterEach, describe, expect, it } from 'vitest';
import type {
  ControlClient,
  ControlFailure,
  ControlHandler,
  HelloRequest,
  HelloResponse,
  JoinResponse,
  RpcServer,
} from '../../src/ports/index.js';
import { onlyControl } from '../support/rpc-handlers.js';
import type { ConformanceWorld } from './world.js';

export interface ControlWorld extends ConformanceWorld {
  readonly server: RpcServer;
  readonly client: ControlClient;
  /** An address with port 0. */
  readonly listen: string;
  /** Closes what the client holds. */
  close(): void;
}

const addresses = { grpc: 'a:1', peer: 'a:2', resp: 'a:3', respMoved: 'a:5', http: 'a:4' };
const instance = { instanceId: 'i-1', addresses, versions: { min: 1, max: 3 } };
const hello: HelloRequest = { from: instance, clusterId: 'alpha' };
const helloAnswer: HelloResponse = {
  self: instance,
  clusterId: 'beta',
  waiting: [instance, { ...instance, instanceId: 'i-2' }],
};

export function controlSuite(name: string, createWorld: () => ControlWorld): void {
  describe(`${name} as control calls`, () => {
    let world: ControlWorld;
    let close: ((done: () => void) => void) | null = null;

    async function serve(handler: ControlHandler): Promise<string> {
      world = createWorld();
      let bound = '';
      world.server.listen(world.listen, onlyControl(handler), (error, address, closer) => {
        if (error) throw error;
        bound = address;
        close = closer;
      });
      await world.until('listening', () => bound !== '');
      return bound;
    }

    async function call<M extends Parameters<ControlClient['call']>[1]>(
      address: string,
      method: M,
      request: object,
      deadlineMs = 5000,
    ): Promise<{ failure: ControlFailure | null; response: unknown }> {
      let outcome: { failure: ControlFailure | null; response: unknown } | null = null;
      let times = 0;
      world.client.call(address, method, request as never, deadlineMs, (failure, response) => {
        times++;
        outcome = { failure, response };
      });
      expect(outcome).toBe(null);
      await world.until('an outcome', () => outcome !== null);
      expect(times).toBe(1);
      return outcome as unknown as { failure: ControlFailure | null; response: unknown };
    }

    /** A handler that answers one method; typed loosely, since a test asks for one thing only. */
    function answering(answer: (method: string, request: unknown) => unknown): ControlHandler {
      return (method, request, reply) => reply(null, answer(method, request) as never);
    }

    afterEach(async () => {
      let closed = close === null;
      close?.(() => (closed = true));
      await world.until('closed', () => closed);
      close = null;
      world.close();
    });

    it('carries a request and its answer whole', async () => {
      const seen: unknown[] = [];
      const address = await serve(
        answering((method, request) => {
          seen.push([method, request]);
          return helloAnswer;
        }),
      );
      const { failure, response } = await call(address, 'hello', hello);
      expect(failure).toBe(null);
      expect(seen).toEqual([['hello', hello]]);
      expect(response).toEqual(helloAnswer);
    });

    it('copies bytes', async () => {
      const state = Uint8Array.of(1, 2, 250);
      const address = await serve(answering(() => ({ clusterId: 'alpha', nodeId: 3, state })));
      const { response } = await call(address, 'join', { from: instance });
      state.fill(0);
      const joined = response as JoinResponse;
      expect([...joined.state]).toEqual([1, 2, 250]);
    });

    it('carries a refusal with its reason and words', async () => {
      const address = await serve((_method, _request, reply) =>
        reply({ code: 'ALREADY_INITIALISED', message: 'cluster alpha is here' }, null),
      );
      const { failure, response } = await call(address, 'hello', hello);
      expect(failure).toMatchObject({ code: 'ALREADY_INITIALISED' });
      expect(failure?.message).toContain('cluster alpha is here');
      expect(response).toBe(null);
    });

    it('is UNAVAILABLE where nobody answers in time', async () => {
      const address = await serve(() => undefined);
      const { failure } = await call(address, 'status', {}, 300);
      expect(failure?.code).toBe('UNAVAILABLE');
    });

    it('is UNAVAILABLE where nobody listens', async () => {
      const address = await serve(answering(() => helloAnswer));
      let closed = false;
      close?.(() => (closed = true));
      close = null;
      await world.until('closed', () => closed);
      const { failure } = await call(address, 'hello', hello, 1000);
      expect(failure?.code).toBe('UNAVAILABLE');
    });
  });
}
