/**
 * Goal: what the codec of the public protocol refuses, what it lets through, and where proto3 says what an unusual
 * message means. Method: messages put together by hand. (test/property/cache-wire.test.ts compares with protobufjs.)
 */
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { ERROR_REASONS, InvariantError } from '../../../src/base/index.js';
import {
  CacheConsistency,
  CacheExpiryKind,
  CacheSetCondition,
  decodeError,
  decodeMapMessage,
  encodeError,
  MalformedMessage,
  NO_HEADER,
  OperationKind,
  PipelineRequestReader,
  PipelineRequestWriter,
  PipelineResponseReader,
  PipelineResponseWriter,
  UNARY_REQUESTS,
  UNARY_RESPONSES,
  WireReader,
  WireWriter,
} from '../../../src/codec/cache/index.js';

const KEY = Uint8Array.of(107);
const bytes = (...parts: (number | Uint8Array)[]): Uint8Array =>
  Uint8Array.from(parts.flatMap((part) => (typeof part === 'number' ? [part] : [...part])));
/** A length-delimited field of a small number. */
const field = (number: number, ...body: (number | Uint8Array)[]): Uint8Array => {
  const inner = bytes(...body);
  return bytes(number * 8 + 2, inner.length, inner);
};
const operation = (...fields: Uint8Array[]): Uint8Array => field(2, field(2, KEY), ...fields);
const first = (message: Uint8Array): PipelineRequestReader => {
  const reader = new PipelineRequestReader().reset(message);
  expect(reader.next()).toBe(true);
  return reader;
};
const reader = (...parts: number[]): WireReader => new WireReader().reset(Uint8Array.from(parts));
const ones = (count: number): number[] => Array.from({ length: count }, () => 0xff);

describe('integers', () => {
  it('of 64 bits are read up to 2^53 - 1 and refused above', () => {
    expect(reader(...ones(7), 0x0f).uint64()).toBe(2 ** 53 - 1);
    expect(() => reader(...ones(7).map(() => 0x80), 0x10).uint64()).toThrow(MalformedMessage);
    expect(() => reader(...ones(9), 0x01).uint64()).toThrow(MalformedMessage);
  });

  it('of 32 bits are read up to 2^32 - 1 and refused above', () => {
    expect(reader(...ones(4), 0x0f).uint32()).toBe(2 ** 32 - 1);
    expect(() => reader(0x80, 0x80, 0x80, 0x80, 0x10).uint32()).toThrow(MalformedMessage);
  });

  it('may be longer than need be, up to ten bytes', () => {
    expect(reader(0x85, 0x00).uint32()).toBe(5);
    expect(reader(0x85, ...ones(8).map(() => 0x80), 0x00).uint64()).toBe(5);
    expect(() => reader(0x85, ...ones(9).map(() => 0x80), 0x00).uint64()).toThrow(MalformedMessage);
    expect(() => reader(...ones(9), 0x02).sint64()).toThrow('above 64 bits');
  });

  it('with a sign are bigints only where a number is not exact', () => {
    const w = new WireWriter();
    for (const value of [-(2n ** 63n), 2n ** 63n - 1n, 2n ** 53n, -(2n ** 53n)]) {
      w.sint64(value);
      expect(new WireReader().reset(w.handOver()).sint64()).toBe(value);
    }
    for (const value of [0, -1, 1, 2 ** 52, -(2 ** 52), 2 ** 53 - 1, -(2 ** 53 - 1)]) {
      w.sint64(value);
      const fromNumber = w.handOver();
      w.sint64(BigInt(value));
      expect(w.handOver()).toEqual(fromNumber);
      expect(new WireReader().reset(fromNumber).sint64()).toBe(value);
    }
  });

  it('out of range are bugs of the writer', () => {
    const w = new WireWriter();
    for (const value of [-1, 0.5, 2 ** 53, NaN]) {
      expect(() => w.uint64(value)).toThrow(InvariantError);
      expect(() => w.uint32(value)).toThrow(InvariantError);
    }
    expect(() => w.uint32(2 ** 32)).toThrow(InvariantError);
    for (const value of [2 ** 53, 0.5, 2n ** 63n, -(2n ** 63n) - 1n]) {
      expect(() => w.sint64(value)).toThrow(InvariantError);
    }
  });

  it('that stand for true are all but zero', () => {
    const [zero, one, high] = [reader(0x80, 0), reader(2), reader(...ones(9).map(() => 0x80), 1)];
    expect([zero.bool(), one.bool(), high.bool()]).toEqual([false, true, true]);
  });
});

