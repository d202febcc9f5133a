/**
 * A server that is no member of a cluster yet. It says hello to its `--join` addresses, remembers who else waits, and
 * becomes a member in one of three ways: it founds a cluster (an operator's `init`, or `--single`), another founder
 * makes it a member, or it finds a cluster and joins.
 *
 * Two foundings at once make one cluster: a founder needs every instance that it includes to accept its claim, and
 * an instance accepts one claim at a time; of two founders that claim each other the one with the lower instance id
 * wins. Claims are in memory: a restart forgets them, and then the cluster id keeps two clusters apart.
 */
import { describeVersions, type MonoMs, type NodeId } from '../base/index.js';
import { foundingVersion, planGenesis } from '../coordinator/index.js';
import { isAddress } from '../settings/index.js';
import { decodeMetaState, encodeMetaState, type MetaState } from '../meta/index.js';
import type {
  Clock,
  ControlClient,
  ControlFailure,
  ControlMethods,
  Entropy,
  Instance,
  Logger,
  Timers,
} from '../ports/index.js';

/** An instance not heard of for this long is not waiting any more. */
const WAITING_MS = 5000;
/** …and after this long it is not asked any more either. */
const FORGET_MS = 60_000;
const HELLO_MS = 300;
const CALL_MS = 2000;
/** A claim without a genesis is forgotten after this long: its founder died. */
const CLAIM_MS = 15_000;

type Reply<M extends keyof ControlMethods> = (
  failure: ControlFailure | null,
  response: ControlMethods[M]['response'] | null,
) => void;

export interface WaitingDeps {
  readonly self: Instance;
  readonly join: readonly string[];
  readonly clock: Clock;
  readonly timers: Timers;
  readonly entropy: Entropy;
  readonly logger: Logger;
  readonly client: ControlClient;
  /** Makes this process a member, durably; `done` once it is. */
  readonly become: (clusterId: string, nodeId: NodeId, state: MetaState, done: () => void) => void;
  /** The cluster found will never take this build in: the process ends. */
  readonly refused: (message: string) => void;
}

interface Founding {
  readonly request: ControlMethods['init']['request'];
  readonly reply: Reply<'init'>;
  readonly sinceMs: MonoMs;
  readonly untilMs: MonoMs;
  /** Raised once every claim was accepted: from here on it can't be withdrawn. */
  decided: boolean;
}

export class Waiting {
  private readonly heard = new Map<string, { instance: Instance; atMs: MonoMs }>();
  private readonly answered = new Set<string>();
  private claim: { founder: Instance; atMs: MonoMs } | null = null;
  private founding: Founding | null = null;
  private over = false;
  private joining = false;
  /** The cluster that this node is being made a member of, and who waits for it to be durable. */
  private becoming: { readonly clusterId: string; readonly done: (() => void)[] } | null = null;

  constructor(private readonly deps: WaitingDeps) {}

  start(): void {
    this.sayHello();
  }

  /** The node became a member (or stops): nothing more happens here. */
  end(): void {
    this.over = true;
    this.failFounding('UNAVAILABLE', 'this node is stopping');
  }

  // ---- hello ---------------------------------------------------------------------------------------------------

  onHello(from: Instance): ControlMethods['hello']['response'] {
    this.note(from);
    return { self: this.deps.self, clusterId: '', waiting: this.waiting() };
  }

  private note(instance: Instance): void {
    if (instance.instanceId === this.deps.self.instanceId || !isAddress(instance.addresses.grpc)) return;
    this.heard.set(instance.instanceId, { instance, atMs: this.deps.clock.monoMs() });
  }

  private waiting(): Instance[] {
    const nowMs = this.deps.clock.monoMs();
    const all = [this.deps.self];
    for (const { instance, atMs } of this.heard.values()) if (nowMs - atMs < WAITING_MS) all.push(instance);
    return all;
  }

  private sayHello(): void {
    if (this.over) return;
    const nowMs = this.deps.clock.monoMs();
    for (const [id, { atMs }] of this.heard) if (nowMs - atMs > FORGET_MS) this.heard.delete(id);
    const addresses = new Set(this.deps.join);
    for (const { instance } of this.heard.values()) addresses.add(instance.addresses.grpc);
    addresses.delete(this.deps.self.addresses.grpc);
    for (const address of addresses) this.helloTo(address);
    this.deps.timers.after(HELLO_MS, () => this.sayHello());
  }

  private helloTo(address: string): void {
    this.deps.client.call(
      address,
      'hello',
      { from: this.deps.self, clusterId: '' },
      CALL_MS,
      (_, response) => {
        if (this.over || response === null) return;
        this.answered.add(address);
        if (response.clusterId !== '') {
          this.joinAt(address);
          return;
        }
        this.note(response.self);
        for (const instance of response.waiting) {
          if (!this.heard.has(instance.instanceId)) this.note(instance);
        }
      },
    );
  }

