/** Frames of the bulk channel: finds the sender or receiver that a snapshot's frame belongs to. */
import { ByteWriter, type GroupId, type LogIndex, type MonoMs, type NodeId } from '../base/index.js';
import { decodeBulkFrame, encodeBulkFrame } from '../codec/index.js';
import {
  SnapshotReceiver,
  snapshotMessage,
  type Replica,
  type ReplicaHost,
  type SnapshotOffer,
} from '../group/index.js';
import type { Logger } from '../ports/index.js';

/** Snapshots received at once: bounds memory and disk traffic. */
const RECEIVERS_MAX = 16;

/** A snapshot on its way to a replica here. */
export interface ReceiveStatus {
  readonly from: NodeId;
  readonly index: LogIndex;
  readonly receivedBytes: number;
  readonly totalBytes: number;
}

export class BulkTransfers {
  /** One per group: a second snapshot for the same group replaces the first. */
  private readonly receivers = new Map<GroupId, SnapshotReceiver>();
  private readonly w = new ByteWriter(128);

  constructor(
    private readonly host: ReplicaHost,
    private readonly replicaOf: (group: GroupId) => Replica | null,
    private readonly allReplicas: () => Iterable<Replica>,
    private readonly hasRoomFor: (bytes: number) => boolean,
    private readonly logger: Logger,
  ) {}

  onFrame(from: NodeId, bytes: Uint8Array): void {
    const frame = decodeBulkFrame(bytes);
    if (frame.kind === 'offer') {
      this.onOffer(from, frame);
      return;
    }
    if (frame.kind === 'chunk') {
      for (const receiver of this.receivers.values()) {
        if (receiver.node === from && receiver.offer.transfer === frame.transfer) {
          receiver.onChunk(frame.offset, frame.bytes);
          return;
        }
      }
      this.refuse(from, frame.transfer, 'unknown transfer');
      return;
    }
    if (frame.kind === 'done') {
      for (const receiver of [...this.receivers.values()]) {
        if (receiver.node === from && receiver.offer.transfer === frame.transfer) receiver.suspend();
      }
    }
    for (const replica of this.allReplicas()) {
      const sender = replica.policy.streams.senderOf(frame.transfer);
      if (sender !== null && sender.node === from) {
        sender.onFrame(frame);
        return;
      }
    }
  }

  tick(nowMonoMs: MonoMs): void {
    for (const receiver of [...this.receivers.values()]) receiver.tick(nowMonoMs);
    this.host.checkpoints.dropOldPartials();
  }

  /** The snapshot that a group's replica here is receiving; null when none. */
  receiving(group: GroupId): ReceiveStatus | null {
    const receiver = this.receivers.get(group);
    if (receiver === undefined) return null;
    const { node, offer, receivedBytes } = receiver;
    return { from: node, index: offer.snapshot.index, receivedBytes, totalBytes: offer.bytes };
  }

  onReplicaRemoved(group: GroupId): void {
    this.receivers.get(group)?.discard();
  }

  onLinkDown(node: NodeId): void {
    for (const receiver of [...this.receivers.values()]) if (receiver.node === node) receiver.suspend();
    for (const replica of this.allReplicas()) replica.policy.streams.onLinkDown(node);
  }

  onDrain(node: NodeId): void {
    for (const replica of this.allReplicas()) replica.policy.streams.onBulkDrain(node);
  }

  private onOffer(from: NodeId, offer: SnapshotOffer): void {
    const replica = this.replicaOf(offer.group);
    if (replica === null || replica.id !== offer.to) {
      this.refuse(from, offer.transfer, `no replica ${offer.to} of group ${offer.group} here`);
      return;
    }
    const { appliedIndex } = replica;
    const { term } = replica.raft;
    if (offer.term < term || offer.snapshot.index <= appliedIndex) {
      this.refuse(from, offer.transfer, `not needed: at index ${appliedIndex}, term ${term}`);
      // A leader whose log no longer reaches back to where it could ask offers this for ever, until it hears what the
      // follower has.
      if (offer.term >= term) replica.step(snapshotMessage(offer));
      return;
    }
    if (!this.hasRoomFor(offer.bytes)) {
      // Taking it would fill the disk, and end the node: again after each restart.
      this.refuse(from, offer.transfer, `no room for ${offer.bytes} bytes above the disk's reserve`);
      return;
    }
    const earlier = this.receivers.get(offer.group);
    if (earlier?.isVerifying === true) {
      this.refuse(from, offer.transfer, 'the snapshot before it is being verified');
      return;
    }
    earlier?.suspend();
    if (this.receivers.size >= RECEIVERS_MAX) {
      this.refuse(from, offer.transfer, 'too many snapshots at once');
      return;
    }
    const receiver = new SnapshotReceiver(this.host, replica, from, offer, this.logger, () => {
      if (this.receivers.get(offer.group) === receiver) this.receivers.delete(offer.group);
    });
    this.receivers.set(offer.group, receiver);
    receiver.start();
  }

  private refuse(to: NodeId, transfer: number, reason: string): void {
    this.logger.debug('snapshot refused', { to, transfer, reason });
    this.host.sendBulk(to, encodeBulkFrame(this.w, { kind: 'done', transfer, ok: false, reason }));
  }
}
