/**
 * The checker is proven on histories whose verdict a person can see, and on random small ones against a second
 * implementation that tries every order.
 */
import { expect, test } from 'vitest';
import { Prng } from '../../../src/base/index.js';
import { checkHistory } from '../../support/check-history.js';
import { ABSENT, fade, NO_EXPIRY_SLACK, stepKey, type KeyState } from '../../support/check-key-model.js';
import { checkKey } from '../../support/check-linearizability.js';
import {
  decodeHistory,
  encodeHistory,
  History,
  type HistoryLine,
  type HistoryOp,
  type HistoryValue,
} from '../../support/history-record.js';

const MS = 1e6;

/** `op('put', 0, 10, { value: 'a' })`: from 0 to 10 ms; an end of null means that the outcome is unknown. */
function op(
  kind: HistoryOp,
  callMs: number,
  endMs: number | null,
  rest: Partial<HistoryLine> = {},
): HistoryLine {
  return {
    client: 1,
    op: kind,
    key: 'k',
    value: null,
    expected: null,
    output: null,
    status: endMs === null ? 'unknown' : 'ok',
    call_ns: callMs * MS,
    return_ns: endMs === null ? null : endMs * MS,
    ...rest,
  };
}

const put = (a: number, b: number | null, value: string, rest: Partial<HistoryLine> = {}): HistoryLine =>
  op('put', a, b, { value, ...rest });
const get = (a: number, b: number, output: HistoryValue): HistoryLine => op('get', a, b, { output });
const incr = (a: number, b: number | null, output: number): HistoryLine =>
  op('incr', a, b, { value: 1, output: b === null ? null : output });

const cas = (a: number, b: number | null, expectedVersion: number, rest: Partial<HistoryLine>): HistoryLine =>
  op('cas', a, b, { value: 'c', expected_version: expectedVersion, ...rest });

/** Histories in which answers tell versions. */
const VERSIONED_GOOD: Record<string, HistoryLine[]> = {
  'versions grow, also across a deletion': [
    put(0, 1, 'a', { version: 3 }),
    op('del', 2, 3, { output: 1 }),
    put(4, 5, 'b', { version: 9 }),
    op('get', 6, 7, { output: 'b', version: 9 }),
  ],
  'compared with the version that was read': [
    put(0, 1, 'a'),
    op('get', 2, 3, { output: 'a', version: 4 }),
    cas(4, 5, 4, { output: 1, version: 6 }),
    get(6, 7, 'c'),
  ],
  'compared with absence': [cas(0, 1, 0, { output: 1, version: 1 }), cas(2, 3, 0, { output: 0, version: 1 })],
  'the version moved, the value did not': [
    put(0, 1, 'a', { version: 1 }),
    op('touch', 2, 3, { output: 1, ttl_ms: 1000 }),
    cas(4, 5, 1, { output: 0, version: 2 }),
    op('get', 6, 7, { output: 'a', version: 2 }),
  ],
  'an unknown comparison that took effect': [
    put(0, 1, 'a', { version: 1 }),
    cas(2, null, 1, {}),
    op('get', 4, 5, { output: 'c', version: 2 }),
  ],
  'deleted by version': [
    put(0, 1, 'a', { version: 1 }),
    op('cad', 2, 3, { expected_version: 2, output: 0, version: 1 }),
    op('cad', 4, 5, { expected_version: 1, output: 1, version: 0 }),
    get(6, 7, null),
  ],
  'set if present': [
    op('put_if_present', 0, 1, { value: 'a', output: 0, version: 0 }),
    put(2, 3, 'b'),
    op('put_if_present', 4, 5, { value: 'c', output: 1, version: 2 }),
    get(6, 7, 'c'),
  ],
  'persisted in time': [
    put(0, 1, 'a', { ttl_ms: 10 }),
    op('persist', 2, 3, { output: 1 }),
    op('persist', 4, 5, { output: 0 }),
    get(100, 101, 'a'),
  ],
  'touched in time': [
    put(0, 1, 'a', { ttl_ms: 10 }),
    op('touch', 2, 3, { output: 1, ttl_ms: 100 }),
    get(50, 51, 'a'),
    get(200, 201, null),
  ],
};

