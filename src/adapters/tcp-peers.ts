/**
 * The peer network over TCP (`node:net`). Frames are described in codec/framing.ts, the handshake in
 * codec/handshake.ts, links in tcp-peer-link.ts. This file listens, keeps the links, and does what is due by time:
 * keep-alives, silent connections, handshakes that don't come.
 *
 * One write per turn and connection: frames sent during one callback of the event loop are collected and written when
 * it returns.
 */
import { createServer, type Server, type Socket } from 'node:net';
import {
  assert,
  KNOWN_VERSIONS,
  MetricsRegistry,
  must,
  type Counter,
  type MonoMs,
  type NodeId,
  type VersionRange,
} from '../base/index.js';
import { decodeHello, FRAME_BYTES_MAX, HandshakeGuard, MalformedFrame } from '../codec/index.js';
import {
  PEER_CHANNELS,
  type CancelTimer,
  type Clock,
  type Crc32,
  type Entropy,
  type Logger,
  type PeerChannel,
  type PeerHandlers,
  type PeerIdentity,
  type PeerNetwork,
  type Timers,
} from '../ports/index.js';
import { boundAddress, parseAddress } from './tcp-address.js';
import { closeServer, listenOn } from './tcp-listen.js';
import { SegmentPool } from './tcp-outbox.js';
import { PeerConnection, type ConnectionTools } from './tcp-peer-connection.js';
import { PeerLink, type LinkWorld } from './tcp-peer-link.js';

/** How often time is looked at: a quarter of a keep-alive. */
const HOUSEKEEPING_MS = 250;
/** A housekeeping later than this: this process stood still. */
const STALL_MS = 1000;
/** Silence after which a keep-alive is sent: enough to tell a dead connection. Whether a node lives its frames tell. */
const KEEP_ALIVE_MS = 1000;
/** A connection that was silent for so long is dead. */
const IDLE_MS = 5000;
const HANDSHAKE_MS = 2000;
/** Accepted connections that have not said hello: more are closed at once. */
const STRANGERS_MAX = 256;
/** A node's peers may all dial at once. */
const BACKLOG = 512;
/** Refusals and garbage are told once per this long, peer and reason. */
const LOG_EVERY_MS = 60_000;
const LOG_KEYS_MAX = 1000;

export interface TcpPeersOptions {
  readonly crc32: Crc32;
  readonly logger: Logger;
  readonly timers: Timers;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly metrics?: MetricsRegistry;
  readonly frameBytesMax?: number;
}

export function createTcpPeers(options: TcpPeersOptions): PeerNetwork {
  return new TcpPeers(options);
}

class TcpPeers implements PeerNetwork, LinkWorld {
  readonly clock: Clock;
  readonly timers: Timers;
  readonly entropy: Entropy;
  readonly tools: ConnectionTools;
  private readonly logger: Logger;
  private server: Server | null = null;
  private started: { guard: HandshakeGuard; handlers: PeerHandlers } | null = null;
  private stopped = false;
  private versions = { known: KNOWN_VERSIONS, inForce: KNOWN_VERSIONS.min };
  private readonly links = new Map<NodeId, Record<PeerChannel, PeerLink>>();
  private readonly addresses = new Map<NodeId, string>();
  /** Every connection, for what is due by time. */
  private readonly connections = new Set<PeerConnection>();
  /** Those that have not said hello. */
  private readonly strangers = new Set<PeerConnection>();
  private dirty: PeerConnection[] = [];
  private readonly flushDirty = (): void => this.flush();
  private cancelHousekeeping: CancelTimer | null = null;
  private lastHousekeepingMs: MonoMs = 0;
  private readonly loggedMs = new Map<string, MonoMs>();
  private readonly counts: PeerCounters;

  constructor(options: TcpPeersOptions) {
    this.clock = options.clock;
    this.timers = options.timers;
    this.entropy = options.entropy;
    this.logger = options.logger;
    this.counts = new PeerCounters(options.metrics, () => this.queuedBytes());
    this.tools = {
      crc32: options.crc32,
      clock: options.clock,
      pool: new SegmentPool(),
      frameBytesMax: options.frameBytesMax ?? FRAME_BYTES_MAX,
      bytesIn: this.counts.bytesIn,
    };
  }

  get guard(): HandshakeGuard {
    return must(this.started, 'identity: start comes first').guard;
  }

  get handlers(): PeerHandlers {
    return must(this.started, 'handlers: start comes first').handlers;
  }

  setVersions(known: VersionRange, inForce: number): void {
    this.versions = { known, inForce };
    this.started?.guard.raise(inForce);
  }

