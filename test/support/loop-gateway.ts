/**
 * A gateway on a host that the test plays. Each fake replica keeps what it is handed and answers when the test says
 * so.
 */
import { MetricsRegistry, type ErrorReason, type GroupId, type NodeId } from '../../src/base/index.js';
import { createGatewayMetrics, ForwardServer, Gateway, SessionGrants } from '../../src/api/index.js';
import { decodeForwardFrame, type ForwardVisitor } from '../../src/codec/index.js';
import { Freshness, type CommandSink } from '../../src/group/index.js';
import type { Host } from '../../src/host/index.js';
import { putFailed, Tag } from '../../src/kv/index.js';
import { ByteWriter } from '../../src/base/index.js';
import { LeaderHints, ShardMap } from '../../src/topology/index.js';
import type { MetaState } from '../../src/meta/index.js';
import type { RecordingSink } from './loop-commands.js';
import { describeCommand } from './loop-commands.js';
import { makeState } from './loop-meta.js';
import { MemoryPeers } from './loop-peers.js';
import { LoopWorld } from './loop-world.js';

export interface Handed {
  readonly text: string;
  readonly bytes: Uint8Array;
  readonly kind: 'write' | 'read';
  readonly afterReads: boolean;
  readonly isRead: boolean;
  readonly isAlone: boolean;
  readonly sink: CommandSink;
  readonly token: number;
  /** Of reads. */
  readonly freshness: number;
}

/** A replica as gateway and forward server see it. Everything waits until the test decides. */
export class FakeReplica {
  serves = true;
  servesAnyReads = true;
  get accepts(): boolean {
    return this.serves;
  }
  leaderNode: NodeId = 0;
  readonly handed: Handed[] = [];
  onHanded: (command: Handed) => void = () => undefined;

  submitWrite(
    bytes: Uint8Array,
    start: number,
    end: number,
    afterReads: boolean,
    sink: CommandSink,
    token: number,
    isRead = false,
    isAlone = false,
  ): void {
    this.take('write', bytes, start, end, afterReads, sink, token, undefined, isRead, isAlone);
  }

  submitRead(
    bytes: Uint8Array,
    start: number,
    end: number,
    sink: CommandSink,
    token: number,
    freshness: number,
  ): void {
    this.take('read', bytes, start, end, false, sink, token, freshness);
  }

  private take(
    kind: 'write' | 'read',
    bytes: Uint8Array,
    start: number,
    end: number,
    afterReads: boolean,
    sink: CommandSink,
    token: number,
    freshness: number = Freshness.linearizable,
    isRead = kind === 'read',
    isAlone = false,
  ): void {
    const copy = bytes.slice(start, end);
    const text = describeCommand(copy);
    const command = { text, bytes: copy, kind, afterReads, isRead, isAlone, sink, token, freshness };
    this.handed.push(command);
    this.onHanded(command);
  }

  /** The oldest that waits. */
  private next(): Handed {
    const command = this.handed.shift();
    if (command === undefined) throw new Error('nothing was handed over');
    return command;
  }

  texts(): string[] {
    return this.handed.map((command) => command.text);
  }

  /** The oldest ran. */
  ok(): void {
    const { sink, token } = this.next();
    sink.onResult(token, new Uint8Array([0xee, Tag.ok, 0xee]), 1, 2);
  }

  /** The oldest got this result. */
  answer(...result: readonly number[]): void {
    const { sink, token } = this.next();
    sink.onResult(token, Uint8Array.from([0xee, ...result, 0xee]), 1, 1 + result.length);
  }

  /** The oldest ended in a failure that is no refusal. */
  fail(reason: ErrorReason): void {
    const { sink, token } = this.next();
    const w = new ByteWriter();
    putFailed(w, reason, 'as the test wants', 0);
    sink.onResult(token, w.buffer, 0, w.length);
  }

  /** The oldest did not run. */
  refuse(reason: ErrorReason = 'NOT_LEADER', leader: NodeId = 0): void {
    const { sink, token, bytes } = this.next();
    const padded = new Uint8Array(bytes.length + 2);
    padded.set(bytes, 1);
    sink.onRefused(token, reason, leader, padded, 1, 1 + bytes.length);
    padded.fill(0xee);
  }
}

export class GatewayNode {
  readonly replicas = new Map<GroupId, FakeReplica>();
  readonly hints = new LeaderHints();
  readonly metrics = new MetricsRegistry();
  readonly gateway: Gateway;
  readonly server: ForwardServer;
  map: ShardMap;
  refusal: ErrorReason | null = null;
  private frameFrom: NodeId = 0;

