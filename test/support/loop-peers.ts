/** Nodes wired in memory: frames arrive after a while, in order; links can be cut, and refuse what has no room. */
import type { NodeId } from '../../src/base/index.js';
import {
  PEER_CHANNELS,
  type PeerChannel,
  type PeerHandlers,
  type PeerNetwork,
} from '../../src/ports/index.js';
import type { SimLoop } from '../sim/world/loop.js';

export interface SentFrame {
  readonly from: NodeId;
  readonly to: NodeId;
  readonly channel: PeerChannel;
  readonly bytes: Uint8Array;
}

export class MemoryPeers {
  private readonly handlers = new Map<NodeId, PeerHandlers>();
  /** Grows with every cut of a pair: what was in flight then is lost. */
  private readonly cuts = new Map<string, number>();
  private readonly down = new Set<string>();
  readonly frames: SentFrame[] = [];
  /** Keeps frames back for as long as it returns false; they arrive in order all the same. */
  latencyMs: (from: NodeId, to: NodeId, channel: PeerChannel) => number = () => 1;
  /** Nodes that take nothing from others until `drain`: their links are full. */
  private readonly full = new Set<NodeId>();

  constructor(
    private readonly loop: SimLoop,
    private readonly remember = false,
  ) {}

  attach(node: NodeId, handlers: Partial<PeerHandlers>): void {
    this.handlers.set(node, {
      onFrame: () => undefined,
      onHeard: () => undefined,
      onLinkUp: () => undefined,
      onLinkDown: () => undefined,
      onDrain: () => undefined,
      ...handlers,
    });
  }

  networkOf(node: NodeId): PeerNetwork {
    const lastAtMs = new Map<string, number>();
    return {
      start: (_listen, _identity, _handlers, done) => done(null, 'memory'),
      setAddress: () => undefined,
      setVersions: () => undefined,
      stop: (done) => done(),
      send: (to, channel, frame) => {
        const pair = pairOf(node, to);
        if (!this.handlers.has(to) || this.down.has(pair) || this.full.has(to)) return false;
        const bytes = frame.slice();
        if (this.remember) this.frames.push({ from: node, to, channel, bytes });
        const cut = this.cuts.get(pair) ?? 0;
        const lane = `${to} ${channel}`;
        const atMs = Math.max(this.loop.now() + this.latencyMs(node, to, channel), lastAtMs.get(lane) ?? 0);
        lastAtMs.set(lane, atMs);
        this.loop.schedule(0, atMs - this.loop.now(), () => {
          if ((this.cuts.get(pair) ?? 0) !== cut) return;
          const padded = bytes.slice();
          this.handlers.get(to)?.onFrame(node, channel, padded);
          padded.fill(0xee); // a view is valid only during the call
        });
        return true;
      },
    };
  }

  /** Every link to this node is full from now on. */
  fill(node: NodeId): void {
    this.full.add(node);
  }

  /** They have room again, and who sends there hears of it. */
  drain(node: NodeId): void {
    this.full.delete(node);
    for (const [other, handlers] of this.handlers) {
      if (other !== node) for (const channel of PEER_CHANNELS) handlers.onDrain(node, channel);
    }
  }

  /** The links between two nodes go down: what is in flight is lost, and both sides hear of it. */
  cut(a: NodeId, b: NodeId): void {
    const pair = pairOf(a, b);
    this.down.add(pair);
    this.cuts.set(pair, (this.cuts.get(pair) ?? 0) + 1);
    for (const channel of PEER_CHANNELS) {
      this.handlers.get(a)?.onLinkDown(b, channel);
      this.handlers.get(b)?.onLinkDown(a, channel);
    }
  }

  heal(a: NodeId, b: NodeId): void {
    this.down.delete(pairOf(a, b));
    for (const channel of PEER_CHANNELS) {
      this.handlers.get(a)?.onLinkUp(b, channel);
      this.handlers.get(b)?.onLinkUp(a, channel);
    }
  }

  isolate(node: NodeId): void {
    for (const other of this.handlers.keys()) if (other !== node) this.cut(node, other);
  }

  healAll(): void {
    for (const a of this.handlers.keys()) {
      for (const b of this.handlers.keys()) if (a < b && this.down.has(pairOf(a, b))) this.heal(a, b);
    }
  }
}

function pairOf(a: NodeId, b: NodeId): string {
  return a < b ? `${a}-${b}` : `${b}-${a}`;
}
