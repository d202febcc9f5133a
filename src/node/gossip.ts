/**
 * Leader hints and map versions on their way through the cluster, on the forward channel. A change of a leadership
 * here is told to every node at once; besides, each period one node drawn at random gets what changed since it was told
 * last, so that a node that shares no group with anyone learns of leaders too. Frames of this channel arrive unless the
 * link goes down; then, and once a minute in any case, the peer is told everything anew.
 */
import { ByteWriter, type GroupId, type MapVersion, type NodeId } from '../base/index.js';
import { encodeMap, encodeMapRequest, GossipWriter } from '../codec/index.js';
import { decodeMetaState, encodeMetaState } from '../meta/index.js';
import type { CancelTimer, Entropy, Logger, PeerNetwork, Timers } from '../ports/index.js';
import type { ClusterView } from './cluster-view.js';

const PERIOD_MS = 250;
/** Periods after which all that was told is forgotten. */
const PERIODS_UNTIL_ALL = 240;
/** Hints in one frame; the rest goes in the next period. */
const HINTS_MAX = 4096;

export interface GossipDeps {
  readonly nodeId: NodeId;
  readonly peers: PeerNetwork;
  readonly view: ClusterView;
  readonly timers: Timers;
  readonly entropy: Entropy;
  readonly logger: Logger;
  /** A hint changed: routes may go on. */
  readonly onHints: () => void;
}

export class Gossip {
  private readonly writer = new GossipWriter();
  private readonly w = new ByteWriter(1024);
  private cancel: CancelTimer = () => undefined;
  private stopped = false;
  /** How far each peer was told: the cursor into the hints, and the map's version. */
  private readonly told = new Map<NodeId, { readonly cursor: number; readonly version: MapVersion }>();
  private periods = 0;

  constructor(private readonly deps: GossipDeps) {}

  start(): void {
    this.cancel = this.deps.timers.after(PERIOD_MS, () => {
      if (this.stopped) return;
      if (++this.periods % PERIODS_UNTIL_ALL === 0) this.told.clear();
      const peers = this.peers();
      if (peers.length > 0) this.tellNews(peers[this.deps.entropy.below(peers.length)] as NodeId);
      this.start();
    });
  }

  stop(): void {
    this.stopped = true;
    this.cancel();
  }

  /** What was on its way is lost. */
  onLinkDown(peer: NodeId): void {
    this.told.delete(peer);
  }

  /** A leadership was won or learnt here. */
  note(group: GroupId, term: number, configurationVersion: number, node: NodeId): void {
    if (!this.deps.view.hints.note(group, term, configurationVersion, node)) return;
    this.deps.onHints();
    if (node !== this.deps.nodeId) return;
    this.writer.begin(this.deps.nodeId, this.deps.view.version);
    this.writer.add(group, term, configurationVersion, node);
    const frame = this.writer.finish();
    for (const peer of this.peers()) this.deps.peers.send(peer, 'forward', frame);
  }

  onHint(group: GroupId, term: number, configurationVersion: number, node: NodeId): void {
    if (this.deps.view.hints.note(group, term, configurationVersion, node)) this.deps.onHints();
  }

  /** Someone's frame bears this version: ask for the map when it is newer. */
  onMapVersion(from: NodeId, version: MapVersion): void {
    if (version <= this.deps.view.version) return;
    this.deps.peers.send(from, 'forward', encodeMapRequest(this.w, this.deps.view.version));
  }

  onMapRequest(from: NodeId, known: MapVersion): void {
    const { view } = this.deps;
    if (known >= view.version) return;
    this.deps.peers.send(from, 'forward', encodeMap(this.w, view.version, encodeMetaState(view.state)));
  }

  onMap(from: NodeId, bytes: Uint8Array): void {
    try {
      this.deps.view.update(decodeMetaState(bytes));
    } catch (error) {
      this.deps.logger.warn('map of a peer dropped', { from, error: String(error) });
    }
  }

  private tellNews(peer: NodeId): void {
    const { version, hints } = this.deps.view;
    const told = this.told.get(peer);
    if (told !== undefined && told.cursor === hints.sequence && told.version === version) return;
    this.writer.begin(this.deps.nodeId, version);
    const cursor = hints.visitSince(told?.cursor ?? 0, HINTS_MAX, (group, hint) => {
      if (hint.node !== 0) this.writer.add(group, hint.term, hint.configurationVersion, hint.node);
    });
    if (this.deps.peers.send(peer, 'forward', this.writer.finish())) this.told.set(peer, { cursor, version });
  }

  private peers(): NodeId[] {
    return this.deps.view.state.nodes.map((node) => node.id).filter((id) => id !== this.deps.nodeId);
  }
}
