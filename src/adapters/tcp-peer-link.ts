/**
 * One channel between this node and one other: the connection dialled here, on which frames leave, and the one dialled
 * there, on which they arrive. The two live and die together, so that both sides know when something was lost:
 *
 *   up      our dial was accepted
 *   broken  one of the two closed, or the other side dialled anew (it had lost what it had): both are closed, and
 *           dialled again by whom they belong to. Neither side keeps a connection of before, so the two can't go on
 *           breaking each other.
 *
 *   1. A and B are linked by A's connection a1 and B's b1; b1 dies unnoticed by B.
 *   2. A notices: closes a1 and b1, dials a2.
 *   3. B accepts a2 while a1 still stands there: closes a1 and b1, reports the link down, dials b2.
 *   4. A accepts b2: nothing stands in its place, nothing breaks.
 *
 * A dial that fails leaves the other side's connection alone. While that one stands, frames may queue behind a dial
 * under way: the answer to a first request is ready before the way back is.
 */
import { connect } from 'node:net';
import type { NodeId } from '../base/index.js';
import { decodeWelcome, framedBytes, MalformedFrame, type HandshakeGuard } from '../codec/index.js';
import type { CancelTimer, Clock, Entropy, PeerChannel, PeerHandlers, Timers } from '../ports/index.js';
import { parseAddress } from './tcp-address.js';
import { PeerConnection, type ConnectionTools } from './tcp-peer-connection.js';

const MIB = 1024 * 1024;
/** Bytes that may wait for one link; a single larger frame is let through an empty queue. */
const QUEUE_BYTES_MAX: Record<PeerChannel, number> = { raft: 32 * MIB, forward: 16 * MIB, bulk: 4 * MIB };
const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 1000;
/** A link that held this long was a good one: the next dial is a first attempt again. */
const STEADY_MS = 1000;

/** What links share. */
export interface LinkWorld {
  readonly tools: ConnectionTools;
  readonly clock: Clock;
  readonly timers: Timers;
  readonly entropy: Entropy;
  readonly guard: HandshakeGuard;
  readonly handlers: PeerHandlers;
  /** The connection wants a flush at the end of this turn. */
  markDirty(connection: PeerConnection): void;
  track(connection: PeerConnection): void;
  untrack(connection: PeerConnection): void;
  refused(link: PeerLink, reason: string, text: string): void;
  /** A frame above the limit: the other side would close the connection over it. */
  tooLarge(link: PeerLink, bytes: number): void;
  malformed(from: string, text: string): void;
  /** A later life of the node spoke: its other connections are void. */
  onNewLife(node: NodeId, except: PeerLink): void;
}

export class PeerLink {
  private out: PeerConnection | null = null;
  private incoming: PeerConnection | null = null;
  /** `out` was accepted, and `onLinkUp` told. */
  private up = false;
  private upSinceMs = 0;
  /** Somebody wanted to send, or the other side dialled: the link is kept. */
  private wanted = false;
  /** Frames wait behind a dial under way. */
  private queuedEarly = false;
  /** A send was refused for want of room. */
  private owesDrain = false;
  private attempts = 0;
  private cancelRetry: CancelTimer | null = null;
  private address = '';

  constructor(
    private readonly world: LinkWorld,
    readonly node: NodeId,
    readonly channel: PeerChannel,
  ) {}

  /** Bytes waiting to be sent. */
  get queuedBytes(): number {
    return this.out?.outbox.bytes ?? 0;
  }

  setAddress(address: string): void {
    if (address === this.address) return;
    this.address = address;
    this.attempts = 0;
    if (address === '') this.wanted = false;
    this.clearRetry();
    if (this.up) this.breakLink();
    else this.dropDial();
    if (this.wanted && this.out === null) this.scheduleDial(0);
  }

  send(frame: Uint8Array): boolean {
    const { out } = this;
    if (out === null || !(this.up || this.incoming !== null)) {
      this.want();
      return false;
    }
    const { outbox } = out;
    const size = framedBytes(frame.length);
    if (frame.length > this.world.tools.frameBytesMax) {
      this.world.tooLarge(this, frame.length);
      return false;
    }
    if (outbox.bytes > 0 && outbox.bytes + size > QUEUE_BYTES_MAX[this.channel]) {
      this.owesDrain = true;
      return false;
    }
    outbox.add(frame);
    if (this.up) this.world.markDirty(out);
    else this.queuedEarly = true;
    return true;
  }

  /** The other side's dial was accepted. */
  adopt(connection: PeerConnection): void {
    if (this.incoming !== null) this.breakLink();
    this.incoming = connection;
    if (this.out === null) {
      // It is there: no more waiting, or the answer to its first request would find no way back.
      this.clearRetry();
      this.attempts = 0;
    }
    this.want();
  }

