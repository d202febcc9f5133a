/**
 * Inline commands: a line of words, as typed into telnet. Words are separated by blanks; "…" takes \xHH, \n, \r, \t,
 * \b, \a and a backslash before anything else; '…' takes \' only; a closing quote must be followed by a blank.
 */
import type { ByteWriter } from '../../base/index.js';

const TAB = 9;
const LF = 10;
const CR = 13;
const SPACE = 32;
const DOUBLE_QUOTE = 34;
const SINGLE_QUOTE = 39;
const BACKSLASH = 92;
const LOWER_X = 120;

/** Takes the words in order; `end` of the last one is the writer's length. */
export interface WordSink {
  /** A word was written to `bytes[start, end)` of the writer. */
  word(start: number, end: number): void;
}

/** Splits `line[start, end)` into `words`, unquoted into `out`. False when a quote isn't closed as it must be. */
export function splitInline(
  line: Uint8Array,
  start: number,
  end: number,
  out: ByteWriter,
  words: WordSink,
): boolean {
  let i = start;
  for (;;) {
    while (i < end && isBlank(line[i] as number)) i++;
    if (i >= end) return true;
    const wordStart = out.length;
    let quote = 0;
    for (; i < end; i++) {
      const c = line[i] as number;
      if (quote === 0) {
        if (endsWord(c)) break;
        if (c === DOUBLE_QUOTE || c === SINGLE_QUOTE) quote = c;
        else out.u8(c);
      } else if (c === quote) {
        if (i + 1 < end && !isBlank(line[i + 1] as number)) return false;
        quote = 0;
      } else if (c === BACKSLASH && quote === DOUBLE_QUOTE && i + 1 < end) {
        i = unescape(line, i + 1, end, out);
      } else if (c === BACKSLASH && quote === SINGLE_QUOTE && line[i + 1] === SINGLE_QUOTE && i + 1 < end) {
        out.u8(SINGLE_QUOTE);
        i++;
      } else {
        out.u8(c);
      }
    }
    if (quote !== 0) return false;
    words.word(wordStart, out.length);
  }
}

/** Writes what stands behind a backslash at `at`; returns the last position used. */
function unescape(line: Uint8Array, at: number, end: number, out: ByteWriter): number {
  const c = line[at] as number;
  if (c === LOWER_X && at + 2 < end) {
    const high = hexDigit(line[at + 1] as number);
    const low = hexDigit(line[at + 2] as number);
    if (high >= 0 && low >= 0) {
      out.u8(high * 16 + low);
      return at + 2;
    }
  }
  out.u8(ESCAPES.get(c) ?? c);
  return at;
}

/** n r t b a */
const ESCAPES: ReadonlyMap<number, number> = new Map([
  [110, 10],
  [114, 13],
  [116, 9],
  [98, 8],
  [97, 7],
]);

/** Fewer than the blanks between words, as in Redis: a vertical tab or a form feed is a part of a word. */
function endsWord(c: number): boolean {
  return c === SPACE || c === TAB || c === LF || c === CR;
}

/** Blanks of C's isspace, TAB to CR and the space. */
function isBlank(c: number): boolean {
  return c === SPACE || (c >= TAB && c <= CR);
}

function hexDigit(c: number): number {
  if (c >= 48 && c <= 57) return c - 48;
  const lower = c | 32;
  return lower >= 97 && lower <= 102 ? lower - 87 : -1;
}
