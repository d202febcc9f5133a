/**
 * Goal: our codec of the public protocol and protobufjs, which reads the real .proto, say the same in both directions;
 * and no bytes do worse than `MalformedMessage`. Method: generated messages must be the same bytes from both, and read
 * back as they were, also after what a stranger's encoder may do to them; then cuts, changed bytes, and noise.
 */
import type { MethodDefinition } from '@grpc/proto-loader';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Prng } from '../../src/base/index.js';
import {
  decodeError,
  decodeMapMessage,
  encodeError,
  encodeMapMessage,
  MalformedMessage,
  PipelineRequestReader,
  PipelineRequestWriter,
  PipelineResponseReader,
  UNARY_REQUESTS,
  UNARY_RESPONSES,
  type MessageCodec,
} from '../../src/codec/cache/index.js';
import {
  bytes,
  errorMessage,
  expiry,
  fieldEnds,
  header,
  joinFields,
  mapMessage,
  MAP_SHAPE,
  operation,
  operationToTheirs,
  readRequest,
  readResponse,
  REQUEST_SHAPE,
  response,
  RESPONSE_SHAPE,
  result,
  scramble,
  sint64,
  theirs,
  toTheirs,
  uint32,
  uint64,
  writeOperation,
  writeResponse,
  type OperationFields,
  type Shape,
} from './cache-wire-support.js';

// The same cases in every run.
fc.configureGlobal({ seed: 71, numRuns: 60 });

const seed = fc.integer({ min: 0, max: 0x7fffffff });
const flag = fc.boolean();
const condition = fc.integer({ min: 0, max: 2 });

const method = (name: string): MethodDefinition<object, object> =>
  theirs[name] as MethodDefinition<object, object>;
/** Compared as text: a typed array of some hundred bytes takes long to compare. */
const hex = (message: Uint8Array): string => Buffer.from(message).toString('hex');

function requestOf(head: object, operations: readonly OperationFields[]): Uint8Array {
  const w = new PipelineRequestWriter();
  w.begin(head);
  for (const op of operations) writeOperation(w, op);
  expect(w.count).toBe(operations.length);
  const length = w.byteLength;
  const message = w.finish();
  expect(message.length).toBe(length);
  return message;
}

const request = fc.record({ header, operations: fc.array(operation, { maxLength: 6 }) });

describe.each(['Pipeline', 'BatchWrite'])('the request of %s', (name) => {
  it('is the bytes that protobufjs writes, and is read back as it was', () => {
    fc.assert(
      fc.property(request, ({ header: head, operations }) => {
        const ours = requestOf(head, operations);
        const other = { ...toTheirs({ header: head }), operations: operations.map(operationToTheirs) };
        expect(hex(ours)).toBe(hex(method(name).requestSerialize(other)));
        expect(readRequest(ours)).toEqual({ header: head, count: operations.length, operations });
      }),
    );
  });
});

describe('the request of Pipeline', () => {
  it('means the same in another order of fields and with unknown ones, also for a reader that was used before', () => {
    const reader = new PipelineRequestReader();
    fc.assert(
      fc.property(request, seed, ({ header: head, operations }, s) => {
        const message = scramble(requestOf(head, operations), REQUEST_SHAPE, new Prng(s));
        expect(readRequest(message, reader)).toEqual({ header: head, count: operations.length, operations });
      }),
    );
  });

  it('cut at any byte is refused, unless the cut is between two fields', () => {
    fc.assert(
      fc.property(request, ({ header: head, operations }) => {
        const message = requestOf(head, operations);
        checkCuts(message, readRequest);
      }),
      { numRuns: 15 },
    );
  });
});

describe.each([
  ['Pipeline', response],
  ['BatchGet', response.map((fields) => ({ ...fields, hints: [], mapVersion: 0, session: null }))],
  ['BatchWrite', response.map((fields) => ({ ...fields, hints: [], mapVersion: 0, session: null }))],
] as const)('the response of %s', (name, arbitrary) => {
  it('is the bytes that protobufjs writes, and is read back as it was', () => {
    fc.assert(
      fc.property(arbitrary, (fields) => {
        const ours = writeResponse(fields);
        const other = { ...toTheirs(fields), results: fields.results.map(toTheirs) };
        expect(hex(ours)).toBe(hex(method(name).responseSerialize(other)));
        expect(readResponse(ours)).toEqual(fields);
      }),
    );
  });
});

