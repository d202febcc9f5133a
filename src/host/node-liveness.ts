/**
 * Which nodes live, as their Raft frames tell: one watch per pair of nodes instead of one per group
 * (docs/decisions/0006-quiescence.md). Collects news for the host's next turn; decides nothing about groups.
 *
 * Invariants: boot number and number of endings of a peer only grow; `down` begins in `judge` and ends in `hear`; a
 * frame of an earlier life is not heard at all.
 */
import type { GroupId, MonoMs, NodeId } from '../base/index.js';
import type { RaftFrameHeader } from '../codec/index.js';

/** What may wake groups. `groups` null: all that follow a leader there. */
export type NodeNews =
  | { readonly kind: 'lost'; readonly node: NodeId; readonly groups: readonly GroupId[] | null }
  /** It is heard again, or for the first time in this life: groups led here may have slept without it. */
  | { readonly kind: 'back'; readonly node: NodeId }
  /** This node itself stood still for so long that others take it for down: its leaders must be heard. */
  | { readonly kind: 'stalled' };

/**
 * A process that stands still keeps its links, one that died loses them: with the link up, silence must last so many
 * times longer. Groups that sleep have nobody waiting; to wake them all over a busy neighbour would make it worse.
 */
const PATIENCE = 4;

interface Peer {
  bootNumber: number;
  /** Leaderships that ended there in this life. */
  endings: number;
  heardAtMs: MonoMs;
  /** The link went down, and nothing was heard since. */
  linkDown: boolean;
  down: boolean;
}

export class NodeLiveness {
  private readonly peers = new Map<NodeId, Peer>();
  private news: NodeNews[] = [];
  private judgedAtMs: MonoMs | null = null;
  private isPutOff = false;

  constructor(
    /** With its link down, a node that is silent for so long is down. */
    private readonly silenceMs: number,
    /** A judgement later than this after the last one is put off once: first the sockets are read. */
    private readonly lateMs: number,
  ) {}

  /** A frame came. */
  hear(from: NodeId, header: RaftFrameHeader, nowMs: MonoMs): void {
    const { bootNumber } = header;
    const endings = header.endings?.number ?? 0;
    const peer = this.peers.get(from);
    if (peer === undefined) {
      this.peers.set(from, { bootNumber, endings, heardAtMs: nowMs, linkDown: false, down: false });
      this.news.push({ kind: 'back', node: from });
      return;
    }
    if (bootNumber < peer.bootNumber) return;
    const wasDown = peer.down;
    peer.heardAtMs = nowMs;
    peer.linkDown = false;
    peer.down = false;
    if (bootNumber > peer.bootNumber) {
      peer.bootNumber = bootNumber;
      peer.endings = endings;
      this.news.push({ kind: 'lost', node: from, groups: null }, { kind: 'back', node: from });
      return;
    }
    if (endings > peer.endings) {
      const groups = header.endings?.groups ?? [];
      const missed = endings - peer.endings;
      peer.endings = endings;
      this.news.push({
        kind: 'lost',
        node: from,
        groups: missed <= groups.length ? groups.slice(groups.length - missed) : null,
      });
    }
    if (wasDown) this.news.push({ kind: 'back', node: from });
  }

  onLinkDown(node: NodeId): void {
    const peer = this.peers.get(node);
    if (peer !== undefined) peer.linkDown = true;
  }

  /** Once a tick, after the sockets were polled: who is silent for too long is down. */
  judge(nowMs: MonoMs): void {
    const sinceMs = this.judgedAtMs === null ? 0 : nowMs - this.judgedAtMs;
    this.judgedAtMs = nowMs;
    const patienceMs = PATIENCE * this.silenceMs;
    if (sinceMs >= patienceMs) this.news.push({ kind: 'stalled' });
    const isLate = sinceMs > this.lateMs;
    this.isPutOff = isLate && !this.isPutOff;
    if (this.isPutOff) return;
    for (const [node, peer] of this.peers) {
      const limitMs = peer.linkDown ? this.silenceMs : patienceMs;
      if (peer.down || nowMs - peer.heardAtMs < limitMs) continue;
      peer.down = true;
      this.news.push({ kind: 'lost', node, groups: null });
    }
  }

  takeNews(): readonly NodeNews[] {
    if (this.news.length === 0) return NOTHING;
    const { news } = this;
    this.news = [];
    return news;
  }

  get hasNews(): boolean {
    return this.news.length > 0;
  }

  /** Not heard for too long, or never. */
  isDown(node: NodeId): boolean {
    return this.peers.get(node)?.down ?? true;
  }

  /** Whether a frame with this header is from the node's present life, and knows of all its endings heard of here. */
  isCurrent(from: NodeId, header: RaftFrameHeader): boolean {
    const peer = this.peers.get(from);
    if (peer === undefined) return false;
    return header.bootNumber === peer.bootNumber && (header.endings?.number ?? 0) === peer.endings;
  }
}

const NOTHING: readonly NodeNews[] = [];
