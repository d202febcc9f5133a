/**
 * A tiny client of Redis' protocol (RESP2) over one connection, for tests against real processes. Commands may be sent
 * without waiting: replies come in order. A lost connection rejects what waits and everything later.
 */
import net from 'node:net';

/** An error reply, as a value: tests look at its text. */
export class ReplyError {
  constructor(readonly text: string) {}
}

export type Reply = string | number | null | ReplyError | Reply[];

interface Waiter {
  readonly resolve: (reply: Reply) => void;
  readonly reject: (error: Error) => void;
}

export class RespClient {
  private buffered: Buffer = Buffer.alloc(0);
  private readonly waiting: Waiter[] = [];
  private lost: Error | null = null;

  private constructor(private readonly socket: net.Socket) {
    socket.setNoDelay(true);
    socket.on('data', (bytes: Buffer) => {
      this.buffered = this.buffered.length === 0 ? bytes : Buffer.concat([this.buffered, bytes]);
      this.drain();
    });
    socket.on('error', (error) => this.lose(error));
    socket.on('close', () => this.lose(new Error('the connection was closed')));
  }

  /** To `HOST:PORT`. */
  static connect(address: string): Promise<RespClient> {
    const colon = address.lastIndexOf(':');
    return new Promise((resolve, reject) => {
      const socket = net.connect(Number(address.slice(colon + 1)), address.slice(0, colon));
      socket.once('error', reject);
      socket.once('connect', () => {
        socket.off('error', reject);
        resolve(new RespClient(socket));
      });
    });
  }

  call(...words: readonly (string | number)[]): Promise<Reply> {
    if (this.lost) return Promise.reject(this.lost);
    const parts = words.map((word) => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`);
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.socket.write(`*${words.length}\r\n${parts.join('')}`);
    });
  }

  /** Bytes as they are, for what no client would send; the reply answers them. */
  raw(bytes: string): Promise<Reply> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ resolve, reject });
      this.socket.write(bytes);
    });
  }

  close(): void {
    this.socket.destroy();
  }

  private drain(): void {
    let at = 0;
    for (;;) {
      const parsed = parseReply(this.buffered, at);
      if (!parsed) break;
      at = parsed.end;
      this.waiting.shift()?.resolve(parsed.reply);
    }
    this.buffered = this.buffered.subarray(at);
  }

  private lose(error: Error): void {
    if (this.lost) return;
    this.lost = error;
    for (const waiter of this.waiting.splice(0)) waiter.reject(error);
  }
}

/** One reply from `start`, or null while it isn't whole. */
function parseReply(bytes: Buffer, start: number): { reply: Reply; end: number } | null {
  const lineEnd = bytes.indexOf('\r\n', start);
  if (lineEnd < 0) return null;
  const text = bytes.toString('utf8', start + 1, lineEnd);
  const end = lineEnd + 2;
  switch (String.fromCharCode(bytes[start] ?? 0)) {
    case '+':
      return { reply: text, end };
    case '-':
      return { reply: new ReplyError(text), end };
    case ':':
      return { reply: Number(text), end };
    case '$':
      return parseBulk(bytes, end, Number(text));
    case '*':
      return parseArray(bytes, end, Number(text));
    default:
      throw new Error(`unexpected reply: ${bytes.toString('utf8', start, lineEnd)}`);
  }
}

function parseBulk(bytes: Buffer, start: number, length: number): { reply: Reply; end: number } | null {
  if (length < 0) return { reply: null, end: start };
  const end = start + length + 2;
  return bytes.length < end ? null : { reply: bytes.toString('utf8', start, start + length), end };
}

function parseArray(bytes: Buffer, start: number, length: number): { reply: Reply; end: number } | null {
  if (length < 0) return { reply: null, end: start };
  const items: Reply[] = [];
  let at = start;
  for (let i = 0; i < length; i++) {
    const item = parseReply(bytes, at);
    if (!item) return null;
    items.push(item.reply);
    at = item.end;
  }
  return { reply: items, end: at };
}