describe('the response of Pipeline', () => {
  it('means the same in another order of fields and with unknown ones, also for a reader that was used before', () => {
    const reader = new PipelineResponseReader();
    fc.assert(
      fc.property(response, seed, (fields, s) => {
        const message = scramble(writeResponse(fields), RESPONSE_SHAPE, new Prng(s));
        expect(readResponse(message, reader)).toEqual(fields);
      }),
    );
  });

  it('cut at any byte is refused, unless the cut is between two fields', () => {
    fc.assert(
      fc.property(response, (fields) => checkCuts(writeResponse(fields), readResponse)),
      { numRuns: 15 },
    );
  });
});

const KEY = { header, key: bytes };
const APPLIED = { applied: flag, version: uint64 };

/** Every message that is a plain object, with the method whose request or response it is. */
const MESSAGES: readonly [
  name: string,
  method: string,
  side: 'request' | 'response',
  codec: MessageCodec<object>,
  arbitrary: fc.Arbitrary<object>,
  shape: Shape,
][] = [
  request_('Get', UNARY_REQUESTS.Get, fc.record({ ...KEY, withMeta: flag })),
  request_('Set', UNARY_REQUESTS.Set, fc.record({ ...KEY, value: bytes, expiry, condition, keepTtl: flag }), {
    1: {},
    4: {},
  }),
  request_('Delete', UNARY_REQUESTS.Delete, fc.record(KEY)),
  request_(
    'CompareAndSet',
    UNARY_REQUESTS.CompareAndSet,
    fc.record({ ...KEY, expectedVersion: uint64, value: bytes, expiry, keepTtl: flag }),
    { 1: {}, 5: {} },
  ),
  request_(
    'CompareAndDelete',
    UNARY_REQUESTS.CompareAndDelete,
    fc.record({ ...KEY, expectedVersion: uint64 }),
  ),
  request_('Increment', UNARY_REQUESTS.Increment, fc.record({ ...KEY, delta: sint64 })),
  request_('Touch', UNARY_REQUESTS.Touch, fc.record({ ...KEY, expiry }), { 1: {}, 3: {} }),
  request_('Persist', UNARY_REQUESTS.Persist, fc.record(KEY)),
  request_(
    'BatchGet',
    UNARY_REQUESTS.BatchGet,
    fc.record({ header, keys: fc.array(bytes, { maxLength: 8 }), withMeta: flag }),
  ),
  request_('OpenSession', UNARY_REQUESTS.OpenSession, fc.record({ header })),
  request_('GetShardMap', UNARY_REQUESTS.GetShardMap, fc.record({ header })),
  request_('WatchShardMap', UNARY_REQUESTS.GetShardMap, fc.record({ header })),
  response_(
    'Get',
    UNARY_RESPONSES.Get,
    fc.record({ found: flag, value: bytes, version: uint64, ttlMs: uint64 }),
  ),
  response_('Set', UNARY_RESPONSES.Set, fc.record(APPLIED)),
  response_('Delete', UNARY_RESPONSES.Delete, fc.record({ found: flag })),
  response_('CompareAndSet', UNARY_RESPONSES.CompareAndSet, fc.record(APPLIED)),
  response_('CompareAndDelete', UNARY_RESPONSES.CompareAndDelete, fc.record(APPLIED)),
  response_('Increment', UNARY_RESPONSES.Increment, fc.record({ number: sint64, version: uint64 })),
  response_('Touch', UNARY_RESPONSES.Touch, fc.record({ found: flag })),
  response_('Persist', UNARY_RESPONSES.Persist, fc.record({ found: flag, applied: flag })),
  response_(
    'OpenSession',
    UNARY_RESPONSES.OpenSession,
    fc.record({ session: uint64, grantedMs: uint64, lifetimeMs: uint32 }),
  ),
  response_('GetShardMap', UNARY_RESPONSES.GetShardMap, mapMessage, MAP_SHAPE),
  response_('WatchShardMap', { encode: encodeMapMessage, decode: decodeMapMessage }, mapMessage, MAP_SHAPE),
];

function request_<T extends object>(
  name: string,
  codec: MessageCodec<T>,
  arbitrary: fc.Arbitrary<T>,
  shape: Shape = { 1: {} },
): (typeof MESSAGES)[number] {
  return [`${name}Request`, name, 'request', codec as MessageCodec<object>, arbitrary, shape];
}

function response_<T extends object>(
  name: string,
  codec: MessageCodec<T>,
  arbitrary: fc.Arbitrary<T>,
  shape: Shape = {},
): (typeof MESSAGES)[number] {
  return [`${name}Response`, name, 'response', codec as MessageCodec<object>, arbitrary, shape];
}

