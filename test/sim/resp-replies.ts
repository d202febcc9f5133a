/**
 * RESP2 as a client sees it: requests out, replies in, whatever way the bytes are cut. For the simulator's clients;
 * it trusts nothing: bytes that are no reply are an error, which fails the run.
 */
export type RespReply =
  | { readonly kind: 'status'; readonly text: string }
  | { readonly kind: 'error'; readonly text: string }
  | { readonly kind: 'int'; readonly value: number }
  /** null: the nil reply. */
  | { readonly kind: 'bulk'; readonly text: string | null };

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
      const reply = this.take();
      if (reply === null) return replies;
      replies.push(reply);
    }
  }

  private take(): RespReply | null {
    const end = this.rest.indexOf('\r\n');
    if (end < 0) return null;
    const line = this.rest.toString('latin1', 1, end);
    switch (String.fromCharCode(this.rest[0] as number)) {
      case '+':
        return this.consume(end + 2, { kind: 'status', text: line });
      case '-':
        return this.consume(end + 2, { kind: 'error', text: line });
      case ':':
        return this.consume(end + 2, { kind: 'int', value: Number(line) });
      case '$': {
        const length = Number(line);
        if (length < 0) return this.consume(end + 2, { kind: 'bulk', text: null });
        if (this.rest.length < end + 4 + length) return null;
        const text = this.rest.toString('utf8', end + 2, end + 2 + length);
        return this.consume(end + 4 + length, { kind: 'bulk', text });
      }
      default:
        throw new Error(`no RESP reply: ${JSON.stringify(this.rest.toString('latin1', 0, 80))}`);
    }
  }

  private consume(count: number, reply: RespReply): RespReply {
    this.rest = this.rest.subarray(count);
    return reply;
  }
}
