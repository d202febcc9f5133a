/**
 * Simulated peer links. A link is one duplex connection per pair of nodes and channel, opened by whoever sends first,
 * after the same handshake as in production.
 *
 *   raft            every frame on its own: delayed, lost, duplicated, overtaken
 *   forward, bulk   in order, exactly once, until the link breaks; what is under way then is lost
 *
 * A link breaks by a cut, a crash, `stop`, a random reset or a newer life of a peer. Each side learns of it in its own
 * time: until then its sends are accepted and go nowhere, as with a dead TCP connection. Frames are poisoned after
 * delivery, so that whoever keeps a view notices.
 */
import {
  assert,
  ByteWriter,
  KNOWN_VERSIONS,
  must,
  type NodeId,
  type Prng,
  type VersionRange,
} from '../../../src/base/index.js';
import {
  decodeHello,
  decodeWelcome,
  encodeHello,
  encodeWelcome,
  HandshakeGuard,
  type Welcome,
} from '../../../src/codec/index.js';
import type { PeerChannel, PeerHandlers, PeerIdentity, PeerNetwork } from '../../../src/ports/index.js';
import { WORLD, type Owner } from './loop.js';
import { addressInUse, type SimListener, type SimWire } from './network-wire.js';

/** As in production: bytes under way per link and direction. */
const QUEUE_BYTES_MAX: Record<PeerChannel, number> = {
  raft: 32 * 1024 * 1024,
  forward: 16 * 1024 * 1024,
  bulk: 4 * 1024 * 1024,
};
const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 1000;
const POISON = 0xee;

/** One direction of a link. */
class Direction {
  /** When the last frame sent in order arrives; the next one does not arrive before. */
  lastAtMs = 0;
  queuedBytes = 0;
  /** A send was refused: the sender is told when there is room. */
  refused = false;
  heardAtMs = 0;
  /** How long the sender has stood still. */
  silentMs = 0;

  constructor(
    readonly from: End,
    readonly to: End,
  ) {}
}

class Connection {
  broken = false;
  readonly forth: Direction;
  readonly back: Direction;

  constructor(
    readonly dialler: End,
    readonly listener: End,
    /** Of the diallers's and the listener's life. */
    readonly boots: ReadonlyMap<End, number>,
  ) {
    this.forth = new Direction(dialler, listener);
    this.back = new Direction(listener, dialler);
  }

  from(end: End): Direction {
    return end === this.dialler ? this.forth : this.back;
  }

  other(end: End): End {
    return end === this.dialler ? this.listener : this.dialler;
  }
}

/** One node's side of a link, whether connected or not. */
class End {
  connection: Connection | null = null;
  /** `onLinkUp` was told and `onLinkDown` not yet. */
  up = false;
  dialling = false;
  wanted = false;
  attempts = 0;
  cancelRetry: (() => void) | null = null;
  /** Set while the link is broken and this side has not learnt it. */
  cancelDown: (() => void) | null = null;

  constructor(
    readonly peers: SimPeers,
    readonly node: NodeId,
    readonly channel: PeerChannel,
  ) {}
}

/** All peer links of a run. */
export class SimPeerWorld {
  readonly all: SimPeers[] = [];

  constructor(
    readonly wire: SimWire,
    readonly prng: Prng,
  ) {}

  create(owner: Owner): PeerNetwork {
    const peers = new SimPeers(this, owner);
    this.all.push(peers);
    return peers;
  }

  ownerDown(owner: Owner): void {
    for (const peers of [...this.all]) {
      if (peers.owner !== owner) continue;
      peers.shut();
      this.all.splice(this.all.indexOf(peers), 1);
    }
  }

  onCut(): void {
    for (const peers of this.all) peers.breakCut();
  }

  /** Whoever waits on a dead connection finds out soon after traffic flows again. */
  onHeal(): void {
    for (const peers of this.all) peers.hurryDowns();
  }
}

export class SimPeers implements PeerNetwork, SimListener {
  readonly kind = 'peer';
  private readonly wire: SimWire;
  private readonly ends = new Map<string, End>();
  private readonly addresses = new Map<NodeId, string>();
  private guard: HandshakeGuard | null = null;
  private handlers: PeerHandlers | null = null;
  private versions = { known: KNOWN_VERSIONS, inForce: KNOWN_VERSIONS.min };
  private bound = '';

  constructor(
    private readonly world: SimPeerWorld,
    readonly owner: Owner,
  ) {
    this.wire = world.wire;
  }

  setVersions(known: VersionRange, inForce: number): void {
    this.versions = { known, inForce };
    this.guard?.raise(inForce);
  }