  private joinAt(address: string): void {
    if (this.joining || this.founding?.decided === true) return;
    this.joining = true;
    this.deps.client.call(address, 'join', { from: this.deps.self }, CALL_MS, (failure, response) => {
      this.joining = false;
      if (this.over) return;
      if (failure?.code === 'UNSUPPORTED_VERSION') {
        this.deps.refused(failure.message);
        return;
      }
      if (response === null) {
        this.deps.logger.debug('join not answered yet', { address, reason: failure?.message });
        return;
      }
      this.member(response.clusterId, response.nodeId, decodeMetaState(response.state), () => undefined);
    });
  }

  private member(clusterId: string, nodeId: NodeId, state: MetaState, done: () => void): void {
    if (this.over) return;
    this.over = true;
    this.failFounding(
      'ALREADY_INITIALISED',
      `another init was first: this node is now ${nodeId} of cluster ${clusterId}`,
    );
    this.become(clusterId, nodeId, state, done);
  }

  private become(clusterId: string, nodeId: NodeId, state: MetaState, done: () => void): void {
    const waiters = [done];
    this.becoming = { clusterId, done: waiters };
    this.deps.become(clusterId, nodeId, state, () => {
      for (const waiter of waiters.splice(0)) waiter();
    });
  }

  // ---- being claimed -------------------------------------------------------------------------------------------

  onFound(request: ControlMethods['found']['request'], reply: Reply<'found'>): void {
    const { founder } = request;
    const accept = (): void => reply(null, { accepted: true, reason: '' });
    const refuse = (reason: string): void => reply(null, { accepted: false, reason });
    switch (request.step) {
      case 'claim':
        this.note(founder);
        if (this.over) refuse('it is becoming a member of a cluster');
        else if (this.founding?.decided === true) refuse('it is founding a cluster itself');
        else if (this.founding !== null && founder.instanceId > this.deps.self.instanceId) {
          refuse('it is founding a cluster itself');
        } else if (this.claimedByOther(founder)) {
          refuse(`it is claimed by ${this.claim?.founder.addresses.grpc ?? 'another founder'}`);
        } else {
          this.failFounding('ALREADY_INITIALISED', `an init at ${founder.addresses.grpc} was first`);
          this.claim = { founder, atMs: this.deps.clock.monoMs() };
          accept();
        }
        return;
      case 'release':
        if (this.claim?.founder.instanceId === founder.instanceId) this.claim = null;
        accept();
        return;
      case 'genesis': {
        const state = decodeMetaState(request.state);
        if (this.becoming?.clusterId === state.clusterId) {
          this.becoming.done.push(accept); // told twice, or it found the cluster by itself first
          return;
        }
        if (this.over || this.claimedByOther(founder) || this.founding?.decided === true) {
          refuse('it is claimed by another founder');
          return;
        }
        this.member(state.clusterId, request.nodeId, state, accept);
        return;
      }
    }
  }

  private claimedByOther(founder: Instance): boolean {
    if (this.claim === null) return false;
    if (this.deps.clock.monoMs() - this.claim.atMs > CLAIM_MS) return false;
    return this.claim.founder.instanceId !== founder.instanceId;
  }

  // ---- founding ------------------------------------------------------------------------------------------------

  onInit(request: ControlMethods['init']['request'], reply: Reply<'init'>): void {
    if (this.founding !== null) {
      reply({ code: 'ALREADY_INITIALISED', message: 'another init is under way at this node' }, null);
      return;
    }
    if (this.over) {
      const message = `this node is just becoming a member of cluster ${this.becoming?.clusterId ?? '?'}`;
      reply({ code: 'ALREADY_INITIALISED', message }, null);
      return;
    }
    this.founding = {
      request,
      reply,
      sinceMs: this.deps.clock.monoMs(),
      untilMs: this.deps.clock.monoMs() + request.waitMs,
      decided: false,
    };
    this.tryFound();
  }

  /** A cluster of this node alone, without anyone's asking (`--single`). */
  foundAlone(shards: number): void {
    const request = { shards, replicas: 1, waitMs: 0, allowFewer: true };
    this.founding = {
      request,
      reply: () => undefined,
      sinceMs: this.deps.clock.monoMs(),
      untilMs: this.deps.clock.monoMs(),
      decided: false,
    };
    this.decide(this.founding, [this.deps.self]);
  }

