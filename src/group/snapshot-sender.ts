/**
 * Streams one checkpoint file to one follower: offer, then chunks within a window that the receiver's acks move,
 * then its word that the file is whole and on disk. One file read is outstanding at a time; the file can't be
 * deleted while it is held open. Ends exactly once, with `finished(ok)`.
 */
import { ByteWriter, type LogIndex, type NodeId, type ReplicaId } from '../base/index.js';
import { encodeBulkFrame, type BulkFrame } from '../codec/index.js';
import type { CheckpointPointer, CheckpointStream } from '../storage/index.js';
import type { Replica } from './replica.js';
import type { ReplicaHost } from './replica-host.js';

const CHUNK_BYTES = 128 * 1024;
/** Bytes sent and not yet acknowledged: bounds the memory of both sides. */
const WINDOW_BYTES = 1024 * 1024;
/** Without a word from the receiver for this long the stream ends; the core asks for another one. */
const SILENCE_MS = 5000;

export class SnapshotSender {
  readonly index: LogIndex;
  readonly transfer: number;
  private stream: CheckpointStream | null = null;
  private sentTo = 0;
  private ackedTo = 0;
  private accepted = false;
  private reading = false;
  /** A chunk that the link had no room for. */
  private held: { offset: number; bytes: Uint8Array } | null = null;
  private ended = false;
  private lastHeardMs: number;
  private readonly w = new ByteWriter(1024);

  constructor(
    private readonly host: ReplicaHost,
    private readonly replica: Replica,
    private readonly to: ReplicaId,
    readonly node: NodeId,
    private readonly pointer: CheckpointPointer,
    private readonly finished: (ok: boolean) => void,
  ) {
    this.index = pointer.index;
    this.transfer = host.nextTransfer();
    this.lastHeardMs = host.clock.monoMs();
  }

  start(): void {
    this.host.checkpoints.openStream(this.replica.group, this.pointer, (error, stream) => {
      if (this.ended) {
        stream?.release();
        return;
      }
      if (error !== null || stream === null) {
        this.end(false);
        return;
      }
      this.stream = stream;
      const sent = this.send({
        kind: 'offer',
        transfer: this.transfer,
        group: this.replica.group,
        from: this.replica.id,
        to: this.to,
        term: this.replica.raft.term,
        snapshot: {
          index: this.pointer.index,
          term: this.pointer.term,
          configuration: stream.meta.configuration,
        },
        bytes: stream.bytes,
        crc: stream.crc,
      });
      if (!sent) this.end(false);
    });
  }

  /** The receiver's words. */
  onFrame(frame: BulkFrame): void {
    this.lastHeardMs = this.host.clock.monoMs();
    switch (frame.kind) {
      case 'resume':
        this.accepted = true;
        this.sentTo = frame.offset;
        this.ackedTo = frame.offset;
        this.pump();
        return;
      case 'ack':
        this.ackedTo = Math.max(this.ackedTo, frame.nextOffset);
        this.pump();
        return;
      case 'done':
        this.end(frame.ok);
        return;
      case 'offer':
      case 'chunk':
        return; // not a receiver's words
    }
  }

  /** Sends what window and link allow. */
  pump(): void {
    const stream = this.stream;
    if (this.ended || !this.accepted || stream === null) return;
    if (this.held !== null) {
      const { offset, bytes } = this.held;
      if (!this.send({ kind: 'chunk', transfer: this.transfer, offset, bytes })) return;
      this.held = null;
      this.sentTo = offset + bytes.length;
      this.host.metrics.snapshotStreamBytes('out').inc(bytes.length);
    }
    if (this.reading || this.sentTo >= stream.bytes || this.sentTo - this.ackedTo >= WINDOW_BYTES) return;
    this.reading = true;
    const offset = this.sentTo;
    stream.read(offset, Math.min(CHUNK_BYTES, stream.bytes - offset), (error, bytes) => {
      this.reading = false;
      if (this.ended) return;
      if (error !== null || bytes.length === 0) {
        this.end(false);
        return;
      }
      this.held = { offset, bytes };
      this.pump();
    });
  }

  tick(nowMonoMs: number): void {
    if (nowMonoMs - this.lastHeardMs > SILENCE_MS) this.end(false);
    else this.pump();
  }

  fail(): void {
    this.end(false);
  }

  /** Ends without telling anyone: another stream replaces this one, or the node stops. */
  stop(): void {
    if (this.ended) return;
    this.ended = true;
    this.stream?.release();
    this.tellGivenUp();
  }

  private end(ok: boolean): void {
    if (this.ended) return;
    this.ended = true;
    this.stream?.release();
    if (!ok) this.tellGivenUp();
    this.finished(ok);
  }

  private tellGivenUp(): void {
    this.send({ kind: 'done', transfer: this.transfer, ok: false, reason: 'the sender gave up' });
  }

  private send(frame: BulkFrame): boolean {
    return this.host.sendBulk(this.node, encodeBulkFrame(this.w, frame));
  }
}