const VERSIONED_BAD: Record<string, HistoryLine[]> = {
  'a version that goes back': [put(0, 1, 'a', { version: 3 }), put(2, 3, 'b', { version: 2 })],
  'a version that goes back across a deletion': [
    put(0, 1, 'a', { version: 3 }),
    op('del', 2, 3, { output: 1 }),
    put(4, 5, 'b', { version: 3 }),
  ],
  'one value read with two versions': [
    put(0, 1, 'a'),
    op('get', 2, 3, { output: 'a', version: 4 }),
    op('get', 4, 5, { output: 'a', version: 5 }),
  ],
  'compared although something came between': [
    put(0, 1, 'a'),
    op('get', 2, 3, { output: 'a', version: 4 }),
    put(4, 5, 'b'),
    cas(6, 7, 4, { output: 1, version: 6 }),
  ],
  'compared although it was touched': [
    put(0, 1, 'a', { version: 1 }),
    op('touch', 2, 3, { output: 1, ttl_ms: 1000 }),
    cas(4, 5, 1, { output: 1, version: 3 }),
  ],
  'refused although nothing came between': [
    put(0, 1, 'a', { version: 1 }),
    cas(2, 3, 1, { output: 0, version: 1 }),
  ],
  'two comparisons with one version': [
    put(0, 1, 'a', { version: 1 }),
    cas(2, 10, 1, { output: 1, version: 2 }),
    cas(2, 10, 1, { output: 1, version: 3 }),
  ],
  'absent by comparison and there': [put(0, 1, 'a'), cas(2, 3, 0, { output: 1, version: 2 })],
  'set if present, but absent': [op('put_if_present', 0, 1, { value: 'a', output: 1, version: 1 })],
  'persisted and gone': [
    put(0, 1, 'a', { ttl_ms: 10 }),
    op('persist', 2, 3, { output: 1 }),
    get(100, 101, null),
  ],
  'nothing to persist, and yet it went': [
    put(0, 1, 'a', { ttl_ms: 10 }),
    op('persist', 2, 3, { output: 0 }),
    get(100, 101, null),
  ],
  'touched, and gone before its time': [
    put(0, 1, 'a', { ttl_ms: 10 }),
    op('touch', 2, 3, { output: 1, ttl_ms: 100 }),
    get(50, 51, null),
  ],
};

for (const [name, history] of Object.entries(VERSIONED_GOOD)) {
  test(`versions, good: ${name}`, () => {
    expect(checkKey(history).kind).toBe('linearizable');
  });
}
for (const [name, history] of Object.entries(VERSIONED_BAD)) {
  test(`versions, bad: ${name}`, () => {
    expect(checkKey(history).kind).toBe('violation');
  });
}

test('a connection that promises the order of writes alone may have its read answered by a later write', () => {
  const record = (order: 'all' | 'writes'): History => {
    const history = new History();
    const base = { key: 'k', expected: null, ttlMs: 0, callNs: 0, connection: 1, order };
    const read = { ...base, client: 1, op: 'get', value: null, position: 0 } as const;
    const write = { ...base, client: 2, op: 'put', value: 'a', position: 1 } as const;
    history.begin(read);
    history.begin(write);
    history.end(write, 'ok', null, 5);
    history.end(read, 'ok', 'a', 9);
    return history;
  };
  expect(checkHistory(record('writes'))).toBe(null);
  expect(checkHistory(record('all'))?.what).toContain('no order explains');
});

