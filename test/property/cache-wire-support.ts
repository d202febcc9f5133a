/**
 * For the tests of codec/cache: the real .proto behind protobufjs (through @grpc/proto-loader) as the other side,
 * arbitrary messages, and what a stranger's encoder may do to a message without changing its meaning.
 */
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import fc from 'fast-check';
import { fileURLToPath } from 'node:url';
import type { Prng } from '../../src/base/index.js';
import {
  NO_HEADER,
  OperationKind,
  PipelineRequestReader,
  PipelineResponseReader,
  PipelineResponseWriter,
  type CacheExpiryKind,
  type ErrorMessage,
  type Expiry,
  type MapMessage,
  type PipelineRequestWriter,
  type RequestHeader,
  type SessionMessage,
} from '../../src/codec/cache/index.js';

const definition = loadSync(fileURLToPath(new URL('../../proto/quorate/v1/cache.proto', import.meta.url)), {
  longs: String,
  enums: Number,
});
/** Serialises and parses by protobufjs. Plain objects in its own style: camelCase, 64 bits as strings. */
export const theirs = definition['quorate.v1.Cache'] as ServiceDefinition;

export type Plain = Record<string, unknown>;

/** One of our messages as protobufjs wants it: unset where it is zero, so that both must write the same bytes. */
export function toTheirs(message: object): Plain {
  const plain: Plain = {};
  for (const [name, value] of Object.entries(message as Plain)) {
    const converted = fieldToTheirs(value);
    if (converted !== undefined) plain[name] = converted;
  }
  return plain;
}

function fieldToTheirs(value: unknown): unknown {
  if (value === 0 || value === 0n || value === '' || value === false || value === null) return undefined;
  if (typeof value === 'bigint') return String(value);
  if (typeof value === 'number') return value > 0x7fffffff || value < 0 ? String(value) : value;
  if (value instanceof Uint8Array) return value.length === 0 ? undefined : Buffer.from(value);
  if (Array.isArray(value)) {
    if (value.length === 0) return undefined;
    return value.map((item: unknown) => {
      if (item instanceof Uint8Array) return Buffer.from(item);
      return typeof item === 'object' && item !== null ? toTheirs(item) : item;
    });
  }
  if (typeof value !== 'object') return value;
  if ('kind' in value && 'ms' in value) {
    const { kind, ms } = value as Expiry;
    return kind === 0 ? undefined : { [kind === 1 ? 'ttlMs' : 'atMs']: String(ms) };
  }
  const inner = toTheirs(value);
  return Object.keys(inner).length === 0 ? undefined : inner;
}

// Arbitrary values. Small and large numbers, since the length of a varint is what goes wrong.

export const uint32 = fc.oneof(
  fc.integer({ min: 0, max: 300 }),
  fc.integer({ min: 0, max: 0xffffffff }),
  fc.constantFrom(0, 127, 128, 16383, 16384, 2 ** 21 - 1, 2 ** 21, 2 ** 28 - 1, 2 ** 28, 2 ** 32 - 1),
);
export const uint64 = fc.oneof(
  uint32,
  fc.maxSafeNat(),
  fc.integer({ min: 31, max: 53 }).map((bits) => 2 ** bits - 1),
  fc.integer({ min: 31, max: 52 }).map((bits) => 2 ** bits),
);
/** In the one form that readers give: a bigint only where a number is not exact. */
export const sint64 = fc
  .oneof(
    fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
    fc.maxSafeInteger().map(BigInt),
    fc.integer({ min: -200, max: 200 }).map(BigInt),
    fc
      .tuple(fc.integer({ min: 0, max: 63 }), fc.constantFrom(-1n, 1n), fc.constantFrom(-1n, 0n))
      .map(([bits, sign, less]) => BigInt.asIntN(64, sign * 2n ** BigInt(bits) + less)),
  )
  .map((value) => (Number.isSafeInteger(Number(value)) ? Number(value) : value));