  start(
    listen: string,
    identity: PeerIdentity,
    handlers: PeerHandlers,
    done: (error: Error | null, bound: string) => void,
  ): void {
    assert(this.started === null, 'started twice');
    const { known, inForce } = this.versions;
    this.started = { guard: new HandshakeGuard(identity, known, inForce), handlers };
    const asked = parseAddress(listen);
    const server = createServer({ noDelay: true }, (socket) => this.onAccept(socket));
    this.server = server;
    listenOn(server, { ...asked, backlog: BACKLOG }, listen, (error) => {
      if (error !== null) {
        done(error, '');
        return;
      }
      this.lastHousekeepingMs = this.clock.monoMs();
      this.scheduleHousekeeping();
      done(null, boundAddress(asked, server.address()));
    });
  }

  setAddress(node: NodeId, address: string): void {
    if (address !== '') parseAddress(address); // a wrong one fails here, where it comes from
    this.addresses.set(node, address);
    const links = this.links.get(node);
    if (links) for (const channel of PEER_CHANNELS) links[channel].setAddress(address);
  }

  send(to: NodeId, channel: PeerChannel, frame: Uint8Array): boolean {
    if (this.stopped) return false;
    const sent = this.link(to, channel).send(frame);
    if (sent) this.counts.sent[channel].inc();
    else this.counts.dropped[channel].inc();
    return sent;
  }

  stop(done: () => void): void {
    this.stopped = true;
    this.cancelHousekeeping?.();
    for (const links of this.links.values()) for (const channel of PEER_CHANNELS) links[channel].close();
    for (const connection of this.connections) connection.close();
    this.connections.clear();
    this.strangers.clear();
    if (this.server === null) this.timers.soon(done);
    else closeServer(this.server, done);
    this.server = null;
  }

  // --- for the links ---

  markDirty(connection: PeerConnection): void {
    // Runs when the present callback of the event loop returns: everything that it sends is one write.
    if (this.dirty.length === 0) process.nextTick(this.flushDirty);
    if (this.dirty[this.dirty.length - 1] !== connection) this.dirty.push(connection);
  }

  track(connection: PeerConnection): void {
    this.connections.add(connection);
  }

  untrack(connection: PeerConnection): void {
    this.connections.delete(connection);
  }

  refused(link: PeerLink, reason: string, text: string): void {
    this.counts.refused(reason);
    this.logSeldom(`${link.node} ${reason}`, 'peer refused the handshake', {
      peer: link.node,
      channel: link.channel,
      reason,
      text,
    });
  }

  tooLarge(link: PeerLink, bytes: number): void {
    this.logSeldom(`large ${link.node}`, 'peer frame too large to send', {
      peer: link.node,
      channel: link.channel,
      bytes,
    });
  }

  malformed(from: string, text: string): void {
    this.counts.malformed.inc();
    this.logSeldom(`malformed ${from}`, 'peer connection closed: malformed bytes', { from, text });
  }

  onNewLife(node: NodeId, except: PeerLink | null): void {
    const links = this.links.get(node);
    if (!links) return;
    for (const channel of PEER_CHANNELS) if (links[channel] !== except) links[channel].endLife();
  }

  // --- incoming connections ---

  private onAccept(socket: Socket): void {
    if (this.stopped || this.strangers.size >= STRANGERS_MAX) {
      socket.destroy();
      return;
    }
    // Set by the hello; until then the connection belongs to nobody.
    let link: PeerLink | null = null;
    const stranger = new PeerConnection(socket, false, false, this.tools, {
      onHandshake: (connection, payload) => {
        link = this.onHello(connection, payload);
      },
      onPiece: () => {
        if (link) this.handlers.onHeard(link.node);
      },
      onFrame: (_, frame) => {
        if (!link) return;
        this.counts.received[link.channel].inc();
        this.handlers.onFrame(link.node, link.channel, frame);
      },
      onProgress: () => undefined,
      onClosed: (connection, malformed) => {
        this.strangers.delete(connection);
        if (link) link.onClosed(connection, malformed);
        else this.onStrangerClosed(connection, malformed);
      },
    });
    this.strangers.add(stranger);
    this.track(stranger);
  }

  /** Null when the caller was refused. */
  private onHello(connection: PeerConnection, payload: Uint8Array): PeerLink | null {
    if (connection.open) throw new MalformedFrame('a second hello');
    const hello = decodeHello(payload);
    const verdict = this.guard.judgeHello(hello);
    connection.sendWelcome(this.guard.welcome(verdict));
    const { nodeId } = hello.identity;
    if (verdict.kind === 'refused') {
      this.counts.refused(verdict.reason);
      this.logSeldom(`in ${nodeId} ${verdict.reason}`, 'peer refused', {
        peer: nodeId,
        from: connection.remoteAddress,
        reason: verdict.reason,
        text: verdict.text,
      });
      connection.finish();
      return null;
    }
    if (verdict.newLife) this.onNewLife(nodeId, null);
    connection.accept();
    this.strangers.delete(connection);
    const link = this.link(nodeId, hello.channel);
    link.adopt(connection);
    return link;
  }

