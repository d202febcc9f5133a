/**
 * One attempt to stream one checkpoint file to one follower: offer, then chunks from where the receiver says, within a
 * window that its acks move and at the node's rate, then its word that the file is whole and on disk. One file read is
 * outstanding at a time; the file can't be deleted while it is held open. Ends exactly once, with `finished(outcome)`.
 *
 * The open file outlives an attempt that was cut off: `takeStream` moves it out, and the next attempt goes on with it.
 */
import { ByteWriter, type LogIndex, type MonoMs, type NodeId, type ReplicaId } from '../base/index.js';
import { encodeBulkFrame, type BulkFrame } from '../codec/index.js';
import type { CheckpointPointer, CheckpointStream } from '../storage/index.js';
import type { Replica } from './replica.js';
import type { ReplicaHost } from './replica-host.js';

const CHUNK_BYTES = 128 * 1024;
/** Bytes sent and not yet acknowledged: bounds the memory of both sides. */
const WINDOW_BYTES = 1024 * 1024;
/** Without a word from the receiver for this long the stream ends; the core asks for another one. */
const SILENCE_MS = 5000;
const NOTHING = new Uint8Array(0);

export type SendOutcome =
  /** The receiver holds the whole file, verified. */
  | 'sent'
  /** Link or receiver fell silent: another attempt may go on from there. */
  | 'cut_off'
  /** The receiver doesn't want it (now). */
  | 'refused'
  /** The own file can't be read, or what was sent of it is not what its CRC says: it serves nobody. */
  | 'bad_file'
  /** The log behind it grew past its bound. */
  | 'log_bound';

export class SnapshotSender {
  readonly transfer: number;
  /** Where the receiver wanted to begin: above 0 when it had some of the file. */
  resumedFrom = 0;
  /** The receiver's words for not wanting it. */
  reason = '';
  private stream: CheckpointStream | null = null;
  private sentTo = 0;
  private ackedTo = 0;
  private offered = false;
  private accepted = false;
  private reading = false;
  private waitsForRate = false;
  /** A chunk that the link had no room for. */
  private held: { offset: number; bytes: Uint8Array } | null = null;
  private ended = false;
  private lastHeardMs: MonoMs;
  private readonly w = new ByteWriter(1024);

  constructor(
    private readonly host: ReplicaHost,
    private readonly replica: Replica,
    private readonly to: ReplicaId,
    readonly node: NodeId,
    readonly pointer: CheckpointPointer,
    private readonly finished: (outcome: SendOutcome) => void,
  ) {
    this.transfer = host.nextTransfer();
    this.lastHeardMs = host.clock.monoMs();
  }

  get index(): LogIndex {
    return this.pointer.index;
  }

  get ackedBytes(): number {
    return this.ackedTo;
  }

  get totalBytes(): number {
    return this.stream?.bytes ?? 0;
  }

  /** `stream` is the file, when it is open already. */
  start(stream: CheckpointStream | null): void {
    this.stream = stream;
    if (stream !== null) this.offer();
    else this.open();
  }

  /** Moves the open file out, once this attempt is over. */
  takeStream(): CheckpointStream | null {
    const stream = this.stream;
    this.stream = null;
    return stream;
  }

  private open(): void {
    this.host.checkpoints.openStream(this.replica.group, this.pointer, (error, stream) => {
      if (this.ended) {
        stream?.release();
        return;
      }
      if (error !== null || stream === null) {
        this.end('bad_file');
        return;
      }
      this.stream = stream;
      this.lastHeardMs = this.host.clock.monoMs();
      this.offer();
    });
  }

  private offer(): void {
    const { stream, pointer } = this;
    if (stream === null) return;
    this.offered = true;
    const sent = this.send({
      kind: 'offer',
      transfer: this.transfer,
      group: this.replica.group,
      from: this.replica.id,
      to: this.to,
      term: this.replica.raft.term,
      snapshot: { index: pointer.index, term: pointer.term, configuration: stream.meta.configuration },
      bytes: stream.bytes,
      crc: stream.crc,
    });
    if (!sent) this.end('cut_off');
  }