export const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 20 }),
  fc.uint8Array({ minLength: 120, maxLength: 300 }),
);
export const text = fc.string({ unit: 'grapheme', maxLength: 40 });
export const expiry: fc.Arbitrary<Expiry> = fc.oneof(
  fc.constant({ kind: 0 as CacheExpiryKind, ms: 0 }),
  fc.record({ kind: fc.constantFrom<CacheExpiryKind>(1, 2), ms: uint64 }),
);
export const header: fc.Arbitrary<RequestHeader> = fc.oneof(
  fc.constant(NO_HEADER).map((zero) => ({ ...zero })),
  fc.record({
    deadlineMs: uint32,
    session: uint64,
    sequence: uint64,
    lowestUnanswered: uint64,
    consistency: fc.integer({ min: 0, max: 4 }),
    maxStalenessMs: uint32,
    mapVersion: uint64,
    traceParent: text,
    sessionGrantedMs: uint64,
    sessionLifetimeMs: uint32,
    wantSession: fc.boolean(),
  }),
);
export const errorMessage: fc.Arbitrary<ErrorMessage> = fc.record({
  reason: fc.integer({ min: 1, max: 24 }),
  message: text,
  shard: uint32,
  leaderNode: uint32,
  leaderAddress: text,
  mapVersion: uint64,
  retryAfterMs: uint32,
});
export const mapMessage: fc.Arbitrary<MapMessage> = fc.record({
  clusterId: text,
  version: uint64,
  nodes: fc.array(fc.record({ id: uint32, grpc: text, resp: text, respMoved: text }), { maxLength: 4 }),
  shards: fc.array(
    fc.record({
      id: uint32,
      firstSlot: uint32,
      lastSlot: uint32,
      nodes: fc.array(uint32, { maxLength: 60 }),
      leader: uint32,
      term: uint64,
    }),
    { maxLength: 4 },
  ),
});

/** An operation with the fields of every kind; those that its kind does not have are zero. */
export interface OperationFields {
  readonly id: number;
  readonly key: Uint8Array;
  readonly kind: OperationKind;
  readonly withMeta: boolean;
  readonly value: Uint8Array;
  readonly condition: number;
  readonly keepTtl: boolean;
  readonly expiry: Expiry;
  readonly expectedVersion: number;
  readonly delta: number | bigint;
  readonly sequence: number;
  readonly lowestUnanswered: number;
}

const NO_FIELDS = {
  withMeta: false,
  value: new Uint8Array(0),
  condition: 0,
  keepTtl: false,
  expiry: { kind: 0 as CacheExpiryKind, ms: 0 },
  expectedVersion: 0,
  delta: 0,
};

const KIND_FIELDS: Readonly<Record<keyof typeof OperationKind, readonly (keyof typeof NO_FIELDS)[]>> = {
  none: [],
  get: ['withMeta'],
  set: ['value', 'expiry', 'condition', 'keepTtl'],
  delete: [],
  compareAndSet: ['expectedVersion', 'value', 'expiry', 'keepTtl'],
  compareAndDelete: ['expectedVersion'],
  increment: ['delta'],
  touch: ['expiry'],
  persist: [],
};
const KIND_NAMES = (Object.keys(OperationKind) as (keyof typeof OperationKind)[]).filter((n) => n !== 'none');

export const operation: fc.Arbitrary<OperationFields> = fc
  .record({
    name: fc.constantFrom(...KIND_NAMES),
    id: uint32,
    key: bytes,
    withMeta: fc.boolean(),
    value: bytes,
    condition: fc.integer({ min: 0, max: 2 }),
    keepTtl: fc.boolean(),
    expiry,
    expectedVersion: uint64,
    delta: sint64,
    sequence: uint64,
    lowestUnanswered: uint64,
  })
  .map(({ name, id, key, sequence, lowestUnanswered, ...fields }) => ({
    id,
    key,
    sequence,
    lowestUnanswered,
    kind: OperationKind[name],
    ...NO_FIELDS,
    ...Object.fromEntries(KIND_FIELDS[name].map((field) => [field, fields[field]])),
  }));

export function operationToTheirs(op: OperationFields): Plain {
  const name = KIND_NAMES.find((each) => OperationKind[each] === op.kind) as keyof typeof OperationKind;
  const fields = Object.fromEntries(KIND_FIELDS[name].map((field) => [field, op[field]]));
  const { id, key, sequence, lowestUnanswered } = op;
  return { ...toTheirs({ id, key }), [name]: toTheirs(fields), ...toTheirs({ sequence, lowestUnanswered }) };
}