describe('the table of messages', () => {
  it('has the request and the response of every method, except those that the readers of batches serve', () => {
    const served = [
      'PipelineRequest',
      'PipelineResponse',
      'BatchWriteRequest',
      'BatchGetResponse',
      'BatchWriteResponse',
    ];
    const all = Object.keys(theirs).flatMap((name) => [`${name}Request`, `${name}Response`]);
    expect([...MESSAGES.map(([name]) => name), ...served].sort()).toEqual(all.sort());
  });
});

describe.each(MESSAGES)('%s', (_, name, side, codec, arbitrary, shape) => {
  const serialize = side === 'request' ? method(name).requestSerialize : method(name).responseSerialize;

  it('is the bytes that protobufjs writes, and is read back as it was', () => {
    fc.assert(
      fc.property(arbitrary, (message) => {
        const ours = codec.encode(message);
        expect(hex(ours)).toBe(hex(serialize(toTheirs(message))));
        expect(codec.decode(ours)).toEqual(message);
      }),
    );
  });

  it('means the same in another order of fields, with unknown ones, and with unpacked lists', () => {
    fc.assert(
      fc.property(arbitrary, seed, (message, s) => {
        expect(codec.decode(scramble(codec.encode(message), shape, new Prng(s)))).toEqual(message);
      }),
    );
  });

  it('cut at any byte is refused, unless the cut is between two fields', () => {
    fc.assert(
      fc.property(arbitrary, (message) => checkCuts(codec.encode(message), (cut) => codec.decode(cut))),
      { numRuns: 10 },
    );
  });
});

describe('an error', () => {
  it('alone is the bytes that it has in a result, and is read back as it was', () => {
    fc.assert(
      fc.property(errorMessage, (error) => {
        const alone = encodeError(error);
        const other = hex(method('Pipeline').responseSerialize({ results: [{ error: toTheirs(error) }] }));
        const inResult = joinFields([{ field: 2, wireType: 2, body: alone }]);
        expect(hex(joinFields([{ field: 1, wireType: 2, body: inResult }]))).toBe(other);
        expect(decodeError(alone)).toEqual(error);
      }),
    );
  });
});

const DECODERS: readonly [string, (message: Uint8Array) => unknown][] = [
  ['PipelineRequest', readRequest],
  ['PipelineResponse', readResponse],
  ['Error', decodeError],
  ...MESSAGES.map(([name, , , codec]) => [name, (message: Uint8Array) => codec.decode(message)] as const),
].map(([name, decode]) => [name as string, decode as (message: Uint8Array) => unknown]);

/** Valid messages of all kinds, for bytes that look real. */
const anyMessage: fc.Arbitrary<Uint8Array> = fc.oneof(
  request.map(({ header: head, operations }) => requestOf(head, operations)),
  fc
    .array(result, { minLength: 1, maxLength: 4 })
    .map((results) => writeResponse({ results, hints: [], mapVersion: 0, session: null })),
  ...MESSAGES.map(([, , , codec, arbitrary]) => arbitrary.map((message) => codec.encode(message))),
);

describe.each(DECODERS)('whoever reads a %s', (_, decode) => {
  it('gets a message or MalformedMessage from noise', () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => void attempt(decode, noise)));
  });

  it('gets a message or MalformedMessage from changed bytes of any message', () => {
    fc.assert(
      fc.property(anyMessage, fc.array(fc.tuple(seed, seed), { maxLength: 3 }), (message, changes) => {
        const changed = message.slice();
        for (const [at, value] of changes) changed[at % Math.max(1, changed.length)] = value & 255;
        attempt(decode, changed.slice(0, message.length));
      }),
    );
  });
});

/** True: it was read. Any failure but `MalformedMessage` is one of the test. */
function attempt(decode: (message: Uint8Array) => unknown, message: Uint8Array): boolean {
  try {
    decode(message);
    return true;
  } catch (error) {
    if (!(error instanceof MalformedMessage)) throw error;
    return false;
  }
}

function checkCuts(message: Uint8Array, decode: (message: Uint8Array) => unknown): void {
  const ends = fieldEnds(message);
  expect(ends.has(message.length)).toBe(true);
  const lengths = Array.from({ length: message.length + 1 }, (_, length) => length);
  expect(lengths.filter((length) => attempt(decode, message.slice(0, length)))).toEqual(
    lengths.filter((length) => ends.has(length)),
  );
}
