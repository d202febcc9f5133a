import { describe, expect, it } from 'vitest';
import { matchesGlob } from '../../../../src/api/resp/glob.js';

describe('patterns', () => {
  it.each([
    ['*', ''],
    ['*', 'anything'],
    ['max*', 'maxmemory'],
    ['*mem*', 'maxmemory'],
    ['MAX*', 'maxmemory'],
    ['m?x', 'max'],
    ['m[a-c]x', 'max'],
    ['m[c-a]x', 'max'],
    ['m[^b]x', 'max'],
    ['a\\*b', 'a*b'],
    ['a[\\]]b', 'a]b'],
    ['*a*b*c', 'xaxbxaxbxc'],
    ['[a', 'a'],
  ])('%s matches %s', (pattern, text) => {
    expect(matchesGlob(pattern, text)).toBe(true);
  });

  it.each([
    ['', 'a'],
    ['a', ''],
    ['max', 'maxmemory'],
    ['m?x', 'mx'],
    ['m[^a]x', 'max'],
    ['a\\*b', 'axb'],
    ['*ab', 'aba'],
    ['[a', 'b'],
  ])('%j does not match %j', (pattern, text) => {
    expect(matchesGlob(pattern, text)).toBe(false);
  });

  it('many stars take no exponential time', () => {
    expect(matchesGlob('*a'.repeat(60) + 'b', 'a'.repeat(128))).toBe(false);
  });
});