export function writeOperation(w: PipelineRequestWriter, op: OperationFields): void {
  const { id, key, kind, value, expiry: when, expectedVersion, keepTtl } = op;
  w.inSession(op.sequence, op.lowestUnanswered);
  switch (kind) {
    case OperationKind.get:
      return w.get(id, key, op.withMeta);
    case OperationKind.set:
      return w.set(id, key, value, when.kind, when.ms, op.condition, keepTtl);
    case OperationKind.delete:
      return w.delete(id, key);
    case OperationKind.compareAndSet:
      return w.compareAndSet(id, key, expectedVersion, value, when.kind, when.ms, keepTtl);
    case OperationKind.compareAndDelete:
      return w.compareAndDelete(id, key, expectedVersion);
    case OperationKind.increment:
      return w.increment(id, key, op.delta);
    case OperationKind.touch:
      return w.touch(id, key, when.kind, when.ms);
    case OperationKind.persist:
      return w.persist(id, key);
    case OperationKind.none:
      throw new Error('an operation of no kind is not written');
  }
}

/** A whole request as data. */
export function readRequest(message: Uint8Array, reader = new PipelineRequestReader()) {
  reader.reset(message);
  const operations: OperationFields[] = [];
  const head = { ...reader.header };
  while (reader.next()) {
    operations.push({
      id: reader.id,
      key: message.slice(reader.keyStart, reader.keyEnd),
      kind: reader.kind,
      withMeta: reader.withMeta,
      value: message.slice(reader.valueStart, reader.valueEnd),
      condition: reader.condition,
      keepTtl: reader.keepTtl,
      expiry: { kind: reader.expiryKind, ms: reader.expiryMs },
      expectedVersion: reader.expectedVersion,
      delta: reader.delta,
      sequence: reader.sequence,
      lowestUnanswered: reader.lowestUnanswered,
    });
  }
  return { header: head, count: reader.count, operations };
}

export interface ResultFields {
  readonly id: number;
  readonly error: ErrorMessage | null;
  readonly found: boolean;
  readonly applied: boolean;
  readonly value: Uint8Array;
  readonly version: number;
  readonly number: number | bigint;
  readonly ttlMs: number;
}
export interface ResponseFields {
  readonly results: readonly ResultFields[];
  readonly hints: readonly { readonly shard: number; readonly node: number; readonly term: number }[];
  readonly mapVersion: number;
  readonly session: SessionMessage | null;
}

export const result: fc.Arbitrary<ResultFields> = fc.oneof(
  fc.record({
    id: uint32,
    error: fc.constant(null),
    found: fc.boolean(),
    applied: fc.boolean(),
    value: bytes,
    version: uint64,
    number: sint64,
    ttlMs: uint64,
  }),
  fc.record({ id: uint32, error: errorMessage }).map(({ id, error }) => ({
    id,
    error,
    found: false,
    applied: false,
    value: new Uint8Array(0),
    version: 0,
    number: 0,
    ttlMs: 0,
  })),
);
export const response: fc.Arbitrary<ResponseFields> = fc.record({
  results: fc.array(result, { maxLength: 6 }),
  hints: fc.array(fc.record({ shard: uint32, node: uint32, term: uint64 }), { maxLength: 4 }),
  mapVersion: uint64,
  session: fc.option(fc.record({ session: uint64, grantedMs: uint64, lifetimeMs: uint32 })),
});

export function writeResponse({ results, hints, mapVersion, session }: ResponseFields): Uint8Array {
  const w = new PipelineResponseWriter();
  w.begin();
  for (const { id, error: e, found, applied, value, version, number, ttlMs } of results) {
    if (e === null) w.result(id, found, applied, value, 0, value.length, version, number, ttlMs);
    else {
      const { reason, message, shard, leaderNode, leaderAddress, retryAfterMs } = e;
      w.error(id, reason, message, shard, leaderNode, leaderAddress, e.mapVersion, retryAfterMs);
    }
  }
  for (const { shard, node, term } of hints) w.hint(shard, node, term);
  return w.finish(mapVersion, session);
}

/** A whole response as data. */
export function readResponse(message: Uint8Array, reader = new PipelineResponseReader()): ResponseFields {
  reader.reset(message);
  const results: ResultFields[] = [];
  while (reader.nextResult()) {
    results.push({
      id: reader.id,
      error: reader.errorReason === 0 ? null : { ...reader.error },
      found: reader.found,
      applied: reader.applied,
      value: message.slice(reader.valueStart, reader.valueEnd),
      version: reader.version,
      number: reader.number,
      ttlMs: reader.ttlMs,
    });
  }
  const hints: ResponseFields['hints'][number][] = [];
  while (reader.nextHint()) {
    hints.push({ shard: reader.hintShard, node: reader.hintNode, term: reader.hintTerm });
  }
  const session = reader.hasSession ? { ...reader.session } : null;
  return { results, hints, mapVersion: reader.mapVersion, session };
}