  start(
    listen: string,
    identity: PeerIdentity,
    handlers: PeerHandlers,
    done: (error: Error | null, bound: string) => void,
  ): void {
    assert(this.guard === null, 'started twice');
    const bound = this.wire.bind(listen, this);
    if (bound === null) {
      this.wire.loop.schedule(this.owner, 0, () => done(addressInUse(listen), ''));
      return;
    }
    this.bound = bound;
    this.guard = new HandshakeGuard(identity, this.versions.known, this.versions.inForce);
    this.handlers = handlers;
    this.wire.setNode(this.owner, identity.nodeId);
    this.wire.loop.schedule(this.owner, 0, () => done(null, bound));
  }

  setAddress(node: NodeId, address: string): void {
    const known = this.addresses.get(node);
    if (known === address) return;
    this.addresses.set(node, address);
    if (address === '') for (const end of this.endsOf(node)) end.wanted = false;
    for (const end of this.endsOf(node)) {
      if (end.connection !== null && known !== undefined) this.breakLink(end.connection, 0);
      else if (end.wanted) this.retry(end, 0);
    }
  }

  send(to: NodeId, channel: PeerChannel, frame: Uint8Array): boolean {
    assert(this.guard !== null, 'send before start');
    assert(to !== this.guard.self.nodeId, 'a node sent to itself');
    const end = this.end(to, channel);
    const connection = end.connection;
    if (connection === null || !end.up) {
      end.wanted = true;
      if (!end.dialling && end.cancelRetry === null) this.dial(end);
      return false;
    }
    const direction = connection.from(end);
    const limit = QUEUE_BYTES_MAX[channel];
    if (direction.queuedBytes > 0 && direction.queuedBytes + frame.length > limit) {
      direction.refused = true;
      return false;
    }
    this.wire.counters.framesSent++;
    if (connection.broken) this.wire.counters.framesDropped++;
    else if (channel === 'raft') this.sendLoose(connection, direction, frame);
    else this.sendInOrder(connection, direction, frame);
    return true;
  }

  stop(done: () => void): void {
    this.shut();
    this.wire.loop.schedule(this.owner, 0, done);
  }

  /** Ends this life: no handler is called any more, every link breaks. */
  shut(): void {
    if (this.bound !== '') this.wire.release(this.bound);
    this.bound = '';
    this.handlers = null;
    for (const end of this.ends.values()) {
      end.cancelRetry?.();
      end.cancelDown?.();
      end.wanted = false;
      if (end.connection) this.breakLink(end.connection, this.delay());
    }
  }

  breakCut(): void {
    for (const end of this.ends.values()) {
      const connection = end.connection;
      if (connection === null || connection.broken) continue;
      const other = connection.other(end).peers.owner;
      if (this.wire.reaches(this.owner, other) && this.wire.reaches(other, this.owner)) continue;
      // Some partitions answer with a reset, others with silence until each side gives up.
      const silent = this.world.prng.chance(0.5);
      this.breakLink(connection, silent ? this.wire.options.idleMs : this.delay());
    }
  }

  hurryDowns(): void {
    for (const end of this.ends.values()) {
      if (end.cancelDown !== null) this.scheduleDown(end, this.delay());
    }
  }

  // --- frames ---

  private sendLoose(connection: Connection, direction: Direction, frame: Uint8Array): void {
    const { options, counters } = this.wire;
    const { prng } = this.world;
    if (prng.chance(options.loss)) {
      counters.framesDropped++;
      return;
    }
    let copies = 1;
    if (prng.chance(options.duplicate)) {
      copies = 2;
      counters.framesDuplicated++;
    }
    for (let i = 0; i < copies; i++) {
      let atMs = this.wire.loop.now() + this.delay();
      if (prng.chance(options.reorder)) {
        atMs += prng.unit() * options.reorderMs;
      } else {
        atMs = Math.max(atMs, direction.lastAtMs);
        direction.lastAtMs = atMs;
      }
      this.underWay(connection, direction, frame.slice(), atMs);
    }
  }

  private sendInOrder(connection: Connection, direction: Direction, frame: Uint8Array): void {
    if (this.world.prng.chance(this.wire.options.resetChance)) {
      this.wire.counters.framesDropped++;
      this.breakLink(connection, this.delay());
      return;
    }
    direction.lastAtMs = Math.max(direction.lastAtMs, this.wire.loop.now() + this.delay());
    this.underWay(connection, direction, frame.slice(), direction.lastAtMs);
  }

  private underWay(connection: Connection, direction: Direction, frame: Uint8Array, atMs: number): void {
    direction.queuedBytes += frame.length;
    this.wire.loop.schedule(WORLD, atMs - this.wire.loop.now(), () => {
      direction.queuedBytes -= frame.length;
      this.maybeDrain(connection, direction);
      direction.to.peers.arrive(connection, direction, frame);
    });
  }

