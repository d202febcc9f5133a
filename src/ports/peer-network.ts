import type { NodeId, VersionRange } from '../base/index.js';

/**
 * Frames between nodes. Three channels per pair, each a connection of its own, so that one never waits behind
 * another: `raft` (consensus; a frame may be lost, repeated or overtaken), `forward` (client commands and gossip)
 * and `bulk` (checkpoints). On `forward` and `bulk` frames arrive in order and at most once until the link goes
 * down; what was in flight then is lost and never sent again.
 */
export type PeerChannel = 'raft' | 'forward' | 'bulk';
export const PEER_CHANNELS: readonly PeerChannel[] = ['raft', 'forward', 'bulk'];

/** What a node says of itself in the handshake. */
export interface PeerIdentity {
  readonly clusterId: string;
  readonly nodeId: NodeId;
  /** Grows with every start of the node; a lower one than seen before is refused. */
  readonly bootNumber: number;
  /** Drawn at every start: tells two copies of one directory apart. */
  readonly nonce: string;
}

export interface PeerHandlers {
  /** A whole frame. The bytes are a view, valid only during the call. */
  onFrame(from: NodeId, channel: PeerChannel, frame: Uint8Array): void;
  /** Something (a chunk, a frame, a keep-alive) came from this node. */
  onHeard(from: NodeId): void;
  onLinkUp(node: NodeId, channel: PeerChannel): void;
  onLinkDown(node: NodeId, channel: PeerChannel): void;
  /** After a refused `send`: there is room again. */
  onDrain(node: NodeId, channel: PeerChannel): void;
}

export interface PeerNetwork {
  /**
   * The cluster versions that this build knows, and the one in force: before the start, and when it is raised. A peer whose
   * build does not know that one is refused.
   */
  setVersions(known: VersionRange, inForce: number): void;
  /** Listens and answers handshakes. `done` gets the bound address (`HOST:PORT`). */
  start(
    listen: string,
    identity: PeerIdentity,
    handlers: PeerHandlers,
    done: (error: Error | null, bound: string) => void,
  ): void;
  /** The address of a peer, new or changed. Links are opened on the first send and kept by the network. */
  setAddress(node: NodeId, address: string): void;
  /**
   * Queues a frame; the bytes are copied before the call returns. False when the link is down or its queue is
   * full: the frame is dropped, and on `forward` and `bulk` the caller may wait for `onLinkUp` or `onDrain`.
   */
  send(to: NodeId, channel: PeerChannel, frame: Uint8Array): boolean;
  stop(done: () => void): void;
}
