/** Frames of the bulk channel: finds the sender or receiver that a snapshot's frame belongs to. */
import { ByteWriter, type GroupId, type NodeId } from '../base/index.js';
import { decodeBulkFrame, encodeBulkFrame } from '../codec/index.js';
import { SnapshotReceiver, type Replica, type ReplicaHost } from '../group/index.js';
import type { Logger } from '../ports/index.js';

/** Snapshots received at once: bounds memory and disk traffic. */
const RECEIVERS_MAX = 16;

export class BulkTransfers {
  /** One per group: a second snapshot for the same group replaces the first. */
  private readonly receivers = new Map<GroupId, SnapshotReceiver>();
  private readonly w = new ByteWriter(128);

  constructor(
    private readonly host: ReplicaHost,
    private readonly replicaOf: (group: GroupId) => Replica | null,
    private readonly allReplicas: () => Iterable<Replica>,
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
        if (receiver.node === from && receiver.offer.transfer === frame.transfer) receiver.abort();
      }
    }
    for (const replica of this.allReplicas()) {
      const sender = replica.policy.senderOf(frame.transfer);
      if (sender !== null && sender.node === from) {
        sender.onFrame(frame);
        return;
      }
    }
  }

  tick(nowMonoMs: number): void {
    for (const receiver of [...this.receivers.values()]) receiver.tick(nowMonoMs);
  }

  onReplicaRemoved(group: GroupId): void {
    this.receivers.get(group)?.abort();
  }

  onLinkDown(node: NodeId): void {
    for (const receiver of [...this.receivers.values()]) if (receiver.node === node) receiver.abort();
    for (const replica of this.allReplicas()) replica.policy.onLinkDown(node);
  }

  onDrain(node: NodeId): void {
    for (const replica of this.allReplicas()) replica.policy.onBulkDrain(node);
  }

  private onOffer(from: NodeId, offer: SnapshotReceiver['offer']): void {
    const replica = this.replicaOf(offer.group);
    if (replica === null || replica.id !== offer.to) {
      this.refuse(from, offer.transfer, `no replica ${offer.to} of group ${offer.group} here`);
      return;
    }
    if (offer.term < replica.raft.term || offer.snapshot.index <= replica.appliedIndex) {
      // Stale, or already known: the follower's answer to the next append tells the leader where it stands.
      this.refuse(
        from,
        offer.transfer,
        `not needed: at index ${replica.appliedIndex}, term ${replica.raft.term}`,
      );
      return;
    }
    this.receivers.get(offer.group)?.abort();
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
    this.host.sendBulk(to, encodeBulkFrame(this.w, { kind: 'done', transfer, ok: false, reason }));
  }
}