// What a stranger's encoder may do.

/** Which fields of a message are messages themselves, or packed lists of integers. */
export interface Shape {
  readonly [field: number]: Shape | 'packed';
}

const EXPIRY_SHAPE: Shape = {};
export const REQUEST_SHAPE: Shape = {
  1: {},
  2: {
    3: {},
    4: { 2: EXPIRY_SHAPE },
    5: {},
    6: { 3: EXPIRY_SHAPE },
    7: {},
    8: {},
    9: { 1: EXPIRY_SHAPE },
    10: {},
  },
};
export const RESPONSE_SHAPE: Shape = { 1: { 2: {} }, 2: {}, 4: {} };
export const MAP_SHAPE: Shape = { 3: {}, 4: { 4: 'packed' } };

interface RawField {
  readonly field: number;
  readonly wireType: number;
  /** Behind the tag and, if it has one, the length. */
  readonly body: Uint8Array;
}

/** A message's fields, by a parser of its own that trusts its input. */
export function splitFields(message: Uint8Array): RawField[] {
  const fields: RawField[] = [];
  let at = 0;
  const varint = (): number => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = message[at++] as number;
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) return Number(value);
    }
  };
  while (at < message.length) {
    const tag = varint();
    const wireType = tag % 8;
    let start = at;
    if (wireType === 0) varint();
    else if (wireType === 2) {
      const count = varint();
      start = at;
      at += count;
    } else throw new Error(`wire type ${wireType}`);
    fields.push({ field: Math.floor(tag / 8), wireType, body: message.slice(start, at) });
  }
  return fields;
}

function varintOf(value: number): number[] {
  const out: number[] = [];
  let rest = BigInt(value);
  for (; rest > 127n; rest >>= 7n) out.push(Number(rest & 127n) | 128);
  out.push(Number(rest));
  return out;
}

export function joinFields(fields: readonly RawField[]): Uint8Array {
  const out: number[] = [];
  for (const { field, wireType, body } of fields) {
    out.push(...varintOf(field * 8 + wireType));
    if (wireType === 2) out.push(...varintOf(body.length));
    out.push(...body);
  }
  return Uint8Array.from(out);
}

/** Places in a message where one of its fields ends: cut there, it is whole. */
export function fieldEnds(message: Uint8Array): Set<number> {
  const fields = splitFields(message);
  return new Set([0, ...fields.map((_, i) => joinFields(fields.slice(0, i + 1)).length)]);
}

/** The same message: fields in another order, unknown ones between them, lists unpacked. */
export function scramble(message: Uint8Array, shape: Shape, prng: Prng): Uint8Array {
  const fields: RawField[] = [];
  for (const raw of splitFields(message)) {
    const inner = shape[raw.field];
    if (inner === undefined || raw.wireType !== 2) fields.push(raw);
    else if (inner !== 'packed') fields.push({ ...raw, body: scramble(raw.body, inner, prng) });
    else for (const body of unpack(raw.body)) fields.push({ field: raw.field, wireType: 0, body });
  }
  for (let count = prng.below(3); count > 0; count--) fields.push(unknownField(prng));
  // Places are drawn for all; then each number's fields take its places in their own order, as lists need it.
  const places = fields.map((raw) => ({ raw, place: prng.u32() })).sort((a, b) => a.place - b.place);
  const waiting = new Map<number, RawField[]>();
  for (const raw of fields) waiting.set(raw.field, [...(waiting.get(raw.field) ?? []), raw]);
  return joinFields(places.map(({ raw }) => waiting.get(raw.field)?.shift() as RawField));
}

function unpack(body: Uint8Array): Uint8Array[] {
  const items: Uint8Array[] = [];
  let start = 0;
  body.forEach((byte, i) => {
    if (byte >= 128) return;
    items.push(body.slice(start, i + 1));
    start = i + 1;
  });
  return items;
}

function unknownField(prng: Prng): RawField {
  const field = prng.chance(0.5) ? 20 + prng.below(100) : 2 ** 29 - 1 - prng.below(100);
  const wireType = [0, 1, 2, 5][prng.below(4)] as number;
  const count = wireType === 1 ? 8 : wireType === 5 ? 4 : prng.below(200);
  const body = wireType === 0 ? varintOf(prng.u32()) : Array.from({ length: count }, () => prng.below(256));
  return { field, wireType, body: Uint8Array.from(body) };
}
