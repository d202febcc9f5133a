/**
 * Servers without a cluster, and what they say to each other before they have one: control calls with latency, that
 * may be lost on the way there or on the way back.
 */
import type {
  ControlClient,
  ControlFailure,
  ControlHandler,
  ControlMethod,
  ControlMethods,
  Instance,
} from '../../src/ports/index.js';
import { KNOWN_VERSIONS, type VersionRange } from '../../src/base/index.js';
import { Waiting } from '../../src/node/waiting.js';
import {
  applyMetaCommand,
  decodeMetaState,
  encodeMetaState,
  encodeUpsertNode,
  type MetaState,
} from '../../src/meta/index.js';
import { makeInstance } from './loop-meta.js';
import type { LoopWorld } from './loop-world.js';
import { quietLogger } from './loop-world.js';

type Lost = 'request' | 'reply' | null;

export class ControlNet {
  private readonly handlers = new Map<string, ControlHandler>();
  readonly calls: { from: string; to: string; method: ControlMethod }[] = [];
  latencyMs: () => number = () => 2;
  /** Whether a call is lost, and on which way. */
  lose: (from: string, to: string, method: ControlMethod) => Lost = () => null;

  constructor(readonly world: LoopWorld) {}

  serve(address: string, handler: ControlHandler): void {
    this.handlers.set(address, handler);
  }

  shut(address: string): void {
    this.handlers.delete(address);
  }

  clientOf(from: string): ControlClient {
    return {
      call: (to, method, request, deadlineMs, done) => {
        this.calls.push({ from, to, method });
        let over = false;
        const end: typeof done = (failure, response) => {
          if (over) return;
          over = true;
          done(failure, response);
        };
        const unavailable: ControlFailure = { code: 'UNAVAILABLE', message: `no answer from ${to}` };
        this.later(deadlineMs, () => end(unavailable, null));
        const lost = this.lose(from, to, method);
        if (lost === 'request') return;
        this.later(this.latencyMs(), () => {
          const handler = this.handlers.get(to);
          if (handler === undefined) {
            this.later(1, () => end(unavailable, null));
            return;
          }
          handler(method, request, (failure, response) => {
            if (lost === null) this.later(this.latencyMs(), () => end(failure, response));
          });
        });
      },
    };
  }

  private later(ms: number, run: () => void): void {
    this.world.loop.schedule(0, ms, run);
  }
}

export interface Membership {
  readonly clusterId: string;
  readonly nodeId: number;
  readonly state: MetaState;
}

/** A server: waiting at first, then a member that answers as src/node/control-service.ts does. */
export class TestServer {
  readonly self: Instance;
  readonly waiting: Waiting;
  member: Membership | null = null;
  becoming: Membership | null = null;
  readonly refusals: string[] = [];
  /** How long it takes to become a member durably. */
  becomeMs = 5;

  constructor(
    readonly net: ControlNet,
    i: number,
    join: readonly number[],
    instanceId?: string,
    versions: VersionRange = KNOWN_VERSIONS,
  ) {
    this.self = { ...makeInstance(i, instanceId), versions };
    const address = this.self.addresses.grpc;
    this.waiting = new Waiting({
      self: this.self,
      join: join.map((other) => makeInstance(other).addresses.grpc),
      clock: net.world.clock,
      timers: net.world.timers,
      entropy: net.world.entropy,
      logger: quietLogger,
      client: net.clientOf(address),
      become: (clusterId, nodeId, state, done) => {
        if (this.becoming !== null) throw new Error(`${address} becomes a member twice`);
        this.becoming = { clusterId, nodeId, state };
        net.world.loop.schedule(0, this.becomeMs, () => {
          this.member = this.becoming;
          done();
        });
      },
      refused: (message) => void this.refusals.push(message),
    });
    net.serve(address, (method, request, reply) => this.handle(method, request, reply as never));
    this.waiting.start();
  }

  get address(): string {
    return this.self.addresses.grpc;
  }

  /** An operator's `init` here; the outcome is in the returned list once there is one. */
  init(
    request: Partial<ControlMethods['init']['request']> = {},
  ): (string | ControlMethods['init']['response'])[] {
    const outcome: (string | ControlMethods['init']['response'])[] = [];
    this.waiting.onInit(
      { shards: 4, replicas: 3, waitMs: 5000, allowFewer: false, ...request },
      (failure, response) => {
        outcome.push(response ?? `${failure?.code ?? '?'}: ${failure?.message ?? ''}`);
      },
    );
    return outcome;
  }

  private handle<M extends ControlMethod>(
    method: M,
    request: ControlMethods[M]['request'],
    reply: (failure: ControlFailure | null, response: unknown) => void,
  ): void {
    if (method === 'hello') {
      const { from } = request as ControlMethods['hello']['request'];
      if (this.member === null) reply(null, this.waiting.onHello(from));
      else reply(null, { self: this.self, clusterId: this.member.clusterId, waiting: [] });
    } else if (method === 'found') {
      const found = request as ControlMethods['found']['request'];
      if (this.member === null) this.waiting.onFound(found, reply);
      else {
        const { clusterId } = this.member;
        const accepted = found.step === 'genesis' && decodeMetaState(found.state).clusterId === clusterId;
        reply(null, { accepted, reason: accepted ? '' : `it belongs to cluster ${clusterId} already` });
      }
    } else if (method === 'join') {
      this.join(request as ControlMethods['join']['request'], reply);
    }
  }

  /** Plays group 0: the one truth about nodes stands in the test's own variable. */
  private join(
    { from }: ControlMethods['join']['request'],
    reply: (failure: ControlFailure | null, response: unknown) => void,
  ): void {
    if (this.member === null) {
      reply({ code: 'NOT_INITIALISED', message: 'no member' }, null);
      return;
    }
    const { clusterId } = this.member;
    const { state, nodeId, refusal } = applyMetaCommand(
      this.member.state,
      encodeUpsertNode(from.instanceId, from.addresses, from.versions),
    );
    if (refusal !== undefined) {
      reply({ code: 'UNSUPPORTED_VERSION', message: refusal }, null);
      return;
    }
    this.member = { ...this.member, state };
    reply(null, { clusterId, nodeId, state: encodeMetaState(state) });
  }
}