  /** Connections of the node's earlier life are closed. */
  endLife(): void {
    if (this.up || this.incoming !== null) this.breakLink();
  }

  /** Our dial was answered. */
  onWelcome(connection: PeerConnection, payload: Uint8Array): void {
    if (connection !== this.out) return;
    const verdict = this.world.guard.judgeWelcome(this.node, decodeWelcome(payload));
    if (verdict.kind === 'refused') {
      this.world.refused(this, verdict.reason, verdict.text);
      connection.fail(null);
      return;
    }
    if (verdict.newLife) {
      this.dropIncoming();
      this.world.onNewLife(this.node, this);
    }
    connection.accept();
    this.up = true;
    this.queuedEarly = false;
    this.upSinceMs = this.world.clock.monoMs();
    this.world.markDirty(connection);
    this.world.handlers.onLinkUp(this.node, this.channel);
  }

  onProgress(connection: PeerConnection): void {
    if (!this.owesDrain || connection !== this.out) return;
    if (connection.outbox.bytes > QUEUE_BYTES_MAX[this.channel] / 2) return;
    this.owesDrain = false;
    this.world.handlers.onDrain(this.node, this.channel);
  }

  onClosed(connection: PeerConnection, malformed: string | null): void {
    if (malformed !== null) this.world.malformed(`node ${this.node}`, malformed);
    this.world.untrack(connection);
    if (connection === this.incoming) {
      this.incoming = null;
      if (this.up) this.breakLink();
    } else if (connection === this.out) {
      if (this.up) this.breakLink();
      else this.dialFailed();
    }
  }

  /** Closes everything, tells nobody. */
  close(): void {
    this.wanted = false;
    this.clearRetry();
    this.dropOut();
    this.dropIncoming();
    this.up = false;
  }

  private want(): void {
    this.wanted = true;
    if (this.out === null && this.cancelRetry === null) this.dial();
  }

  private dial(): void {
    if (this.address === '') return;
    this.attempts++;
    const { host, port } = parseAddress(this.address);
    const { world } = this;
    const socket = connect({ host, port, noDelay: true });
    const connection = new PeerConnection(socket, true, this.channel === 'raft', world.tools, {
      onHandshake: (c, payload) => this.onWelcome(c, payload),
      onPiece: () => world.handlers.onHeard(this.node),
      onFrame: () => {
        throw new MalformedFrame('a frame from the side that was dialled');
      },
      onProgress: (c) => this.onProgress(c),
      onClosed: (c, malformed) => this.onClosed(c, malformed),
    });
    this.out = connection;
    world.track(connection);
    connection.sendHello(world.guard.hello(this.channel, this.node));
  }

  private dialFailed(): void {
    const lostFrames = this.queuedEarly;
    this.out = null;
    this.queuedEarly = false;
    this.owesDrain = false;
    this.scheduleDial(this.backoffMs());
    if (lostFrames) this.world.handlers.onLinkDown(this.node, this.channel);
  }

  /** Both connections go; who still wants the link dials again. A dial under way goes on. */
  private breakLink(): void {
    const wasUp = this.up;
    this.up = false;
    this.dropIncoming();
    if (!wasUp) return;
    if (this.world.clock.monoMs() - this.upSinceMs >= STEADY_MS) this.attempts = 0;
    this.owesDrain = false;
    this.dropOut();
    this.scheduleDial(this.backoffMs());
    this.world.handlers.onLinkDown(this.node, this.channel);
  }

  /** Gives up a dial under way, to another address than the one that is valid now. */
  private dropDial(): void {
    if (this.out === null) return;
    this.dropOut();
    if (this.queuedEarly) this.world.handlers.onLinkDown(this.node, this.channel);
    this.queuedEarly = false;
  }

  private dropOut(): void {
    const { out } = this;
    this.out = null;
    if (out === null) return;
    this.world.untrack(out);
    out.close();
  }

  private dropIncoming(): void {
    const { incoming } = this;
    this.incoming = null;
    if (incoming === null) return;
    this.world.untrack(incoming);
    incoming.close();
  }

  private scheduleDial(delayMs: number): void {
    if (!this.wanted) return;
    this.clearRetry();
    this.cancelRetry = this.world.timers.after(delayMs, () => {
      this.cancelRetry = null;
      if (this.wanted && this.out === null) this.dial();
    });
  }

  private clearRetry(): void {
    this.cancelRetry?.();
    this.cancelRetry = null;
  }

  /** 50 ms, doubled with every failure up to 1 s, less up to a half at random: many nodes don't dial in step. */
  private backoffMs(): number {
    const full = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** Math.min(10, Math.max(0, this.attempts - 1)));
    return full / 2 + this.world.entropy.below(Math.ceil(full / 2) + 1);
  }
}