describe('a nested message', () => {
  it.each([0, 1, 127, 128, 16_383, 16_384, 70_000])('of %i bytes has the length that it needs', (count) => {
    const w = new WireWriter();
    w.u8(9);
    const bodyAt = w.openNested();
    w.bytes(new Uint8Array(count).fill(7));
    w.closeNested(bodyAt);
    const r = new WireReader().reset(w.handOver(), 1);
    expect(Buffer.compare(r.view(), new Uint8Array(count).fill(7))).toBe(0);
    expect(r.atEnd).toBe(true);
  });
});

describe('a text', () => {
  it.each(['', 'a', 'é', '€', '😀', '\ud800', 'a\udc00b', '\ud83d'])(
    '%j has the length that it needs',
    (text) => {
      const decoded = decodeError(encodeError({ message: text, shard: 3 }));
      expect(decoded).toMatchObject({ message: text.replace(/\p{Surrogate}/gu, '\ufffd'), shard: 3 });
    },
  );

  it('that is no UTF-8 reads as U+FFFD', () => {
    expect(decodeError(field(2, 0xff)).message).toBe('\ufffd');
  });
});

describe('what is refused', () => {
  it.each([
    ['a group', bytes(15 * 8 + 3, 15 * 8 + 4)],
    ['an end of a group', bytes(15 * 8 + 4)],
    ['a wire type that does not exist', bytes(15 * 8 + 6, 0)],
    ['field 0', bytes(0, 0)],
    ['a header that is an integer', bytes(8, 1)],
    ['a length beyond the end', bytes(2 * 8 + 2, 5, 1)],
    ['a length of almost 2^32', bytes(2 * 8 + 2, 0xff, 0xff, 0xff, 0xff, 0x0f)],
    ['an unknown field that is cut off', bytes(15 * 8 + 1, 0, 0, 0)],
  ])('%s, before the first operation is given', (_, wrong) => {
    const request = new PipelineRequestReader();
    expect(() => request.reset(bytes(operation(field(3)), wrong))).toThrow(MalformedMessage);
    expect(() => UNARY_REQUESTS.BatchGet.decode(wrong)).toThrow(MalformedMessage);
  });

  it.each([
    ['a key that is an integer', field(2, 2 * 8, 1)],
    ['a kind that is an integer', field(2, 3 * 8, 1)],
    ['a kind that is longer than its operation', field(2, 4 * 8 + 2, 9)],
    ['a value that is an integer', operation(field(4, 8, 1))],
    ['a time to live that is text', operation(field(4, field(2, field(1, 1))))],
    ['a time to live above 2^53 - 1', operation(field(4, field(2, 8, Uint8Array.from(ones(8)), 1)))],
    ['a group inside a kind', operation(field(5, 11))],
  ])('%s', (_, message) => {
    const request = new PipelineRequestReader().reset(message);
    expect(() => request.next()).toThrow(MalformedMessage);
  });

  it('a list of more than 65,536 items, of each kind', () => {
    const repeat = (part: Uint8Array, count: number): Uint8Array => {
      const all = new Uint8Array(part.length * count);
      for (let i = 0; i < count; i++) all.set(part, i * part.length);
      return all;
    };
    expect(UNARY_REQUESTS.BatchGet.decode(repeat(field(2), 65_536)).keys).toHaveLength(65_536);
    expect(() => UNARY_REQUESTS.BatchGet.decode(repeat(field(2), 65_537))).toThrow(MalformedMessage);
    expect(() => decodeMapMessage(repeat(field(3), 65_537))).toThrow(MalformedMessage);
    expect(() => decodeMapMessage(field4(repeat(bytes(4 * 8, 1), 65_537)))).toThrow(MalformedMessage);
    expect(() => decodeMapMessage(field4(bytes(0x22, 0x81, 0x80, 0x04, new Uint8Array(65_537))))).toThrow(
      MalformedMessage,
    );
  });
});

/** A shard of a map, of any length. */
function field4(body: Uint8Array): Uint8Array {
  const w = new WireWriter();
  w.tag(4, 2);
  w.delimited(body);
  return w.handOver();
}

