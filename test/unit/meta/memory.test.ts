/** Settings of the cluster and shares of memory in group 0: idempotent, versioned, and pinned as bytes. */
import { readFileSync } from 'node:fs';
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
import { META_STATE } from '../node/golden-samples.js';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');
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

describe('bytes of group 0, version 4', () => {
  const golden = JSON.parse(
    readFileSync(new URL('../../golden/meta-v4.json', import.meta.url), 'utf8'),
  ) as Record<string, string>;
  const commands = [
    encodeSetting('eviction.policy', 'none'),
    encodeShares(META_STATE.mapVersion + 1, [{ group: 1, bytesMax: 2 ** 40, itemsMax: 5 }]),
  ];

  it('are what this program writes, and readable', () => {
    const state = commands.reduce(after, META_STATE);
    expect({ commands: commands.map(hex).join(' '), state: hex(encodeMetaState(state)) }).toEqual(golden);
    expect(decodeMetaState(Buffer.from(golden['state'] ?? '', 'hex'))).toEqual(state);
  });

  it('are those of version 3 where there is neither', () => {
    expect(encodeMetaState(META_STATE)[0]).toBe(3);
  });
});
