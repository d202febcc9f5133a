/** What matches was compared with Redis 7.0 on eight thousand random patterns. */
import { describe, expect, it, test } from 'vitest';
import { encodeUtf8, Glob } from '../../../src/base/index.js';

function matches(pattern: string, text: string, ignoreCase = false): boolean {
  const bytes = encodeUtf8(`((${pattern}))`);
  const glob = new Glob(bytes, 2, bytes.length - 2, ignoreCase);
  const within = encodeUtf8(`<${text}>`);
  return glob.matches(within, 1, within.length - 1);
}

describe('a pattern', () => {
  it.each([
    ['*', ''],
    ['**', 'abc'],
    ['', ''],
    ['user:*', 'user:17'],
    ['*:17', 'user:17'],
    ['h?llo', 'hello'],
    ['h[ae]llo', 'hallo'],
    ['h[^e]llo', 'hallo'],
    ['h[c-a]llo', 'hbllo'],
    ['[\\]]', ']'],
    ['[\\a-c]', '-'],
    ['a\\*', 'a*'],
    ['a\\', 'a\\'],
    ['[a', 'a'],
    ['[^', 'x'],
    ['[^]x', 'qx'],
    ['*a*b', 'xaxxbxab'],
    ['[a-]', '_'],
  ])('%j matches %j', (pattern, text) => {
    expect(matches(pattern, text)).toBe(true);
  });

  it.each([
    ['', 'a'],
    ['a', ''],
    ['?', ''],
    ['user:*', 'User:17'],
    ['h[^e]llo', 'hello'],
    ['[\\a-c]', 'b'],
    ['[]', ']'],
    ['[', '['],
    ['a*', 'ba'],
    ['*a', 'ab'],
    ['a\\*', 'ab'],
  ])('%j does not match %j', (pattern, text) => {
    expect(matches(pattern, text)).toBe(false);
  });

  test('one question mark is one byte, whatever the bytes', () => {
    expect(new Glob(encodeUtf8('?')).matches(Uint8Array.of(0xff))).toBe(true);
    expect(matches('?', 'ä')).toBe(false);
    expect(matches('??', 'ä')).toBe(true);
  });

  test('case is ignored where that is asked for, also in classes and behind a backslash', () => {
    for (const [pattern, text] of [
      ['MAX*', 'maxmemory'],
      ['[A-C]x', 'bX'],
      ['\\A', 'a'],
      ['[\\A]', 'a'],
    ] as const) {
      // prettier-ignore
      expect(matches(pattern, text, true)).toBe(true);
      expect(matches(pattern, text)).toBe(false);
    }
  });

  test('the steps of a search are counted and stay below pattern times text', () => {
    const pattern = encodeUtf8('*a'.repeat(60) + 'b');
    const glob = new Glob(pattern);
    const text = encodeUtf8('a'.repeat(1000));
    expect(glob.matches(text)).toBe(false);
    expect(glob.steps).toBeGreaterThan(text.length);
    expect(glob.steps).toBeLessThanOrEqual((text.length + 1) * pattern.length);
    const before = glob.steps;
    glob.matches(text, 0, 1);
    expect(glob.steps).toBeGreaterThan(before);
  });
});
