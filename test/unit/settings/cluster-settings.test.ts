/** Sizes and settings as people give them: what is taken, and what is said about what isn't. */
import { describe, expect, it } from 'vitest';
import {
  clusterSettingsOf,
  describeByteSize,
  loadSettings,
  parseByteSize,
  readClusterSetting,
} from '../../../src/settings/index.js';

describe('sizes', () => {
  it.each([
    ['0', 0],
    ['1024', 1024],
    ['1k', 1000],
    ['1kb', 1024],
    ['512mb', 512 * 1024 ** 2],
    ['2GB', 2 * 1024 ** 3],
    ['3GiB', 3 * 1024 ** 3],
  ])('%s', (text, bytes) => expect(parseByteSize(text)).toBe(bytes));

  it.each(['', 'mb', '-1mb', '1.5gb', '1zb', '12 34', '999999999999999tb', '1ib'])('%s is none', (text) =>
    expect(parseByteSize(text)).toBeNull(),
  );

  it('are told in the shortest exact form', () => {
    expect([512 * 1024 ** 2, 1025, 1024 ** 4].map(describeByteSize)).toEqual(['512mb', '1025', '1tb']);
  });
});

describe('settings of the cluster', () => {
  it('are kept in one form', () => {
    expect(readClusterSetting('eviction.policy', 'LRU')).toEqual({ ok: true, value: 'lru' });
    expect(readClusterSetting('memory.max', '2048MiB')).toEqual({ ok: true, value: '2gb' });
    expect(readClusterSetting('memory.maxItems', '5')).toEqual({ ok: true, value: '5' });
  });

  it.each([
    ['eviction.policy', 'lfu', 'eviction.policy: expected none, lru, s3fifo; got "lfu"'],
    ['memory.max', '512kb', 'at least 1mb'],
    ['memory.max', 'much', 'at least 1mb'],
    ['memory.maxItems', '0', 'from 1 on'],
    [
      'memory.min',
      '1',
      'there is no cluster setting "memory.min": there are eviction.policy, memory.max, memory.maxItems',
    ],
  ])('%s = %s is refused, and it is said what is accepted', (name, value, words) => {
    const read = readClusterSetting(name, value);
    expect(read.ok ? '' : read.problem).toContain(words);
  });

  it('fall back to their defaults, also where a value is of another version', () => {
    const defaults = { evictionPolicy: 's3fifo', memoryBytesMax: 0, memoryItemsMax: 0 };
    expect(clusterSettingsOf([])).toEqual(defaults);
    expect(clusterSettingsOf([{ name: 'eviction.policy', value: 'newer' }])).toEqual(defaults);
    const settings = [
      { name: 'eviction.policy', value: 'none' },
      { name: 'memory.max', value: '1gb' },
      { name: 'memory.maxItems', value: '7' },
    ];
    expect(clusterSettingsOf(settings)).toEqual({
      evictionPolicy: 'none',
      memoryBytesMax: 1024 ** 3,
      memoryItemsMax: 7,
    });
  });
});

describe('memory.max of a node', () => {
  const load = (text: string): ReturnType<typeof loadSettings> =>
    loadSettings({ flags: new Map([['memory.max', text]]), environment: {}, file: null, stored: null });

  it.each([
    ['auto', 'auto'],
    ['0', 0],
    ['512mb', 512 * 1024 ** 2],
  ])('takes %s', (text, value) => {
    const result = load(text);
    expect(result.ok && result.loaded.settings.memory.max).toBe(value);
  });

  it.each(['100', '1.5gb', 'lots'])('refuses %s, naming what it takes', (text) => {
    const result = load(text);
    const problems = result.ok ? '' : result.problems.join();
    expect(problems).toContain('memory.max');
    expect(problems).toContain('a size of at least 1mb');
  });
});
