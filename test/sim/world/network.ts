/**
 * The simulated network: peer frames, client streams, control calls and HTTP over `SimLoop`, with delays, losses,
 * duplicates, reordering, resets and partitions. One `SimNetwork` serves all nodes and clients of a run; each life of
 * a process gets its ports from it, by owner. Deterministic: everything random comes from named streams of the prng.
 *
 * This file holds what all kinds of traffic share: who listens where, which node an owner is, what is cut, delays,
 * counters. The kinds are in network-peers.ts, network-streams.ts, network-control.ts and network-cache.ts.
 *
 * A crash: `loop.kill(owner)` drops the events of that life, `network.nodeDown(owner)` closes what it had open.
 */
import type { NodeId, Prng } from '../../../src/base/index.js';
import type {
  ByteStream,
  ClientTransport,
  ControlClient,
  HttpListeners,
  HttpResponse,
  PeerNetwork,
  RpcServer,
  StreamHandler,
  StreamListeners,
} from '../../../src/ports/index.js';
import type { Owner, SimLoop } from './loop.js';
import { SimCacheTransport } from './network-cache.js';
import { SimControl } from './network-control.js';
import { SimHttp } from './network-http.js';
import { SimPeerWorld } from './network-peers.js';
import { SimStreamWorld } from './network-streams.js';
import {
  DEFAULT_SIM_NETWORK_OPTIONS,
  SimNetworkCounters,
  type SimListener,
  type SimNetworkOptions,
  type SimQuality,
  type SimWire,
} from './network-wire.js';

export { SimNetworkCounters, type SimNetworkOptions, type SimQuality } from './network-wire.js';

const FIRST_FREE_PORT = 20_000;

export class SimNetwork implements SimWire {
  /** As they are now: the run's own, or those of `setQuality`. */
  options: SimNetworkOptions;
  readonly counters = new SimNetworkCounters();
  private readonly listeners = new Map<string, SimListener>();
  private readonly nodes = new Map<Owner, NodeId>();
  /** Directed cuts, as 'from>to'. */
  private readonly cuts = new Set<string>();
  /** Processes outside of the cluster that are cut off from everybody. */
  private readonly hidden = new Set<Owner>();
  private freePort = FIRST_FREE_PORT;
  private readonly peerWorld: SimPeerWorld;
  private readonly streamWorld: SimStreamWorld;
  private readonly controlPrng: Prng;
  private readonly ownOptions: SimNetworkOptions;

  constructor(
    readonly loop: SimLoop,
    prng: Prng,
    options: Partial<SimNetworkOptions> = {},
  ) {
    this.ownOptions = { ...DEFAULT_SIM_NETWORK_OPTIONS, ...options };
    this.options = this.ownOptions;
    this.peerWorld = new SimPeerWorld(this, prng.stream('network/peers'));
    this.streamWorld = new SimStreamWorld(this, prng.stream('network/streams'));
    this.controlPrng = prng.stream('network/control');
  }

  /** The peer network of one life of a node. */
  peers(owner: Owner): PeerNetwork {
    return this.peerWorld.create(owner);
  }

  /** Listeners for client streams (RESP). */
  streams(owner: Owner): StreamListeners {
    return this.streamWorld.listeners(owner);
  }

  /**
   * A client's connection. Usable at once: bytes written before it is accepted follow when it is. `onClose` comes when
   * nobody listens there, too.
   */
  connectStream(owner: Owner, address: string, handler: StreamHandler): ByteStream {
    return this.streamWorld.connect(owner, address, handler);
  }

  control(owner: Owner): { server: RpcServer; client: ControlClient } {
    const control = new SimControl(this, this.controlPrng, owner, this.streamWorld);
    return { server: control, client: control };
  }

  /** The SDK's way to the nodes, for one client. */
  cacheTransport(owner: Owner): ClientTransport {
    return new SimCacheTransport(this.streamWorld, owner);
  }

  http(owner: Owner): HttpListeners {
    return new SimHttp(this, this.controlPrng, owner);
  }

  /** GET as a browser or a scraper would; null when nobody answers. */
  httpGet(owner: Owner, address: string, path: string, done: (response: HttpResponse | null) => void): void {
    new SimHttp(this, this.controlPrng, owner).get(address, path, done);
  }