  private tryFound(): void {
    const founding = this.founding;
    if (founding === null || this.over || founding.decided) return;
    const { request } = founding;
    const instances = this.waiting();
    const missing = this.deps.join.filter(
      (address) => address !== this.deps.self.addresses.grpc && !this.answered.has(address),
    );
    const timeUp = this.deps.clock.monoMs() >= founding.untilMs;
    const enough = instances.length >= request.replicas;
    if (this.claimedByOther(this.deps.self)) {
      if (timeUp)
        this.failFounding('ALREADY_INITIALISED', 'another init claimed this node; ask again for its outcome');
      else this.deps.timers.after(HELLO_MS, () => this.tryFound());
      return;
    }
    // With enough nodes here, a named address that stays silent is only given the time that a call takes.
    const graceOver = this.deps.clock.monoMs() - founding.sinceMs >= CALL_MS;
    if (!timeUp && (!enough || (missing.length > 0 && !graceOver))) {
      this.deps.timers.after(HELLO_MS / 3, () => this.tryFound());
      return;
    }
    if (!enough && !request.allowFewer) {
      const names = missing.length > 0 ? `; no answer from ${missing.join(', ')}` : '';
      this.failFounding(
        'UNAVAILABLE',
        `${request.replicas} replicas need ${request.replicas} nodes, ${instances.length} are here` +
          ` (${instances.map((i) => i.addresses.grpc).join(', ')})${names}. ` +
          'Start more servers with --join, or pass --allow-fewer to begin with fewer replicas.',
      );
      return;
    }
    if (foundingVersion(instances) === 0) {
      const known = instances.map((i) => `${i.addresses.grpc} knows ${describeVersions(i.versions)}`);
      this.failFounding(
        'UNSUPPORTED_VERSION',
        `the servers know no cluster version in common: ${known.join(', ')}. Start them with one build.`,
      );
      return;
    }
    this.claimAll(founding, instances);
  }

  private claimAll(founding: Founding, instances: readonly Instance[]): void {
    const others = instances.filter((i) => i.instanceId !== this.deps.self.instanceId);
    let left = others.length;
    let refusal = '';
    const decide = (): void => {
      const current = !this.over && this.founding === founding;
      if (current && refusal === '') {
        this.decide(founding, instances);
        return;
      }
      for (const other of others) this.found(other, 'release', 0, new Uint8Array(0), () => undefined);
      if (!current) return;
      if (this.deps.clock.monoMs() >= founding.untilMs) this.failFounding('UNAVAILABLE', refusal);
      else this.deps.timers.after(HELLO_MS + this.deps.entropy.below(HELLO_MS), () => this.tryFound());
    };
    if (left === 0) decide();
    for (const other of others) {
      this.found(other, 'claim', 0, new Uint8Array(0), (problem) => {
        if (problem !== '') refusal = `${other.addresses.grpc} can't be included: ${problem}`;
        if (--left === 0) decide();
      });
    }
  }

  private decide(founding: Founding, instances: readonly Instance[]): void {
    founding.decided = true;
    const clusterId = hex(this.deps.entropy.bytes(8));
    const state = planGenesis({
      clusterId,
      instances,
      shards: founding.request.shards,
      replicas: founding.request.replicas,
    });
    const own = state.nodes.find((node) => node.instanceId === this.deps.self.instanceId);
    const bytes = encodeMetaState(state);
    this.over = true;
    this.founding = null;
    this.deps.logger.info('cluster founded', {
      clusterId,
      nodes: state.nodes.length,
      shards: state.shards.length,
    });
    this.become(clusterId, own?.id ?? 1, state, () => {
      this.spreadGenesis(state, bytes, () => {
        founding.reply(null, {
          clusterId,
          nodes: state.nodes.map(({ id, addresses }) => ({ id, addresses })),
          shards: state.shards.length,
          replicas: Math.min(state.replicas, state.nodes.length),
        });
      });
    });
  }

  /** Tells every founding node; one that is away for now will find the cluster by its `--join`, or be told again. */
  private spreadGenesis(state: MetaState, bytes: Uint8Array, done: () => void): void {
    const others = state.nodes.filter((node) => node.instanceId !== this.deps.self.instanceId);
    let left = others.length;
    if (left === 0) done();
    for (const node of others) {
      const tell = (attempt: number): void => {
        this.found(node, 'genesis', node.id, bytes, (problem) => {
          if (problem !== '' && attempt < 20) {
            this.deps.timers.after(HELLO_MS, () => tell(attempt + 1));
            return;
          }
          if (problem !== '')
            this.deps.logger.warn('node did not take the genesis', { node: node.id, problem });
          if (--left === 0) done();
        });
      };
      tell(0);
    }
  }

  private found(
    other: Instance,
    step: ControlMethods['found']['request']['step'],
    nodeId: NodeId,
    state: Uint8Array,
    done: (problem: string) => void,
  ): void {
    const request = { step, founder: this.deps.self, nodeId, state };
    this.deps.client.call(other.addresses.grpc, 'found', request, CALL_MS, (failure, response) => {
      if (response === null) done(failure?.message ?? 'no answer');
      else done(response.accepted ? '' : response.reason);
    });
  }

  private failFounding(code: ControlFailure['code'], message: string): void {
    const founding = this.founding;
    this.founding = null;
    founding?.reply({ code, message }, null);
  }
}

function hex(bytes: Uint8Array): string {
  return [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');
}
