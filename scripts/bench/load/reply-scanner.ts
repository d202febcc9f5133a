/**
 * Counts RESP replies in a stream of bytes without building them: a load generator wants to know that a reply came and
 * whether it was an error, and nothing else. Takes the flat replies of SET and GET (+, -, :, $), in any split.
 */

const CR = 13;
const LF = 10;
const PLUS = 43;
const MINUS = 45;
const COLON = 58;
const DOLLAR = 36;
const ZERO = 48;

export interface ReplyHandler {
  /** `error` holds the text of an error reply, which may be cut; null for every other reply. */
  (error: string | null): void;
}

const ERROR_CHARS_MAX = 200;

export class ReplyScanner {
  /** Kind byte of the reply whose first line is being read; 0 between replies. */
  private kind = 0;
  /** Bytes of a bulk string and its line end that are still to be skipped. */
  private toSkip = 0;
  private length = 0;
  private isNegative = false;
  private text = '';
  private isAfterCr = false;

  constructor(private readonly onReply: ReplyHandler) {}

  feed(bytes: Uint8Array): void {
    let at = 0;
    while (at < bytes.length) {
      if (this.toSkip > 0) {
        const skipped = Math.min(this.toSkip, bytes.length - at);
        this.toSkip -= skipped;
        at += skipped;
        if (this.toSkip === 0) this.onReply(null);
        continue;
      }
      this.take(bytes[at++] as number);
    }
  }

  private take(byte: number): void {
    if (this.kind === 0) {
      if (byte !== PLUS && byte !== MINUS && byte !== COLON && byte !== DOLLAR) {
        throw new Error(`a reply begins with byte ${byte}`);
      }
      this.kind = byte;
      this.length = 0;
      this.isNegative = false;
      this.text = '';
      return;
    }
    if (this.isAfterCr && byte === LF) {
      this.endLine();
      return;
    }
    this.isAfterCr = byte === CR;
    if (this.isAfterCr) return;
    if (this.kind === DOLLAR) {
      if (byte === MINUS) this.isNegative = true;
      else this.length = this.length * 10 + (byte - ZERO);
    } else if (this.kind === MINUS && this.text.length < ERROR_CHARS_MAX) {
      this.text += String.fromCharCode(byte);
    }
  }

  private endLine(): void {
    const { kind } = this;
    this.kind = 0;
    this.isAfterCr = false;
    if (kind === DOLLAR && !this.isNegative) this.toSkip = this.length + 2;
    else this.onReply(kind === MINUS ? this.text : null);
  }
}
