/**
 * HTTP/2 by hand: frames as a client that means harm sends them, which no library would. Only what the tests need:
 * headers as plain literals, no windows of our own, and a record of the frame types that came back.
 */
import net from 'node:net';

export const FrameType = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  goaway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

export const FrameFlag = { endStream: 1, ack: 1, endHeaders: 4 } as const;

const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n';
const FRAME_HEADER_BYTES = 9;

export function http2Frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = new Uint8Array(0),
): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + payload.length);
  frame.writeUIntBE(payload.length, 0, 3);
  frame[3] = type;
  frame[4] = flags;
  frame.writeUInt32BE(stream, 5);
  frame.set(payload, FRAME_HEADER_BYTES);
  return frame;
}

/** A header block of literals that no table remembers. Names and values are shorter than 127 bytes. */
export function headerBlock(headers: Readonly<Record<string, string>>): Buffer {
  const parts = Object.entries(headers).flatMap(([name, value]) => [
    Uint8Array.of(0, name.length),
    Buffer.from(name),
    Uint8Array.of(value.length),
    Buffer.from(value),
  ]);
  return Buffer.concat(parts);
}

export function grpcHeaders(path: string): Record<string, string> {
  return {
    ':method': 'POST',
    ':scheme': 'http',
    ':path': path,
    ':authority': 'test',
    'content-type': 'application/grpc',
    te: 'trailers',
  };
}

/** One connection; the greeting was sent. */
export class RawHttp2 {
  /** Types of the frames that came, by how many. */
  readonly came = new Map<number, number>();
  isClosed = false;
  private rest = Buffer.alloc(0);
  /** Ends the wait of a `send`. */
  private wake: () => void = () => undefined;

  private constructor(private readonly socket: net.Socket) {
    socket.on('error', () => undefined); // a reset is one way to be closed
    socket.on('close', () => {
      this.isClosed = true;
      this.wake();
    });
    socket.on('data', (bytes: Buffer) => this.onData(bytes));
  }

  static open(port: number): Promise<RawHttp2> {
    return new Promise((resolve, reject) => {
      const socket = net.connect(port, '127.0.0.1', () => {
        socket.off('error', reject);
        const connection = new RawHttp2(socket);
        connection.socket.write(PREFACE);
        connection.socket.write(http2Frame(FrameType.settings, 0, 0));
        resolve(connection);
      });
      socket.once('error', reject);
    });
  }

  /** The other side closed the connection, or said that it listens to it no longer. */
  get isOver(): boolean {
    return this.isClosed || this.came.has(FrameType.goaway);
  }

  /** Resolves once the bytes left, or the connection is over: the other side may read slowly, or no more. */
  send(bytes: Uint8Array): Promise<void> {
    if (this.isOver || this.socket.destroyed) return Promise.resolve();
    return new Promise((resolve) => {
      this.wake = resolve;
      this.socket.write(bytes, () => resolve());
    });
  }

  close(): void {
    this.socket.destroy();
  }

  private onData(bytes: Buffer): void {
    this.rest = Buffer.concat([this.rest, bytes]);
    while (this.rest.length >= FRAME_HEADER_BYTES) {
      const end = FRAME_HEADER_BYTES + this.rest.readUIntBE(0, 3);
      if (this.rest.length < end) return;
      const [type, flags] = [this.rest[3] ?? 0, this.rest[4] ?? 0];
      this.came.set(type, (this.came.get(type) ?? 0) + 1);
      if (type === FrameType.goaway) this.wake();
      const isAsked = type === FrameType.settings && (flags & FrameFlag.ack) === 0;
      if (isAsked) this.socket.write(http2Frame(FrameType.settings, FrameFlag.ack, 0));
      this.rest = this.rest.subarray(end);
    }
  }
}
