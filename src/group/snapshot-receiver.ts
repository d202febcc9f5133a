/**
 * Receives one checkpoint file. Chunks are taken in order and written one after the other; each write is
 * acknowledged once it is done, which bounds what can wait in memory to the sender's window. The file counts only
 * when every CRC was verified; then the core hears of the snapshot.
 */
import { ByteWriter, copyBytes, type NodeId } from '../base/index.js';
import { encodeBulkFrame, type BulkFrame } from '../codec/index.js';
import type { Logger } from '../ports/index.js';
import type { CheckpointReceiver } from '../storage/index.js';
import type { Replica } from './replica.js';
import type { ReplicaHost } from './replica-host.js';

/** A sender that says nothing for this long has given up. */
const SILENCE_MS = 15_000;

type Offer = Extract<BulkFrame, { kind: 'offer' }>;

export class SnapshotReceiver {
  private file: CheckpointReceiver | null = null;
  private readonly queue: { offset: number; bytes: Uint8Array }[] = [];
  private nextOffset = 0;
  private writing = false;
  private ended = false;
  private verifying = false;
  private lastHeardMs: number;
  private readonly w = new ByteWriter(256);

  constructor(
    private readonly host: ReplicaHost,
    private readonly replica: Replica,
    readonly node: NodeId,
    readonly offer: Offer,
    private readonly logger: Logger,
    private readonly finished: () => void,
  ) {
    this.lastHeardMs = host.clock.monoMs();
  }

  start(): void {
    const { group, snapshot, bytes, crc } = this.offer;
    this.host.checkpoints.receive(group, snapshot.index, bytes, crc, (error, file) => {
      if (this.ended) {
        file?.abort();
        return;
      }
      if (error !== null || file === null) {
        this.refuse(`no file: ${String(error)}`);
        return;
      }
      this.file = file;
      this.send({ kind: 'resume', transfer: this.offer.transfer, offset: 0 });
    });
  }

  /** A chunk; the bytes are a view and are copied. */
  onChunk(offset: number, bytes: Uint8Array): void {
    if (this.ended || this.file === null) return;
    this.lastHeardMs = this.host.clock.monoMs();
    const expected = this.nextOffset + this.queue.reduce((sum, chunk) => sum + chunk.bytes.length, 0);
    if (offset !== expected || offset + bytes.length > this.offer.bytes) {
      this.refuse(`chunk at ${offset}, expected ${expected}`);
      return;
    }
    this.host.metrics.snapshotStreamBytes('in').inc(bytes.length);
    this.queue.push({ offset, bytes: copyBytes(bytes) });
    this.writeNext();
  }

  /** The sender gave up, the link went down, or another transfer replaces this one. */
  abort(): void {
    if (this.ended) return;
    this.ended = true;
    this.file?.abort();
    this.finished();
  }

  /** Verifying a large file takes a while, and the sender waits for a word; a sender that is gone gives its place up. */
  tick(nowMonoMs: number): void {
    if (this.verifying)
      this.send({ kind: 'ack', transfer: this.offer.transfer, nextOffset: this.nextOffset });
    else if (nowMonoMs - this.lastHeardMs > SILENCE_MS) this.abort();
  }

  private writeNext(): void {
    const chunk = this.queue[0];
    if (this.writing || chunk === undefined || this.file === null) return;
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
      this.send({ kind: 'ack', transfer: this.offer.transfer, nextOffset: this.nextOffset });
      if (this.nextOffset === this.offer.bytes) this.complete();
      else this.writeNext();
    });
  }

  private complete(): void {
    this.verifying = true;
    this.file?.finish((error, pointer, meta) => {
      if (this.ended) return;
      if (error !== null || pointer === null || meta === null) {
        this.refuse(`the file is not whole: ${String(error)}`);
        return;
      }
      this.ended = true;
      const { offer, replica } = this;
      if (meta.index !== offer.snapshot.index || meta.term !== offer.snapshot.term) {
        this.send({
          kind: 'done',
          transfer: offer.transfer,
          ok: false,
          reason: 'the file is of another index',
        });
        this.finished();
        return;
      }
      replica.policy.onReceived(meta, pointer);
      this.send({ kind: 'done', transfer: offer.transfer, ok: true, reason: '' });
      this.finished();
      replica.step({
        type: 'snapshot',
        from: offer.from,
        to: offer.to,
        term: offer.term,
        // Whoever streams is at least where its checkpoint was.
        configurationVersion: meta.configuration.version,
        snapshot: { index: meta.index, term: meta.term, configuration: meta.configuration },
      });
    });
  }

  private refuse(reason: string): void {
    if (this.ended) return;
    this.logger.warn('snapshot refused', { group: this.offer.group, from: this.node, reason });
    this.send({ kind: 'done', transfer: this.offer.transfer, ok: false, reason });
    this.abort();
  }

  private send(frame: BulkFrame): void {
    this.host.sendBulk(this.node, encodeBulkFrame(this.w, frame));
  }
}
