/** Drives one shard's state machine as a leader's log would, and shows results as plain values. */
import {
  appendCommand,
  beginEntry,
  ByteReader,
  ByteWriter,
  decodeUtf8,
  encodeUtf8,
  finishEntry,
} from '../../../src/base/index.js';
import {
  appendWithSession,
  beginAppend,
  beginCas,
  beginMany,
  beginSet,
  beginSetRange,
  createKv,
  encodeCad,
  encodeExpire,
  encodeGetEx,
  encodeGetRange,
  encodeIncrBy,
  encodeIncrByFloat,
  encodeKeyCommand,
  encodeMark,
  encodeRandomKey,
  encodeScan,
  beginCommand,
  ExpiryKind,
  HeaderFlag,
  KvError,
  Op,
  putKey,
  putValue,
  Tag,
  type Kv,
  type KvOptions,
  type SessionFields,
} from '../../../src/kv/index.js';

export type Bytes = string | Uint8Array;

/** ok: 'OK'; nil: null; int: bigint; bytes: `$text`; text: `+text`; error: `-name`; arrays as arrays. */
export type Shown = string | null | bigint | Shown[];

const ERROR_NAMES = Object.fromEntries(Object.entries(KvError).map(([name, number]) => [number, name]));

export function showResult(reader: ByteReader): Shown {
  const tag = reader.u8();
  switch (tag) {
    case Tag.ok:
      return 'OK';
    case Tag.nil:
      return null;
    case Tag.int:
      return reader.i64();
    case Tag.bytes:
      return '$' + latin1(reader.bytes(reader.u32()));
    case Tag.array:
      return Array.from({ length: reader.u32() }, () => showResult(reader));
    case Tag.text:
      return '+' + reader.utf8(reader.u8());
    case Tag.error:
      return '-' + (ERROR_NAMES[reader.u8()] ?? '?');
    default:
      throw new Error(`tag ${tag}`);
  }
}

export function latin1(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += String.fromCharCode(byte);
  return text;
}

export function toBytes(value: Bytes): Uint8Array {
  return typeof value === 'string' ? encodeUtf8(value) : value;
}

function encode(write: (w: ByteWriter) => void): Uint8Array {
  const w = new ByteWriter();
  write(w);
  return w.take();
}

export interface SetOptions {
  readonly flags?: number;
  readonly px?: number;
  readonly pxAt?: number;
}

function expiry(px: number | undefined, pxAt: number | undefined): [number, number] {
  if (px !== undefined) return [ExpiryKind.relative, px];
  if (pxAt !== undefined) return [ExpiryKind.absolute, pxAt];
  return [ExpiryKind.none, 0];
}

/** Commands as bytes. */
export const cmd = {
  get: (key: Bytes) => encode((w) => encodeKeyCommand(w, Op.get, toBytes(key))),
  ttl: (key: Bytes) => encode((w) => encodeKeyCommand(w, Op.ttl, toBytes(key))),
  type: (key: Bytes) => encode((w) => encodeKeyCommand(w, Op.type, toBytes(key))),
  persist: (key: Bytes) => encode((w) => encodeKeyCommand(w, Op.persist, toBytes(key))),
  dbsize: () => encode((w) => beginCommand(w, Op.dbsize)),
  flush: () => encode((w) => beginCommand(w, Op.flush)),
  set: (key: Bytes, value: Bytes, { flags = 0, px, pxAt }: SetOptions = {}) =>
    encode((w) => {
      beginSet(w, flags, ...expiry(px, pxAt));
      putKey(w, toBytes(key));
      putValue(w, toBytes(value));
    }),
  many: (op: Op, keys: readonly Bytes[]) =>
    encode((w) => {
      beginMany(w, op, keys.length);
      for (const key of keys) putKey(w, toBytes(key));
    }),
  mset: (pairs: readonly (readonly [Bytes, Bytes])[]) =>
    encode((w) => {
      beginMany(w, Op.mset, pairs.length);
      for (const [key, value] of pairs) {
        putKey(w, toBytes(key));
        putValue(w, toBytes(value));
      }
    }),
  incrby: (key: Bytes, delta: bigint) => encode((w) => encodeIncrBy(w, delta, toBytes(key))),
  incrByFloat: (key: Bytes, amount: Bytes) =>
    encode((w) => {
      const bytes = toBytes(key);
      encodeIncrByFloat(w, bytes, 0, bytes.length, toBytes(amount));
    }),
  mark: () => encode(encodeMark),
  expire: (key: Bytes, { flags = 0, px, pxAt }: SetOptions) =>
    encode((w) => encodeExpire(w, flags, ...expiry(px, pxAt), toBytes(key))),
  getMeta: (key: Bytes) => encode((w) => encodeKeyCommand(w, Op.getMeta, toBytes(key))),
  strlen: (key: Bytes) => encode((w) => encodeKeyCommand(w, Op.strlen, toBytes(key))),
  expireTime: (key: Bytes) => encode((w) => encodeKeyCommand(w, Op.expireTime, toBytes(key))),
  getDel: (key: Bytes) => encode((w) => encodeKeyCommand(w, Op.getDel, toBytes(key))),
  getRange: (key: Bytes, first: bigint, last: bigint) =>
    encode((w) => encodeGetRange(w, first, last, toBytes(key))),
  scan: (fromHash: number, countMax: number, pattern: Bytes | null = null) =>
    encode((w) => encodeScan(w, fromHash, countMax, pattern === null ? null : toBytes(pattern))),
  randomKey: (atHash: number) => encode((w) => encodeRandomKey(w, atHash)),
  cas: (key: Bytes, expected: number, value: Bytes, { flags = 0, px, pxAt }: SetOptions = {}) =>
    encode((w) => {
      beginCas(w, expected, flags, ...expiry(px, pxAt));
      putKey(w, toBytes(key));
      putValue(w, toBytes(value));
    }),
  cad: (key: Bytes, expected: number) => encode((w) => encodeCad(w, expected, toBytes(key))),
  append: (key: Bytes, value: Bytes) =>
    encode((w) => {
      beginAppend(w);
      putKey(w, toBytes(key));
      putValue(w, toBytes(value));
    }),
  setRange: (key: Bytes, offset: number, value: Bytes) =>
    encode((w) => {
      beginSetRange(w, offset);
      putKey(w, toBytes(key));
      putValue(w, toBytes(value));
    }),
  getEx: (
    key: Bytes,
    { px, pxAt, persist = false }: { px?: number; pxAt?: number; persist?: boolean } = {},
  ) => encode((w) => encodeGetEx(w, ...expiry(px, pxAt), persist, toBytes(key))),
  /** The same command in a session: one that was granted at 1,000,000 for 10 minutes, unless told otherwise. */
  inSession: (command: Uint8Array, fields: Partial<SessionFields> & { readonly sequence: number }) =>
    encode((w) =>
      appendWithSession(w, command, 0, command.length, {
        session: 77,
        grantedMs: 1_000_000,
        lifetimeMs: 600_000,
        lowestUnanswered: 1,
        ...fields,
      }),
    ),
  /** The same command, its result wrapped with the key's version. */
  versioned: (command: Uint8Array) => {
    const wrapped = command.slice();
    wrapped[1] = (wrapped[1] as number) | HeaderFlag.withVersion;
    return wrapped;
  },
};

