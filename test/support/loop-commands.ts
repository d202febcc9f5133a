/** Commands for tests, a sink that writes down what became of them, and results in words. */
import {
  ByteReader,
  ByteWriter,
  encodeUtf8,
  reasonFromNumber,
  type ErrorReason,
} from '../../src/base/index.js';
import type { ResultSink } from '../../src/api/gateway-port.js';
import { PendingCounts } from '../../src/api/pending-counts.js';
import {
  SessionFieldsSlot,
  beginMany,
  beginSet,
  encodeIncrBy,
  encodeKeyCommand,
  ExpiryKind,
  hasSession,
  Op,
  putKey,
  putValue,
  SESSION_FIELDS_BYTES,
  Tag,
} from '../../src/kv/index.js';

function build(write: (w: ByteWriter) => void): Uint8Array {
  const w = new ByteWriter();
  write(w);
  return w.take();
}

export function getCommand(key: string): Uint8Array {
  return build((w) => encodeKeyCommand(w, Op.get, encodeUtf8(key)));
}

export function setCommand(key: string, value: string | Uint8Array, ttlMs = 0): Uint8Array {
  return build((w) => {
    beginSet(w, 0, ttlMs === 0 ? ExpiryKind.none : ExpiryKind.relative, ttlMs);
    putKey(w, encodeUtf8(key));
    putValue(w, typeof value === 'string' ? encodeUtf8(value) : value);
  });
}

export function incrCommand(key: string): Uint8Array {
  return build((w) => encodeIncrBy(w, 1n, encodeUtf8(key)));
}

export function delCommand(...keys: string[]): Uint8Array {
  return build((w) => {
    beginMany(w, Op.del, keys.length);
    for (const key of keys) putKey(w, encodeUtf8(key));
  });
}

export function mgetCommand(...keys: string[]): Uint8Array {
  return build((w) => {
    beginMany(w, Op.mget, keys.length);
    for (const key of keys) putKey(w, encodeUtf8(key));
  });
}

/** A result in words: `ok`, `nil`, `"text"`, `7`, `[…]`, `error 1`, or the reason of a failure. */
export function describeResult(bytes: Uint8Array, start = 0, end = bytes.length): string {
  const r = new ByteReader(bytes, start, end);
  const text = readResult(r);
  if (r.remaining !== 0) throw new Error(`${r.remaining} bytes behind the result ${text}`);
  return text;
}

function readResult(r: ByteReader): string {
  const tag = r.u8();
  switch (tag) {
    case Tag.ok:
      return 'ok';
    case Tag.nil:
      return 'nil';
    case Tag.int:
      return String(r.i64());
    case Tag.bytes:
      return JSON.stringify(r.utf8(r.u32()));
    case Tag.array: {
      const items: string[] = [];
      for (let left = r.u32(); left > 0; left--) items.push(readResult(r));
      return `[${items.join(' ')}]`;
    }
    case Tag.text:
      return r.utf8(r.u8());
    case Tag.error:
      return `error ${r.u8()}`;
    case Tag.failed: {
      const reason = reasonFromNumber(r.u8());
      r.string16();
      r.u32();
      return reason;
    }
    default:
      throw new Error(`result tag ${tag}`);
  }
}

/** What makes attempts at a write one write: its session and sequence; null without a session. */
export function sessionOf(bytes: Uint8Array): string | null {
  if (!hasSession(bytes, 0)) return null;
  const { session, grantedMs, sequence } = new SessionFieldsSlot().read(new ByteReader(bytes, 4));
  return `${session}/${grantedMs}/${sequence}`;
}

/** The command that a sink was given back, in words: `get a`, `set a=1`. */
export function describeCommand(bytes: Uint8Array, start = 0, end = bytes.length): string {
  const r = new ByteReader(bytes, start, end);
  const op = r.u8();
  r.skip(3 + (hasSession(bytes, start) ? SESSION_FIELDS_BYTES : 0));
  if (op === Op.get) return `get ${r.string16()}`;
  if (op === Op.incrby) {
    r.skip(8);
    return `incr ${r.string16()}`;
  }
  if (op === Op.set) {
    r.skip(10);
    const key = r.string16();
    const length = r.u32();
    return `set ${key}=${length > 100 ? `(${length} bytes)` : r.utf8(length)}`;
  }
  return `op ${op}`;
}

/** Stands for a front end's connection, or for whoever handed a command to a replica. */
export class RecordingSink implements ResultSink {
  readonly unanswered = new PendingCounts();
  /** Everything in the order it came: `1: ok`, `2 refused NOT_LEADER 0: get a`. */
  readonly lines: string[] = [];
  /** Raised by a test around calls inside which nothing may be answered. */
  quiet = false;
  onLine: (line: string) => void = () => undefined;

  onResult(token: number, bytes: Uint8Array, start: number, end: number): void {
    this.add(`${token}: ${describeResult(bytes, start, end)}`);
  }

  onRefused(
    token: number,
    reason: ErrorReason,
    leaderNode: number,
    command: Uint8Array,
    start: number,
    end: number,
  ): void {
    this.add(`${token} refused ${reason} ${leaderNode}: ${describeCommand(command, start, end)}`);
  }

  private add(line: string): void {
    if (this.quiet) throw new Error(`answered inside the call: ${line}`);
    this.lines.push(line);
    this.onLine(line);
  }

  /** What came since the last call. */
  take(): string[] {
    return this.lines.splice(0);
  }
}