  private maybeDrain(connection: Connection, direction: Direction): void {
    const { peers, node, channel } = direction.from;
    if (!direction.refused || connection.broken) return;
    const { loop } = this.wire;
    if (loop.isPaused(peers.owner)) {
      loop.hold(peers.owner, () => this.maybeDrain(connection, direction));
      return;
    }
    if (direction.queuedBytes > QUEUE_BYTES_MAX[channel] / 2) return;
    direction.refused = false;
    peers.living()?.onDrain(node, channel);
  }

  /** At the receiver. Raft frames still arrive after their link broke, unless their sender has begun a new life. */
  private arrive(connection: Connection, direction: Direction, frame: Uint8Array): void {
    const { counters, loop } = this.wire;
    if (loop.isPaused(this.owner)) {
      loop.hold(this.owner, () => this.arrive(connection, direction, frame));
      return;
    }
    const end = direction.to;
    const from = direction.from.peers;
    const lost =
      !this.wire.reaches(from.owner, this.owner) || (connection.broken && end.channel !== 'raft') || !end.up;
    const handlers = this.living();
    if (lost || handlers === null) {
      counters.framesDropped++;
      return;
    }
    if (!must(this.guard, 'guard').isCurrent(end.node, connection.boots.get(direction.from) ?? 0)) {
      counters.framesStale++;
      return;
    }
    counters.framesDelivered++;
    counters.bytesDelivered += frame.length;
    loop.note(`frame ${end.channel} ${end.node}>${must(this.guard, 'guard').self.nodeId} ${frame.length}`);
    direction.heardAtMs = loop.now();
    handlers.onHeard(end.node);
    this.living()?.onFrame(end.node, end.channel, frame);
    frame.fill(POISON);
  }

  // --- links ---

  private dial(end: End): void {
    const address = this.addresses.get(end.node);
    if (address === undefined || address === '' || this.handlers === null) return;
    end.dialling = true;
    end.attempts++;
    const target = this.wire.listenerAt(address);
    const there = target instanceof SimPeers ? target : null;
    if (
      there &&
      !(this.wire.reaches(this.owner, there.owner) && this.wire.reaches(there.owner, this.owner))
    ) {
      this.wire.loop.schedule(this.owner, this.wire.options.dialTimeoutMs, () => this.dialFailed(end));
      return;
    }
    const hello = encodeHello(new ByteWriter(), this.myGuard.hello(end.channel, end.node)).slice();
    this.wire.loop.schedule(WORLD, this.delay(), () => this.knock(end, address, hello));
  }

  private knock(end: End, address: string, hello: Uint8Array): void {
    const { loop } = this.wire;
    const listener = this.wire.listenerAt(address);
    // The system takes the connection of a process that stands still; that one answers when it goes on.
    if (listener && loop.isPaused(listener.owner)) {
      loop.hold(listener.owner, () => this.knock(end, address, hello));
      // It may never go on: a process that is killed while it stands still takes what it held with it.
      const { attempts } = end;
      loop.schedule(this.owner, this.wire.options.dialTimeoutMs, () => {
        if (end.dialling && end.attempts === attempts && end.connection === null) this.dialFailed(end);
      });
    } else if (listener instanceof SimPeers && listener.living()) listener.answer(end, hello);
    else this.later(() => this.dialFailed(end));
  }

  /** At the listening side: judges the hello, and opens the link. */
  private answer(dialler: End, bytes: Uint8Array): void {
    if (dialler.connection !== null || dialler.peers.living() === null) {
      dialler.dialling = false; // its other dial, or ours, was faster
      return;
    }
    const hello = decodeHello(bytes);
    const verdict = this.myGuard.judgeHello(hello);
    const welcome = encodeWelcome(new ByteWriter(), this.myGuard.welcome(verdict)).slice();
    if (verdict.kind === 'refused') {
      this.wire.counters.handshakesRefused++;
      this.wire.loop.note(`refused ${hello.identity.nodeId} ${verdict.reason}`);
      dialler.peers.later(() => dialler.peers.dialFailed(dialler));
      return;
    }
    const node = hello.identity.nodeId;
    if (verdict.newLife) for (const old of this.endsOf(node)) this.downNow(old);
    const end = this.end(node, hello.channel);
    this.downNow(end); // a link that only this side still believed in
    const connection = new Connection(
      dialler,
      end,
      new Map([
        [dialler, hello.identity.bootNumber],
        [end, this.myGuard.self.bootNumber],
      ]),
    );
    dialler.connection = connection;
    end.connection = connection;
    const delay = this.delay();
    connection.back.lastAtMs = this.wire.loop.now() + delay;
    this.wire.loop.schedule(dialler.peers.owner, delay, () => {
      dialler.peers.welcomed(dialler, connection, decodeWelcome(welcome));
    });
    this.wentUp(end);
    this.keepAlive(connection);
  }

