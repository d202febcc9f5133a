/**
 * Redis' patterns, over bytes: `*`, `?`, `[a-z]`, `[^…]`, and a backslash before a byte that is meant as itself. A class
 * that isn't closed ends with the pattern; in a class, an escaped byte begins no range.
 *
 * Only the last star is ever tried again, so that no text takes more than pattern x text steps. A search through many
 * texts bounds its work by `steps`.
 */
const STAR = 0x2a;
const QUESTION = 0x3f;
const OPEN = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE = 0x5d;
const CARET = 0x5e;
const DASH = 0x2d;

export class Glob {
  /** Comparisons made so far, by all calls of `matches`. */
  steps = 0;

  /** The pattern is `pattern[start, end)`, which must stay as it is. `ignoreCase` holds for ASCII letters. */
  constructor(
    private readonly pattern: Uint8Array,
    private readonly start = 0,
    private readonly end = pattern.length,
    private readonly ignoreCase = false,
  ) {}

  /** Whether all of `text[start, end)` matches. Allocates nothing. */
  matches(text: Uint8Array, start = 0, end = text.length): boolean {
    const { pattern: p, end: pEnd } = this;
    let pi = this.start;
    let ti = start;
    let starAt = -1;
    let starText = start;
    while (ti < end) {
      this.steps++;
      if (pi < pEnd && p[pi] === STAR) {
        starAt = pi++;
        starText = ti;
        continue;
      }
      const next = pi < pEnd ? this.matchOne(pi, this.fold(text[ti] as number)) : -1;
      if (next >= 0) {
        pi = next;
        ti++;
      } else if (starAt >= 0) {
        pi = starAt + 1;
        ti = ++starText;
      } else {
        return false;
      }
    }
    while (pi < pEnd && p[pi] === STAR) pi++;
    return pi === pEnd;
  }

  /** Where the pattern goes on when its element at `pi` matches the (folded) byte, else -1. */
  private matchOne(pi: number, byte: number): number {
    const { pattern: p, end } = this;
    const c = p[pi] as number;
    if (c === QUESTION) return pi + 1;
    if (c === OPEN) return this.matchClass(pi + 1, byte);
    if (c === BACKSLASH && pi + 1 < end) return this.at(pi + 1) === byte ? pi + 2 : -1;
    return this.fold(c) === byte ? pi + 1 : -1;
  }

  /** As `matchOne`, from behind the bracket. */
  private matchClass(from: number, byte: number): number {
    const { pattern: p, end } = this;
    const negated = from < end && p[from] === CARET;
    let found = false;
    let i = negated ? from + 1 : from;
    for (; i < end; i++) {
      this.steps++;
      if (p[i] === BACKSLASH && i + 1 < end) {
        if (this.at(++i) === byte) found = true;
      } else if (p[i] === CLOSE) {
        break;
      } else if (i + 2 < end && p[i + 1] === DASH) {
        const one = this.at(i);
        const other = this.at(i + 2);
        if (byte >= Math.min(one, other) && byte <= Math.max(one, other)) found = true;
        i += 2;
      } else if (this.at(i) === byte) {
        found = true;
      }
    }
    return found !== negated ? Math.min(i + 1, end) : -1;
  }

  private at(i: number): number {
    return this.fold(this.pattern[i] as number);
  }

  private fold(byte: number): number {
    return this.ignoreCase && byte >= 0x41 && byte <= 0x5a ? byte + 0x20 : byte;
  }
}