describe('what proto3 says of unusual messages', () => {
  it('an empty message has zeros', () => {
    const request = new PipelineRequestReader().reset(new Uint8Array(0));
    expect([request.header, request.count, request.next()]).toEqual([NO_HEADER, 0, false]);
    expect(UNARY_REQUESTS.Increment.decode(new Uint8Array(0))).toEqual({
      header: NO_HEADER,
      key: new Uint8Array(0),
      delta: 0,
    });
  });

  it('of a field that comes twice the last one counts, and messages merge', () => {
    const request = new PipelineRequestReader();
    request.reset(bytes(field(1, 8, 5, 16, 7), operation(field(3)), field(1, 8, 6)));
    expect(request.header).toMatchObject({ deadlineMs: 6, session: 7 });
    const twice = first(operation(field(4, field(1, 1), 32, 1), field(4, field(1, 2, 3))));
    expect([twice.kind, twice.keepTtl]).toEqual([OperationKind.set, true]);
    expect(twice.bytes.subarray(twice.valueStart, twice.valueEnd)).toEqual(Uint8Array.of(2, 3));
    const unary = UNARY_REQUESTS.Delete.decode(
      bytes(field(1, 8, 5, 16, 7), field(2, 1), field(1, 8, 6), field(2, 2)),
    );
    expect(unary).toMatchObject({ header: { deadlineMs: 6, session: 7 }, key: Uint8Array.of(2) });
    const response = new PipelineResponseReader().reset(field(1, field(2, 8, 5), field(2, 24, 3)));
    expect(response.nextResult()).toBe(true);
    expect(response.error).toMatchObject({ reason: 5, shard: 3 });
  });

  it('of two kinds of one operation the last one counts, alone', () => {
    const op = first(operation(field(4, field(1, 1), field(2, 8, 9), 24, 1, 32, 1), field(7, 8, 3)));
    expect([op.kind, op.expectedVersion]).toEqual([OperationKind.compareAndDelete, 3]);
    expect([op.valueStart, op.valueEnd, op.expiryKind, op.expiryMs]).toEqual([0, 0, 0, 0]);
    expect([op.condition, op.keepTtl]).toEqual([0, false]);
  });

  it('of two times of expiry the last one counts, and a time to live of 0 is one', () => {
    const last = first(operation(field(9, field(1, 8, 5, 16, 0))));
    expect([last.expiryKind, last.expiryMs]).toEqual([CacheExpiryKind.at, 0]);
    const none = first(operation(field(9, field(1))));
    expect([none.expiryKind, none.expiryMs]).toEqual([CacheExpiryKind.none, 0]);
    const zero = UNARY_REQUESTS.Touch.encode({ expiry: { kind: CacheExpiryKind.ttl, ms: 0 } });
    expect(UNARY_REQUESTS.Touch.decode(zero).expiry).toEqual({ kind: CacheExpiryKind.ttl, ms: 0 });
  });

  it('an operation without a kind, or with one of a later version, has none', () => {
    expect(first(operation()).kind).toBe(OperationKind.none);
    expect(first(operation(field(13, 8, 1))).kind).toBe(OperationKind.none);
  });

  it('values of enums that are not known pass through', () => {
    expect(first(operation(field(4, 24, 99))).condition).toBe(99);
    expect(UNARY_REQUESTS.Get.decode(field(1, 40, 9)).header.consistency).toBe(9);
    expect(decodeError(bytes(8, 99)).reason).toBe(99);
  });

  it('an error that names no reason is still an error', () => {
    const response = new PipelineResponseReader().reset(field(1, 8, 4, field(2)));
    expect(response.nextResult()).toBe(true);
    expect([response.id, response.errorReason]).toEqual([4, ERROR_REASONS.INTERNAL.number]);
  });
});

describe('the numbers with names', () => {
  const definition = loadSync(
    fileURLToPath(new URL('../../../proto/quorate/v1/cache.proto', import.meta.url)),
  );
  const described = (name: string): Described =>
    (definition[`quorate.v1.${name}`] as MessageTypeDefinition<object, object>).type as Described;
  interface Described {
    readonly name: string;
    readonly value?: readonly { readonly name: string; readonly number: number }[];
    readonly field?: readonly { readonly name: string; readonly number: number }[];
  }
  const words = (camel: string): string => camel.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
  const named = (numbers: Record<string, number>, prefix: string): Record<string, number> =>
    Object.fromEntries(
      Object.entries(numbers).map(([name, number]) => [prefix + words(name).toUpperCase(), number]),
    );
  const ofEnum = (name: string): Record<string, number> =>
    Object.fromEntries((described(name).value ?? []).map((value) => [value.name, value.number]));

  it('are those of the proto', () => {
    expect(named(CacheConsistency, 'CONSISTENCY_')).toEqual(ofEnum('Consistency'));
    expect(named(CacheSetCondition, 'SET_CONDITION_')).toEqual(ofEnum('SetCondition'));
    const { none: _, ...kinds } = OperationKind;
    const fields = Object.fromEntries(
      (described('Operation').field ?? [])
        .filter(({ number }) => number >= 3 && number <= 10)
        .map((each) => [words(each.name).toUpperCase(), each.number]),
    );
    expect(named(kinds, '')).toEqual(fields);
    const reasons = Object.entries(ERROR_REASONS).map(([name, row]) => [`REASON_${name}`, row.number]);
    expect({ REASON_NONE: 0, ...Object.fromEntries(reasons) }).toEqual(ofEnum('Reason'));
  });
});