  private onStrangerClosed(connection: PeerConnection, malformed: string | null): void {
    this.untrack(connection);
    if (malformed !== null) this.malformed(connection.remoteAddress, malformed);
  }

  // --- what is due by time ---

  private scheduleHousekeeping(): void {
    this.cancelHousekeeping = this.timers.after(HOUSEKEEPING_MS, () => {
      this.housekeeping();
      if (!this.stopped) this.scheduleHousekeeping();
    });
  }

  private housekeeping(): void {
    const now = this.clock.monoMs();
    // After a stall of our own what the others sent is still in the sockets: silence is judged a round later.
    const stalled = now - this.lastHousekeepingMs > STALL_MS;
    this.lastHousekeepingMs = now;
    for (const connection of this.connections) {
      if (connection.open) {
        if (!stalled && now - connection.lastReceivedMs >= IDLE_MS) connection.fail(null);
        else if (now - connection.lastSentMs >= KEEP_ALIVE_MS && connection.outbox.bytes === 0) {
          connection.keepAlive();
        }
      } else if (!stalled && now - connection.sinceMs >= HANDSHAKE_MS) connection.fail(null);
    }
  }

  private flush(): void {
    const { dirty } = this;
    this.dirty = [];
    for (const connection of dirty) connection.flush();
  }

  // --- small things ---

  private link(node: NodeId, channel: PeerChannel): PeerLink {
    let links = this.links.get(node);
    if (links === undefined) {
      assert(node !== this.guard.self.nodeId, 'a node needs no link to itself');
      links = {
        raft: new PeerLink(this, node, 'raft'),
        forward: new PeerLink(this, node, 'forward'),
        bulk: new PeerLink(this, node, 'bulk'),
      };
      this.links.set(node, links);
      const address = this.addresses.get(node) ?? '';
      for (const each of PEER_CHANNELS) links[each].setAddress(address);
    }
    return links[channel];
  }

  private queuedBytes(): number {
    let bytes = 0;
    for (const links of this.links.values()) {
      for (const channel of PEER_CHANNELS) bytes += links[channel].queuedBytes;
    }
    return bytes;
  }

  private logSeldom(key: string, event: string, fields: Record<string, unknown>): void {
    const now = this.clock.monoMs();
    const last = this.loggedMs.get(key);
    if (last !== undefined && now - last < LOG_EVERY_MS) return;
    if (this.loggedMs.size >= LOG_KEYS_MAX) this.loggedMs.clear();
    this.loggedMs.set(key, now);
    this.logger.warn(event, fields);
  }
}

/** Handshake refusals that fence somebody off; the others are mere disagreements. */
const FENCED_KINDS: ReadonlyMap<string, string> = new Map([
  ['WRONG_CLUSTER', 'wrong_cluster'],
  ['OLD_DATA_DIRECTORY', 'old_data_directory'],
]);

/** Counters per channel; without a registry they count for nobody. */
class PeerCounters {
  readonly sent: Record<PeerChannel, Counter>;
  readonly received: Record<PeerChannel, Counter>;
  readonly dropped: Record<PeerChannel, Counter>;
  readonly malformed: Counter;
  readonly bytesIn: Counter;
  private readonly registry: MetricsRegistry;

  constructor(registry: MetricsRegistry | undefined, queuedBytes: () => number) {
    this.registry = registry ?? new MetricsRegistry();
    const perChannel = (name: string, help: string): Record<PeerChannel, Counter> => ({
      raft: this.registry.counter(name, help, { channel: 'raft' }),
      forward: this.registry.counter(name, help, { channel: 'forward' }),
      bulk: this.registry.counter(name, help, { channel: 'bulk' }),
    });
    this.sent = perChannel('peer_frames_sent_total', 'Frames queued for peers.');
    this.received = perChannel('peer_frames_received_total', 'Whole frames that came from peers.');
    this.dropped = perChannel('peer_frames_dropped_total', 'Frames refused: link down or its queue full.');
    this.malformed = this.registry.counter(
      'peer_malformed_total',
      'Peer connections closed for malformed bytes.',
    );
    this.bytesIn = this.registry.counter('peer_bytes_in_total', 'Bytes that came on peer connections.');
    this.registry.gaugeValue('peer_queue_bytes', 'Bytes that wait to be sent to peers.', queuedBytes);
  }

  refused(reason: string): void {
    this.registry
      .counter('peer_handshakes_refused_total', 'Handshakes refused, by either side.', { reason })
      .inc();
    const kind = FENCED_KINDS.get(reason);
    if (kind === undefined) return;
    this.registry.counter('fenced_total', 'Peers kept out because they may not speak here.', { kind }).inc();
  }
}
