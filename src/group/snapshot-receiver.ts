/**
 * Receives one checkpoint file. Chunks are taken in order and written one after the other, at the node's rate; each
 * write is acknowledged once it is done, which bounds what can wait in memory to the sender's window. The file counts
 * only when every CRC was verified; then the core hears of the snapshot.
 *
 * What a broken transfer leaves stays on disk: the next offer of the same file begins behind what is whole of it.
 */
import { ByteWriter, copyBytes, type MonoMs, type NodeId } from '../base/index.js';
import { encodeBulkFrame, type BulkFrame } from '../codec/index.js';
import type { Logger } from '../ports/index.js';
import type { Message } from '../raft/index.js';
import type { CheckpointReceiver } from '../storage/index.js';
import type { Replica } from './replica.js';
import type { ReplicaHost } from './replica-host.js';

/** A sender that says nothing for this long has given up. */
const SILENCE_MS = 15_000;

export type SnapshotOffer = Extract<BulkFrame, { kind: 'offer' }>;

/** What the core hears of a snapshot that is there: received and verified, or held already in another way. */
export function snapshotMessage({ from, to, term, snapshot }: SnapshotOffer): Message {
  // Whoever streams is at least where its checkpoint was.
  const configurationVersion = snapshot.configuration.version;
  return { type: 'snapshot', from, to, term, configurationVersion, snapshot };
}

export class SnapshotReceiver {
  private file: CheckpointReceiver | null = null;
  private readonly queue: { offset: number; bytes: Uint8Array }[] = [];
  /** Where the queue ends: the offset of the next chunk. */
  private queuedTo = 0;
  /** Everything before is written. */
  private nextOffset = 0;
  private writing = false;
  private waitsForRate = false;
  private ended = false;
  private verifying = false;
  private lastHeardMs: MonoMs;
  private readonly w = new ByteWriter(256);

  constructor(
    private readonly host: ReplicaHost,
    private readonly replica: Replica,
    readonly node: NodeId,
    readonly offer: SnapshotOffer,
    private readonly logger: Logger,
    private readonly finished: () => void,
  ) {
    this.lastHeardMs = host.clock.monoMs();
  }

  get receivedBytes(): number {
    return this.nextOffset;
  }

  /** Complete, and being judged: that ends by itself, whatever becomes of the sender. */
  get isVerifying(): boolean {
    return this.verifying;
  }

  start(): void {
    const { group, from, snapshot, bytes, crc, transfer } = this.offer;
    const { index, term } = snapshot;
    this.host.checkpoints.receive({ group, from, index, term, bytes, crc }, (error, file) => {
      if (this.ended) {
        file?.suspend();
        return;
      }
      if (error !== null || file === null) {
        this.refuse(`no file: ${String(error)}`);
        return;
      }
      this.file = file;
      this.nextOffset = this.queuedTo = file.position;
      if (file.position > 0) {
        this.host.metrics.snapshotsResumed.inc();
        this.logger.info('snapshot goes on', { group, from: this.node, index, offset: file.position, bytes });
      }
      this.send({ kind: 'resume', transfer, offset: file.position });
    });
  }

  /** A chunk; the bytes are a view and are copied. An empty one says no more than that the sender lives. */
  onChunk(offset: number, bytes: Uint8Array): void {
    if (this.ended || this.file === null || this.verifying) return;
    this.lastHeardMs = this.host.clock.monoMs();
    if (offset !== this.queuedTo || offset + bytes.length > this.offer.bytes) {
      this.refuse(`chunk at ${offset}, expected ${this.queuedTo}`);
      return;
    }
    if (bytes.length === 0) return;
    this.host.metrics.snapshotStreamBytes('in').inc(bytes.length);
    this.queue.push({ offset, bytes: copyBytes(bytes) });
    this.queuedTo += bytes.length;
    this.writeNext();
  }

  /** The sender gave up, the link went down, or another transfer replaces this one: what came is kept for later. */
  suspend(): void {
    if (this.ended || this.verifying) return;
    this.ended = true;
    this.file?.suspend();
    this.finished();
  }

  /** The replica that it was for is gone. */
  discard(): void {
    this.file?.discard();
    this.suspend();
  }

  /** The sender waits for a word while we are busy, and a sender that is gone gives its place up. */
  tick(nowMonoMs: MonoMs): void {
    if (nowMonoMs - this.lastHeardMs > SILENCE_MS && !this.verifying && this.file !== null) this.suspend();
    else this.acknowledge();
  }

  private acknowledge(): void {
    this.send({ kind: 'ack', transfer: this.offer.transfer, nextOffset: this.nextOffset });
  }

  private writeNext(): void {
    const chunk = this.queue[0];
    if (this.ended || this.writing || this.waitsForRate || chunk === undefined || this.file === null) return;
    const { traffic, clock } = this.host;
    if (!traffic.in.take(chunk.bytes.length, clock.monoMs())) {
      this.waitsForRate = true;
      traffic.in.wait(this.onRate);
      return;
    }
    this.writing = true;
    this.file.write(chunk.offset, chunk.bytes, (error) => {
      this.writing = false;
      if (this.ended) return;
      if (error !== null) {
        this.host.fatal('disk', `writing a received snapshot of group ${this.offer.group} failed`, error);
        return;
      }
      this.queue.shift();
      this.nextOffset = chunk.offset + chunk.bytes.length;
      this.acknowledge();
      if (this.nextOffset === this.offer.bytes) this.complete();
      else this.writeNext();
    });
  }

  private readonly onRate = (): void => {
    this.waitsForRate = false;
    this.writeNext();
  };

  private complete(): void {
    this.verifying = true;
    this.file?.finish((error, pointer, meta) => {
      if (this.ended) return;
      if (error !== null || pointer === null || meta === null) {
        this.refuse(`the file is not whole: ${String(error)}`);
        return;
      }
      this.replica.policy.onReceived(meta, pointer);
      this.end(true, '');
      this.replica.step(snapshotMessage(this.offer));
    });
  }

  private refuse(reason: string): void {
    if (this.ended) return;
    this.logger.warn('snapshot refused', { group: this.offer.group, from: this.node, reason });
    this.file?.suspend();
    this.end(false, reason);
  }

  private end(ok: boolean, reason: string): void {
    this.ended = true;
    this.send({ kind: 'done', transfer: this.offer.transfer, ok, reason });
    this.finished();
  }

  private send(frame: BulkFrame): void {
    this.host.sendBulk(this.node, encodeBulkFrame(this.w, frame));
  }
}
