/**
 * Redis' patterns: `*`, `?`, `[a-z]`, `[^…]` and a backslash before a character meant as itself. Case doesn't count.
 * Only the last star is ever tried again, so that no pattern takes more than pattern x text steps.
 */
export function matchesGlob(pattern: string, text: string): boolean {
  const p = pattern.toLowerCase();
  const t = text.toLowerCase();
  let pi = 0;
  let ti = 0;
  let starAt = -1;
  let starText = 0;
  while (ti < t.length) {
    if (p[pi] === '*') {
      starAt = pi++;
      starText = ti;
      continue;
    }
    const next = pi < p.length ? matchOne(p, pi, t.charCodeAt(ti)) : -1;
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
  while (p[pi] === '*') pi++;
  return pi >= p.length;
}

/** Where the pattern goes on when its element at `pi` matches the character, else -1. */
function matchOne(p: string, pi: number, character: number): number {
  const c = p[pi];
  if (c === '?') return pi + 1;
  if (c === '[') return matchClass(p, pi + 1, character);
  if (c === '\\' && pi + 1 < p.length) return p.charCodeAt(pi + 1) === character ? pi + 2 : -1;
  return p.charCodeAt(pi) === character ? pi + 1 : -1;
}

/** As `matchOne`, from behind the bracket. A class that isn't closed ends with the pattern. */
function matchClass(p: string, from: number, character: number): number {
  const negated = p[from] === '^';
  let i = negated ? from + 1 : from;
  let found = false;
  for (; i < p.length && p[i] !== ']'; i++) {
    if (p[i] === '\\' && i + 1 < p.length) i++;
    const low = p.charCodeAt(i);
    let high = low;
    if (p[i + 1] === '-' && i + 2 < p.length) {
      high = p.charCodeAt(i + 2);
      i += 2;
    }
    if (character >= Math.min(low, high) && character <= Math.max(low, high)) found = true;
  }
  return found !== negated ? Math.min(i + 1, p.length) : -1;
}