describe('a writer of batches', () => {
  it('hands over bytes that the next message does not touch', () => {
    const w = new PipelineResponseWriter();
    const one = (fill: number, count: number): Uint8Array => {
      w.begin();
      w.result(fill, true, false, new Uint8Array(count).fill(fill), 0, count, 0, null, 0);
      expect([w.count, w.byteLength > count]).toEqual([1, true]);
      return w.finish(0);
    };
    for (const count of [10, 64 * 1024, 200_000]) {
      const before = one(1, count);
      const copy = before.slice();
      one(2, count);
      expect(Buffer.compare(before, copy)).toBe(0);
      expect([w.count, w.byteLength]).toEqual([0, 0]);
    }
  });

  it('starts afresh with begin', () => {
    const w = new PipelineRequestWriter();
    w.begin({ deadlineMs: 9 });
    w.get(1, KEY, false);
    w.begin({});
    expect([w.count, w.byteLength]).toEqual([0, 0]);
    w.persist(7, KEY);
    expect(w.finish()).toEqual(field(2, 8, 7, field(2, KEY), field(10)));
  });

  it('copies the part of the value that it is given', () => {
    for (const count of [3, 100]) {
      const source = Uint8Array.from({ length: count + 20 }, (_, i) => i);
      const w = new PipelineResponseWriter();
      w.begin();
      w.result(1, true, false, source, 5, 5 + count, 0, null, 0);
      const response = new PipelineResponseReader().reset(w.finish(0));
      expect(response.nextResult()).toBe(true);
      expect(response.bytes.slice(response.valueStart, response.valueEnd)).toEqual(
        source.slice(5, 5 + count),
      );
    }
  });

  it('keeps nothing of an operation that fails an assertion', () => {
    const w = new PipelineRequestWriter();
    w.begin({});
    w.delete(1, KEY);
    const before = w.byteLength;
    expect(() => w.compareAndDelete(2, KEY, -1)).toThrow(InvariantError);
    expect(() => w.delete(2 ** 32, KEY)).toThrow(InvariantError);
    expect(() => w.touch(2, KEY, CacheExpiryKind.ttl, -5)).toThrow(InvariantError);
    expect(() => w.increment(2, KEY, 0.5)).toThrow(InvariantError);
    expect([w.count, w.byteLength]).toEqual([1, before]);
  });
});

describe('a reader of results', () => {
  it('gives hints and map version whatever was read of the results', () => {
    const w = new PipelineResponseWriter();
    w.begin();
    w.result(1, true, true, null, 0, 0, 0, null, 0);
    w.hint(3, 2, 9);
    w.error(2, 4, 'no leader', 3, 0, '', 0, 50);
    w.hint(4, 1, 0);
    const response = new PipelineResponseReader().reset(w.finish(12));
    expect([response.mapVersion, response.resultCount, response.hintCount]).toEqual([12, 2, 2]);
    expect(response.nextHint()).toBe(true);
    expect([response.hintShard, response.hintNode, response.hintTerm]).toEqual([3, 2, 9]);
    expect([response.nextResult(), response.id, response.errorReason]).toEqual([true, 1, 0]);
    expect([response.nextHint(), response.hintShard, response.nextHint()]).toEqual([true, 4, false]);
    expect([response.nextResult(), response.id, response.errorReason]).toEqual([true, 2, 4]);
    expect(response.error).toMatchObject({ message: 'no leader', retryAfterMs: 50 });
    expect(response.nextResult()).toBe(false);
  });

  it('gives views of single answers', () => {
    const message = UNARY_RESPONSES.Get.encode({ found: true, value: Uint8Array.of(1, 2) });
    expect(UNARY_RESPONSES.Get.decode(message).value.buffer).toBe(message.buffer);
  });
});