const GOOD: Record<string, HistoryLine[]> = {
  'nothing happened': [],
  'one after another': [put(0, 1, 'a'), get(2, 3, 'a'), put(4, 5, 'b'), get(6, 7, 'b')],
  'overlapping writes, either order': [put(0, 10, 'a'), put(0, 10, 'b'), get(11, 12, 'a')],
  'a read that overlaps a write may see it': [put(0, 10, 'a'), get(1, 2, 'a'), get(3, 4, 'a')],
  'a read that overlaps a write may not see it': [put(0, 10, 'a'), get(1, 2, null)],
  'an unknown write seen later': [put(0, null, 'a'), get(5, 6, null), get(7, 8, 'a')],
  'an unknown write never seen': [put(0, 1, 'a'), put(2, null, 'b'), get(5, 6, 'a'), get(7, 8, 'a')],
  'a failed write is never seen': [put(0, 1, 'a', { status: 'fail' }), get(2, 3, null)],
  'unknown increments fill the gap': [incr(0, 1, 1), incr(2, null, 0), incr(2, null, 0), incr(5, 6, 4)],
  'set if absent twice': [
    op('put_if_absent', 0, 1, { value: 'a', output: 1 }),
    op('put_if_absent', 2, 3, { value: 'b', output: 0 }),
    get(4, 5, 'a'),
  ],
  'delete tells whether it was there': [
    put(0, 1, 'a'),
    op('del', 2, 3, { output: 1 }),
    op('del', 4, 5, { output: 0 }),
  ],
  'expired after its time': [
    put(0, 1, 'a', { ttl_ms: 10 }),
    get(2, 3, 'a'),
    get(12, 13, null),
    get(14, 15, null),
  ],
  'compare and set': [
    put(0, 1, 'a'),
    op('cas', 2, 3, { expected: 'b', value: 'c', output: 0 }),
    op('cas', 4, 5, { expected: 'a', value: 'c', output: 1 }),
    get(6, 7, 'c'),
  ],
};

const BAD: Record<string, HistoryLine[]> = {
  'a lost write': [put(0, 1, 'a'), get(2, 3, null)],
  'a stale read': [put(0, 1, 'a'), put(2, 3, 'b'), get(4, 5, 'a')],
  'a value from nowhere': [put(0, 1, 'a'), get(2, 3, 'z')],
  'new, then old': [put(0, 1, 'a'), put(2, 20, 'b'), get(3, 4, 'b'), get(5, 6, 'a')],
  'a failed write seen': [put(0, 1, 'a', { status: 'fail' }), get(2, 3, 'a')],
  'an unknown write seen, then unseen': [put(0, 1, 'a'), put(2, null, 'b'), get(3, 4, 'b'), get(5, 6, 'a')],
  'an unknown write seen before its call': [get(0, 1, 'a'), put(2, null, 'a')],
  'an increment counted twice': [incr(0, 1, 1), incr(2, 3, 3)],
  'two increments with one result': [incr(0, 10, 1), incr(0, 10, 1)],
  'set if absent won twice': [
    op('put_if_absent', 0, 5, { value: 'a', output: 1 }),
    op('put_if_absent', 0, 5, { value: 'b', output: 1 }),
  ],
  'deleted twice': [put(0, 1, 'a'), op('del', 2, 9, { output: 1 }), op('del', 2, 9, { output: 1 })],
  'expired before its time': [put(0, 1, 'a', { ttl_ms: 10 }), get(5, 6, null)],
  'gone, then back': [put(0, 1, 'a', { ttl_ms: 10 }), get(10, 11, null), get(11.5, 12, 'a')],
  'never expires': [put(0, 1, 'a', { ttl_ms: 10 }), get(500, 501, 'a')],
  'compare and set on another value': [
    put(0, 1, 'a'),
    op('cas', 2, 3, { expected: 'b', value: 'c', output: 1 }),
  ],
};

for (const [name, lines] of Object.entries(GOOD)) {
  test(`known good: ${name}`, () => {
    expect(checkKey(lines).kind).toBe('linearizable');
  });
}
for (const [name, lines] of Object.entries(BAD)) {
  test(`known bad: ${name}`, () => {
    expect(checkKey(lines).kind).toBe('violation');
  });
}

