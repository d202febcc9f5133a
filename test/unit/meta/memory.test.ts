/** Settings of the cluster and shares of memory in group 0: idempotent and versioned. */
import { describe, expect, it } from 'vitest';
import {
  applyMetaCommand,
  decodeMetaState,
  encodeMetaState,
  encodeSetting,
  encodeShares,
  SETTINGS_MAX,
  type MetaState,
} from '../../../src/meta/index.js';
import { makeState } from '../../support/loop-meta.js';

const after = (state: MetaState, command: Uint8Array): MetaState => applyMetaCommand(state, command).state;

describe('settings', () => {
  it('are set, changed and taken back, each once', () => {
    const first = makeState(3);
    const set = after(first, encodeSetting('eviction.policy', 'lru'));
    expect(set.settings).toEqual([{ name: 'eviction.policy', value: 'lru' }]);
    expect(set.mapVersion).toBe(first.mapVersion + 1);
    expect(after(set, encodeSetting('eviction.policy', 'lru'))).toBe(set);
    const both = after(set, encodeSetting('a', '1'));
    expect(both.settings.map(({ name }) => name)).toEqual(['a', 'eviction.policy']);
    const back = after(both, encodeSetting('eviction.policy', ''));
    expect(back.settings).toEqual([{ name: 'a', value: '1' }]);
    expect(after(back, encodeSetting('eviction.policy', ''))).toBe(back);
    expect(decodeMetaState(encodeMetaState(both))).toEqual(both);
  });

  it('are bounded', () => {
    let state = makeState(1);
    for (let i = 0; i < SETTINGS_MAX; i++) state = after(state, encodeSetting(`s${i}`, 'x'));
    expect(() => after(state, encodeSetting('more', 'x'))).toThrow(RangeError);
    expect(() => after(state, encodeSetting('s1', 'x'.repeat(2000)))).toThrow(RangeError);
    expect(() => after(state, encodeSetting('', 'x'))).toThrow(RangeError);
  });
});

describe('shares', () => {
  it('are taken only by the state that they were computed from, and bear its next version', () => {
    const first = makeState(3);
    const share = { group: 1, bytesMax: 1000, itemsMax: 0 };
    expect(after(first, encodeShares(first.mapVersion + 1, [share]))).toBe(first);
    const next = after(first, encodeShares(first.mapVersion, [share, { ...share, group: 9999 }]));
    expect(next.shares).toEqual([{ ...share, version: first.mapVersion + 1 }]);
    expect(next.mapVersion).toBe(first.mapVersion + 1);
    expect(after(next, encodeShares(next.mapVersion, [share]))).toBe(next);
  });
});
