/**
 * Goal: the public protocol's bytes don't change by accident, and what an earlier release said is understood. Method:
 * samples against test/golden/cache-wire-v1.json. Fields may be added to the proto; none of these bytes may change.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  CacheExpiryKind,
  CacheSetCondition,
  decodeError,
  decodeMapMessage,
  encodeError,
  encodeMapMessage,
  PipelineRequestReader,
  PipelineRequestWriter,
  PipelineResponseReader,
  PipelineResponseWriter,
  UNARY_REQUESTS,
  UNARY_RESPONSES,
  type ErrorMessage,
  type MapMessage,
  type RequestHeader,
} from '../../../src/codec/cache/index.js';

const golden = JSON.parse(
  readFileSync(new URL('../../golden/cache-wire-v1.json', import.meta.url), 'utf8'),
) as Record<string, string>;
const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
const fromGolden = (name: string): Uint8Array => new Uint8Array(Buffer.from(golden[name] ?? '', 'hex'));

const HEADER: RequestHeader = {
  deadlineMs: 5000,
  session: 2 ** 40,
  sequence: 3,
  lowestUnanswered: 2,
  consistency: 1,
  mapVersion: 12,
  traceParent: '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01',
  maxStalenessMs: 0,
  sessionGrantedMs: 0,
  sessionLifetimeMs: 0,
  wantSession: false,
};
const KEY = Uint8Array.of(107, 101, 121);
const VALUE = new Uint8Array(150).fill(7);
const ERROR: ErrorMessage = {
  reason: 2,
  message: 'led by node 3',
  shard: 4,
  leaderNode: 3,
  leaderAddress: '127.0.0.1:7403',
  mapVersion: 12,
  retryAfterMs: 20,
};
const MAP: MapMessage = {
  clusterId: 'alpha',
  version: 12,
  nodes: [{ id: 1, grpc: '127.0.0.1:7401', resp: '127.0.0.1:6401', respMoved: '' }],
  shards: [{ id: 1, firstSlot: 0, lastSlot: 16_383, nodes: [1, 300], leader: 1, term: 2 ** 33 }],
};
const EXPIRY = { kind: CacheExpiryKind.ttl, ms: 60_000 };

function pipelineRequest(): Uint8Array {
  const w = new PipelineRequestWriter();
  w.begin(HEADER);
  w.get(1, KEY, true);
  w.set(2, KEY, VALUE, EXPIRY.kind, EXPIRY.ms, CacheSetCondition.ifAbsent, false);
  w.delete(3, KEY);
  w.compareAndSet(4, KEY, 9, VALUE, CacheExpiryKind.none, 0, true);
  w.compareAndDelete(5, KEY, 2 ** 53 - 1);
  w.increment(6, KEY, -(2n ** 63n));
  w.touch(7, KEY, CacheExpiryKind.at, 1_700_000_000_000);
  w.persist(0xffffffff, KEY);
  return w.finish();
}

function pipelineResponse(): Uint8Array {
  const w = new PipelineResponseWriter();
  w.begin();
  w.result(1, true, false, VALUE, 0, VALUE.length, 8, null, 1500);
  w.result(6, false, true, null, 0, 0, 9, -5, 0);
  w.error(7, ERROR.reason, ERROR.message, 4, 3, ERROR.leaderAddress, 12, 20);
  w.hint(4, 3, 2 ** 33);
  return w.finish(12);
}

function encodeAll(): Record<string, string> {
  const of = { header: HEADER, key: KEY };
  const all = {
    pipelineRequest: pipelineRequest(),
    pipelineResponse: pipelineResponse(),
    error: encodeError(ERROR),
    map: encodeMapMessage(MAP),
    getRequest: UNARY_REQUESTS.Get.encode({ ...of, withMeta: true }),
    getResponse: UNARY_RESPONSES.Get.encode({ found: true, value: VALUE, version: 8, ttlMs: 1500 }),
    setRequest: UNARY_REQUESTS.Set.encode({ ...of, value: VALUE, expiry: EXPIRY, condition: 2 }),
    setResponse: UNARY_RESPONSES.Set.encode({ applied: true, version: 9 }),
    batchGetRequest: UNARY_REQUESTS.BatchGet.encode({ header: HEADER, keys: [KEY, VALUE] }),
    incrementResponse: UNARY_RESPONSES.Increment.encode({ number: 2n ** 63n - 1n, version: 3 }),
  };
  return Object.fromEntries(Object.entries(all).map(([name, bytes]) => [name, hex(bytes)]));
}

describe('version 1 of the public protocol', () => {
  it('is written as it always was', () => {
    expect(encodeAll()).toEqual(golden);
  });

  it('is read as it always was', () => {
    const request = new PipelineRequestReader().reset(fromGolden('pipelineRequest'));
    expect([request.header, request.count]).toEqual([HEADER, 8]);
    const kinds: number[] = [];
    while (request.next()) {
      kinds.push(request.kind);
      expect(request.bytes.subarray(request.keyStart, request.keyEnd)).toEqual(KEY);
    }
    expect(kinds).toEqual([3, 4, 5, 6, 7, 8, 9, 10]);
    const response = new PipelineResponseReader().reset(fromGolden('pipelineResponse'));
    expect([response.mapVersion, response.resultCount, response.hintCount]).toEqual([12, 3, 1]);
    expect([response.nextResult(), response.version, response.ttlMs]).toEqual([true, 8, 1500]);
    expect([response.nextResult(), response.number]).toEqual([true, -5]);
    expect(response.nextResult()).toBe(true);
    expect(response.error).toEqual(ERROR);
    expect(decodeError(fromGolden('error'))).toEqual(ERROR);
    expect(decodeMapMessage(fromGolden('map'))).toEqual(MAP);
    expect(UNARY_REQUESTS.Set.decode(fromGolden('setRequest'))).toEqual({
      header: HEADER,
      key: KEY,
      value: VALUE,
      expiry: EXPIRY,
      condition: CacheSetCondition.ifPresent,
      keepTtl: false,
    });
    expect(UNARY_RESPONSES.Increment.decode(fromGolden('incrementResponse')).number).toBe(2n ** 63n - 1n);
  });
});