test('a search without enough steps is undecided, and that fails the history', () => {
  // Without overlap with a late impossible read the search must try all subsets of the unknown increments.
  const lines = [...Array.from({ length: 24 }, () => incr(0, null, 0)), get(5, 6, '99')];
  expect(checkKey(lines, { stepsMax: 10 }).kind).toBe('undecided');
  const history = new History();
  for (let i = 0; i < 24; i++) {
    const open = { ...asOpen('incr', history.freshClient()), value: 1, position: i };
    history.begin(open);
    history.end(open, 'unknown', null, 0);
  }
  const read = { ...asOpen('get', history.freshClient()), callNs: 5, position: 99 };
  history.begin(read);
  history.end(read, 'ok', '99', 6);
  expect(checkHistory(history, NO_EXPIRY_SLACK, 10)?.what).toContain('undecided');
});

function asOpen(kind: HistoryOp, client: number, key = 'k') {
  const rest = {
    value: null as HistoryValue,
    expected: null,
    ttlMs: 0,
    callNs: 0,
    connection: client,
    position: 0,
  };
  return { client, op: kind, key, ...rest };
}

test('E107 two pipelined writes of one connection that end in the older one are a violation', () => {
  const history = new History();
  const first = { ...asOpen('put', history.freshClient()), value: 'old', connection: 7, position: 1 };
  const second = { ...asOpen('put', history.freshClient()), value: 'new', connection: 7, position: 2 };
  const other = { ...asOpen('put', history.freshClient(), 'other'), value: 'x', connection: 8, position: 3 };
  for (const o of [first, second, other]) history.begin(o);
  for (const o of [first, second, other]) history.end(o, 'ok', null, 10);
  const read = { ...asOpen('get', history.freshClient()), callNs: 20, position: 4 };
  history.begin(read);
  history.end(read, 'ok', 'old', 30);
  expect(checkHistory(history)?.key).toBe('k');
});

test('the record refuses to reuse a client whose outcome is unknown', () => {
  const history = new History();
  const open = asOpen('get', history.freshClient());
  history.begin(open);
  history.end(open, 'unknown', null, 5);
  expect(() => history.begin(open)).toThrow(/unknown/);
  expect(history.lines()[0]?.return_ns).toBe(null);
});

test('history lines survive a round trip, and malformed ones are named', () => {
  const lines = [put(0, 1, 'a', { ttl_ms: 5 }), put(2, null, 'b'), get(3, 4, null)];
  expect(decodeHistory(encodeHistory(lines))).toEqual(lines);
  expect(() => decodeHistory(encodeHistory(lines) + '{"client":1}\n')).toThrow(/line 4/);
  expect(() => decodeHistory(encodeHistory([{ ...lines[0]!, return_ns: null }]))).toThrow(/line 1/);
});

test('random histories get the verdict of trying every order', () => {
  const prng = new Prng(11);
  const verdicts = { linearizable: 0, violation: 0, undecided: 0 };
  for (let round = 0; round < 3000; round++) {
    const lines = randomHistory(prng, prng.between(1, 6));
    const verdict = checkKey(lines).kind;
    verdicts[verdict]++;
    expect(verdict === 'linearizable', JSON.stringify(lines)).toBe(anyOrder(lines, ABSENT));
  }
  // Both verdicts must be common, or the comparison says little.
  expect(verdicts.linearizable).toBeGreaterThan(500);
  expect(verdicts.violation).toBeGreaterThan(500);
});

test('random histories with versions get the verdict of trying every order', () => {
  const prng = new Prng(12);
  const verdicts = { linearizable: 0, violation: 0, undecided: 0 };
  for (let round = 0; round < 4000; round++) {
    const lines = versionedHistory(prng, prng.between(2, 6));
    const verdict = checkKey(lines).kind;
    verdicts[verdict]++;
    expect(verdict === 'linearizable', JSON.stringify(lines)).toBe(anyOrder(lines, ABSENT));
  }
  expect(verdicts.linearizable).toBeGreaterThan(500);
  expect(verdicts.violation).toBeGreaterThan(500);
});

