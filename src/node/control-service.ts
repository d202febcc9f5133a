/** Answers control calls, whatever the node is just then: opening, waiting, or a member. */
import { encodeMetaState } from '../meta/index.js';
import type { ControlFailure, ControlMethod, ControlMethods, Instance } from '../ports/index.js';
import { isAddress } from '../settings/index.js';
import { answerConfig } from './cluster-config.js';
import { answerUpgrade } from './cluster-upgrade.js';
import type { Member } from './member.js';
import type { ShardVerifier } from './shard-verify.js';
import type { Waiting } from './waiting.js';

export interface ControlContext {
  readonly self: Instance | null;
  readonly waiting: Waiting | null;
  readonly member: Member | null;
  readonly status: () => ControlMethods['status']['response'];
}

type Reply<M extends ControlMethod> = (
  failure: ControlFailure | null,
  response: ControlMethods[M]['response'] | null,
) => void;

type Handlers = {
  [M in ControlMethod]: (request: ControlMethods[M]['request'], reply: Reply<M>) => void;
};

export class ControlService {
  private readonly handlers: Handlers;

  constructor(private readonly context: ControlContext) {
    this.handlers = {
      status: (_request, reply) => reply(null, context.status()),
      hello: (request, reply) => this.hello(request, reply),
      join: (request, reply) => this.join(request, reply),
      init: (request, reply) => this.init(request, reply),
      found: (request, reply) => this.found(request, reply),
      report: (request, reply) => this.report(request, reply),
      transfer: (request, reply) => this.transfer(request, reply),
      config: (request, reply) => {
        if (context.member === null) reply(NO_MEMBER, null);
        else answerConfig(context.member, request, reply);
      },
      upgrade: (request, reply) => {
        if (context.member === null) reply(NO_MEMBER, null);
        else answerUpgrade(context.member, request, reply);
      },
      verify: (request, reply) => this.withVerifier(reply, (verifier) => verifier.verify(request, reply)),
      mark: (request, reply) => this.withVerifier(reply, (verifier) => verifier.mark(request.group, reply)),
      checkpoint: (request, reply) => {
        if (context.member === null) reply(NO_MEMBER, null);
        else context.member.checkpoints.checkpoint(request, reply);
      },
      writeCheckpoint: (request, reply) => {
        if (context.member === null) reply(NO_MEMBER, null);
        else context.member.checkpoints.write(request, reply);
      },
      audit: (request, reply) => this.withVerifier(reply, (verifier) => verifier.audits.run(request, reply)),
    };
  }

  handle<M extends ControlMethod>(method: M, request: ControlMethods[M]['request'], reply: Reply<M>): void {
    const caller = 'from' in request ? request.from : 'founder' in request ? request.founder : null;
    if (caller !== null && !isInstance(caller)) {
      reply({ code: 'INVALID_ARGUMENT', message: 'the caller has an address that is not HOST:PORT' }, null);
      return;
    }
    this.handlers[method](request, reply);
  }

  private hello(request: ControlMethods['hello']['request'], reply: Reply<'hello'>): void {
    const { self, member, waiting } = this.context;
    if (self === null) reply(STARTING, null);
    else if (member !== null) reply(null, { self, clusterId: member.view.state.clusterId, waiting: [] });
    else if (waiting !== null) reply(null, waiting.onHello(request.from));
    else reply(STARTING, null);
  }

  private join(request: ControlMethods['join']['request'], reply: Reply<'join'>): void {
    const { member } = this.context;
    if (member === null) {
      reply(NO_MEMBER, null);
      return;
    }
    member.meta.upsertNode(request.from, 0, (failure, outcome) => {
      if (outcome === null) {
        reply(failure, null);
        return;
      }
      reply(null, {
        clusterId: outcome.state.clusterId,
        nodeId: outcome.nodeId,
        state: encodeMetaState(outcome.state),
      });
    });
  }

  private report(request: ControlMethods['report']['request'], reply: Reply<'report'>): void {
    const { member } = this.context;
    if (member === null) {
      reply(NO_MEMBER, null);
      return;
    }
    member.meta.report(request.group, request.members, (failure, outcome) => {
      if (outcome === null) reply(failure, null);
      else reply(null, { state: encodeMetaState(outcome.state) });
    });
  }

  private transfer(request: ControlMethods['transfer']['request'], reply: Reply<'transfer'>): void {
    const { member } = this.context;
    if (member === null) reply(NO_MEMBER, null);
    else member.transferLeadership(request.group, request.node, request.forwarded, reply);
  }

  private withVerifier(
    reply: (failure: ControlFailure, response: null) => void,
    run: (verifier: ShardVerifier) => void,
  ): void {
    const { member } = this.context;
    if (member === null) reply(NO_MEMBER, null);
    else run(member.verifier);
  }

  private init(request: ControlMethods['init']['request'], reply: Reply<'init'>): void {
    const { member, waiting } = this.context;
    if (member !== null) {
      const { clusterId, nodes } = member.view.state;
      reply(
        {
          code: 'ALREADY_INITIALISED',
          message: `this node is already a member of cluster ${clusterId} (${nodes.length} nodes)`,
        },
        null,
      );
    } else if (waiting !== null) waiting.onInit(request, reply);
    else reply(STARTING, null);
  }

  private found(request: ControlMethods['found']['request'], reply: Reply<'found'>): void {
    const { member, waiting } = this.context;
    if (member !== null) {
      const { clusterId } = member.view.state;
      const mine = request.step === 'genesis' && member.knowsGenesis(request.state);
      reply(null, { accepted: mine, reason: mine ? '' : `it belongs to cluster ${clusterId} already` });
    } else if (waiting !== null) waiting.onFound(request, reply);
    else reply(STARTING, null);
  }
}

/** Addresses end up in the log and in every node's map: what can't be dialled never gets there. */
export function isInstance({ instanceId, addresses }: Instance): boolean {
  const { grpc, peer, resp, respMoved, http } = addresses;
  return (
    instanceId.length > 0 &&
    instanceId.length <= 64 &&
    [grpc, peer, http].every(isAddress) &&
    [resp, respMoved].every((address) => address === '' || isAddress(address))
  );
}

const NO_MEMBER: ControlFailure = {
  code: 'NOT_INITIALISED',
  message: 'this node is no member of a cluster yet',
};
const STARTING: ControlFailure = { code: 'UNAVAILABLE', message: 'this node is still starting' };
