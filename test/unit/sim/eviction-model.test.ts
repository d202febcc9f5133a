/** Under a budget a key may be gone at any moment, and that is all that the check lets through besides. */
import { expect, test } from 'vitest';
import { checkKey } from '../../support/check-linearizability.js';
import type { HistoryLine, HistoryOp, HistoryValue } from '../../support/history-record.js';

interface Told {
  readonly value?: HistoryValue;
  readonly output?: HistoryValue;
  readonly unknown?: boolean;
}

/** One operation after the other, a millisecond each. */
function history(...ops: readonly (readonly [HistoryOp, Told])[]): HistoryLine[] {
  return ops.map(([op, { value = null, output = null, unknown = false }], i) => ({
    client: 1,
    key: 'k',
    op,
    value,
    expected: null,
    output: unknown ? null : output,
    status: unknown ? 'unknown' : 'ok',
    call_ns: 2 * i * 1e6,
    return_ns: unknown ? null : (2 * i + 1) * 1e6,
  }));
}

function verdicts(...ops: readonly (readonly [HistoryOp, Told])[]): [boolean, boolean] {
  const lines = history(...ops);
  const of = (evicts: boolean): boolean =>
    checkKey(lines, { bounds: { earlyMs: 0, lateMs: 0, evicts } }).kind === 'linearizable';
  return [of(false), of(true)];
}

test('E92 a value that vanished is legal under a budget only', () => {
  expect(verdicts(['put', { value: 'a' }], ['get', { output: null }])).toEqual([false, true]);
  expect(verdicts(['put', { value: 'a' }], ['put_if_absent', { value: 'b', output: 1 }])).toEqual([
    false,
    true,
  ]);
  expect(verdicts(['put', { value: 'a' }], ['del', { output: 0 }])).toEqual([false, true]);
});

test('what is gone stays gone, and no other value shows', () => {
  expect(verdicts(['put', { value: 'a' }], ['get', {}], ['get', { output: 'a' }])).toEqual([false, false]);
  const twice = [
    ['put', { value: 'a' }],
    ['put', { value: 'b' }],
    ['get', { output: 'a' }],
  ] as const;
  expect(verdicts(...twice)).toEqual([false, false]);
});

test('a counter goes on, or begins anew', () => {
  const start = [
    ['incr', { value: 1, output: 1 }],
    ['incr', { value: 1, output: 2 }],
  ] as const;
  expect(verdicts(...start, ['incr', { value: 1, output: 3 }])).toEqual([true, true]);
  expect(verdicts(...start, ['incr', { value: 1, output: 1 }])).toEqual([false, true]);
  expect(verdicts(...start, ['incr', { value: 1, output: 2 }])).toEqual([false, false]);
});

test('an INCR of unknown outcome leaves both open, until an answer tells', () => {
  const start = [
    ['incr', { value: 1, output: 1 }],
    ['incr', { value: 1, output: 2 }],
    ['incr', { value: 1, unknown: true }],
  ] as const;
  expect(verdicts(...start, ['get', { output: '3' }])).toEqual([true, true]);
  expect(verdicts(...start, ['get', { output: '1' }])).toEqual([false, true]);
  expect(verdicts(...start, ['incr', { value: 1, output: 2 }])).toEqual([false, true]);
  expect(verdicts(...start, ['get', { output: '4' }])).toEqual([false, false]);
  expect(verdicts(...start, ['get', { output: '1' }], ['get', { output: '3' }])).toEqual([false, false]);
});