  /** The receiver's words. */
  onFrame(frame: BulkFrame): void {
    if (this.ended || this.stream === null) return;
    this.lastHeardMs = this.host.clock.monoMs();
    switch (frame.kind) {
      case 'resume':
        if (this.accepted) return;
        if (frame.offset > this.stream.bytes) {
          this.end('refused');
          return;
        }
        this.accepted = true;
        this.resumedFrom = this.sentTo = this.ackedTo = frame.offset;
        if (frame.offset > 0) this.host.metrics.snapshotsResumed.inc();
        this.pump();
        return;
      case 'ack':
        this.ackedTo = Math.max(this.ackedTo, Math.min(this.sentTo, frame.nextOffset));
        this.pump();
        return;
      case 'done':
        this.reason = frame.reason;
        if (frame.ok) this.end('sent');
        else this.end(this.isFileBad() ? 'bad_file' : 'refused');
        return;
      case 'offer':
      case 'chunk':
        return; // not a receiver's words
    }
  }

  /** Sends what window, link and rate allow. */
  pump(): void {
    const { stream, host } = this;
    if (this.ended || !this.accepted || stream === null) return;
    if (this.held !== null) {
      const { offset, bytes } = this.held;
      if (!this.send({ kind: 'chunk', transfer: this.transfer, offset, bytes })) return;
      this.held = null;
      this.sentTo = offset + bytes.length;
      host.metrics.snapshotStreamBytes('out').inc(bytes.length);
    }
    if (this.reading || this.waitsForRate) return;
    if (this.sentTo >= stream.bytes || this.sentTo - this.ackedTo >= WINDOW_BYTES) return;
    const offset = this.sentTo;
    const length = Math.min(CHUNK_BYTES, stream.bytes - offset);
    if (!host.traffic.out.take(length, host.clock.monoMs())) {
      this.waitsForRate = true;
      host.traffic.out.wait(this.onRate);
      return;
    }
    this.reading = true;
    stream.read(offset, length, (error, bytes) => {
      this.reading = false;
      if (this.ended) return;
      if (error !== null || bytes.length === 0) {
        this.end('bad_file');
        return;
      }
      this.held = { offset, bytes };
      this.pump();
    });
  }

  private readonly onRate = (): void => {
    this.waitsForRate = false;
    this.pump();
  };

  tick(nowMonoMs: MonoMs): void {
    if (!this.offered) return; // waits for its file
    if (nowMonoMs - this.lastHeardMs > SILENCE_MS) {
      this.end('cut_off');
      return;
    }
    // An empty chunk is a sign of life for the receiver; its ack is one for us.
    if (this.waitsForRate && this.held === null)
      this.send({ kind: 'chunk', transfer: this.transfer, offset: this.sentTo, bytes: NOTHING });
    this.pump();
  }

  fail(outcome: SendOutcome): void {
    this.end(outcome);
  }

  /** Ends without telling anyone here: another stream replaces this one, or the node stops. */
  stop(): void {
    if (this.ended) return;
    this.close();
    this.takeStream()?.release();
  }

  private end(outcome: SendOutcome): void {
    if (this.ended) return;
    this.close(outcome === 'sent');
    this.finished(outcome);
  }

  /** The receiver got all of the file from here and found it damaged: sending it again would end in the same way. */
  private isFileBad(): boolean {
    return this.accepted && this.resumedFrom === 0 && this.ackedTo === this.totalBytes;
  }

  private close(isSent = false): void {
    this.ended = true;
    if (!isSent && this.offered)
      this.send({ kind: 'done', transfer: this.transfer, ok: false, reason: 'the sender gave up' });
  }

  private send(frame: BulkFrame): boolean {
    return this.host.sendBulk(this.node, encodeBulkFrame(this.w, frame));
  }
}