  /** A better or worse network from now on; null goes back to the run's own options. */
  setQuality(quality: SimQuality | null): void {
    this.options = { ...this.ownOptions, ...quality };
    this.loop.note('net quality');
  }

  /** Nothing passes between the two nodes, either way. */
  cut(a: NodeId, b: NodeId): void {
    this.addCut(a, b);
    this.addCut(b, a);
    this.afterCut();
  }

  /** Nothing passes from one to the other; back it does (which breaks connections all the same). */
  cutOneWay(from: NodeId, to: NodeId): void {
    this.addCut(from, to);
    this.afterCut();
  }

  /** Cuts a node off from every other known one. */
  isolate(node: NodeId): void {
    for (const other of new Set(this.nodes.values())) {
      if (other === node) continue;
      this.addCut(node, other);
      this.addCut(other, node);
    }
    this.afterCut();
  }

  /** Ends every cut. */
  heal(): void {
    if (this.cuts.size === 0) return;
    this.cuts.clear();
    this.counters.heals++;
    this.loop.note('net heal');
    this.peerWorld.onHeal();
  }

  /** Ends the cut between two nodes. */
  healPair(a: NodeId, b: NodeId): void {
    this.healOneWay(a, b);
    this.healOneWay(b, a);
  }

  healOneWay(from: NodeId, to: NodeId): void {
    if (!this.cuts.delete(`${from}>${to}`)) return;
    this.counters.heals++;
    this.loop.note(`net heal ${from}>${to}`);
    this.peerWorld.onHeal();
  }

  /**
   * Cuts a client off: nothing passes either way, and nobody is told. What is on its way waits, as TCP would send it
   * again; `breakChance` of its streams do not live to see the end of the cut.
   */
  hideClient(owner: Owner): void {
    this.hidden.add(owner);
    this.loop.note(`net hide ${owner}`);
  }

  showClient(owner: Owner, breakChance = 0): void {
    if (!this.hidden.delete(owner)) return;
    this.loop.note(`net show ${owner}`);
    this.streamWorld.onShow(owner, breakChance);
  }

  isCut(from: NodeId, to: NodeId): boolean {
    return this.cuts.has(`${from}>${to}`);
  }

  /** Whether anything is cut. */
  get partitioned(): boolean {
    return this.cuts.size > 0;
  }

  /** A process ended: its listeners are gone and its connections break. For clients too. */
  nodeDown(owner: Owner): void {
    for (const [address, listener] of this.listeners) {
      if (listener.owner === owner) this.listeners.delete(address);
    }
    this.peerWorld.ownerDown(owner);
    this.streamWorld.ownerDown(owner);
    this.nodes.delete(owner);
    this.loop.note(`net down ${owner}`);
  }

  reaches(from: Owner, to: Owner): boolean {
    if (this.hidden.size > 0 && (this.hidden.has(from) || this.hidden.has(to))) return false;
    const a = this.nodes.get(from);
    const b = this.nodes.get(to);
    return a === undefined || b === undefined || !this.isCut(a, b);
  }

  drawDelay(prng: Prng): number {
    const [low, high] = this.options.delayMs;
    return low + prng.unit() * (high - low);
  }

  bind(address: string, listener: SimListener): string | null {
    const colon = address.lastIndexOf(':');
    const host = address.slice(0, colon);
    let bound = address;
    if (address.endsWith(':0')) {
      do bound = `${host}:${this.freePort++}`;
      while (this.listeners.has(bound));
    }
    if (this.listeners.has(bound)) return null;
    this.listeners.set(bound, listener);
    return bound;
  }

  release(address: string): void {
    this.listeners.delete(address);
  }

  listenerAt(address: string): SimListener | undefined {
    return this.listeners.get(address);
  }

  setNode(owner: Owner, node: NodeId): void {
    this.nodes.set(owner, node);
  }

  private addCut(from: NodeId, to: NodeId): void {
    this.cuts.add(`${from}>${to}`);
    this.loop.note(`net cut ${from}>${to}`);
  }

  private afterCut(): void {
    this.counters.partitions++;
    this.peerWorld.onCut();
  }
}
