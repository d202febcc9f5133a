/**
 * One TCP connection between two nodes, from the first byte of the handshake to the end. The dialling side sends its
 * frames on it; the accepting side sends only the welcome and keep-alives. Garbage closes this connection and nothing
 * else. It decides nothing about links: it reports to its owner.
 */
import type { Socket } from 'node:net';
import { ByteWriter, EMPTY_BYTES, type Counter, type MonoMs } from '../base/index.js';
import {
  encodeHello,
  encodeWelcome,
  FrameParser,
  MalformedFrame,
  PieceKind,
  type Hello,
  type Welcome,
} from '../codec/index.js';
import type { Clock, Crc32 } from '../ports/index.js';
import { plainBytes } from './tcp-address.js';
import { Outbox, type SegmentPool } from './tcp-outbox.js';

/** The owner's side. Nothing is called after `onClosed`, which comes once, and not from inside `close`. */
export interface ConnectionOwner {
  /** The handshake piece of the other side: a hello where we accepted, a welcome where we dialled. */
  onHandshake(connection: PeerConnection, payload: Uint8Array): void;
  /** Something came on an open connection. */
  onPiece(connection: PeerConnection): void;
  onFrame(connection: PeerConnection, frame: Uint8Array): void;
  onProgress(connection: PeerConnection): void;
  /** `malformed` says what was wrong with the bytes, if that was the reason. */
  onClosed(connection: PeerConnection, malformed: string | null): void;
}

export interface ConnectionTools {
  readonly crc32: Crc32;
  readonly clock: Clock;
  readonly pool: SegmentPool;
  readonly frameBytesMax: number;
  readonly bytesIn: Counter;
}

export class PeerConnection {
  readonly outbox: Outbox;
  /** The handshake was accepted: frames may pass. */
  open = false;
  closed = false;
  readonly remoteAddress: string;
  readonly sinceMs: MonoMs;
  lastReceivedMs: MonoMs;
  lastSentMs: MonoMs;
  private readonly parser: FrameParser;

  constructor(
    private readonly socket: Socket,
    /** Whether this node dialled. */
    readonly outgoing: boolean,
    overtaking: boolean,
    private readonly tools: ConnectionTools,
    private readonly owner: ConnectionOwner,
  ) {
    const now = tools.clock.monoMs();
    this.remoteAddress = socket.remoteAddress ?? '';
    this.sinceMs = now;
    this.lastReceivedMs = now;
    this.lastSentMs = now;
    this.outbox = new Outbox(socket, tools.crc32, tools.pool, overtaking, () => owner.onProgress(this));
    const sink = {
      onPiece: (): void => {
        if (this.open) owner.onPiece(this);
      },
      onFrame: (kind: PieceKind, payload: Uint8Array): boolean => this.onPayload(kind, payload),
    };
    this.parser = new FrameParser(tools.crc32, sink, tools.frameBytesMax);
    socket.setNoDelay(true);
    socket.on('data', (bytes) => this.onData(plainBytes(bytes)));
    // The error itself says nothing that 'close', which always follows, does not: the link is down either way.
    socket.on('error', () => undefined);
    socket.on('end', () => socket.destroy());
    socket.on('close', () => this.onSocketClosed());
  }

  sendHello(hello: Hello): void {
    this.outbox.addPiece(PieceKind.hello, encodeHello(new ByteWriter(), hello));
    this.flush();
  }

  sendWelcome(welcome: Welcome): void {
    this.outbox.addPiece(PieceKind.welcome, encodeWelcome(new ByteWriter(), welcome));
    this.flush();
  }

  /** The handshake is over. */
  accept(): void {
    this.open = true;
    this.parser.onAccepted();
  }

  /** Sends what the outbox holds. */
  flush(): void {
    if (this.closed) return;
    this.lastSentMs = this.tools.clock.monoMs();
    this.outbox.pump();
  }

  keepAlive(): void {
    this.outbox.addPiece(PieceKind.keepAlive, EMPTY_BYTES);
    this.flush();
  }

  /** Closes after what is queued was sent: for a refusal that the other side should read. */
  finish(): void {
    this.socket.end();
  }

  /** Closes now. Its owner has forgotten it, and hears nothing more. */
  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.outbox.close();
    this.socket.destroy();
  }

  /** Closes now, and tells the owner. */
  fail(malformed: string | null): void {
    if (this.closed) return;
    this.close();
    this.owner.onClosed(this, malformed);
  }

  private onData(bytes: Uint8Array): void {
    if (this.closed) return;
    this.lastReceivedMs = this.tools.clock.monoMs();
    this.tools.bytesIn.inc(bytes.length);
    try {
      this.parser.push(bytes);
    } catch (error) {
      if (!(error instanceof MalformedFrame)) throw error;
      this.fail(error.message);
    }
  }

  private onPayload(kind: PieceKind, payload: Uint8Array): boolean {
    if (this.closed) return false;
    if (kind === PieceKind.whole) this.owner.onFrame(this, payload);
    else if ((kind === PieceKind.welcome) === this.outgoing) this.owner.onHandshake(this, payload);
    else throw new MalformedFrame('a handshake from the wrong side');
    return !this.closed;
  }

  private onSocketClosed(): void {
    this.fail(null);
  }
}
