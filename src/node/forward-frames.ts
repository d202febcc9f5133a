/**
 * What comes on a peer's forward channel, and to whom it goes: commands that a peer forwards, answers to what was
 * forwarded to it, and gossip. A malformed frame is told and dropped; what came before the fault in it stands.
 */
import { copyBytes, type NodeId } from '../base/index.js';
import type { ForwardServer, Gateway } from '../api/index.js';
import { decodeForwardFrame, MalformedFrame, type ForwardVisitor } from '../codec/index.js';
import type { Logger } from '../ports/index.js';
import type { Gossip } from './gossip.js';
import type { Memory } from './memory.js';

export interface ForwardFramesDeps {
  readonly gossip: Gossip;
  readonly forwardServer: ForwardServer;
  readonly gateway: Gateway;
  readonly memory: Memory;
  readonly logger: Logger;
}

export class ForwardFrames {
  /** The visitor speaks of the peer whose frame is being read. */
  private from: NodeId = 0;
  private readonly visitor: ForwardVisitor;

  constructor(private readonly deps: ForwardFramesDeps) {
    const { gossip, forwardServer, gateway, memory } = deps;
    this.visitor = {
      onRequests: (version) => gossip.onMapVersion(this.from, version),
      onRequest: (id, shard, hops, remainingMs, bytes, start, end) => {
        forwardServer.onRequest(this.from, id, shard, hops, remainingMs, bytes, start, end);
      },
      onResponses: (version) => gossip.onMapVersion(this.from, version),
      onResponse: (id, bytes, start, end) => gateway.onResponse(this.from, id, bytes, start, end),
      onGossip: (_node, version) => gossip.onMapVersion(this.from, version),
      onGossipGroup: (group, term, configurationVersion, leader) =>
        gossip.onHint(group, term, configurationVersion, leader),
      onMapRequest: (known) => gossip.onMapRequest(this.from, known),
      onMemory: (report) => memory.onReport(this.from, report),
      onTouches: (group, hashes) => memory.onTouches(group, hashes),
      onMap: (_version, bytes, start, end) => gossip.onMap(this.from, copyBytes(bytes, start, end)),
    };
  }

  onFrame(from: NodeId, frame: Uint8Array): void {
    this.from = from;
    try {
      decodeForwardFrame(frame, this.visitor);
    } catch (error) {
      if (!(error instanceof MalformedFrame)) throw error;
      this.deps.logger.warn('malformed forward frame dropped', { from, error: error.message });
    }
  }
}