  /** At the dialling side. */
  private welcomed(end: End, connection: Connection, welcome: Welcome): void {
    if (end.connection !== connection || connection.broken || this.handlers === null) return;
    end.dialling = false;
    const verdict = this.myGuard.judgeWelcome(end.node, welcome);
    if (verdict.kind === 'refused') {
      this.wire.counters.handshakesRefused++;
      this.breakLink(connection, this.delay());
      return;
    }
    if (verdict.newLife) {
      for (const old of this.endsOf(end.node)) if (old.connection !== connection) this.downNow(old);
    }
    this.wentUp(end);
  }

  private wentUp(end: End): void {
    end.up = true;
    end.wanted = true;
    end.attempts = 0;
    end.cancelRetry?.();
    end.cancelRetry = null;
    this.wire.counters.linksUp++;
    this.wire.loop.note(`link up ${this.myGuard.self.nodeId} ${end.node} ${end.channel}`);
    this.living()?.onLinkUp(end.node, end.channel);
  }

  private dialFailed(end: End): void {
    end.dialling = false;
    if (end.connection === null) this.retry(end, this.backoffMs(end));
  }

  private retry(end: End, delayMs: number): void {
    if (this.handlers === null || end.dialling) return;
    end.cancelRetry?.();
    end.cancelRetry = this.wire.loop.schedule(this.owner, delayMs, () => {
      end.cancelRetry = null;
      if (end.connection === null && end.wanted && !end.dialling) this.dial(end);
    });
  }

  private backoffMs(end: End): number {
    const full = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(10, end.attempts));
    return full * (0.5 + 0.5 * this.world.prng.unit());
  }

  /** What is under way is lost from now on; each side learns it within `withinMs`. */
  private breakLink(connection: Connection, withinMs: number): void {
    if (connection.broken) return;
    connection.broken = true;
    this.wire.counters.linksBroken++;
    for (const end of [connection.dialler, connection.listener]) {
      if (end.peers.handlers === null) end.connection = null;
      else end.peers.scheduleDown(end, withinMs * this.world.prng.unit());
    }
  }

  private scheduleDown(end: End, delayMs: number): void {
    end.cancelDown?.();
    end.cancelDown = this.wire.loop.schedule(this.owner, delayMs, () => {
      end.cancelDown = null;
      this.downNow(end);
    });
  }

  /** This side lets go of its connection, if it has one. */
  private downNow(end: End): void {
    const connection = end.connection;
    if (connection === null) return;
    this.breakLink(connection, this.delay());
    end.cancelDown?.();
    end.cancelDown = null;
    end.connection = null;
    end.dialling = false;
    const wasUp = end.up;
    end.up = false;
    if (wasUp) {
      this.wire.loop.note(`link down ${this.myGuard.self.nodeId} ${end.node} ${end.channel}`);
      this.living()?.onLinkDown(end.node, end.channel);
    }
    if (end.wanted) this.retry(end, this.backoffMs(end));
  }

  /** Both sides hear each other as long as the link holds. */
  private keepAlive(connection: Connection): void {
    const { keepAliveMs } = this.wire.options;
    this.wire.loop.schedule(WORLD, keepAliveMs, () => {
      if (connection.broken) return;
      for (const direction of [connection.forth, connection.back]) {
        this.keepAliveOneWay(direction);
        if (direction.silentMs >= this.wire.options.idleMs) this.breakLink(connection, this.delay());
      }
      this.keepAlive(connection);
    });
  }

  private keepAliveOneWay(direction: Direction): void {
    const { loop, options } = this.wire;
    const { peers, node, up } = direction.to;
    // A process that stands still keeps nothing alive, and hears nothing.
    const isStill = loop.isPaused(direction.from.peers.owner);
    direction.silentMs = isStill ? direction.silentMs + options.keepAliveMs : 0;
    if (isStill || loop.isPaused(peers.owner) || !up) return;
    if (loop.now() - direction.heardAtMs >= options.keepAliveMs) peers.living()?.onHeard(node);
  }

  // --- small things ---

  /** The handlers while this life lasts. */
  private living(): PeerHandlers | null {
    return this.wire.loop.isDead(this.owner) ? null : this.handlers;
  }

  private get myGuard(): HandshakeGuard {
    return must(this.guard, 'identity: start comes first');
  }

  private later(run: () => void): void {
    this.wire.loop.schedule(this.owner, this.delay(), run);
  }

  private delay(): number {
    return this.wire.drawDelay(this.world.prng);
  }

  private end(node: NodeId, channel: PeerChannel): End {
    const key = `${node}/${channel}`;
    let end = this.ends.get(key);
    if (end === undefined) {
      end = new End(this, node, channel);
      this.ends.set(key, end);
    }
    return end;
  }

  private endsOf(node: NodeId): End[] {
    return [...this.ends.values()].filter((end) => end.node === node);
  }
}
