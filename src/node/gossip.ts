/**
 * Leader hints and map versions on their way through the cluster, on the forward channel. A change of a leadership
 * here is told to every node at once; besides, each period one node drawn at random gets everything, so that a node
 * that shares no group with anyone learns of leaders too, and lost frames are made up for.
 */
import { ByteWriter, META_GROUP, type GroupId, type MapVersion, type NodeId } from '../base/index.js';
import { encodeMap, encodeMapRequest, GossipWriter } from '../codec/index.js';
import { decodeMetaState, encodeMetaState } from '../meta/index.js';
import type { CancelTimer, Entropy, Logger, PeerNetwork, Timers } from '../ports/index.js';
import type { ClusterView } from './cluster-view.js';

const PERIOD_MS = 250;

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

  constructor(private readonly deps: GossipDeps) {}

  start(): void {
    this.cancel = this.deps.timers.after(PERIOD_MS, () => {
      if (this.stopped) return;
      const peers = this.peers();
      if (peers.length > 0) this.tellAll(peers[this.deps.entropy.below(peers.length)] as NodeId);
      this.start();
    });
  }

  stop(): void {
    this.stopped = true;
    this.cancel();
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

  private tellAll(peer: NodeId): void {
    const { view } = this.deps;
    this.writer.begin(this.deps.nodeId, view.version);
    const groups = [META_GROUP, ...view.state.shards.map((shard) => shard.id)];
    for (const group of groups) {
      const hint = view.hints.get(group);
      if (hint !== null && hint.node !== 0) {
        this.writer.add(group, hint.term, hint.configurationVersion, hint.node);
      }
    }
    this.deps.peers.send(peer, 'forward', this.writer.finish());
  }

  private peers(): NodeId[] {
    return this.deps.view.state.nodes.map((node) => node.id).filter((id) => id !== this.deps.nodeId);
  }
}