  constructor(
    readonly world: LoopWorld,
    peers: MemoryPeers,
    readonly id: NodeId,
    state: MetaState,
    inflightBytesMax: number,
  ) {
    this.map = shardMapOf(state);
    const host = {
      nodeId: id,
      replica: (group: GroupId) => this.replicas.get(group) ?? null,
    } as unknown as Host;
    const metrics = createGatewayMetrics(this.metrics);
    const clock = world.nodeClock();
    const timers = world.timersOf(clock);
    const network = peers.networkOf(id);
    this.gateway = new Gateway({
      nodeId: id,
      host,
      clock,
      timers,
      peers: network,
      hints: this.hints,
      map: () => this.map,
      metrics,
      firstBatch: 0,
      inflightBytesMax,
      writeRefusal: () => this.refusal,
      sessions: new SessionGrants(id, world.entropy, () => clock.wallMs()),
    });
    this.server = new ForwardServer({
      host,
      peers: network,
      timers,
      metrics,
      mapVersion: () => this.map.version,
      leaderOf: (group) => this.replicas.get(group)?.leaderNode ?? this.hints.nodeOf(group),
      writeRefusal: () => this.refusal,
    });
    this.nowMs = () => clock.monoMs();
    peers.attach(id, {
      onFrame: (from, channel, frame) => {
        if (channel !== 'forward') return;
        this.frameFrom = from;
        decodeForwardFrame(frame, this.visitor);
      },
      onLinkDown: (node, channel) => {
        if (channel === 'forward') this.gateway.onLinkDown(node);
      },
      onDrain: (node, channel) => {
        if (channel === 'forward') this.server.onDrain(node);
      },
      onLinkUp: () => this.gateway.poll(),
    });
  }

  readonly nowMs: () => number;

  replica(group: GroupId): FakeReplica {
    let replica = this.replicas.get(group);
    if (replica === undefined) {
      replica = new FakeReplica();
      this.replicas.set(group, replica);
    }
    return replica;
  }

  /** Hands a command in on behalf of a connection; fails the test if anything is answered inside the call. */
  submit(
    sink: RecordingSink,
    token: number,
    command: Uint8Array,
    withinMs = 5000,
    slot = 0,
    freshness: number = Freshness.linearizable,
  ): void {
    const padded = new Uint8Array(command.length + 4).fill(0xee);
    padded.set(command, 2);
    sink.quiet = true;
    this.gateway.submit(slot, padded, 2, 2 + command.length, this.nowMs() + withinMs, sink, token, freshness);
    sink.quiet = false;
    padded.fill(0xee);
  }

  private readonly visitor: ForwardVisitor = {
    onRequests: () => undefined,
    onRequest: (id, shard, hops, remainingMs, bytes, start, end) =>
      this.server.onRequest(this.frameFrom, id, shard, hops, remainingMs, bytes, start, end),
    onResponses: () => undefined,
    onResponse: (id, bytes, start, end) => this.gateway.onResponse(this.frameFrom, id, bytes, start, end),
    onGossip: () => undefined,
    onGossipGroup: () => undefined,
    onMapRequest: () => undefined,
    onMemory: () => undefined,
    onTouches: () => undefined,
    onMap: () => undefined,
  };
}

/** Slot 0 belongs to shard 1. */
export class GatewayWorld {
  readonly world: LoopWorld;
  readonly peers: MemoryPeers;
  readonly nodes: GatewayNode[] = [];

  constructor(nodes = 2, options: { inflightBytesMax?: number; seed?: number; shards?: number } = {}) {
    this.world = new LoopWorld(options.seed);
    this.peers = new MemoryPeers(this.world.loop, true);
    const state = makeState(nodes, options.shards ?? 2, nodes);
    for (let id = 1; id <= nodes; id++) {
      this.nodes.push(
        new GatewayNode(this.world, this.peers, id, state, options.inflightBytesMax ?? 1 << 20),
      );
    }
  }

  node(id: NodeId): GatewayNode {
    const node = this.nodes[id - 1];
    if (node === undefined) throw new Error(`no node ${id}`);
    return node;
  }

  /** Every node learns, in this term, who leads the shard. */
  lead(group: GroupId, leader: NodeId, term: number): void {
    for (const node of this.nodes) {
      const replica = node.replica(group);
      replica.serves = node.id === leader;
      replica.leaderNode = leader;
      node.hints.note(group, term, 1, leader);
    }
  }

  run(ms: number): void {
    this.world.run(ms);
  }
}

export function shardMapOf(state: MetaState): ShardMap {
  const shards = state.shards.map(({ id, firstSlot, lastSlot, replicas }) => ({
    id,
    firstSlot,
    lastSlot,
    replicas: replicas.map(({ replica, node }) => ({ id: replica, node })),
  }));
  return new ShardMap(state.mapVersion, state.nodes, shards);
}
