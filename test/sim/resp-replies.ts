/**
 * RESP2 as a client sees it: requests out, replies in, whatever way the bytes are cut. For the simulator's clients;
 * it trusts nothing: bytes that are no reply are an error, which fails the run.
 */
export type RespReply =
  | { readonly kind: 'status'; readonly text: string }
  | { readonly kind: 'error'; readonly text: string }
  | { readonly kind: 'int'; readonly value: number }
  /** null: the nil reply. */
  | { readonly kind: 'bulk'; readonly text: string | null }
  | { readonly kind: 'array'; readonly items: readonly RespReply[] };

interface Parsed {
  readonly reply: RespReply;
  /** Where the next one begins. */
  readonly end: number;
}

export function encodeRequest(parts: readonly string[]): Uint8Array {
  return Buffer.from(
    `*${parts.length}\r\n` + parts.map((p) => `$${Buffer.byteLength(p)}\r\n${p}\r\n`).join(''),
  );
}

export class RespReplies {
  private rest: Buffer = Buffer.alloc(0);

  /** Adds bytes; returns the replies that are whole now. */
  push(bytes: Uint8Array): RespReply[] {
    this.rest = this.rest.length === 0 ? Buffer.from(bytes) : Buffer.concat([this.rest, bytes]);
    const replies: RespReply[] = [];
    for (;;) {
      const parsed = this.parse(0);
      if (parsed === null) return replies;
      this.rest = this.rest.subarray(parsed.end);
      replies.push(parsed.reply);
    }
  }

  /** The reply that begins there; null while it is not whole. */
  private parse(start: number): Parsed | null {
    const lineEnd = this.rest.indexOf('\r\n', start);
    if (lineEnd < 0) return null;
    const line = this.rest.toString('latin1', start + 1, lineEnd);
    const end = lineEnd + 2;
    switch (String.fromCharCode(this.rest[start] as number)) {
      case '+':
        return { reply: { kind: 'status', text: line }, end };
      case '-':
        return { reply: { kind: 'error', text: line }, end };
      case ':':
        return { reply: { kind: 'int', value: Number(line) }, end };
      case '$': {
        const length = Number(line);
        if (length < 0) return { reply: { kind: 'bulk', text: null }, end };
        if (this.rest.length < end + length + 2) return null;
        return {
          reply: { kind: 'bulk', text: this.rest.toString('utf8', end, end + length) },
          end: end + length + 2,
        };
      }
      case '*':
        return this.parseItems(Number(line), end);
      default:
        throw new Error(`no RESP reply: ${JSON.stringify(this.rest.toString('latin1', start, start + 80))}`);
    }
  }

  private parseItems(count: number, start: number): Parsed | null {
    const items: RespReply[] = [];
    let at = start;
    for (let i = 0; i < count; i++) {
      const item = this.parse(at);
      if (item === null) return null;
      items.push(item.reply);
      at = item.end;
    }
    return { reply: { kind: 'array', items }, end: at };
  }
}