export function encodeEntry(timestampMs: number, commands: readonly Uint8Array[]): Uint8Array {
  const w = new ByteWriter();
  beginEntry(w);
  for (const command of commands) appendCommand(w, command, 0, command.length);
  finishEntry(w, timestampMs, commands.length);
  return w.take();
}

export const DEFAULTS: KvOptions = { hashSeed: 42, valueBytesMax: 1024, firstSlot: 0, lastSlot: 16383 };

export class KvDriver {
  kv: Kv;
  nowMs: number;
  /** Every entry applied so far. */
  readonly log: Uint8Array[] = [];

  constructor(options: Partial<KvOptions> = {}, startMs = 1_000_000) {
    this.kv = createKv({ ...DEFAULTS, ...options });
    this.nowMs = startMs;
  }

  /** Applies one entry at `nowMs`; results in order. */
  apply(...commands: Uint8Array[]): Shown[] {
    return this.applyEntry(encodeEntry(this.nowMs, commands));
  }

  applyEntry(entry: Uint8Array): Shown[] {
    this.log.push(entry);
    return applyTo(this.kv, entry, this.log.length);
  }

  /** Applies one command; its result. */
  run(command: Uint8Array): Shown {
    return this.apply(command)[0] as Shown;
  }

  /** A read outside the log, at the leader's clock (default: the driver's). */
  read(command: Uint8Array, nowMs = this.nowMs): Shown | 'needs_time' {
    const out = new ByteWriter();
    out.u8(99);
    if (this.kv.read(command, 0, command.length, nowMs, out) === 'needs_time') {
      if (out.length !== 1) throw new Error('needs_time wrote something');
      return 'needs_time';
    }
    const reader = new ByteReader(out.buffer, 1, out.length);
    const shown = showResult(reader);
    if (reader.remaining !== 0) throw new Error('bytes after the result');
    return shown;
  }

  /** Has the leader's reap applied at `nowMs`; how many items it dropped. */
  reap(countMax = 1000): bigint {
    const w = new ByteWriter();
    if (this.kv.encodeReap(this.nowMs, countMax, w) === 0) return 0n;
    return this.run(w.take()) as bigint;
  }
}

export function applyTo(kv: Kv, entry: Uint8Array, index: number): Shown[] {
  const results: Shown[] = [];
  kv.apply(index, 1, entry, {
    onResult(position, bytes, start, end) {
      if (position !== results.length) throw new Error(`result ${position} after ${results.length} others`);
      const reader = new ByteReader(bytes, start, end);
      results.push(showResult(reader));
      if (reader.remaining !== 0) throw new Error('bytes after the result');
    },
  });
  return results;
}

/** All chunks of a snapshot. */
export function chunksOf(kv: Kv, bytesMax = 4096): Uint8Array[] {
  const source = kv.snapshot();
  const chunks: Uint8Array[] = [];
  for (let chunk = source.next(bytesMax); chunk !== null; chunk = source.next(bytesMax)) chunks.push(chunk);
  return chunks;
}

/** A new state machine, loaded from chunks; its own seed is another until then. */
export function loadedFrom(chunks: readonly Uint8Array[], options: Partial<KvOptions> = {}): Kv {
  const kv = createKv({ ...DEFAULTS, hashSeed: 7, ...options });
  const loader = kv.loader();
  for (const chunk of chunks) loader.push(chunk);
  loader.finish();
  return kv;
}

export { decodeUtf8, Op };