/**
 * What a store did one operation after another, told with calls that overlap, some outcomes unknown, and often with
 * one version told wrongly: so that both verdicts are common, and violations are near misses.
 */
function versionedHistory(prng: Prng, count: number): HistoryLine[] {
  let value: string | null = null;
  let version = 0;
  let last = 0;
  const write = (to: string | null): number => {
    value = to;
    last += prng.between(1, 2);
    version = to === null ? 0 : last;
    return version;
  };
  const lines = Array.from({ length: count }, (_, i) => {
    const call = Math.max(0, 4 * i - prng.below(8));
    const end = prng.chance(0.2) ? null : 4 * i + 1 + prng.below(8);
    const told = (rest: Partial<HistoryLine>): Partial<HistoryLine> => (end === null ? {} : rest);
    const isLost = end === null && prng.chance(0.5);
    const before = { value, version, last };
    const expected = prng.chance(0.6) ? version : prng.below(last + 2);
    const holds = expected === version;
    const line = ((): HistoryLine => {
      switch (prng.below(6)) {
        case 0:
          return op('put', call, end, { value: `v${i}`, ...told({ version: write(`v${i}`) }) });
        case 1:
          return op('get', call, end, told(value === null ? {} : { output: value, version }));
        case 2:
          return op('cas', call, end, {
            value: `v${i}`,
            expected_version: expected,
            ...told({ output: holds ? 1 : 0, version: holds ? write(`v${i}`) : version }),
          });
        case 3:
          return op('cad', call, end, {
            expected_version: expected,
            ...told({ output: holds ? 1 : 0, version: holds ? write(null) : version }),
          });
        case 4:
          return op('touch', call, end, told({ output: value === null ? 0 : 1 }));
        default:
          return op('put', call, end, { value: `v${i}` });
      }
    })();
    if (line.op === 'touch' && value !== null) write(value);
    if (line.op === 'put' && line.version === undefined) write(`v${i}`);
    if (isLost) ({ value, version, last } = before);
    return line;
  });
  const wrong = prng.below(count);
  return lines.map((line, i) =>
    i === wrong && line.version !== undefined ? { ...line, version: Math.max(0, line.version - 1) } : line,
  );
}

/** Half of them repeat values and count; half write each value once, as the harnesses do. */
function randomHistory(prng: Prng, count: number): HistoryLine[] {
  const unique = prng.chance(0.5);
  const values = unique ? Array.from({ length: count }, (_, i) => `v${i}`) : ['1', '2'];
  return Array.from({ length: count }, (_, i) => {
    const call = prng.below(12);
    const end = prng.chance(0.3) ? null : call + 1 + prng.below(8);
    const value = unique ? `v${i}` : prng.pick(values);
    switch (prng.below(6)) {
      case 0:
        return put(call, end, value, prng.chance(0.3) ? { ttl_ms: 3 } : {});
      case 1:
        return unique ? put(call, end, value) : incr(call, end, prng.between(1, 3));
      case 2:
        return op('del', call, end, { output: prng.below(2) });
      case 3:
        return op('put_if_absent', call, end, { value, output: prng.below(2) });
      case 4:
        return op('cas', call, end, { expected: prng.pick([...values, null]), value, output: prng.below(2) });
      default:
        return op('get', call, end, { output: prng.pick([...values, null]) });
    }
  });
}

/** Every order that respects real time, and every choice of unknown operations: exponential, and plain to see. */
function anyOrder(left: readonly HistoryLine[], state: KeyState): boolean {
  if (left.every((o) => o.status === 'unknown')) return true;
  const untilNs = Math.min(...left.map((o) => o.return_ns ?? Infinity));
  const gone = fade(state, untilNs);
  return left.some((o, i) => {
    if (untilNs < o.call_ns) return false;
    const rest = [...left.slice(0, i), ...left.slice(i + 1)];
    return [state, gone].some((from) => {
      const next = from === null ? null : stepKey(from, o, NO_EXPIRY_SLACK);
      return next !== null && anyOrder(rest, next);
    });
  });
}
